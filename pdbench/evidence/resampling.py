"""The runs of a task on its test examples, and what other examples would have given.

Examples are resampled for all runs of a task at once, so that every comparison between runs is
paired over the examples. Any metric can be resampled that is a function of means over examples.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2000
"""Samples of the test examples; their spread is known to about 2%."""

AT_ONCE = 4096
"""Examples whose weights are in memory at once."""

Floats: TypeAlias = NDArray[np.float64]
Mean: TypeAlias = Callable[[NDArray[Any]], Floats]
"""Means over examples: (R, N) to (R,), or to (B, R) for B samples of the examples."""


class Sample:
    """The predictions of R runs on the N test examples of one task.

    Args:
        predictions: Predicted classes, or numbers for a regression, or ranks, of shape (R, N).
        labels: The true ones, of shape (N,).
        seed: Seed of the resampling, its only source of randomness.
        examples: What each example scores, (R, N) by metric, where predictions do not say it.
    """

    def __init__(
        self,
        predictions: ArrayLike,
        labels: ArrayLike,
        seed: int = 0,
        examples: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        self.examples = examples or {}
        self.predictions = np.asarray(predictions)
        self.labels = np.asarray(labels)[None, :]
        self.seed = seed
        self._scores: dict[str, Floats] = {}
        self._replicates: dict[str, Floats] = {}

    def scores(self, metric: str) -> Floats:
        """The score of every run, (R,), as a fraction or correlation."""
        if metric not in self._scores:
            self._scores[metric] = self._metric(metric, lambda values: values.mean(axis=-1))
        return self._scores[metric]

    def replicates(self, metric: str) -> Floats:
        """The score of every run on B samples of the examples, (B, R); drawn once."""
        if metric not in self._replicates:
            self._replicates[metric] = self._metric(metric, self._resampled_means)
        return self._replicates[metric]

    def _resampled_means(self, values: NDArray[Any]) -> Floats:
        """Means over B samples of the examples: the same samples at every call.

        Each example counts a Poisson number of times, which is a bootstrap that can be drawn
        example by example, however many there are (Chamandy et al., 2012).
        """
        rng = np.random.default_rng(self.seed)
        sums = np.zeros((RESAMPLES, len(values)))
        drawn = np.zeros((RESAMPLES, 1))
        for start in range(0, values.shape[1], AT_ONCE):
            part = values[:, start : start + AT_ONCE].astype(np.float32)
            weights = rng.poisson(1.0, (RESAMPLES, part.shape[1])).astype(np.float32)
            sums += weights @ part.T
            drawn += weights.sum(axis=1, dtype=np.float64, keepdims=True)
        return sums / np.maximum(drawn, 1)

    def _metric(self, metric: str, mean: Mean) -> Floats:
        if metric in self.examples:
            return mean(self.examples[metric])
        return np.asarray(METRICS[metric](self, mean))

    def _accuracy(self, mean: Mean) -> Floats:
        return mean(self.predictions == self.labels)

    def _f1(self, mean: Mean) -> Floats:
        predicted, true = self.predictions == 1, self.labels == 1
        either = mean(predicted) + mean(true)
        return _divide(2 * mean(predicted & true), either)

    def _matthews(self, mean: Mean) -> Floats:
        shares = [(mean(self.predictions == k), mean(self.labels == k)) for k in self._classes]
        by_chance = sum(predicted * true for predicted, true in shares)
        spread = (1 - sum(p * p for p, _ in shares)) * (1 - sum(t * t for _, t in shares))
        return _divide(mean(self.predictions == self.labels) - by_chance, np.sqrt(spread))

    @cached_property
    def _classes(self) -> NDArray[Any]:
        return np.union1d(self.predictions, self.labels)

    def _pearson(self, mean: Mean) -> Floats:
        return _correlation(self.predictions, self.labels, mean)

    def _spearman(self, mean: Mean) -> Floats:
        # Ranks are those among all examples; a sample of them keeps its order.
        from scipy.stats import rankdata

        return _correlation(rankdata(self.predictions, axis=1), rankdata(self.labels, axis=1), mean)

    def _recall(self, mean: Mean, most: int) -> Floats:
        return mean((self.predictions > 0) & (self.predictions <= most))


METRICS: dict[str, Callable[[Sample, Mean], Floats]] = {
    "accuracy": Sample._accuracy,
    "f1": Sample._f1,
    "matthews": Sample._matthews,
    "pearson": Sample._pearson,
    "spearman": Sample._spearman,
    **{f"recall@{most}": functools.partial(Sample._recall, most=most) for most in (1, 10, 50)},
}
"""The metrics of :mod:`pdbench.data.metrics`, as functions of means over examples."""


def _correlation(x: NDArray[Any], y: NDArray[Any], mean: Mean) -> Floats:
    # Centred first: differences of large squares would lose their digits.
    x = x - x.mean(axis=1, dtype=np.float64, keepdims=True)
    y = y - y.mean(axis=1, dtype=np.float64, keepdims=True)
    mx, my = mean(x), mean(y)
    spread = np.maximum(mean(x * x) - mx**2, 0) * np.maximum(mean(y * y) - my**2, 0)
    return _divide(mean(x * y) - mx * my, np.sqrt(spread))


def _divide(above: Floats, below: Floats) -> Floats:
    """Divide, with 0 where there is nothing to divide by, as the metrics define it."""
    above, below = np.broadcast_arrays(above, below)
    return np.divide(above, below, out=np.zeros(above.shape), where=below > 1e-12)
