"""From text to word pieces, a few thousand texts at a time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import numpy as np

from pdbench.data.tokens import Tokens
from pdbench.data.vocabulary import Vocabulary


def encode(
    vocabulary: Vocabulary,
    first: Sequence[str],
    second: Sequence[str] | None,
    max_length: int,
    keep: Literal["start", "end"] = "start",
) -> Tokens:
    """Encode texts or pairs of texts as one item each, cut to ``max_length`` pieces.

    A pair loses pieces from its longer side first, as in BERT. The tokenizer takes about a
    kilobyte for each text until all are encoded.

    Args:
        vocabulary: The vocabulary; it is left as it was.
        first: The N texts, or the first sides of N pairs.
        second: The second sides, or None.
        max_length: Most pieces of an item, [CLS] and [SEP] included.
        keep: What stays of longer ones.
    """
    tokenizer = vocabulary.tokenizer
    cut = "right" if keep == "start" else "left"
    tokenizer.enable_truncation(max_length, strategy="longest_first", direction=cut)
    pairs = first if second is None else list(zip(first, second, strict=True))
    encodings = tokenizer.encode_batch_fast(pairs)
    tokenizer.no_truncation()
    items = [encoding.ids for encoding in encodings]
    if second is None:
        return _tokens(items, list(map(len, items)), vocabulary, max_length)
    seconds = [encoding.type_ids.index(1) for encoding in encodings]
    return _tokens(items, seconds, vocabulary, max_length)


def encode_blocks(vocabulary: Vocabulary, texts: Sequence[str], max_length: int) -> Tokens:
    """Encode documents cut into blocks of at most ``max_length`` pieces, one item each.

    Every block begins with [CLS] and ends with [SEP]; none spans two documents.
    """
    width = max_length - 2
    items: list[list[int]] = []
    for encoding in vocabulary.tokenizer.encode_batch_fast(texts, add_special_tokens=False):
        ids = encoding.ids
        blocks = (ids[start : start + width] for start in range(0, len(ids), width))
        items += [[vocabulary.cls, *block, vocabulary.sep] for block in blocks]
    return _tokens(items, list(map(len, items)), vocabulary, max_length)


def _tokens(
    items: list[list[int]], seconds: list[int], vocabulary: Vocabulary, max_length: int
) -> Tokens:
    lengths = np.fromiter(map(len, items), np.int64, len(items))
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    flat = itertools.chain.from_iterable(items)
    return Tokens(
        np.fromiter(flat, np.uint16, int(offsets[-1])),
        offsets,
        np.asarray(seconds, np.int32),
        vocabulary.digest,
        max_length,
    )
