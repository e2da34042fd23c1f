"""Methods: an initialisation and a list of training stages."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import AfterValidator, Field, model_serializer, model_validator

from pdbench.study.settings import MayBeWritten, Strict, Title

Initialisation: TypeAlias = Literal["random", "embeddings", "truncated", "pretrained"]
Objective: TypeAlias = Literal["distill", "finetune"]
StageData: TypeAlias = Literal["transfer", "labelled"]

_SETTINGS: dict[StageData, Objective] = {"transfer": "distill", "labelled": "finetune"}
"""The block of ``training`` that says how a stage on these data trains."""

_CLASS = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def _checked_objective(text: str) -> str:
    known = get_args(Objective)
    if text in known or _CLASS.fullmatch(text):
        return text
    raise ValueError(f"{text!r} is no objective: write {', '.join(known)} or module:Class")


def _checked_class(text: str) -> str:
    if _CLASS.fullmatch(text):
        return text
    raise ValueError(f"{text!r} is no objective of one's own: write module:Class")


_Number: TypeAlias = (
    Annotated[int, Field(ge=-(10**13), le=10**13)] | Annotated[float, Field(allow_inf_nan=False)]
)

_NAMED = MayBeWritten(
    lambda raw: {"objective": raw} if isinstance(raw, str) else raw,
    lambda schema: [{"type": "string"}, schema],
)
"""Lets a model be written as the name of its objective alone."""


class _WithObjective(Strict):
    objective: str
    options: dict[str, bool | _Number | str | None] = Field(
        {}, description="Keyword arguments of the class; those left out are its defaults."
    )

    @property
    def name(self) -> str:
        """The objective's word, or the name of its class."""
        return self.objective.rpartition(":")[2]


class CustomObjective(_WithObjective):
    """An objective that a class defines, with its options."""

    objective: Annotated[str, AfterValidator(_checked_class)] = Field(
        description="Its class, as module:Class."
    )


class Stage(_WithObjective):
    """One training operation: an objective on some data, for a share of their updates."""

    objective: Annotated[str, AfterValidator(_checked_objective)] = Field(
        description="distill (soft cross-entropy on the transfer set), finetune (cross-entropy "
        "on the labelled set), or the class of an objective of one's own, as module:Class."
    )
    data: StageData = Field(
        "transfer",
        description="What it reads: the transfer set, with the settings training.distill, or the "
        "labelled set, with training.finetune. distill and finetune name none.",
    )
    share: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="Share of the updates that those settings ask for. Stages on the same data "
        "have at most 1 together, so that no method trains more than another.",
    )

    @model_validator(mode="before")
    @classmethod
    def _known_data(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or raw.get("objective") not in get_args(Objective):
            return raw
        own = next(data for data, name in _SETTINGS.items() if name == raw["objective"])
        if raw.get("data", own) != own or raw.get("options"):
            raise ValueError(f"{raw['objective']} reads the {own} data and has no options")
        return {**raw, "data": own}

    @model_serializer
    def _plain(self) -> dict[str, Any] | str:
        if not self.is_custom and self.share == 1:
            return self.objective
        return dict(self)

    @property
    def is_custom(self) -> bool:
        """Whether a class of its own computes the loss, from what the teacher exposes."""
        return ":" in self.objective

    @property
    def settings(self) -> Objective:
        """The block of ``training`` that says how it trains."""
        return _SETTINGS[self.data]


class Method(Strict):
    """One way to make a student: where its weights begin and what trains them."""

    name: Title = Field(description="The name printed in tables and figures.")
    initialisation: Initialisation = Field(
        description="How the student's weights begin: random; word embeddings of a pre-trained "
        "model; the first layers of a deeper pre-trained model; or pre-trained at its own size."
    )
    pretraining: Annotated[CustomObjective, _NAMED] | None = Field(
        None,
        description="The class of an objective that pre-trains the student from a deeper "
        "pre-trained model, as module:Class, or with its options; null is masked LM alone. Only "
        "for the initialisation pretrained.",
    )
    stages: Annotated[tuple[Annotated[Stage, _NAMED], ...], Field(min_length=1)] = Field(
        description="The training stages in order: distill (soft labels of the transfer set), "
        "finetune (labels of the labelled set), or an objective of one's own."
    )

    @model_validator(mode="after")
    def _fits(self) -> Method:
        if self.pretraining is not None and self.initialisation != "pretrained":
            raise ValueError("pretraining needs the initialisation pretrained")
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise ValueError(f"two stages have one name in {', '.join(names)}")
        for data in get_args(StageData):
            total = sum(stage.share for stage in self.stages if stage.data == data)
            if total > 1 + 1e-9:
                raise ValueError(f"the shares of the stages on {data} data add up to {total:g}")
        return self

    @property
    def is_imported(self) -> bool:
        """Whether another code base trained it, so that its start and stages are not known."""
        return False

    @property
    def distils(self) -> bool:
        """Whether any stage needs a transfer set and its soft labels."""
        return any(stage.data == "transfer" for stage in self.stages)

    @property
    def asks_teacher(self) -> bool:
        """Whether any stage asks the teacher itself, beyond its soft labels."""
        return any(stage.is_custom for stage in self.stages)

    @property
    def needs_corpus(self) -> bool:
        """Whether its first weights come from a pre-trained model."""
        return self.initialisation != "random"

    @property
    def shared_stages(self) -> int:
        """How many first stages leave the same model in runs that have the same points in them.

        All but the last, as far as the engine's own losses go: a class may keep what it likes.
        """
        custom = [number for number, stage in enumerate(self.stages) if stage.is_custom]
        return min([len(self.stages) - 1, *custom])

    def turn(self, number: int) -> int:
        """How many stages before a stage share its data and updates."""
        data = self.stages[number].data
        return sum(stage.data == data for stage in self.stages[:number])

    def span(self, number: int) -> tuple[float, float]:
        """From which to which share of the updates on its data a stage trains."""
        data = self.stages[number].data
        shares = [stage.share for stage in self.stages[: number + 1] if stage.data == data]
        # Both are sums from the first share: a stage begins where the one before it ends, to the
        # last bit, so that rounding neither repeats nor leaves out an update.
        return sum(shares[:-1]), sum(shares)


class ImportedMethod(Method):
    """A method of another code base, of which runs were imported: nobody here trains it."""

    initialisation: Initialisation = "random"  # not known, and nobody asks
    stages: tuple[Stage, ...] = ()

    @property
    def is_imported(self) -> bool:
        """Whether another code base trained it, so that its start and stages are not known."""
        return True
