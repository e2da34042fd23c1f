"""Which items each step sees: a function of the seed and the step alone.

So an interrupted job goes on at any step without walking through the steps before it, and
the order does not depend on who asks for it, how often or in how many processes.
"""

from __future__ import annotations

from bisect import bisect_right
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from pdbench.data.batches import Lengths, Order, shuffled_buckets


class Purpose(IntEnum):
    """What random numbers are drawn for: each purpose has streams of its own."""

    ORDER = 0
    MASKS = 1
    DROPOUT = 2
    CORPUS = 3
    MIXTURE = 4


def stream(purpose: Purpose, seed: int, number: int, *more: int) -> np.random.SeedSequence:
    """The random stream of one purpose in the epoch or step ``number`` of a stage."""
    return np.random.SeedSequence([seed, number, purpose, *more])


def generator(purpose: Purpose, seed: int, number: int, *more: int) -> np.random.Generator:
    """A generator at the beginning of a :func:`stream`."""
    return np.random.default_rng(stream(purpose, seed, number, *more))


class ItemBatches:
    """Batches of so many items by step, epoch after epoch; each epoch has an order of its own.

    Args:
        lengths: Word pieces of each item, (N,).
        size: Items of a batch.
        seed: Decides the order.
    """

    def __init__(self, lengths: Lengths, size: int, seed: int) -> None:
        self._lengths, self._size, self._seed = lengths, size, seed
        self._epoch = 0
        self._order = self._order_of(0)

    def __getitem__(self, step: int) -> NDArray[np.int64]:
        """The positions of the items of a step, (B,)."""
        epoch, number = divmod(step, -(-len(self._lengths) // self._size))
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._order_of(epoch)
        return self._order[number]

    def _order_of(self, epoch: int) -> Order:
        rng = generator(Purpose.ORDER, self._seed, epoch)
        return shuffled_buckets(self._lengths, self._size, rng)


class PieceBatches:
    """Batches of at most so many word pieces by step, pass after pass over the items.

    Items are sorted by length and cut into batches. A pass shuffles the items of equal
    length and the batches: so every pass has equally many batches, which is what lets a step
    be found without the passes before it, and padding is next to nothing.

    Args:
        lengths: Word pieces of each item, (N,).
        capacity: Most pieces of a batch, padding counted; a longer item stands alone.
        seed: Decides the order.
        part: Number of the text within its corpus: each has an order of its own.
    """

    def __init__(self, lengths: Lengths, capacity: int, seed: int, part: int = 0) -> None:
        self._lengths, self._seed, self._part = lengths, seed, part
        rising = np.sort(lengths)
        self._ends = _ends(rising, capacity)
        starts = np.concatenate([[0], self._ends[:-1]])
        self._pieces = np.add.reduceat(rising, starts, dtype=np.int64)  # of each bucket
        self._pass = 0
        self._order = self._order_of(0)

    def steps(self, pieces: int) -> int:
        """The fewest steps that see so many word pieces."""
        passes, rest = divmod(pieces, int(self._pieces.sum()))
        seen = np.cumsum(self._pieces[self._turns(passes)[0]])
        last = int(np.searchsorted(seen, rest)) + 1 if rest else 0
        return passes * len(self._pieces) + last

    def __getitem__(self, step: int) -> NDArray[np.int64]:
        """The positions of the items of a step, (B,)."""
        number, place = divmod(step, len(self._pieces))
        if number != self._pass:
            self._pass, self._order = number, self._order_of(number)
        return self._order[place]

    def _order_of(self, number: int) -> Order:
        turns, rng = self._turns(number)
        items = rng.permutation(np.arange(len(self._lengths), dtype=np.uint32))
        items = items[np.argsort(self._lengths[items], kind="stable")]
        return Order(items, self._ends, turns)

    def _turns(self, number: int) -> tuple[NDArray[np.int64], np.random.Generator]:
        """The order of the buckets in a pass, and the generator that goes on to its items."""
        rng = generator(Purpose.CORPUS, self._seed, number, self._part)
        return rng.permutation(len(self._ends)), rng


def _ends(rising: Lengths, capacity: int) -> NDArray[np.int64]:
    """Where each batch of items of rising length ends, (K,)."""
    ends, start = [], 0
    while start < len(rising):
        most = min(len(rising), start + max(1, capacity // int(rising[start])))
        further = range(start + 2, most + 1)  # one item always fits

        def padded(end: int, start: int = start) -> int:
            return (end - start) * int(rising[end - 1])

        start += 1 + bisect_right(further, capacity, key=padded)
        ends.append(start)
    return np.array(ends)
