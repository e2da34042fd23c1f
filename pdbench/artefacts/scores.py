"""Table of scores: every task of a study that no published table is about, task by task."""

from __future__ import annotations

from pdbench.artefacts.context import Context
from pdbench.artefacts.score_tables import captioned, task_scores
from pdbench.artefacts.tables import Drawn
from pdbench.evidence import Split

_CAPTION = (
    "Scores in per cent, with the task's official metrics. The paper has no number of these tasks. "
    "Means over {seeds}, ± half a 95% t interval over seeds; a teacher is one run."
)
_SPLITS: tuple[Split, ...] = ("dev", "test")


def draw(context: Context) -> Drawn:
    """Write a dev and a test table for every task of the cells."""
    cells = context.study.artefact_cells("scores")
    by_task = {task: [c for c in cells if c.task == task] for task in context.study.tasks}
    parts = [task_scores(context, own, s) for own in by_task.values() if own for s in _SPLITS]
    return captioned(context, parts, _CAPTION, cells=cells)
