"""What one update learns from, and how it is cut into shares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from pdbench.data.batches import Batch


class Work(Protocol):
    """A batch with its targets; its length is the number of targets."""

    @property
    def batch(self) -> Batch:
        """The items."""

    def __len__(self) -> int: ...

    def rows(self, chosen: slice) -> Self:
        """Some of the items, with their targets."""


W = TypeVar("W", bound=Work)


def rows_of(batch: Batch, chosen: slice) -> Batch:
    """Some rows of a batch, without the columns in which all of them are padded."""
    mask = None if batch.mask is None else batch.mask[chosen]
    width = batch.ids.shape[1] if mask is None else int(mask.sum(axis=1).max(initial=0))

    def cut(array: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.ascontiguousarray(array[chosen, :width])

    return Batch(
        batch.index[chosen],
        cut(batch.ids),
        None if batch.segments is None else cut(batch.segments),
        None if mask is None or mask[:, :width].all() else np.ascontiguousarray(mask[:, :width]),
    )


def portions(work: W, largest: int | None) -> Iterator[W]:
    """Cut work into portions of at most ``largest`` word pieces, padding counted.

    A portion has at least one item; None does not cut.
    """
    items, width = work.batch.ids.shape
    rows = items if largest is None else max(1, largest // width)
    if rows >= items:
        yield work
        return
    for first in range(0, items, rows):
        yield work.rows(slice(first, first + rows))
