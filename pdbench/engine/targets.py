"""What one update learns from: batches with their targets, cut into shares, and masked LM's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdbench.data.batches import Batch

_MASK_SHARE, _RANDOM_SHARE = 0.8, 0.1  # of the chosen pieces; the others stay (Devlin et al.)


def _rows_of(batch: Batch, chosen: slice) -> Batch:
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


@dataclass(frozen=True)
class LabelledBatch:
    """B items with their targets."""

    batch: Batch
    targets: NDArray[Any]

    def __len__(self) -> int:
        return len(self.targets)

    def rows(self, chosen: slice) -> LabelledBatch:
        """Some of the items with their targets."""
        return LabelledBatch(_rows_of(self.batch, chosen), self.targets[chosen])


@dataclass(frozen=True)
class StatesBatch:
    """A batch with K numbers to learn for each of its P pieces, item after item, (P, K)."""

    batch: Batch
    targets: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.targets)

    def rows(self, chosen: slice) -> StatesBatch:
        """Some of the items with the numbers of their pieces."""
        mask = self.batch.mask
        lengths = np.full(*self.batch.ids.shape) if mask is None else mask.sum(axis=1)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        first, end, _ = chosen.indices(len(lengths))
        return StatesBatch(_rows_of(self.batch, chosen), self.targets[starts[first] : starts[end]])


@dataclass(frozen=True)
class Masked:
    """A batch whose pieces at M positions, among the B * S, are replaced; their true ids."""

    batch: Batch
    positions: NDArray[np.int64]
    targets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.targets)

    def rows(self, chosen: slice) -> Masked:
        """Some of the items with their chosen pieces."""
        items, width = self.batch.ids.shape
        moved = np.full(items, -1)
        moved[chosen] = np.arange(len(moved[chosen]))
        rows, columns = np.divmod(self.positions, width)
        found = moved[rows] >= 0
        batch = _rows_of(self.batch, chosen)
        positions = moved[rows[found]] * batch.ids.shape[1] + columns[found]
        return Masked(batch, positions, self.targets[found])

    @classmethod
    def of(
        cls,
        batch: Batch,
        share: float,
        predicted: range,
        mask_id: int,
        generator: np.random.Generator,
        weights: NDArray[np.float64] | None = None,
    ) -> Masked:
        """Choose ``share`` of the pieces that lie in ``predicted`` and hide them.

        ``weights`` of all pieces, (K,), make some likelier than others. Of the chosen, 80% become
        [MASK], 10% a random piece of ``predicted``, 10% stay.
        """
        ids = batch.ids.reshape(-1).copy()
        possible = (ids >= predicted.start) & (ids < predicted.stop)
        if weights is None:
            positions = np.flatnonzero(possible & (generator.random(ids.size) < share))
        else:
            # The largest sums with Gumbel noise are draws without replacement (Kool et al., 2019).
            keys = np.log(weights[ids]) + generator.gumbel(size=ids.size)
            ranked = np.argsort(np.where(possible, -keys, np.inf))
            positions = np.sort(ranked[: math.ceil(share * possible.sum())])
        targets = ids[positions]
        fate = generator.random(positions.size)
        strange = generator.integers(predicted.start, predicted.stop, positions.size)
        hidden = np.where(fate < _MASK_SHARE + _RANDOM_SHARE, strange, targets)
        ids[positions] = np.where(fate < _MASK_SHARE, mask_id, hidden)
        changed = Batch(batch.index, ids.reshape(batch.ids.shape), batch.segments, batch.mask)
        return cls(changed, positions, targets)
