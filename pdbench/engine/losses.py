"""The losses of Algorithm 1 of the paper, and masked LM's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pdbench.data.batches import Batch
from pdbench.engine.portions import rows_of

MASK_SHARE, RANDOM_SHARE = 0.8, 0.1  # of the chosen pieces; the others stay (Devlin et al.)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy with labels: (B, C) float32 and (B,) int64 to a scalar."""
    return functional.cross_entropy(logits, labels)


def soft_cross_entropy(logits: Tensor, probabilities: Tensor) -> Tensor:
    """Mean soft cross-entropy, -sum_c q_c log p_c: (B, C) and (B, C) to a scalar.

    The distillation loss of Algorithm 1: the teacher's probabilities q as they are, with no
    temperature and no share of hard labels.
    """
    return functional.cross_entropy(logits, probabilities)


def squared_error(outputs: Tensor, scores: Tensor) -> Tensor:
    """Mean squared error of a regression: (B, 1), and (B,) or (B, 1), to a scalar."""
    return functional.mse_loss(outputs[:, 0], scores.reshape(-1))


@dataclass(frozen=True)
class Masked:
    """A batch prepared for masked LM.

    Attributes:
        batch: The batch with its chosen pieces replaced.
        positions: Indices of the chosen pieces among the B * S, (M,).
        targets: Their true ids, (M,).
    """

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
        batch = rows_of(self.batch, chosen)
        positions = moved[rows[found]] * batch.ids.shape[1] + columns[found]
        return Masked(batch, positions, self.targets[found])


def mask_pieces(
    batch: Batch,
    share: float,
    predicted: range,
    mask_id: int,
    generator: np.random.Generator,
) -> Masked:
    """Choose ``share`` of the pieces that lie in ``predicted`` and hide them.

    Of the chosen, 80% become [MASK], 10% a random piece of ``predicted``, 10% stay.
    """
    ids = batch.ids.reshape(-1).copy()
    possible = (ids >= predicted.start) & (ids < predicted.stop)
    positions = np.flatnonzero(possible & (generator.random(ids.size) < share))
    targets = ids[positions]
    fate = generator.random(positions.size)
    strange = generator.integers(predicted.start, predicted.stop, positions.size)
    hidden = np.where(fate < MASK_SHARE + RANDOM_SHARE, strange, targets)
    ids[positions] = np.where(fate < MASK_SHARE, mask_id, hidden)
    changed = Batch(batch.index, ids.reshape(batch.ids.shape), batch.segments, batch.mask)
    return Masked(changed, positions, targets)
