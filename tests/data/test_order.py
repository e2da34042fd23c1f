"""The items of a step follow from the seed and the step alone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pdbench.data.order import ItemBatches, PieceBatches, Purpose, generator

LENGTHS = np.random.default_rng(0).integers(3, 65, 2000)


def batches_of(seed: int) -> list[ItemBatches | PieceBatches]:
    """Both kinds of batches."""
    return [ItemBatches(LENGTHS, 32, seed), PieceBatches(LENGTHS, 1024, seed)]


def per_epoch(batches: ItemBatches | PieceBatches) -> int:
    """Steps until every item was seen once."""
    seen = 0
    for step in itertools.count():
        if seen == len(LENGTHS):
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
        assert sorted(np.concatenate(epoch)) == list(range(len(LENGTHS)))
    for epoch in (second, third):
        assert [b.tolist() for b in epoch] != [b.tolist() for b in first]
        assert {frozenset(b.tolist()) for b in epoch} != {frozenset(b.tolist()) for b in first}


def test_batches_of_pieces_keep_their_capacity_and_pad_little() -> None:
    """Counting padding, no batch has more pieces than asked, and hardly any has fewer."""
    batches = PieceBatches(LENGTHS, 1024, 0)
    found = [batches[step] for step in range(per_epoch(batches))]

    positions = [len(b) * int(LENGTHS[b].max()) for b in found]

    assert max(positions) <= 1024
    assert LENGTHS.sum() / sum(positions) > 0.98
    assert np.mean(positions) > 0.95 * 1024


def test_an_item_longer_than_a_batch_stands_alone() -> None:
    """Nothing is left out because it is long."""
    batches = PieceBatches(np.array([5, 100, 5, 100]), 64, 0)

    assert sorted(sorted(batches[step].tolist()) for step in range(3)) == [[0, 2], [1], [3]]


@pytest.mark.parametrize("budget", [1, 5000, int(LENGTHS.sum()), 3 * int(LENGTHS.sum()) + 777])
def test_steps_meet_a_budget_and_no_step_more(budget: int) -> None:
    """So many steps see the word pieces that are asked, and one step fewer does not."""
    batches = PieceBatches(LENGTHS, 1024, 0)

    steps = batches.steps(budget)

    seen = np.cumsum([LENGTHS[batches[step]].sum() for step in range(steps)])
    assert seen[-1] >= budget
    assert steps == 1 or seen[-2] < budget


def test_purposes_have_streams_of_their_own() -> None:
    """The masks of step 3 are not made of the numbers that order epoch 3."""
    drawn = {tuple(generator(p, 1, 3).integers(0, 2**62, 2)) for p in Purpose}
    drawn |= {
        tuple(generator(Purpose.DROPOUT, 1, 3, rank).integers(0, 2**62, 2)) for rank in (1, 2)
    }

    assert len(drawn) == len(Purpose) + 2
