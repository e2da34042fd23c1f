"""Table of methods: where each begins, its stages, losses and data."""

from __future__ import annotations

from pdbench.artefacts.chart import Row
from pdbench.artefacts.context import Context
from pdbench.artefacts.result import Tabulation
from pdbench.artefacts.steps import DATA, steps
from pdbench.artefacts.tables import Table
from pdbench.study import Method

CAPTION = (
    "Methods side by side, from their definitions in config/methods.yaml: what the student's "
    "weights begin as, the training stages that follow, the loss of each, the data that it "
    "reads, and what the teacher must expose. "
    f"{'; '.join(f'{name}: {meaning}' for name, meaning in DATA.items())}. "
    "Distillation by itself has no temperature and no hard labels; stages that share the updates "
    "of one data set have as many together as a method of one stage."
)
COLUMNS = ("Method", "Id", "Begins as", "Stages", "Losses", "Data", "Teacher exposes")


def draw(context: Context) -> Tabulation:
    """Write one row a method, in the order of the file."""
    methods = context.study.methods
    rows = tuple(_cells(name, method) for name, method in methods.items())
    plain: list[Row] = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    return Tabulation([Table("Methods", COLUMNS, rows, align="l" * len(COLUMNS))], plain, CAPTION)


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
