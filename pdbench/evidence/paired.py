"""Differences between cells with the error that seeds and test examples leave.

A difference is any sum of scores, each times a factor. Two things make it uncertain, and its
variance adds them up, less what both count (two-way clustering; Cameron, Gelbach and Miller,
2011):

- *Examples*: all runs are scored on the same test examples, which are resampled for all of them
  at once, so that what is hard for both sides cancels. Any metric can be resampled that is a
  function of means over examples.
- *Seeds*: two to five runs a cell are too few to resample. Their spread is estimated from all
  cells of the same method on the same task, which are taken to spread alike, and Student's t with
  the degrees of freedom of that estimate (Satterthwaite, 1946) widens the interval.

What is trained once, a teacher or a pre-trained checkpoint, is taken as it is.

Two versions of the code are compared run by run. A cell whose runs all answer as before differs by
nothing. For the cells that did change it says how runs of that method spread: had it been trained
anew, the difference of its runs would spread twice as much as they do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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

_Weights: TypeAlias = tuple[tuple[str, float], ...]  # of a cell's metrics; their sizes sum to 1

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
        columns = {str(m): examples_column(m) for m in table.study.tasks[task].metrics}
        scored = {
            metric: np.stack(rows[column].tolist())
            for metric, column in columns.items()
            if column in rows and rows[column].notna().all()
        }
        sample = cls(np.stack(predictions), labels, examples=scored)
        recorded = rows.get("test_accuracy")
        if recorded is None or recorded.isna().any():
            return sample
        if np.abs(sample.scores("accuracy") - recorded.to_numpy()).max() > _TOLERANCE:
            what = f"results.parquet: predictions on {task} do not give the recorded scores"
            raise DataError(what, "collect the results again where they were made")
        return sample

    def scores(self, metric: str) -> Floats:
        """The score of every run, (R,), as a fraction or correlation."""
        return self._score(metric, Items(self.labels.shape[1]), self._scores)

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


@dataclass(frozen=True)
class RunGroup:
    """The runs of one cell, by their rows in the sample of the task."""

    task: str
    rows: tuple[int, ...]
    pool: str | None  # groups of one pool spread alike over seeds; None for a model taken as it is
    against: tuple[int, ...] = ()  # rows that are subtracted: the same seeds of another version


class Estimator:
    """Estimates differences between runs, by task and by the key of their cell, in points."""

    def __init__(self, samples: Mapping[str, Sample], groups: Mapping[str, RunGroup]) -> None:
        self.samples, self.groups = samples, groups
        self._spreads: dict[tuple[str, str, _Weights], tuple[float, float]] = {}

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
                method = str(rows["method"].iloc[places[0]])
                pool = None if method == TEACHER else method
                groups[str(key)] = RunGroup(task, tuple(map(int, places)), pool)
        return cls(samples, groups)

    def estimate(self, terms: Terms, constant: float = 0.0) -> Difference:
        """Estimate a sum of scores; its error is NaN if no group of a pool has several runs."""
        value, doubled = constant, 0.0
        spreads: dict[tuple[str, str, _Weights], float] = {}
        resampled: dict[str, Floats | float] = {}
        by_cell: dict[str, dict[str, float]] = {}
        for (key, metric), factor in terms.items():
            by_cell.setdefault(key, {})[metric] = factor
        for key, factors in by_cell.items():
            group, runs = self.groups[key], len(self.groups[key].rows)
            if self._is_unchanged(group):
                continue
            scores, replicates = self._scores(group, factors)
            value += float(scores.mean())
            resampled[group.task] = resampled.get(group.task, 0.0) + replicates.mean(axis=1)
            if group.pool is None:
                continue
            size = sum(map(abs, factors.values()))
            source = group.task, group.pool, _weights(factors, size)
            spreads[source] = spreads.get(source, 0.0) + size**2 / runs
            if runs > 1:
                apart = replicates - replicates.mean(axis=1, keepdims=True)
                doubled += float(apart.var(axis=0, ddof=1).sum()) / (runs - 1) / runs
        examples = sum(float(np.var(found, ddof=1)) for found in resampled.values())
        # All cells of a pool rest on one estimate, no better known for being used twice.
        known = {source: self._spread(*source) for source in spreads}
        parts = [(share * known[source][0], known[source][1]) for source, share in spreads.items()]
        seeds = math.fsum(part for part, _ in parts)
        # Neither seeds nor examples can add less than nothing to what both count.
        variance = max(seeds, doubled) + max(examples - doubled, 0.0)
        freedom = math.fsum(part**2 / df if df else math.nan for part, df in parts)
        n = min((len(self.groups[key].rows) for key, _ in terms), default=0)
        freedom = math.inf if freedom == 0 else variance**2 / freedom
        return Difference(value, math.sqrt(variance), freedom, n)

    def _scores(self, group: RunGroup, factors: Mapping[str, float]) -> tuple[Floats, Floats]:
        """The group's runs in points, (S,), and on resampled examples, (B, S)."""
        sample, signs = self.samples[group.task], {1: group.rows, -1: group.against}
        scores, replicates = np.zeros(len(group.rows)), np.zeros((1, len(group.rows)))
        for metric, factor in factors.items():
            found, drawn = sample.scores(metric), sample.replicates(metric)
            for sign, rows in signs.items():
                if rows:
                    scores = scores + sign * 100 * factor * found[list(rows)]
                    replicates = replicates + sign * 100 * factor * drawn[:, list(rows)]
        return scores, replicates

    def _spread(self, task: str, pool: str, weights: _Weights) -> tuple[float, float]:
        """The variance over seeds in a pool, and the degrees of freedom it is known with."""
        key = task, pool, weights
        if key not in self._spreads:
            alike = [g for g in self.groups.values() if (g.task, g.pool) == (task, pool)]
            runs = [self._apart(g, dict(weights)) for g in alike if len(g.rows) > 1]
            self._spreads[key] = _pooled_variance(runs)
        return self._spreads[key]

    def _apart(self, group: RunGroup, factors: Mapping[str, float]) -> Floats:
        """Numbers that spread as the group's scores, or differences, do from seed to seed, (S,)."""
        if not self._is_unchanged(group):
            return self._scores(group, factors)[0]
        own = self._scores(replace(group, against=()), factors)[0]
        return np.asarray(math.sqrt(2) * own)

    def _is_unchanged(self, group: RunGroup) -> bool:
        """Whether all runs answer every example as those that they are compared with."""
        found = self.samples[group.task].predictions
        return bool(group.against) and np.array_equal(
            found[list(group.rows)], found[list(group.against)]
        )


def _pooled_variance(groups: Sequence[Floats]) -> tuple[float, float]:
    """The variance within groups of runs, and the degrees of freedom it is known with.

    The more the groups differ in their spread, the fewer degrees of freedom there are: those of
    a mean of unequal variances (Satterthwaite, 1946), with the squares of the variances
    estimated without bias.
    """
    if not groups:
        return math.nan, 0.0
    freedom = np.array([len(runs) - 1.0 for runs in groups])
    variances = np.array([np.var(runs, ddof=1) for runs in groups])
    weighed = float(freedom @ variances)
    if weighed == 0:
        return 0.0, float(freedom.sum())
    squares = float(freedom @ (variances**2 * freedom / (freedom + 2)))
    return weighed / float(freedom.sum()), min(weighed**2 / squares, float(freedom.sum()))


def _weights(factors: Mapping[str, float], size: float) -> _Weights:
    """A cell's factors without their common size and sign, which the spread does not feel."""
    scale = math.copysign(size, next(iter(factors.values())))
    return tuple(sorted((metric, factor / scale) for metric, factor in factors.items()))
