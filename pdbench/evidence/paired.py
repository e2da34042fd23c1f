"""Differences between cells with the error that seeds and test examples leave.

A difference is any sum of scores, each times a factor. It is formed for each seed number by
itself: runs of one number share first weights, pre-training, order and noise as far as they can,
and what they share cancels. The mean over numbers has Student's t with one degree of freedom less
than numbers, whatever the cells' spreads are and however they hang together. That is the whole
error *on this test set*. *On such examples* the test examples count as drawn too:

- All runs of a task are scored on the same examples, which are resampled for all of them at once,
  so that what is hard for both sides cancels. Any metric can be resampled that is a function of
  means over examples.
- The variances of both add up, less what both count (two-way clustering; Cameron, Gelbach and
  Miller, 2011).

No score is known to better than one test example: few runs that all agree prove no certainty.
What is made once, a teacher or a released checkpoint, is taken as it is.

Two versions of the code are compared run by run. A cell whose runs all answer as before differs by
nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from pdbench.core.errors import DataError
from pdbench.data.columns import TEACHER, TEST_PREDICTIONS, examples_column
from pdbench.data.metrics import Floats, Items, centred
from pdbench.evidence.significance import Difference
from pdbench.evidence.table import ResultsTable
from pdbench.study import Cell
from pdbench.study.catalogue.metrics import METRICS

Terms: TypeAlias = Mapping[tuple[str, str], float]
"""Factors of scores, by the cell's key and the metric."""

_RESAMPLES = 2000  # samples of the test examples; their spread is known to about 2%
_AT_ONCE = 4096  # examples whose weights are in memory at once
_TOLERANCE = 1e-4  # how far a recorded score may be from the one that its predictions give


