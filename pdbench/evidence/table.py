"""The table of results: reading it, and the runs and scores of a study's cells in it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from pdbench.core.errors import DataError, UsageError
from pdbench.core.files import read_json
from pdbench.data.columns import IMPORTED, SCHEMA_VERSION, TEACHER, TEST_LABELS, TEST_PREDICTIONS
from pdbench.data.table import read_table
from pdbench.evidence.significance import Difference, Interval
from pdbench.study import Architecture, Cell, Study
from pdbench.study.catalogue.metrics import METRICS
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job

Split: TypeAlias = Literal["dev", "test", "submission"]
"""submission: GLUE's test split, of runs whose predictions its server has scored."""

_NEEDED = (
    *("study", "cell", "task", "method", "architecture", "transfer", "corpus"),
    *("run", "spec", "seed_index", "seed", "selected", "degenerate", "steps", "examples"),
    *(TEST_PREDICTIONS, TEST_LABELS),
)
"""The columns of every table of results, whatever its tasks are."""

_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("selected", "degenerate"), (bool, np.bool_)),
    **dict.fromkeys(("seed_index", "seed", "steps", "examples"), (int, float, np.number)),
}
"""What values of some of them are."""

_AGAIN = "collect the results again"


def read_results(path: Path) -> Any:
    """Read collected results as a pandas DataFrame, one row a run.

    Raises:
        DataError: The file is unreadable, was changed or is of another schema version, lacks a
            column or a name, or has a run twice, which would count as two.
    """
    frame = read_table(path)
    scalar = set(_NEEDED).intersection(frame) - {TEST_PREDICTIONS, TEST_LABELS}
    if strange := sorted(c for c in scalar if frame[c].map(_is_nested).any()):
        raise DataError(f"{path}: column {strange[0]!r} holds lists or records", _AGAIN)
    for column, kind in _KINDS.items():
        found = set(map(type, frame[column])) if column in frame else ()
        if not all(issubclass(one, kind) for one in found):
            raise DataError(f"{path}: column {column!r} holds something else than it says", _AGAIN)
    for column in (f"{split}_{name}" for split in ("dev", "test") for name in METRICS):
        if column in frame and frame[column].dtype.kind not in "fiu":
            raise DataError(f"{path}: column {column!r} holds something else than scores", _AGAIN)
    if "schema_version" not in frame or (frame["schema_version"] != SCHEMA_VERSION).any():
        raise DataError(f"{path}: not results of schema version {SCHEMA_VERSION}", _AGAIN)
    if lost := [column for column in _NEEDED if column not in frame]:
        raise DataError(f"{path}: no column {lost[0]!r}", _AGAIN)
    for column in ("study", "cell", "task", "method"):
        if not (named := frame[column].map(lambda name: isinstance(name, str))).all():
            row = int(named.argmin())
            raise DataError(f"{path}: row {row}: {column} is no name", _AGAIN)
    twice = frame[frame.duplicated(["cell", "run"])]
    if len(twice):
        what = f"{path}: {len(twice)} runs stand in it twice, first one of {twice['cell'].iloc[0]}"
        raise DataError(what, _AGAIN)
    return frame


def _is_nested(value: object) -> bool:
    return isinstance(value, dict | list | np.ndarray)


@dataclass(frozen=True)
class Score:
    """The runs of one cell on one split, in per cent."""

    runs: tuple[float, ...]  # one a seed, in order, at dev's grid point; none if a run is missing
    degenerate: int  # how many of the runs predict one class only
    majority: float | None = None  # the accuracy of always answering the largest class

    @property
    def interval(self) -> Interval:
        """Mean and 95% t interval over the seeds."""
        return Difference.of(self.runs).interval


def with_imported(study: Study, frame: Any) -> Study:
    """The study with the cells of its results whose runs another code base trained."""
    if IMPORTED not in frame:
        return study
    rows = frame[frame[IMPORTED].eq(True)]
    cells = {_cell_of(own.iloc[0], str(key)): len(own) for key, own in rows.groupby("cell")}
    return study.with_imported(cells) if cells else study


