"""Methods: an initialisation and a list of training stages."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

Initialisation: TypeAlias = Literal["random", "embeddings", "truncated", "pretrained"]
Objective: TypeAlias = Literal["distill", "finetune"]


class Method(BaseModel):
    """One way to make a student: where its weights begin and what trains them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="The name printed in tables and figures.")
    initialisation: Initialisation = Field(
        description="How the student's weights begin: random; word embeddings of a pre-trained "
        "model; the first layers of a deeper pre-trained model; or pre-trained at its own size."
    )
    stages: Annotated[tuple[Objective, ...], Field(min_length=1)] = Field(
        description="The training stages in order: distill (soft labels of the transfer set) "
        "and finetune (labels of the labelled set)."
    )

    @property
    def distils(self) -> bool:
        """Whether any stage needs a transfer set and its soft labels."""
        return "distill" in self.stages

    @property
    def needs_corpus(self) -> bool:
        """Whether its first weights come from a pre-trained model."""
        return self.initialisation != "random"
