"""The two sides of a comparison: the runs of one table, by cell, and whether they are all there."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from pdbench.evidence.scores import TEACHER, stored_labels
from pdbench.study import Architecture, Cell, Study
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job

PREDICTIONS = "test_predictions"
AXES = ("transfer", "corpus")


class Side:
    """The runs of a study in one table.

    Args:
        study: The study that says which runs there must be.
        frame: Collected results, one row a run.
        stored: Whether they are of an earlier time, when settings and code may have been others.
    """

    def __init__(self, study: Study, frame: Any, *, stored: bool = False) -> None:
        self.study = study
        self.frame = frame
        self._stored = stored
        self._labels: dict[str, Any] = {}

    @cached_property
    def _by_cell(self) -> dict[str, Any]:
        rows = self.frame[self.frame["method"] != TEACHER]
        ordered = rows.sort_values(["seed_index", "run"], kind="stable")
        return {str(key): found for key, found in ordered.groupby("cell", sort=False)}

    @cached_property
    def _chosen(self) -> dict[str, Any]:
        return {key: rows[rows["selected"].astype(bool)] for key, rows in self._by_cell.items()}

    @property
    def keys(self) -> set[str]:
        """The cells that have any run."""
        return set(self._by_cell)

    def cell(self, key: str) -> Cell:
        """The cell that runs belong to, from their own columns."""
        row = self.runs(key).iloc[0]
        transfer, corpus = (row[name] if isinstance(row[name], str) else None for name in AXES)
        size = Architecture.parse(row["architecture"])
        return Cell(row["task"], row["method"], size, transfer, corpus)

    def runs(self, key: str) -> Any:
        """All rows of a cell, in order of seeds and grid points."""
        return self._by_cell.get(key, self.frame.iloc[:0])

    def chosen(self, key: str) -> Any:
        """The rows that numbers are made of: those of the grid point that dev chose."""
        return self._chosen.get(key, self.frame.iloc[:0])

    def grid_points(self, key: str) -> int:
        """The size of a cell's grid: its runs of one seed."""
        return int(self.runs(key).groupby("seed_index")["run"].nunique().max())

    def scores(self, key: str, metric: str) -> tuple[float, ...]:
        """The test scores of the chosen runs, in per cent."""
        return tuple(100 * float(value) for value in self.chosen(key)[f"test_{metric}"])

    def degenerate(self, key: str) -> int:
        """How many of the chosen runs predict one class only."""
        return int(self.chosen(key)["degenerate"].sum())

    def predictions(self, key: str) -> Any:
        """The predictions of the chosen runs, (S, N)."""
        return np.stack([np.asarray(found) for found in self.chosen(key)[PREDICTIONS]])

    def labels(self, task: str) -> Any:
        """The true labels of a task's test examples, (N,); None if the table has none."""
        if task not in self._labels:
            found = stored_labels(self.frame, task)
            self._labels[task] = None if found is None else np.asarray(found)
        return self._labels[task]

    def lacks(self, cell: Cell, metric: str) -> str:
        """What of a cell is not there, in words; nothing if it is whole."""
        return next(self._lacking(cell, metric), "")

    def _lacking(self, cell: Cell, metric: str) -> Iterator[str]:
        rows = self.runs(cell.key)
        if cell.key not in self.study.cells:
            yield "the study has no such cell any more"
        if not len(rows):
            yield "none of its runs is there"
        wanted = Counter(run.seed_index for run in self.study.runs(cell))
        lost = wanted - Counter(rows.drop_duplicates("run")["seed_index"])
        if lost:
            seeds = ", ".join(map(str, lost))
            yield f"{lost.total()} of {wanted.total()} runs missing, of seed {seeds}"
        if not self._stored:
            paths = Paths(self.study)
            specs = {run.name: paths.digest(Job("run", run)) for run in self.study.runs(cell)}
            if older := int((rows["spec"] != rows["run"].map(specs)).sum()):
                yield f"{older} runs are of other settings or code; run the study again"
        yield from self._unscored(cell, metric)

    def _unscored(self, cell: Cell, metric: str) -> Iterator[str]:
        rows, column = self.chosen(cell.key), f"test_{metric}"
        if len(rows) < self.study.seeds[cell]:
            yield f"{len(rows)} of {self.study.seeds[cell]} runs chosen on dev"
        if column not in rows or not all(map(math.isfinite, rows[column])):
            yield f"a run has no test {metric}"
        labels = self.labels(cell.task)
        if labels is None:
            yield f"no labels of the test examples of {cell.task}"
        elif any(_length(found) != len(labels) for found in rows.get(PREDICTIONS, [None])):
            yield "a run has no prediction for every test example"


def _length(predictions: Any) -> int:
    return len(predictions) if hasattr(predictions, "__len__") else -1