def _cell_of(row: Any, key: str) -> Cell:
    try:
        size = Architecture.parse(row["architecture"])
    except (TypeError, ValueError) as error:
        what = f"results.parquet: cell {key}: architecture {row['architecture']!r} is no size"
        raise DataError(what, _AGAIN) from error
    axes = (row["transfer"], row["corpus"])
    transfer, corpus = (value if isinstance(value, str) else None for value in axes)
    return Cell(row["task"], row["method"], size, transfer, corpus)


class ResultsTable:
    """The runs of a study's cells in one table: ``results.parquet``, one row a run.

    ``study`` is the one given, with the cells whose runs were imported. ``stored`` results are of
    an earlier time, when settings and code may have been others.
    """

    def __init__(self, study: Study, frame: Any, *, stored: bool = False) -> None:
        self.study, self.frame, self._stored = with_imported(study, frame), frame, stored
        self._paths = Paths(study)

    def refuse_others(self) -> None:
        """Refuse results of another study, whose cells may have the same names."""
        for name in sorted(set(self.frame["study"]) - {self.study.name}):
            what = f"the results are those of study {name!r}, not {self.study.name!r}"
            raise UsageError(what, "name their study")

    @cached_property
    def _by_cell(self) -> dict[str, Any]:
        rows = self.frame[self.frame["method"] != TEACHER]
        ordered = rows.sort_values(["seed_index", "run"], kind="stable")
        return {str(key): found for key, found in ordered.groupby("cell", sort=False)}

    @cached_property
    def _chosen(self) -> dict[str, Any]:
        return {key: rows[rows["selected"].astype(bool)] for key, rows in self._by_cell.items()}

    @cached_property
    def _labels(self) -> dict[str, Any]:
        carried = self.frame[["task", TEST_LABELS]].dropna().drop_duplicates("task")
        return dict(zip(carried["task"], carried[TEST_LABELS], strict=True))

    @cached_property
    def _none(self) -> Any:
        return self.frame.iloc[:0]

    @cached_property
    def keys(self) -> frozenset[str]:
        """The cells that have any run."""
        return frozenset(self._by_cell)

    @cached_property
    def methods(self) -> frozenset[str]:
        """The methods that have any run."""
        return frozenset(self.frame["method"])

    def cell(self, key: str) -> Cell:
        """The cell that runs belong to, from their own columns."""
        return _cell_of(self.runs(key).iloc[0], key)

    def runs(self, key: str) -> Any:
        """All rows of a cell, in order of seeds and grid points."""
        return self._by_cell.get(key, self._none)

    def chosen(self, key: str) -> Any:
        """The rows that numbers are made of: those of the grid point that dev chose."""
        return self._chosen.get(key, self._none)

    def grid_points(self, key: str) -> dict[int, int]:
        """The grid points at which each seed number of a cell was trained, by the number."""
        counts = self.runs(key).groupby("seed_index")["run"].nunique()
        return {int(number): int(count) for number, count in counts.items()}

    def is_whole(self, cell: Cell) -> bool:
        """Whether all runs of a cell are there."""
        return len(self.chosen(cell.key)) >= self.study.seed_counts[cell]

    def of(self, cell: Cell, split: Split = "test", metric: str | None = None) -> Score:
        """A cell's scores on a split; the metric is the task's first by default."""
        column = self._column(cell.task, split, metric)
        return _score(self.chosen(cell.key), column) if self.is_whole(cell) else Score((), 0)

    def teacher(self, task: str, split: Split = "test", metric: str | None = None) -> Score:
        """The scores of a task's teacher; no runs when there is none."""
        return _score(self.teachers(task), self._column(task, split, metric))

    def teacher_key(self, task: str) -> str | None:
        """The key of a task's teacher; None when there is none."""
        rows = self.teachers(task)
        return str(rows["cell"].iloc[0]) if len(rows) else None

    def teacher_size(self, task: str) -> Architecture | None:
        """The size of the teacher that taught a task; None when there is none."""
        rows = self.teachers(self.study.tasks[task].model_of or task)
        return _cell_of(rows.iloc[0], f"teacher of {task}").architecture if len(rows) else None

    def labels(self, task: str) -> Any:
        """The true labels of a task's test examples, (N,), which one of its rows carries."""
        if task not in self._labels:
            raise DataError(f"results.parquet: no test labels of task {task!r}", _AGAIN)
        return self._labels[task]

    def teachers(self, task: str) -> Any:
        """The rows of a task's teacher."""
        return self.frame[(self.frame["method"] == TEACHER) & (self.frame["task"] == task)]

    def _column(self, task: str, split: Split, metric: str | None) -> str:
        column = f"{split}_{metric or self.study.tasks[task].metrics[0]}"
        if split != "submission" and column not in self.frame.columns:
            raise DataError(f"results.parquet: no column {column!r}", _AGAIN)
        return column

    def lacks(self, cell: Cell, *metrics: str) -> str:
        """What of a cell is not there, in words; nothing if it is whole in these metrics."""
        return next(self._lacking(cell, metrics), "")

    def _lacking(self, cell: Cell, metrics: Sequence[str]) -> Iterator[str]:
        rows = self.runs(cell.key)
        if cell.key not in self.study.cells:
            yield "the study has no such cell any more"
        if not len(rows):
            yield "none of its runs is there"
        numbers = range(self.study.seed_counts[cell])
        wanted = Counter({n: self.study.number_of_runs(cell, n) for n in numbers})
        if lost := wanted - Counter(rows.drop_duplicates("run")["seed_index"]):
            seeds = ", ".join(map(str, lost))
            yield f"{lost.total()} of {wanted.total()} runs missing, of seed {seeds}"
        if strange := sorted(set(rows["run"]) - {run.name for run in self.study.runs(cell)}):
            yield f"run {strange[0]!r} is none of the study's"
        if cell in self.study.imported:
            if not self._stored and self._is_outdated(cell):
                yield "other runs were imported since; collect the results again"
        elif not self._stored:
            specs = [self._paths.digest(Job("run", run)) for run in self.study.runs(cell)]
            if older := int((~rows["spec"].isin(specs)).sum()):
                yield f"{older} runs are of other settings or code; run the study again"
        yield from self._unscored(cell, metrics)

    def _is_outdated(self, cell: Cell) -> bool:
        """Whether other runs of an imported cell are kept here than are in the table."""
        kept = self._paths.imported_cell(cell)
        return kept.is_file() and set(self.runs(cell.key)["spec"]) != {read_json(kept).get("spec")}

    def _unscored(self, cell: Cell, metrics: Sequence[str]) -> Iterator[str]:
        rows = self.chosen(cell.key)
        if not self.is_whole(cell):
            yield f"{len(rows)} of {self.study.seed_counts[cell]} runs chosen on dev"
        for metric in metrics:
            column = f"test_{metric}"
            if column not in rows or not all(map(math.isfinite, rows[column])):
                yield f"a run has no test {metric}"
        try:
            count = len(self.labels(cell.task))
        except DataError:
            yield f"no labels of the test examples of {cell.task}"
        else:
            if any(np.shape(found)[:1] != (count,) for found in rows[TEST_PREDICTIONS]):
                yield "a run has no prediction for every test example"


def _score(rows: Any, column: str) -> Score:
    split = column.partition("_")[0]
    if split == "submission":  # of one run, once a server has answered
        answered = rows[column].dropna() if column in rows else ()
        return Score(tuple(100 * float(value) for value in answered), 0)
    runs = tuple(100 * float(value) for value in rows[column])
    majority = rows.get(f"majority_{split}")
    share = None if majority is None or not len(rows) else 100 * float(majority.iloc[0])
    return Score(runs, int(rows["degenerate"].sum()), share)
