"""What a prepared task has: its splits, by name."""

from __future__ import annotations

from pathlib import Path

from pdbench.core.errors import DataError
from pdbench.core.files import read_json

SPLITS = ("train", "dev", "test")

SUBMISSION = "submission"
"""The published test split whose labels are hidden: its predictions go to a server."""


def predictions_file(split: str, task: str | None = None) -> str:
    """The file of a run's predictions on a split, of another task than its own if one is named."""
    return f"{split}_predictions.npy" if task is None else f"{task}.{split}_predictions.npy"


def prepared_splits(folder: Path) -> tuple[str, ...]:
    """Return the splits that a prepared task has."""
    path = folder / "task.json"
    if not path.is_file():
        raise DataError(f"{path}: missing", "prepare the tasks and texts first")
    return tuple(read_json(path)["splits"])
