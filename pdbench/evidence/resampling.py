"""The runs of a task on its test examples, and what other examples would have given.

Examples are resampled for all runs of a task at once, so that every comparison between runs is
paired over the examples. Any metric can be resampled that is a function of means over examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pdbench.data.metrics import Floats, Items, centred
from pdbench.study.catalogue.metrics import METRICS

RESAMPLES = 2000
"""Samples of the test examples; their spread is known to about 2%."""

_AT_ONCE = 4096
"""Examples whose weights are in memory at once."""


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
            self._scores[metric] = self._score(metric, Items(self.labels.shape[1]))
        return self._scores[metric]

    def replicates(self, metric: str) -> Floats:
        """The score of every run on B samples of the examples, (B, R); drawn once."""
        if metric not in self._replicates:
            self._replicates[metric] = self._score(metric, _Samples(self.seed))
        return self._replicates[metric]

    def _score(self, metric: str, items: Items) -> Floats:
        if metric in self.examples:
            return items.share(self.examples[metric])
        return np.asarray(METRICS[metric].formula(self.predictions, self.labels, items))


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
        sums = np.zeros((RESAMPLES, len(values)))
        drawn = np.zeros((RESAMPLES, 1))
        for start in range(0, values.shape[1], _AT_ONCE):
            part = values[:, start : start + _AT_ONCE].astype(np.float32)
            weights = rng.poisson(1.0, (RESAMPLES, part.shape[1])).astype(np.float32)
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
