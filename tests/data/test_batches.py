"""Batches hold every item once, waste little, and depend on the seed alone."""

import numpy as np
import pytest

from pdbench.data.batches import (
    collate,
    pieces_used,
    renumbering,
    shuffled_buckets,
    sorted_buckets,
)
from pdbench.data.tokens import Tokens

LENGTHS = np.random.default_rng(0).integers(3, 65, 5000)


def _tokens(items: list[list[int]], seconds: list[int] | None = None) -> Tokens:
    lengths = [len(item) for item in items]
    return Tokens(
        np.concatenate(items).astype(np.uint16),
        np.concatenate([[0], np.cumsum(lengths)]),
        np.array(seconds or lengths, np.int32),
        "vocabulary",
        64,
    )


@pytest.mark.parametrize(("capacity", "by"), [(32, "items"), (1024, "pieces")])
def test_every_item_is_in_one_batch(capacity: int, by: str) -> None:
    """Nothing is lost and nothing is repeated."""
    batches = shuffled_buckets(LENGTHS, capacity, by, np.random.default_rng(1))

    assert sorted(np.concatenate(batches)) == list(range(5000))


def test_batches_by_pieces_keep_their_capacity() -> None:
    """Counting padding, no batch has more pieces than asked."""
    batches = shuffled_buckets(LENGTHS, 1024, "pieces", np.random.default_rng(1))

    assert max(len(b) * LENGTHS[b].max() for b in batches) <= 1024


def test_padding_is_rare() -> None:
    """Buckets waste a few percent where random batches waste almost half."""
    batches = shuffled_buckets(LENGTHS, 32, "items", np.random.default_rng(1))

    positions = sum(len(b) * LENGTHS[b].max() for b in batches)
    assert LENGTHS.sum() / positions > 0.96


def test_the_seed_decides_the_order() -> None:
    """Same seed, same batches; another seed, others."""
    first, again, other = (
        shuffled_buckets(LENGTHS, 32, "items", np.random.default_rng(s)) for s in (1, 1, 2)
    )

    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any(a.shape != b.shape or (a != b).any() for a, b in zip(first, other, strict=True))


def test_batches_are_not_in_order_of_length() -> None:
    """Sorting within a pool must not become a curriculum."""
    batches = shuffled_buckets(LENGTHS, 32, "items", np.random.default_rng(1))

    means = [LENGTHS[b].mean() for b in batches]
    assert abs(np.corrcoef(np.arange(len(means)), means)[0, 1]) < 0.3


def test_sorted_buckets_cover_everything_in_order_of_length() -> None:
    """Evaluation batches."""
    batches = sorted_buckets(LENGTHS, 128)

    assert (np.diff(LENGTHS[np.concatenate(batches)]) >= 0).all()
    assert len(np.unique(np.concatenate(batches))) == 5000


def test_collate_pads_and_marks_segments() -> None:
    """Padding is 0 and masked; the second segment is 1."""
    tokens = _tokens([[2, 7, 3, 8, 3], [2, 9, 3]], seconds=[3, 3])

    batch = collate(tokens, np.array([1, 0]))

    assert batch.ids.tolist() == [[2, 9, 3, 0, 0], [2, 7, 3, 8, 3]]
    assert batch.mask.tolist() == [[True] * 3 + [False] * 2, [True] * 5]
    assert batch.segments.tolist() == [[0] * 5, [0, 0, 0, 1, 1]]


def test_collate_needs_no_mask_for_equal_lengths() -> None:
    """No padding, no mask; one segment, no segments."""
    batch = collate(_tokens([[2, 7, 3], [2, 9, 3]]), np.array([0, 1]))

    assert batch.mask is None
    assert batch.segments is None


def test_renumbered_pieces_are_found_again() -> None:
    """Kept ids map to their positions, padding stays 0."""
    tokens = _tokens([[2, 70, 3], [2, 90, 41, 3]])

    kept = pieces_used([tokens], 100)
    batch = collate(tokens, np.array([0, 1]), renumbering(kept, 100))

    assert kept.tolist() == [0, 2, 3, 41, 70, 90]
    assert batch.ids.tolist() == [[1, 4, 2, 0], [1, 5, 3, 2]]
