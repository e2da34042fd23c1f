"""Names of what is on disk that its writers and its readers share: splits, files, columns."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pdbench.core.errors import DataError
from pdbench.core.files import read_json

SPLITS = ("train", "dev", "test")

SUBMISSION = "submission"
"""The published test split whose labels are hidden: its predictions go to a server."""

SCHEMA_VERSION: Final = 1
"""The version of run records and of the table of them."""

TEACHER = "teacher"
"""What stands as the method of a teacher's run."""

TEST_PREDICTIONS = "test_predictions"

TEST_LABELS = "test_labels"
"""The true labels of a task's test examples, in one of its rows."""


def examples_column(metric: str) -> str:
    """The column with what each test example scores."""
    return f"test_{metric}_examples"


def predictions_file(split: str, task: str = "", host: str = "") -> str:
    """The file of what a model of the task ``host`` predicts on a split, also of another task."""
    return f"{'' if task == host else f'{task}.'}{split}_predictions.npy"


def prepared_splits(folder: Path) -> tuple[str, ...]:
    """The splits that a prepared task has."""
    path = folder / "task.json"
    if not path.is_file():
        raise DataError(f"{path}: missing", "prepare the tasks and texts first")
    return tuple(read_json(path)["splits"])
