"""Scores of cells, read from the table of all runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

from pdbench.core.errors import DataError, UsageError
from pdbench.evidence.intervals import Interval, t_interval
from pdbench.study import Cell, Study

Split: TypeAlias = Literal["dev", "test", "submission"]
"""submission: GLUE's test split, of runs whose predictions its server has scored."""
TEACHER = "teacher"


@dataclass(frozen=True)
class Score:
    """The runs of one cell on one split, in per cent.

    Attributes:
        runs: One score a seed, at the grid point that is best on dev, in order of the seeds.
            Empty when a run of the cell is missing: a cell is whole or it is missing.
        degenerate: How many of the runs predict one class only.
        majority: The accuracy of always answering the largest class; None where unknown.
    """

    runs: tuple[float, ...]
    degenerate: int
    majority: float | None = None

    @property
    def interval(self) -> Interval:
        """Mean and 95% t interval over the seeds."""
        return t_interval(self.runs)


class Scores:
    """Looks up the scores of a study's cells.

    Args:
        study: The study that the runs belong to.
        frame: ``results.parquet`` as a pandas DataFrame, one row a run.
    """

    def __init__(self, study: Study, frame: Any) -> None:
        self.study = study
        self.frame = frame

    @cached_property
    def _selected(self) -> dict[str, Any]:
        rows = self.frame[self.frame["selected"] & (self.frame["method"] != TEACHER)]
        ordered = rows.sort_values("seed_index", kind="stable")
        return dict(iter(ordered.groupby("cell", sort=False)))

    def of(self, cell: Cell, split: Split = "test", metric: str | None = None) -> Score:
        """Return a cell's scores on a split; the metric is the task's first by default."""
        column = self._column(split, metric or self.study.tasks[cell.task].metrics[0])
        rows = self._whole(cell)
        return Score((), 0) if rows is None else _score(rows, column)

    def teacher(self, task: str, split: Split = "test", metric: str | None = None) -> Score:
        """Return the scores of a task's teacher; no runs when there is none."""
        column = self._column(split, metric or self.study.tasks[task].metrics[0])
        return _score(self._teachers(task), column)

    def teacher_key(self, task: str) -> str | None:
        """The key of a task's teacher; None when there is none."""
        rows = self._teachers(task)
        return str(rows["cell"].iloc[0]) if len(rows) else None

    def is_whole(self, cell: Cell) -> bool:
        """Whether all runs of a cell are there."""
        return self._whole(cell) is not None

    def by_task(self) -> Iterator[tuple[str, Any]]:
        """Every task with the rows of its teacher and of its whole cells, one row a run."""
        import pandas as pd

        for task in self.study.tasks:
            cells = (cell for cell in self.study.seeds if cell.task == task)
            found = [rows for cell in cells if (rows := self._whole(cell)) is not None]
            if found:
                yield task, pd.concat([self._teachers(task), *found])

    def labels(self, task: str) -> Any:
        """The true labels of a task's test examples, (N,), which one of its rows carries.

        Raises:
            DataError: The table has none.
        """
        found = stored_labels(self.frame, task)
        if found is None:
            what = f"results.parquet: no test labels of task {task!r}"
            raise DataError(what, "collect the results again")
        return found

    def _whole(self, cell: Cell) -> Any:
        rows = self._selected.get(cell.key)
        return None if rows is None or len(rows) < self.study.seeds[cell] else rows

    def _teachers(self, task: str) -> Any:
        return self.frame[(self.frame["method"] == TEACHER) & (self.frame["task"] == task)]

    def _column(self, split: Split, metric: str) -> str:
        column = f"{split}_{metric}"
        if split != "submission" and column not in self.frame.columns:
            raise DataError(f"results.parquet: no column {column!r}", "run `pdbench collect` again")
        return column


def refuse_others(study: Study, frame: Any) -> None:
    """Refuse results of another study, whose cells may have the same names.

    Raises:
        UsageError: They are.
    """
    for name in sorted(set(frame["study"]) - {study.name}):
        what = f"the results are those of study {name!r}, not {study.name!r}"
        raise UsageError(what, "name their study")


def stored_labels(frame: Any, task: str) -> Any:
    """The true labels of a task's test examples, (N,), which one of its rows has, or None."""
    if "test_labels" not in frame:
        return None
    found = frame.loc[frame["task"] == task, "test_labels"].dropna()
    return found.iloc[0] if len(found) else None


def _score(rows: Any, column: str) -> Score:
    split = column.partition("_")[0]
    if split == "submission":  # of one run, once a server has answered
        answered = rows[column].dropna() if column in rows else ()
        return Score(tuple(100 * float(value) for value in answered), 0)
    runs = tuple(100 * float(value) for value in rows[column])
    majority = rows.get(f"majority_{split}")
    share = None if majority is None or not len(rows) else 100 * float(majority.iloc[0])
    return Score(runs, int(rows["degenerate"].sum()), share)
