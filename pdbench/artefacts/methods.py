"""Table of methods: what each initialisation and each stage does, and what it reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

from pdbench.artefacts.context import Context
from pdbench.artefacts.tables import Drawn, Row, Table
from pdbench.study import Initialisation, Method, Objective, Stage
from pdbench.study.methods import Data


@dataclass(frozen=True)
class Step:
    """One step on the way to a student.

    Attributes:
        kind: Initialisation, objective or class of an objective of its own.
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


_MASKED_LM = "masked-LM cross-entropy"

INITIALISATIONS: dict[Initialisation, Step] = {
    "random": Step("random", "Random weights"),
    "embeddings": Step("embeddings", "Pre-trained word embeddings only", "D_LM", _MASKED_LM),
    "truncated": Step(
        "truncated", "First layers of a deeper pre-trained model", "D_LM", _MASKED_LM
    ),
    "pretrained": Step("pretrained", "Pre-training at its own size", "D_LM", _MASKED_LM),
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


_OF_STAGE: dict[Data, str] = {"transfer": "D_T", "labelled": "D_L"}
_CAPTION = (
    "Methods side by side, from their definitions in config/methods.yaml: what the student's "
    "weights begin as, the training stages that follow, the loss of each, the data that it "
    "reads, and what the teacher must expose. "
    f"{'; '.join(f'{name}: {meaning}' for name, meaning in DATA.items())}. "
    "Distillation by itself has no temperature and no hard labels; stages that share the updates "
    "of one data set have as many together as a method of one stage."
)
_COLUMNS = ("Method", "Id", "Begins as", "Stages", "Losses", "Data", "Teacher exposes")


def draw(context: Context) -> Drawn:
    """Write one row a method, in the order of the file."""
    methods = context.study.methods
    rows = tuple(_cells(name, method) for name, method in methods.items())
    plain: list[Row] = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
    table = Table("Methods", _COLUMNS, rows, align="l" * len(_COLUMNS))
    return Drawn(plain, _CAPTION, [table])


def _cells(name: str, method: Method) -> tuple[str, ...]:
    start, *stages = steps(method)
    data = [step.data for step in (start, *stages) if step.data]
    losses = [start.loss] if method.pretraining else []
    losses += [stage.loss for stage in stages]
    exposed = [step.teacher for step in (start, *stages) if step.teacher]
    return (
        method.name,
        name,
        start.name,
        ", then ".join(stage.name.lower() for stage in stages),
        ", then ".join(losses),
        ", ".join(dict.fromkeys(data)),
        ", ".join(dict.fromkeys(exposed)) or "nothing",
    )


def steps(method: Method) -> Iterator[Step]:
    """The steps of a method from its definition, in order.

    Raises:
        UsageError: An objective of its own cannot be imported.
    """
    yield _start(method)
    for stage in method.stages:
        step = _own(stage) if stage.is_custom else OBJECTIVES[cast("Objective", stage.objective)]
        share = "" if stage.share == 1 else f" ({stage.share:.0%} of the updates)"
        yield replace(step, name=step.name + share)


def _start(method: Method) -> Step:
    step = INITIALISATIONS[method.initialisation]
    if method.pretraining is None:
        return step
    from pdbench.methods import objective

    found = objective.objective_class(method.pretraining.objective, objective.PretrainingObjective)
    own = {"kind": method.pretraining.name, "name": found.title}
    return replace(step, **own, loss=found.formula, teacher=found.exposes)


def _own(stage: Stage) -> Step:
    from pdbench.methods import objective  # and torch, only for methods that have one

    found = objective.objective_class(stage.objective, objective.Objective)
    data = _OF_STAGE[stage.data]
    return Step(stage.name, found.title, data, found.formula, found.exposes)
