"""Table of scores: every task of a study that no published table is about, task by task."""

from __future__ import annotations

from pdbench.artefacts.context import Context
from pdbench.artefacts.result import Tabulation, seeds_in_words
from pdbench.artefacts.score_tables import task_scores
from pdbench.evidence import Split

CAPTION = (
    "Scores in per cent, with the task's official metrics. The paper has no number of these tasks."
)
SPLITS: tuple[Split, ...] = ("dev", "test")


def draw(context: Context) -> Tabulation:
    """Write a dev and a test table for every task of the cells."""
    cells = context.study.artefact_cells("scores")
    by_task = {task: [c for c in cells if c.task == task] for task in context.study.tasks}
    parts = [task_scores(context, own, s) for own in by_task.values() if own for s in SPLITS]
    scores = [context.scores.of(cell) for cell in cells]
    found = seeds_in_words(sorted({len(score.runs) for score in scores} - {0}))
    missing = tuple(c.key for c, score in zip(cells, scores, strict=True) if not score.runs)
    spread = f"Means over {found}, ± half a 95% t interval over seeds; a teacher is one run."
    rows = [row for _, plain in parts for row in plain]
    return Tabulation([table for table, _ in parts], rows, f"{CAPTION} {spread}", missing)
