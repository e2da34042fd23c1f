"""The official metrics over items that are counted once, or as often as a sample has them.

Their formulas stand in :mod:`pdbench.study.catalogue.metrics`, their arithmetic here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pdbench.study.catalogue.metrics import METRICS, RANKED

Floats: TypeAlias = NDArray[np.float64]

UNSEEN = -1
"""The label of an item that the labelled set does not have."""


class Items:
    """N items, each counted once: what metrics are made of.

    Values have the shape (R, N), for R runs, or (R, N, C) where an item has several.
    """

    def __init__(self, size: float) -> None:
        self._size = size

    def total(self, values: NDArray[Any]) -> NDArray[Any]:
        """The sum over items, (R,)."""
        found: NDArray[Any] = values.sum(axis=tuple(range(1, values.ndim)))
        return found

    def share(self, values: NDArray[Any]) -> NDArray[Any]:
        """The mean over items, (R,)."""
        found: NDArray[Any] = self.total(values) / self._size
        return found

    def divide(self, above: NDArray[Any], below: NDArray[Any]) -> Floats:
        """Divide, with 0 where there is nothing to divide by, as the metrics define it."""
        above, below = np.broadcast_arrays(above, below)
        found: Floats = np.divide(above, below, out=np.zeros(above.shape), where=below > 1e-12)
        return found

    def correlation(self, x: NDArray[Any], y: NDArray[Any]) -> Floats:
        """Pearson's correlation, (R,); 0 where one side is constant."""
        xx, yy, xy = self.products(x, y)
        return self.divide(xy, np.sqrt(np.maximum(xx, 0) * np.maximum(yy, 0)))

    def products(self, x: NDArray[Any], y: NDArray[Any]) -> tuple[Floats, Floats, Floats]:
        """Sums of x², of y² and of xy about their means, several of an item each about its own."""
        x, y = centred(x), centred(y)
        return self.total(x * x), self.total(y * y), self.total(x * y)

    def indicators(self, *of_classes: NDArray[Any]) -> list[NDArray[np.bool_]]:
        """For each of the C classes in any of the arrays whether an item has it, (R, N, C)."""
        classes = np.unique(np.concatenate([values.ravel() for values in of_classes]))
        return [values[..., None] == classes for values in of_classes]

    def ranks(self, values: NDArray[Any]) -> Floats:
        """Ranks of each run's values from 1, ties by their average."""
        found = []
        for own in values:
            _, inverse, counts = np.unique(own, return_inverse=True, return_counts=True)
            found.append((np.cumsum(counts) - (counts - 1) / 2)[inverse])
        return np.array(found, np.float64)


def compute(metrics: Sequence[str], predictions: ArrayLike, labels: ArrayLike) -> dict[str, float]:
    """Return the score of every metric by its id, in the catalogue of metrics.

    ``predictions`` are N classes, N numbers of a regression, or the ranks of N items, and
    ``labels`` the N true ones.
    """
    predicted, true = np.asarray(predictions), np.asarray(labels)
    if predicted.shape != true.shape:
        raise ValueError(f"{predicted.shape} predictions for {true.shape} labels")
    items = Items(len(true))
    found = {}
    for name in metrics:
        metric = METRICS[name]
        score = metric.formula(predicted[None], true[None], items)
        found[name] = float(np.clip(score[0], metric.least, 1))
    return found


def centred(values: NDArray[Any]) -> Floats:
    """Values less their mean over the items: large ones lose no digits when they are squared."""
    found: Floats = values - values.mean(axis=1, dtype=np.float64, keepdims=True)
    return found


def ranking(scores: NDArray[Any]) -> NDArray[np.int32]:
    """The items that rank first and the rank of each, from 1, (N, K, 2).

    ``scores`` are (N, C), of C items for each of N examples; K is C, and at most ``RANKED``. Items
    of one score count as before one another: all have the last of their ranks.
    """
    items = np.argsort(-scores, axis=1, kind="stable")[:, :RANKED]
    ordered = np.sort(scores, axis=1)
    own = np.take_along_axis(scores, items, axis=1)
    below = [np.searchsorted(row, some) for row, some in zip(ordered, own, strict=True)]
    places = scores.shape[1] - np.array(below, np.int32).reshape(items.shape)
    found: NDArray[np.int32] = np.stack([items, places], axis=2).astype(np.int32)
    return found


def rank_of(ranked: NDArray[np.int32], labels: NDArray[Any]) -> NDArray[np.int32]:
    """The rank of the true item, (N,), in a :func:`ranking`; 0 where it is not in it.

    ``labels`` are the numbers of the true items, (N,), ``UNSEEN`` where the labelled set has none.
    """
    is_true = ranked[:, :, 0] == labels[:, None]
    found: NDArray[np.int32] = np.where(is_true, ranked[:, :, 1], 0).max(axis=1, initial=0)
    return found.astype(np.int32)
