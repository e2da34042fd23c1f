"""Scores of cells, read from the table of all runs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

from pdbench.errors import DataError
from pdbench.evidence.intervals import Interval, t_interval
from pdbench.study import Cell, Study

Split: TypeAlias = Literal["dev", "test"]
TEACHER = "teacher"


@dataclass(frozen=True)
class Score:
    """The runs of one cell on one split, in per cent.

    Attributes:
        runs: One score a seed, at the grid point that is best on dev, in order of the seeds.
            Empty when a run of the cell is missing: a cell is whole or it is missing.
        degenerate: How many of the runs predict one class only.
    """

    runs: tuple[float, ...]
    degenerate: int

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
        rows = self._selected.get(cell.key)
        if rows is None or len(rows) < self.study.seeds[cell]:
            return Score((), 0)
        runs = tuple(100 * float(value) for value in rows[column])
        return Score(runs, int(rows["degenerate"].sum()))

    def teacher(self, task: str, split: Split = "test", metric: str | None = None) -> Score:
        """Return the scores of a task's teacher; no runs when there is none."""
        column = self._column(split, metric or self.study.tasks[task].metrics[0])
        rows = self.frame[(self.frame["method"] == TEACHER) & (self.frame["task"] == task)]
        runs = tuple(100 * float(value) for value in rows[column])
        return Score(runs, int(rows["degenerate"].sum()))

    def _column(self, split: Split, metric: str) -> str:
        column = f"{split}_{metric}"
        if column not in self.frame.columns:
            raise DataError(f"results.parquet: no column {column!r}", "run `pdbench collect` again")
        return column