class Sample:
    """The predictions of R runs on the N test examples of one task, (R, N), and its labels, (N,).

    ``examples`` has what each example scores, (R, N) by metric, where predictions do not say it.
    """

    def __init__(
        self,
        predictions: ArrayLike,
        labels: ArrayLike,
        seed: int = 0,
        examples: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        self.predictions, self.labels = np.asarray(predictions), np.asarray(labels)[None, :]
        self._examples, self._seed = examples or {}, seed
        self._scores: dict[str, Floats] = {}
        self._replicates: dict[str, Floats] = {}

    @classmethod
    def of(cls, table: ResultsTable, task: str, rows: Any) -> Sample:
        """Read the predictions of some runs of a task; they must give the recorded scores."""
        labels, predictions = table.labels(task), rows[TEST_PREDICTIONS].tolist()
        if any(np.shape(found)[:1] != np.shape(labels)[:1] for found in predictions):
            what = f"results.parquet: a run on {task} has no prediction for every test example"
            raise DataError(what, "collect the results again")
        settings = table.study.tasks[task]
        # A class or a number says its score; the place of an answer does not, as two may be right.
        own = () if settings.kind == "classification" else settings.metrics
        columns = {metric: examples_column(metric) for metric in own}
        scored = {
            metric: np.stack(rows[column].tolist())
            for metric, column in columns.items()
            if column in rows and rows[column].notna().all()
        }
        sample = cls(np.stack(predictions), labels, examples=scored)
        for metric in settings.metrics:
            recorded = rows.get(f"test_{metric}")
            if recorded is None or recorded.isna().any():
                continue
            if np.abs(sample.scores(metric) - recorded.to_numpy(float)).max() > _TOLERANCE:
                what = f"results.parquet: predictions on {task} do not give the recorded {metric}"
                raise DataError(what, "collect the results again where they were made")
        return sample

    @property
    def items(self) -> int:
        """The number of test examples, N."""
        return int(self.labels.shape[1])

    def scores(self, metric: str) -> Floats:
        """The score of every run, (R,), as a fraction or correlation."""
        return self._score(metric, Items(self.items), self._scores)

    def replicates(self, metric: str) -> Floats:
        """The score of every run on B samples of the examples, (B, R); drawn once."""
        return self._score(metric, _Samples(self._seed), self._replicates)

    def _score(self, metric: str, items: Items, known: dict[str, Floats]) -> Floats:
        if metric not in known and metric in self._examples:
            known[metric] = items.share(self._examples[metric])
        elif metric not in known:
            formula = METRICS[metric].formula
            known[metric] = np.asarray(formula(self.predictions, self.labels, items))
        return known[metric]


class Scored(Sample):
    """Runs whose scores alone are known, (R,) by metric, on so many examples."""

    def __init__(self, scores: Mapping[str, Floats], items: int) -> None:
        super().__init__(np.zeros((0, items)), np.zeros(items))
        self._scores = dict(scores)


class _Samples(Items):
    """B samples of the items, the same at every call; sums are those of an item on average.

    Each item counts a Poisson number of times, which is a bootstrap that can be drawn item by
    item, however many there are (Chamandy et al., 2012).
    """

    def __init__(self, seed: int) -> None:
        super().__init__(1.0)
        self._seed = seed

    def total(self, values: NDArray[Any]) -> Floats:
        """Means over B samples of the items, (B, R)."""
        if values.ndim == 3:
            values = values.sum(axis=2)
        rng = np.random.default_rng(self._seed)
        sums = np.zeros((_RESAMPLES, len(values)))
        drawn = np.zeros((_RESAMPLES, 1))
        for start in range(0, values.shape[1], _AT_ONCE):
            part = values[:, start : start + _AT_ONCE].astype(np.float32)
            weights = rng.poisson(1.0, (_RESAMPLES, part.shape[1])).astype(np.float32)
            sums += weights @ part.T
            drawn += weights.sum(axis=1, dtype=np.float64, keepdims=True)
        return sums / np.maximum(drawn, 1)

    def products(self, x: NDArray[Any], y: NDArray[Any]) -> tuple[Floats, Floats, Floats]:
        """Means of x², of y² and of xy about the means of each sample, (B, R)."""
        if x.dtype != np.bool_:
            x, y = centred(x), centred(y)
        means_x, means_y = self._means(x), self._means(y)

        def about(product: NDArray[Any], first: list[Floats], second: list[Floats]) -> Floats:
            return self.total(product) - sum(a * b for a, b in zip(first, second, strict=True))

        return (
            about(x * x, means_x, means_x),
            about(y * y, means_y, means_y),
            about(x * y, means_x, means_y),
        )

    def _means(self, values: NDArray[Any]) -> list[Floats]:
        several = [values] if values.ndim == 2 else np.moveaxis(values, 2, 0)
        return [self.total(own) for own in several]


class Question(StrEnum):
    """Where a difference is to hold."""

    TEST_SET = "on this test set"
    EXAMPLES = "on such examples"


@dataclass(frozen=True)
class RunGroup:
    """The runs of one cell: by seed number, its row in the sample of the task."""

    task: str
    rows: Mapping[int, int]
    is_fixed: bool = False  # a model that is taken as it is, and so has no spread over seeds
    against: Mapping[int, int] = field(default_factory=dict)  # the same runs of another version


class Estimator:
    """Estimates differences between runs, by task and by the key of their cell, in points."""

    def __init__(self, samples: Mapping[str, Sample], groups: Mapping[str, RunGroup]) -> None:
        self.samples, self.groups = samples, groups

    @classmethod
    def of(cls, scores: ResultsTable, cells: Sequence[Cell] | None = None) -> Estimator:
        """Read the chosen runs of these cells, or of a study's teachers and all whole cells."""
        has_teachers = cells is None
        if cells is None:
            cells = [cell for cell in scores.study.seed_counts if scores.is_whole(cell)]
        samples, groups = {}, {}
        for task in scores.study.tasks:
            if not (chosen := [scores.chosen(cell.key) for cell in cells if cell.task == task]):
                continue
            rows = pd.concat([scores.teachers(task), *chosen] if has_teachers else chosen)
            samples[task] = Sample.of(scores, task, rows)
            for key, places in rows.groupby("cell", sort=False).indices.items():
                is_teacher = str(rows["method"].iloc[places[0]]) == TEACHER
                numbers = rows["seed_index"].iloc[places]
                by_number = dict(zip(map(int, numbers), map(int, places), strict=True))
                groups[str(key)] = RunGroup(task, by_number, is_fixed=is_teacher)
        return cls(samples, groups)

    def estimate(
        self, terms: Terms, constant: float = 0.0, question: Question = Question.TEST_SET
    ) -> Difference:
        """Estimate a sum of scores; its error is NaN if there are no two seed numbers for all."""
        found = [(self.groups[key], metric, factor) for (key, metric), factor in terms.items()]
        parts = [part for part in found if not self._is_unchanged(part[0])]
        drawn = [part for part in parts if not part[0].is_fixed]
        several = [set(group.rows) for group, _, _ in drawn]
        numbers = sorted(set.intersection(*several)) if several else []
        if drawn and not numbers:
            return Difference(math.nan, math.nan, 1)
        sums = (self._sums(part, numbers, drawn=False)[0] for part in parts)
        total = sum(sums, np.array([constant]))
        known = self._over_examples(parts, numbers) if question is Question.EXAMPLES else 0.0
        n, value = len(numbers), float(total.mean())
        if not drawn:
            return Difference(value, 0.0, math.inf, 1, known)
        least = sum((factor * self._point(group)) ** 2 for group, _, factor in drawn) / n
        seeds = max(float(total.var(ddof=1)) / n, least) if n > 1 else math.nan
        return Difference(value, math.sqrt(seeds), max(n - 1, 1), n, known)

    def _over_examples(self, parts: Sequence[_Part], numbers: Sequence[int]) -> float:
        """The standard error over test examples, beyond what the spread over seeds counts too."""
        by_task: dict[str, list[_Part]] = {}
        for part in parts:
            by_task.setdefault(part[0].task, []).append(part)
        found = [self._over_examples_of_task(own, numbers) for own in by_task.values()]
        return math.sqrt(max(math.fsum(whole - twice for whole, twice in found), 0.0))

    def _over_examples_of_task(
        self, parts: Sequence[_Part], numbers: Sequence[int]
    ) -> tuple[float, float]:
        """The variance over its test examples of a mean over runs; what of it seeds count too."""
        drawn = np.sum([self._sums(part, numbers, drawn=True) for part in parts], axis=0)
        size = sum(abs(factor) for _, _, factor in parts) / 2
        # As if one example more were won and one more lost: all answers alike prove no certainty.
        least = 2 * (size * max(self._point(group) for group, _, _ in parts)) ** 2
        n, apart = drawn.shape[1], drawn - drawn.mean(axis=1, keepdims=True)
        twice = float(apart.var(axis=0, ddof=1).sum()) / (n - 1) / n if n > 1 else 0.0
        return max(float(np.var(drawn.mean(axis=1), ddof=1)), least), twice

    def _sums(self, part: _Part, numbers: Sequence[int], *, drawn: bool) -> Floats:
        """A factor times a group's runs in points, by seed number, (1, S) or drawn ones, (B, S)."""
        group, metric, factor = part
        sample = self.samples[group.task]
        scores = sample.replicates(metric) if drawn else sample.scores(metric)[None, :]
        found = scores[:, self._places(group.rows, group, numbers)]
        if group.against:
            found = found - scores[:, self._places(group.against, group, numbers)]
        if group.is_fixed:
            found = np.repeat(found.mean(axis=1, keepdims=True), max(len(numbers), 1), axis=1)
        return np.asarray(100 * factor * found)

    def _places(
        self, rows: Mapping[int, int], group: RunGroup, numbers: Sequence[int]
    ) -> list[int]:
        return list(rows.values()) if group.is_fixed else [rows[number] for number in numbers]

    def _point(self, group: RunGroup) -> float:
        """What one test example counts, in points: no score is known better."""
        return 100 / self.samples[group.task].items

    def _is_unchanged(self, group: RunGroup) -> bool:
        """Whether all runs answer every example as those that they are compared with."""
        if not group.against:
            return False
        found = self.samples[group.task].predictions
        here, there = (list(rows.values()) for rows in (group.rows, group.against))
        return np.array_equal(found[here], found[there])


_Part: TypeAlias = tuple[RunGroup, str, float]  # a group's score in a metric, and its factor
