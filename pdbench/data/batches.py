"""Batches of items of similar length: which items each step sees, and how they are padded.

What a step sees is a function of the seed and the step alone. So an interrupted job goes on at
any step without walking through those before it, and the order does not depend on who asks for
it, how often or in how many processes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pdbench.data.tokens import Tokens

_Lengths: TypeAlias = NDArray[np.integer[Any]]

_WIDTH_BITS = 4
"""Leading binary digits of a batch's width S; the others are rounded up to zero.

Matrix products keep code and buffers for every width that they have met: with widths up to
128, 300 steps of 4/256 took 1.9 GB and growing. Rounding leaves 37 widths and 1.1 GB, for 1 to
3% of the time in the long run. (With 5 digits: 1.4 GB, and 0 to 1%.)
"""


@dataclass(frozen=True)
class Batch:
    """B items, padded to S word pieces.

    Attributes:
        index: Positions of the items in their data, (B,).
        ids: Word pieces, 0 where padded, (B, S) int64.
        segments: 0 or 1, (B, S) int64, or None where every item has one segment.
        mask: True where a piece stands, (B, S), or None where nothing is padded.
    """

    index: NDArray[np.int64]
    ids: NDArray[np.int64]
    segments: NDArray[np.int64] | None
    mask: NDArray[np.bool_] | None


@dataclass(frozen=True)
class _Order:
    """One pass over N items in K batches; ``order[i]`` holds the positions of batch i's items.

    It takes 5 bytes an item: 40 MB for 8 million, of which a list of arrays takes 100 MB.

    Attributes:
        items: Positions of all items, bucket after bucket, (N,).
        ends: Where each bucket ends in ``items``, (K,).
        turns: The bucket that is batch i, (K,).
    """

    items: NDArray[np.uint32]
    ends: NDArray[np.int64]
    turns: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.turns)

    def __getitem__(self, batch: int) -> NDArray[np.int64]:
        bucket = self.turns[batch]
        start = self.ends[bucket - 1] if bucket else 0
        return self.items[start : self.ends[bucket]].astype(np.int64)

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        return (self[batch] for batch in range(len(self)))


def _shuffled_buckets(lengths: _Lengths, capacity: int, generator: np.random.Generator) -> _Order:
    """Cut a random order of items into batches of one width each, as far as possible.

    All batches but one, which is anywhere, are full. Items of one width are mixed, and batches
    of all widths follow one another at random.

    A student does not learn better where items meet that differ more in length: on 7,462
    sentences, batch 32, accuracy of 2/128 over 12 seeds was 76.5, with batches at random too
    (the difference has a standard error of 0.2), and 76.1 where pools of 50 batches are sorted.
    """
    items = generator.permutation(np.arange(len(lengths), dtype=np.uint32))
    items = items[np.argsort(_widths(lengths)[items], kind="stable")]
    batches = -(-len(items) // capacity)
    sizes = np.full(batches, capacity)
    if batches:
        sizes[generator.integers(batches)] -= batches * capacity - len(items)
    return _Order(items, np.cumsum(sizes), generator.permutation(batches))


def sorted_buckets(lengths: _Lengths, capacity: int) -> _Order:
    """Cut all items, sorted by length, into batches of ``capacity`` items."""
    items = np.argsort(lengths, kind="stable").astype(np.uint32)
    batches = -(-len(items) // capacity)
    ends = np.minimum(np.arange(1, batches + 1) * capacity, len(items))
    return _Order(items, ends, np.arange(batches))


def _widths(lengths: _Lengths) -> NDArray[np.uint16]:
    """The width that a batch of items has at least, for each of them, (N,)."""
    table = np.array([_width(length) for length in range(int(lengths.max(initial=0)) + 1)])
    return table.astype(np.uint16)[lengths]  # numpy sorts 16 bits in linear time


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
    """Batches of ``size`` items by step, epoch after epoch; each epoch has its own order.

    ``lengths`` are the word pieces of each item, (N,).
    """

    def __init__(self, lengths: _Lengths, size: int, seed: int) -> None:
        self._lengths, self._size, self._seed = lengths, size, seed
        self._epoch, self._order = 0, self._order_of(0)

    def __getitem__(self, step: int) -> NDArray[np.int64]:
        """The positions of the items of a step, (B,)."""
        epoch, number = divmod(step, -(-len(self._lengths) // self._size))
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._order_of(epoch)
        return self._order[number]

    def _order_of(self, epoch: int) -> _Order:
        rng = generator(Purpose.ORDER, self._seed, epoch)
        return _shuffled_buckets(self._lengths, self._size, rng)


class PieceBatches:
    """Batches of at most so many word pieces by step, pass after pass over the items.

    Items are sorted by length and cut into batches. A pass shuffles the items of equal
    length and the batches: so every pass has equally many batches, which is what lets a step
    be found without the passes before it, and padding is next to nothing.

    ``lengths`` are the word pieces of each item, (N,), and ``capacity`` the most of a batch,
    padding counted; a longer item stands alone. ``part`` is the number of the text within its
    corpus: each has an order of its own.
    """

    def __init__(self, lengths: _Lengths, capacity: int, seed: int, part: int = 0) -> None:
        self._lengths, self._seed, self._part = lengths, seed, part
        rising = np.sort(lengths)
        self._ends = _ends(rising, capacity)
        starts = np.concatenate([[0], self._ends[:-1]])
        self._pieces = np.add.reduceat(rising, starts, dtype=np.int64)  # of each bucket
        self._pass, self._order = 0, self._order_of(0)

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

    def _order_of(self, number: int) -> _Order:
        turns, rng = self._turns(number)
        items = rng.permutation(np.arange(len(self._lengths), dtype=np.uint32))
        items = items[np.argsort(self._lengths[items], kind="stable")]
        return _Order(items, self._ends, turns)

    def _turns(self, number: int) -> tuple[NDArray[np.int64], np.random.Generator]:
        """The order of the buckets in a pass, and the generator that goes on to its items."""
        rng = generator(Purpose.CORPUS, self._seed, number, self._part)
        return rng.permutation(len(self._ends)), rng


def _ends(rising: _Lengths, capacity: int) -> NDArray[np.int64]:
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


def collate(
    tokens: Tokens, index: NDArray[np.int64], numbers: NDArray[np.int64] | None = None
) -> Batch:
    """Pad the items at ``index``, (B,), to the longest of them and a little more (``_WIDTH_BITS``).

    Where the model keeps only some pieces (:func:`pdbench.engine.bert.keep_pieces`), ``numbers``
    has the new number of each piece id, (V,).
    """
    starts = tokens.offsets[index]
    lengths = tokens.offsets[index + 1] - starts
    columns = np.arange(min(_width(int(lengths.max())), tokens.max_length))
    mask = columns[None, :] < lengths[:, None]
    positions = np.where(mask, starts[:, None] + columns[None, :], starts[:, None])
    ids = tokens.pieces[positions].astype(np.int64)
    second = tokens.seconds[index]
    tokens.release()
    if numbers is not None:
        ids = numbers[ids]
    paired = bool((second < lengths).any())
    segments = ((columns[None, :] >= second[:, None]) & mask).astype(np.int64) if paired else None
    if mask.all():
        return Batch(index, ids, segments, None)
    return Batch(index, np.where(mask, ids, 0), segments, mask)


def _width(longest: int) -> int:
    step = 1 << max(0, longest.bit_length() - _WIDTH_BITS)
    return -(-longest // step) * step


def pieces_used(all_tokens: Sequence[Tokens], vocabulary: int) -> NDArray[np.int64]:
    """The ids that occur in any of ``all_tokens``, ascending; 0 (padding) is first."""
    seen = np.zeros(vocabulary, dtype=bool)
    seen[0] = True
    for tokens in all_tokens:
        seen |= tokens.counts(vocabulary) > 0
    return np.flatnonzero(seen)


def renumbering(kept: NDArray[np.int64], vocabulary: int) -> NDArray[np.int64]:
    """Return the table from piece id to position in ``kept``; 0 for ids not kept."""
    numbers = np.zeros(vocabulary, dtype=np.int64)
    numbers[kept] = np.arange(len(kept))
    return numbers
