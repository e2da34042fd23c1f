"""Columns of the table of results that both its writer and its readers name."""

from __future__ import annotations

from typing import Final

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
