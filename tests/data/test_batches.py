"""Batches hold every item once, waste little, and depend on the seed alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pdbench.data.batches import (
    ItemBatches,
    PieceBatches,
    Purpose,
    _Order,
    _shuffled_buckets,
    collate,
    generator,
    pieces_used,
    renumbering,
    sorted_buckets,
)
from pdbench.data.tokens import Tokens

LENGTHS = np.random.default_rng(0).integers(3, 65, 5000)
_FEWER = np.random.default_rng(0).integers(3, 65, 2000)


def _of_lengths(lengths: Sequence[int], max_length: int = 64) -> Tokens:
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    pieces = np.ones(offsets[-1], np.uint16)
    return Tokens(pieces, offsets, np.array(lengths, np.int32), "vocabulary", max_length)


def _padding(tokens: Tokens, batches: Iterable[np.ndarray]) -> float:
    positions = sum(collate(tokens, batch).ids.size for batch in batches)
    return 1 - len(tokens.pieces) / positions


def _tokens(items: list[list[int]], seconds: list[int] | None = None) -> Tokens:
    lengths = [len(item) for item in items]
    return Tokens(
        np.concatenate(items).astype(np.uint16),
        np.concatenate([[0], np.cumsum(lengths)]),
        np.array(seconds or lengths, np.int32),
        "vocabulary",
        64,
    )


def _shuffled(seed: int, capacity: int = 32, lengths: np.ndarray = LENGTHS) -> _Order:
    return _shuffled_buckets(lengths, capacity, np.random.default_rng(seed))


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 5000])
def test_every_item_is_in_one_batch(count: int) -> None:
    """Nothing is lost, nothing is repeated, and no batch but one is smaller than asked."""
    order = _shuffled(1, lengths=LENGTHS[:count])

    assert sorted(i for batch in order for i in batch) == list(range(count))
    assert sorted(map(len, order))[1:] == [32] * (-(-count // 32) - 1)


def test_batches_are_found_by_number() -> None:
    """Any batch can be asked for without those before it, as often as one likes."""
    order = _shuffled(1)

    for number, batch in reversed(list(enumerate(order))):
        assert (order[number] == batch).all()
    assert len(order) == len(list(order)) == 157


def test_an_order_is_small() -> None:
    """An epoch of eight million items must fit beside the model: 5 bytes an item."""
    order = _shuffled(1)

    assert order.items.nbytes + order.ends.nbytes + order.turns.nbytes < 5 * 5000


def test_padding_is_rare() -> None:
    """Buckets waste a few percent where random batches waste almost half."""
    tokens = _of_lengths(LENGTHS)
    at_random = [np.arange(i, min(i + 32, 5000)) for i in range(0, 5000, 32)]

    assert _padding(tokens, _shuffled(1)) < 0.04
    assert _padding(tokens, at_random) > 0.4


def test_the_seed_decides_the_order() -> None:
    """Same seed, same batches; another seed, others."""
    first, again, other = map(_shuffled, (1, 1, 2))

    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any(a.shape != b.shape or (a != b).any() for a, b in zip(first, other, strict=True))


def test_threads_do_not_decide_the_order() -> None:
    """The order that eight threads draw at once is the order that one draws."""
    with ThreadPoolExecutor(8) as pool:
        orders = list(pool.map(_shuffled, [3] * 8))

    assert all((a == b).all() for order in orders for a, b in zip(order, _shuffled(3), strict=True))


def test_batches_are_not_in_order_of_length() -> None:
    """Sorting must not become a curriculum."""
    means = [LENGTHS[batch].mean() for batch in _shuffled(1)]

    assert abs(np.corrcoef(np.arange(len(means)), means)[0, 1]) < 0.3


def test_items_meet_others_in_each_epoch() -> None:
    """Of the items of one width, other ones are together each time."""
    partners = [np.empty(5000, int) for _ in range(2)]
    for seed, found in enumerate(partners):
        for number, batch in enumerate(_shuffled(seed)):
            found[batch] = number
    same = [np.unique(partners[1][batch], return_counts=True)[1].max() for batch in _shuffled(0)]

    assert np.mean(same) < 16


def test_the_smaller_batch_is_anywhere() -> None:
    """What is left over is not always the longest items, whose weight would be larger."""
    lengths = [LENGTHS[min(_shuffled(seed), key=len)].mean() for seed in range(20)]

    assert min(lengths) < 20
    assert max(lengths) > 45


def test_sorted_buckets_cover_everything_in_order_of_length() -> None:
    """Evaluation batches."""
    batches = sorted_buckets(LENGTHS, 128)

    assert (np.diff(LENGTHS[np.concatenate(list(batches))]) >= 0).all()
    assert sorted(np.concatenate(list(batches))) == list(range(5000))
    assert [len(batch) for batch in batches] == [128] * 39 + [8]


def test_widths_are_few() -> None:
    """Matrix products keep memory for every width: 512 lengths have 56, an eighth wider at most."""
    tokens = _of_lengths(np.arange(1, 513), max_length=512)
    widths = [collate(tokens, np.array([i])).ids.shape[1] for i in range(512)]

    assert len(set(widths)) == 56
    assert all(n <= w <= n * 1.125 for n, w in enumerate(widths, start=1))


def test_no_width_exceeds_the_longest_item_that_may_be() -> None:
    """A model may have no position beyond it."""
    assert collate(_of_lengths([99], max_length=100), np.array([0])).ids.shape == (1, 100)


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


def batches_of(seed: int) -> list[ItemBatches | PieceBatches]:
    """Both kinds of batches."""
    return [ItemBatches(_FEWER, 32, seed), PieceBatches(_FEWER, 1024, seed)]


def per_epoch(batches: ItemBatches | PieceBatches) -> int:
    """Steps until every item was seen once."""
    seen = 0
    for step in itertools.count():
        if seen == len(_FEWER):
            return step
        seen += len(batches[step])
    raise AssertionError


@pytest.mark.parametrize("kind", [0, 1])
def test_a_step_is_found_without_the_steps_before_it(kind: int) -> None:
    """Asked in any order, also across epochs, every step has the same items."""
    walked, jumped = batches_of(3)[kind], batches_of(3)[kind]
    expected = [walked[step] for step in range(200)]

    for step in np.random.default_rng(0).permutation(200):
        assert (jumped[int(step)] == expected[step]).all()


@pytest.mark.parametrize("kind", [0, 1])
def test_every_epoch_has_every_item_once_in_another_order(kind: int) -> None:
    """Nothing is lost, nothing is repeated, and neither epochs nor seeds are alike."""
    batches, other = batches_of(3)[kind], batches_of(4)[kind]
    steps = per_epoch(batches)

    first, second, third = (
        [source[step] for step in range(start, start + steps)]
        for source, start in ((batches, 0), (batches, steps), (other, 0))
    )

    for epoch in (first, second, third):
        assert sorted(np.concatenate(epoch)) == list(range(len(_FEWER)))
    for epoch in (second, third):
        assert [b.tolist() for b in epoch] != [b.tolist() for b in first]
        assert {frozenset(b.tolist()) for b in epoch} != {frozenset(b.tolist()) for b in first}


def test_batches_of_pieces_keep_their_capacity_and_pad_little() -> None:
    """Counting padding, no batch has more pieces than asked, and hardly any has fewer."""
    batches = PieceBatches(_FEWER, 1024, 0)
    found = [batches[step] for step in range(per_epoch(batches))]

    positions = [len(b) * int(_FEWER[b].max()) for b in found]

    assert max(positions) <= 1024
    assert _FEWER.sum() / sum(positions) > 0.98
    assert np.mean(positions) > 0.95 * 1024


def test_an_item_longer_than_a_batch_stands_alone() -> None:
    """Nothing is left out because it is long."""
    batches = PieceBatches(np.array([5, 100, 5, 100]), 64, 0)

    assert sorted(sorted(batches[step].tolist()) for step in range(3)) == [[0, 2], [1], [3]]


@pytest.mark.parametrize("budget", [1, 5000, int(_FEWER.sum()), 3 * int(_FEWER.sum()) + 777])
def test_steps_meet_a_budget_and_no_step_more(budget: int) -> None:
    """So many steps see the word pieces that are asked, and one step fewer does not."""
    batches = PieceBatches(_FEWER, 1024, 0)

    steps = batches.steps(budget)

    seen = np.cumsum([_FEWER[batches[step]].sum() for step in range(steps)])
    assert seen[-1] >= budget
    assert steps == 1 or seen[-2] < budget


def test_purposes_have_streams_of_their_own() -> None:
    """The masks of step 3 are not made of the numbers that order epoch 3."""
    drawn = {tuple(generator(p, 1, 3).integers(0, 2**62, 2)) for p in Purpose}
    drawn |= {
        tuple(generator(Purpose.DROPOUT, 1, 3, rank).integers(0, 2**62, 2)) for rank in (1, 2)
    }

    assert len(drawn) == len(Purpose) + 2
