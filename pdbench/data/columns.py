"""Names of what is on disk that its writers and its readers share: splits, files, columns."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pdbench.core.entries import RECORD, read_record
from pdbench.core.errors import DataError

SPLITS = ("train", "dev", "test")

TEXT = "text.parquet"
"""The file of the texts of a split or of an unlabelled text."""

SUBMISSION = "submission"
"""The published test split whose labels are hidden: its predictions go to a server."""

SCHEMA_VERSION: Final = 1
"""The version of run records and of the table of them."""

TEACHER = "teacher"
"""What stands as the method of a teacher's run."""

TEST_PREDICTIONS = "test_predictions"

TEST_LABELS = "test_labels"
"""The true labels of a task's test examples, in one of its rows."""


IMPORTED = "imported"
"""The column that says whether another code base trained a run."""

BUDGET = {
    "steps": "updates",
    "examples": "items seen",
    "labelled_items": "labelled items",
    "grid_points": "grid points",
}
"""What whoever imports a run may state of its budget, by column; what is not stated is none."""


def examples_column(metric: str) -> str:
    """The column with what each test example scores."""
    return f"test_{metric}_examples"


PREDICTIONS, PROBABILITIES = "predictions", "probabilities"
"""What a model answers."""

LOSSES = "losses.npy"
"""The file of the training loss of every update of a run, stage after stage."""


def answers_file(answers: str, split: str, task: str = "", host: str = "") -> str:
    """The file of what a model of the task ``host`` answers on a split, also of another task."""
    return f"{'' if task == host else f'{task}.'}{split}_{answers}.npy"


def predictions_file(split: str, task: str = "", host: str = "") -> str:
    """The file of its predictions: :func:`answers_file`."""
    return answers_file(PREDICTIONS, split, task, host)


def prepared_splits(folder: Path) -> tuple[str, ...]:
    """The splits that a prepared task has."""
    if not (folder / RECORD).is_file():
        raise DataError(f"{folder}: not there", "prepare the tasks and texts first")
    return tuple(read_record(folder)["splits"])
