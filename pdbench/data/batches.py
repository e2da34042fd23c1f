"""Batches of items of similar length, in an order that the seed alone decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdbench.data.tokens import Tokens

POOL = 50
"""Batches sorted together: enough to make padding rare, few enough to keep order random."""


@dataclass(frozen=True)
class Batch:
    """B padded items of S word pieces.

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


def shuffled_buckets(
    lengths: NDArray[np.int64], capacity: int, by: str, generator: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Cut a random order of items into batches of similar length.

    Every item is in exactly one batch. The items of a pool are sorted by length before
    they are cut, and the batches are shuffled.

    Args:
        lengths: Word pieces of each item, (N,).
        capacity: Size of a batch.
        by: Unit of ``capacity``: "items", or "pieces" counted with padding.
        generator: The source of randomness.

    Returns:
        Item positions of each batch.
    """
    order = generator.permutation(len(lengths))
    mean = max(1.0, float(lengths.mean())) if by == "pieces" else 1.0
    pool = max(1, int(POOL * capacity / mean))
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(order), pool):
        batches += _cut(order[start : start + pool], lengths, capacity, by)
    return [batches[i] for i in generator.permutation(len(batches))]


def sorted_buckets(lengths: NDArray[np.int64], capacity: int) -> list[NDArray[np.int64]]:
    """Cut all items, sorted by length, into batches of ``capacity`` items."""
    return _cut(np.arange(len(lengths)), lengths, capacity, "items")


def _cut(
    items: NDArray[np.int64], lengths: NDArray[np.int64], capacity: int, by: str
) -> list[NDArray[np.int64]]:
    items = items[np.argsort(lengths[items], kind="stable")]
    if by == "items":
        return [items[i : i + capacity] for i in range(0, len(items), capacity)]
    batches, start = [], 0
    for end in range(1, len(items) + 1):
        full = end == len(items) or (end + 1 - start) * lengths[items[end]] > capacity
        if full:
            batches.append(items[start:end])
            start = end
    return batches


def collate(
    tokens: Tokens, index: NDArray[np.int64], numbers: NDArray[np.int64] | None = None
) -> Batch:
    """Pad the items at ``index`` to the longest of them.

    Args:
        tokens: The items.
        index: Their positions, (B,).
        numbers: New number of each piece id, (V,), when the model keeps only some pieces
            (:func:`pdbench.models.bert.keep_pieces`).
    """
    starts = tokens.offsets[index]
    lengths = tokens.offsets[index + 1] - starts
    columns = np.arange(int(lengths.max()))
    mask = columns[None, :] < lengths[:, None]
    positions = np.where(mask, starts[:, None] + columns[None, :], starts[:, None])
    ids = tokens.pieces[positions].astype(np.int64)
    if numbers is not None:
        ids = numbers[ids]
    second = tokens.seconds[index]
    paired = bool((second < lengths).any())
    segments = ((columns[None, :] >= second[:, None]) & mask).astype(np.int64) if paired else None
    if mask.all():
        return Batch(index, ids, segments, None)
    return Batch(index, np.where(mask, ids, 0), segments, mask)


def pieces_used(all_tokens: Sequence[Tokens], vocabulary: int) -> NDArray[np.int64]:
    """Return the ids that occur in any of ``all_tokens``, ascending; 0 (padding) is first."""
    seen = np.zeros(vocabulary, dtype=bool)
    seen[0] = True
    for tokens in all_tokens:
        seen[np.unique(tokens.pieces)] = True
    return np.flatnonzero(seen)


def renumbering(kept: NDArray[np.int64], vocabulary: int) -> NDArray[np.int64]:
    """Return the table from piece id to position in ``kept``; 0 for ids not kept."""
    numbers = np.zeros(vocabulary, dtype=np.int64)
    numbers[kept] = np.arange(len(kept))
    return numbers


def epochs(
    lengths: NDArray[np.int64],
    capacity: int,
    by: str,
    generator: np.random.Generator,
) -> Iterator[NDArray[np.int64]]:
    """Yield the batches of one pass after another without end, each in a new order."""
    while True:
        yield from shuffled_buckets(lengths, capacity, by, generator)
