"""Two runs, two cells or two tables of results beside each other: what differs, and by how much.

A difference is B less A. Where both are scored on the same test items, it is paired: what is hard
for both cancels, and so does what runs of one seed number share (:mod:`pdbench.evidence.paired`).
Elsewhere both are drawn by themselves. A single run is taken as it is: its difference has the
error over examples alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pdbench.core.errors import UsageError, suggestion
from pdbench.data.columns import TEST_LABELS, TEST_PREDICTIONS, examples_column
from pdbench.evidence.paired import Estimator, Question, RunGroup, Sample
from pdbench.evidence.significance import Difference, mcnemar
from pdbench.study import Study
from pdbench.study.catalogue.metrics import METRICS

SETTINGS = (
    *("study", "task", "method", "architecture", "transfer", "corpus", "learning_rates"),
    *("seed", "steps", "examples", "tokens", "labelled_items", "grid_points", "imported"),
    *("train_digest", "dev_digest", "test_digest", "soft_labels_digest", "teacher_digest"),
)
"""The columns that say what was asked of a run."""

ENVIRONMENT = (
    *("device", "threads", "precision", "processes", "torch_version", "pdbench_version"),
    *("engine", "commit"),
)
"""The columns that say where it ran, and by which code."""

_SIDES = ("A", "B")
_OF_NO_STUDY = ("name", "title", "artefacts", "methods", "assumptions", "gate")
_OF_CLASSES = {"accuracy", "f1", "matthews"}  # metrics of answers that are right or wrong
_ANSWERS = ("seed_index", TEST_PREDICTIONS)
_HALF = 0.5


@dataclass(frozen=True)
class Subject:
    """What is compared: a table of results, or the runs of one cell of it, or one run."""

    name: str
    table: Any  # all rows, for the labels that one of them carries
    rows: Any  # those compared
    is_table: bool
    study: Study | None = None  # which it is of, where that is known

    @classmethod
    def of(
        cls, name: str, table: Any, study: Study | None, cell: str | None, run: str | None
    ) -> Subject:
        """A table, or of one cell the runs at the point that dev chose, or one run of it.

        Raises:
            UsageError: There is no such cell, or no such run of it.
        """
        if cell is None:
            return cls(name, table, table[table["selected"].astype(bool)], True, study)
        rows = table[table["cell"] == cell]
        if not len(rows):
            raise UsageError(f"{name}: no run of a cell {cell!r}", suggestion(cell, table["cell"]))
        chosen = rows["selected"].astype(bool) if run is None else rows["run"] == run
        if not chosen.any():
            what = f"{name}: no {'chosen run' if run is None else f'run {run!r}'}"
            raise UsageError(what, suggestion(run or "", rows["run"]))
        return cls(name, table, rows[chosen], False, study)

    def labels(self, task: str) -> NDArray[Any] | None:
        """The true labels of a task's test items, (N,), which one row of the table carries."""
        carried = self.table.loc[self.table["task"] == task, TEST_LABELS].dropna()
        return np.asarray(carried.iloc[0]) if len(carried) else None

    def names(self, task: str) -> tuple[str, ...]:
        """The names of a task's labels, as far as they are known."""
        known = self.study.tasks.get(task) if self.study else None
        return known.labels if known else ()


@dataclass(frozen=True)
class Scored:
    """One metric of both, in points: what each has over its seeds, and B less A."""

    metric: str
    each: tuple[Difference, Difference]
    on_test_set: Difference
    on_examples: Difference


@dataclass(frozen=True)
class Change:
    """A test item of which the most runs of one are right, and the most of the other are not."""

    item: int
    label: str
    said: tuple[str, str]  # what most of A's runs say, and of B's
    gained: bool  # right in B alone; else right in A alone


@dataclass(frozen=True)
class Changes:
    """How often each is right, of N items; those in the middle have as many runs right as wrong."""

    both: int
    lost: tuple[Change, ...]  # right in A alone
    gained: tuple[Change, ...]  # right in B alone
    neither: int
    items: int
    p: float  # exact McNemar, of two single runs; else NaN


