"""The losses are the paper's, and masking is BERT's."""

import numpy as np
import pytest
import torch

from pdbench.data.batches import Batch
from pdbench.engine.targets import Masked
from pdbench.kinds.classes import Classes


def test_soft_cross_entropy_is_algorithm_1() -> None:
    """-sum q log p, averaged over the batch: no temperature, no hard labels."""
    logits = torch.tensor([[2.0, -1.0], [0.0, 0.5]])
    soft = torch.tensor([[0.9, 0.1], [0.3, 0.7]])

    expected = -(soft * logits.softmax(1).log()).sum(1).mean()

    torch.testing.assert_close(Classes.loss(logits, soft), expected)


def test_its_gradient_vanishes_at_the_teacher() -> None:
    """A student that gives the teacher's probabilities has nothing to learn."""
    soft = torch.tensor([[0.9, 0.1], [0.3, 0.7]])
    logits = soft.log().requires_grad_()

    Classes.loss(logits, soft).backward()

    torch.testing.assert_close(logits.grad, torch.zeros(2, 2), atol=1e-7, rtol=0)


def _batch() -> Batch:
    ids = np.random.default_rng(0).integers(5, 1000, (64, 128))
    ids[:, 0] = 2
    return Batch(np.arange(64), ids, None, None)


def test_masking_follows_bert() -> None:
    """80% [MASK], 10% random, 10% kept, of the asked share of pieces."""
    batch = _batch()

    masked = Masked.of(batch, 0.15, range(5, 1000), 4, np.random.default_rng(1))

    new = masked.batch.ids.reshape(-1)[masked.positions]
    assert len(masked.positions) / (64 * 127) == pytest.approx(0.15, abs=0.01)
    assert (new == 4).mean() == pytest.approx(0.8, abs=0.03)
    assert (new == masked.targets).mean() == pytest.approx(0.1, abs=0.03)
    assert (masked.targets == batch.ids.reshape(-1)[masked.positions]).all()


def test_only_pieces_in_range_are_predicted() -> None:
    """Special and rare pieces are never targets, and nothing else changes."""
    batch = _batch()

    masked = Masked.of(batch, 0.5, range(5, 300), 4, np.random.default_rng(1))

    untouched = np.delete(np.arange(batch.ids.size), masked.positions)
    assert masked.targets.min() >= 5
    assert masked.targets.max() < 300
    assert (masked.batch.ids.reshape(-1)[untouched] == batch.ids.reshape(-1)[untouched]).all()
