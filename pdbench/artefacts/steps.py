"""Methods in words: what each initialisation and each stage does, and what it reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pdbench.study import Initialisation, Method, Objective


@dataclass(frozen=True)
class Step:
    """One step on the way to a student.

    Attributes:
        kind: Initialisation or objective id.
        name: What is done.
        data: What it reads: D_LM, D_T, D_L or nothing.
        loss: What it minimises, if anything.
        teacher: What the teacher must expose, if it is asked.
    """

    kind: str
    name: str
    data: str = ""
    loss: str = ""
    teacher: str = ""


MASKED_LM = "masked-LM cross-entropy"

INITIALISATIONS: dict[Initialisation, Step] = {
    "random": Step("random", "Random weights"),
    "embeddings": Step("embeddings", "Pre-trained word embeddings only", "D_LM", MASKED_LM),
    "truncated": Step("truncated", "First layers of a deeper pre-trained model", "D_LM", MASKED_LM),
    "pretrained": Step("pretrained", "Pre-training at its own size", "D_LM", MASKED_LM),
}

OBJECTIVES: dict[Objective, Step] = {
    "distill": Step(
        "distill",
        "Distillation",
        "D_T",
        "cross-entropy with the teacher's soft labels",
        "class probabilities",
    ),
    "finetune": Step("finetune", "Fine-tuning", "D_L", "cross-entropy with the labels"),
}

DATA = {
    "D_LM": "unlabelled general text",
    "D_T": "unlabelled task text (transfer set)",
    "D_L": "labelled set",
}


def steps(method: Method) -> Iterator[Step]:
    """The steps of a method from its definition, in order."""
    yield INITIALISATIONS[method.initialisation]
    for stage in method.stages:
        yield OBJECTIVES[stage]