class Pair:
    """The runs of A and of B that stand beside each other."""

    def __init__(self, subjects: tuple[Subject, Subject], rows: tuple[Any, Any]) -> None:
        self.subjects = subjects
        self.rows = tuple(own.sort_values(["seed_index", "run"], kind="stable") for own in rows)
        self.tasks = tuple(str(own["task"].iloc[0]) for own in rows)

    @property
    def key(self) -> str:
        """The cell, or both."""
        return " v ".join(dict.fromkeys(str(own["cell"].iloc[0]) for own in self.rows))

    @cached_property
    def _labels(self) -> tuple[NDArray[Any] | None, ...]:
        pairs = zip(self.subjects, self.tasks, strict=True)
        return tuple(subject.labels(task) for subject, task in pairs)

    @cached_property
    def is_paired(self) -> bool:
        """Whether both are scored on the same test items, as far as tables say it."""
        first, second = self._labels
        if first is None or second is None or not np.array_equal(first, second):
            return False
        digests = [_values(own, "test_digest") for own in self.rows]
        return not all(digests) or digests[0] == digests[1]

    @cached_property
    def _is_same(self) -> bool:
        """Whether the runs of each seed number answer every test item alike."""
        numbers, said = ([own[c].tolist() for own in self.rows] for c in _ANSWERS)
        return self.is_paired and numbers[0] == numbers[1] and np.array_equal(*said)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics in which all runs of both have a test score."""
        return tuple(m for m in METRICS if all(_is_scored(own, m) for own in self.rows))

    @cached_property
    def scores(self) -> tuple[Scored, ...]:
        """Both beside each other in every metric of both."""
        return tuple(map(self._scored, self.metrics))

    def _scored(self, metric: str) -> Scored:
        a, b = (own[f"test_{metric}"].to_numpy(float) * 100 for own in self.rows)
        each = Difference.of(a.tolist()), Difference.of(b.tolist())
        fixed, drawn = (self._difference(metric, question) for question in Question)
        return Scored(metric, each, fixed, drawn)

    def _difference(self, metric: str, question: Question) -> Difference:
        if any(labels is None for labels in self._labels):
            return Difference(math.nan, math.nan, 1)
        terms = {("B", metric): 1.0, ("A", metric): -1.0}
        if self._is_same:
            return Difference(0.0, 0.0, math.inf, len(self.rows[0]))
        if self.is_paired:
            return self._estimator.estimate(terms, question=question)
        found = [
            self._estimator.estimate({term: by}, question=question) for term, by in terms.items()
        ]
        return Difference(
            sum(one.value for one in found),
            math.hypot(*(one.seeds for one in found)),
            min(one.freedom for one in found),
            min(one.n for one in found),
            math.hypot(*(one.examples for one in found)),
        )

    @cached_property
    def _estimator(self) -> Estimator:
        """Both in one sample of the same items, or each in a sample of its own."""
        if self.is_paired:
            samples = {"A": self._sample(0, pd.concat(self.rows))}
            names, starts = ("A", "A"), (0, len(self.rows[0]))
        else:
            samples = {side: self._sample(i, self.rows[i]) for i, side in enumerate(_SIDES)}
            names, starts = _SIDES, (0, 0)
        groups = {}
        for side, sample, start, rows in zip(_SIDES, names, starts, self.rows, strict=True):
            numbers = {int(number): start + i for i, number in enumerate(rows["seed_index"])}
            groups[side] = RunGroup(sample, numbers, is_fixed=len(rows) == 1)
        return Estimator(samples, groups)

    def _sample(self, place: int, rows: Any) -> Sample:
        columns = {metric: examples_column(metric) for metric in self.metrics}
        scored = {
            metric: np.stack(rows[column].tolist())
            for metric, column in columns.items()
            if column in rows and rows[column].notna().all()
        }
        labels = self._labels[place]
        assert labels is not None
        return Sample(np.stack(rows[TEST_PREDICTIONS].tolist()), labels, examples=scored)

    @cached_property
    def changes(self) -> Changes | None:
        """The items that changed sides; None where items differ, or an answer is no right or wrong.

        Of several runs, what more than half of them are.
        """
        right = [self._right(place) for place in range(2)] if self.is_paired else [None]
        if any(own is None for own in right):
            return None
        shares = [np.asarray(own).mean(axis=0) for own in right]
        is_right, is_wrong = (
            [share > _HALF for share in shares],
            [share < _HALF for share in shares],
        )
        lost, gained = is_right[0] & is_wrong[1], is_wrong[0] & is_right[1]
        far = np.abs(shares[1] - shares[0])
        single = all(len(own) == 1 for own in self.rows)
        return Changes(
            both=int((is_right[0] & is_right[1]).sum()),
            lost=tuple(self._change(item, gained=False) for item in _places(lost, far)),
            gained=tuple(self._change(item, gained=True) for item in _places(gained, far)),
            neither=int((is_wrong[0] & is_wrong[1]).sum()),
            items=len(far),
            p=mcnemar(right[0][0], right[1][0]) if single else math.nan,  # type: ignore[index]
        )

    def _right(self, place: int) -> NDArray[Any] | None:
        """Which answers are right, (R, N); None of a regression."""
        rows, labels = self.rows[place], self._labels[place]
        own = [examples_column(m) for m in self.metrics if examples_column(m) in rows]
        if own:
            return np.stack(rows[own[0]].tolist()) > _HALF
        if not _OF_CLASSES & {*self.metrics}:
            return None
        return np.asarray(np.stack(rows[TEST_PREDICTIONS].tolist()) == labels)

    def _change(self, item: int, *, gained: bool) -> Change:
        labels = self._labels[0]
        assert labels is not None
        names = self.subjects[0].names(self.tasks[0]) or self.subjects[1].names(self.tasks[1])
        said = []
        for rows in self.rows:
            answers = [np.asarray(found)[item] for found in rows[TEST_PREDICTIONS]]
            values, counts = np.unique(answers, return_counts=True)
            said.append(_named(values[counts.argmax()], names))
        return Change(item, _named(labels[item], names), (said[0], said[1]), gained)

    @property
    def losses(self) -> tuple[float, float]:
        """The mean training loss of the last steps of each, in nats; NaN where none is known."""
        found = [
            float(own["train_loss"].mean()) if "train_loss" in own else math.nan
            for own in self.rows
        ]
        return found[0], found[1]


@dataclass(frozen=True)
class SideBySide:
    """Two subjects, the pairs of their runs, and what stands on one side alone."""

    subjects: tuple[Subject, Subject]
    pairs: tuple[Pair, ...]
    alone: tuple[tuple[str, ...], tuple[str, ...]]  # cells of one table that the other lacks

    @property
    def settings(self) -> dict[str, tuple[str, str]]:
        """What was asked of the runs of A and of B, as far as it differs, by name."""
        found = dict(self._differing(SETTINGS))
        a, b = (subject.study for subject in self.subjects)
        if a and b and a.argument != b.argument:
            two = [
                dict(_flat(s.model_dump(mode="json", exclude=set(_OF_NO_STUDY)))) for s in (a, b)
            ]
            found |= _differences(two[0], two[1])
        methods = [set(subject.rows["method"]) for subject in self.subjects]
        if a and b and not self.subjects[0].is_table:
            own = [self._method(s, min(names)) for s, names in zip((a, b), methods, strict=True)]
            found |= _differences(own[0], own[1])
        return found

    @property
    def environments(self) -> dict[str, tuple[str, str]]:
        """Where the runs of A and of B ran, as far as it differs, by name."""
        return dict(self._differing(ENVIRONMENT))

    def _differing(self, columns: Sequence[str]) -> Iterator[tuple[str, tuple[str, str]]]:
        rows = [pd.concat([pair.rows[place] for pair in self.pairs]) for place in range(2)]
        for column in columns:
            a, b = (", ".join(_values(own, column)) for own in rows)
            if a != b:
                yield column, (a or "none", b or "none")

    @staticmethod
    def _method(study: Study, name: str) -> dict[str, str]:
        found = study.methods.get(name)
        if found is None:  # a teacher, or a method that was imported
            return {}
        return dict(_flat(found.model_dump(mode="json", exclude={"name"}), "method"))


def side_by_side(a: Subject, b: Subject) -> SideBySide:
    """Put two subjects side by side: tables cell by cell.

    Raises:
        UsageError: One is a table and the other is not, or two tables have no cell in common.
    """
    if a.is_table != b.is_table:
        what = f"{a.name} and {b.name}: a whole table beside a part of one"
        raise UsageError(what, "name two tables, or a cell or a run of each")
    if not a.is_table:
        return SideBySide((a, b), (Pair((a, b), (a.rows, b.rows)),), ((), ()))
    first, second = (dict(list(own.rows.groupby("cell", sort=True))) for own in (a, b))
    pairs = tuple(Pair((a, b), (first[key], second[key])) for key in first if key in second)
    if not pairs:
        raise UsageError(f"{a.name} and {b.name} have no cell in common", "name a cell of each")
    alone = (
        tuple(key for key in first if key not in second),
        tuple(k for k in second if k not in first),
    )
    return SideBySide((a, b), pairs, alone)


def _is_scored(rows: Any, metric: str) -> bool:
    column = f"test_{metric}"
    return column in rows and bool(rows[column].notna().all())


def _values(rows: Any, column: str) -> list[str]:
    """The values of a column, each once, whole numbers as such."""
    if column not in rows:
        return []
    found = rows[column].dropna()
    return sorted({f"{v:g}" if isinstance(v, float) else str(v) for v in found})


def _places(chosen: NDArray[np.bool_], far: NDArray[Any]) -> list[int]:
    """Where items stand, those first of which the most runs changed."""
    places = np.flatnonzero(chosen)
    return [int(place) for place in places[np.argsort(-far[places], kind="stable")]]


def _named(value: Any, names: Sequence[str]) -> str:
    return names[int(value)] if names and 0 <= int(value) < len(names) else f"{value:g}"


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """The values of nested settings by their dotted keys."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    else:
        yield key, str(value)


def _differences(a: Mapping[str, str], b: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    keys = dict.fromkeys((*a, *b))
    both = {key: (a.get(key, "none"), b.get(key, "none")) for key in keys}
    return {key: two for key, two in both.items() if two[0] != two[1]}
