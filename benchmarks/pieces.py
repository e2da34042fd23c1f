"""Invented word pieces, for both sides of a comparison where no data can be fetched."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

VOCABULARY = 30_522
LONGEST = 128
CLS, SEP, MASK, FIRST = 101, 102, 103, 999
"""Ids of bert-base-uncased: of special pieces, and the first of the others."""

_MEAN, _SPREAD = 3.1, 0.55  # of the logarithms of lengths: 26 pieces in the mean, as sentences have


def sentences(count: int) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    """Pieces (T,) of items with lengths like those of sentences, and where these end (N + 1,)."""
    drawn = np.random.default_rng(0).lognormal(_MEAN, _SPREAD, count)
    return _filled(np.clip(drawn, 5, LONGEST).astype(np.int64))


def blocks(count: int) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    """The same of items that all have 128 pieces, as masked LM sees them."""
    return _filled(np.full(count, LONGEST))


def _filled(lengths: NDArray[np.int64]) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    drawn = np.random.default_rng(1).integers(FIRST, VOCABULARY, offsets[-1])
    pieces = drawn.astype(np.uint16)
    pieces[offsets[:-1]], pieces[offsets[1:] - 1] = CLS, SEP
    return pieces, offsets
