"""Pre-training draws its budget, orders pieces by frequency, and keeps the vocabulary."""

import itertools
from types import SimpleNamespace

import numpy as np

from pdbench.data.tokens import Tokens
from pdbench.jobs.pretraining import CorpusText, _CorpusOrder, corpus_pieces

VOCABULARY = SimpleNamespace(size=60, special=(0, 1, 2, 3, 4), index={"[MASK]": 4}.get)


def _tokens(items: int, seed: int, low: int = 5, high: int = 40) -> Tokens:
    rng = np.random.default_rng(seed)
    rows = [[2, *rng.integers(low, high, rng.integers(3, 12)), 3] for _ in range(items)]
    lengths = np.array([len(row) for row in rows])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    pieces = np.concatenate(rows).astype(np.uint16)
    return Tokens(pieces, offsets, lengths.astype(np.int32), "vocabulary", 16)


def test_pieces_are_special_then_by_frequency() -> None:
    """The most frequent pieces come first, so that a limit keeps those."""
    tokens = _tokens(200, 0)

    pieces = corpus_pieces([CorpusText(tokens, 200, 1)], VOCABULARY)

    counts = np.bincount(tokens.pieces, minlength=60)[pieces.kept[5:]]
    assert pieces.kept[:5].tolist() == [0, 1, 2, 3, 4]
    assert (np.diff(counts) <= 0).all()
    assert counts.min() > 0
    assert (pieces.numbers[pieces.kept] == np.arange(len(pieces.kept))).all()


def test_predicted_pieces_are_the_frequent_ones() -> None:
    """A limit counts from behind the special pieces; none means all."""
    pieces = corpus_pieces([CorpusText(_tokens(200, 0), 200, 1)], VOCABULARY)

    assert pieces.predicted(10) == range(5, 15)
    assert pieces.predicted(None) == range(5, len(pieces.kept))
    assert pieces.predicted(10_000) == range(5, len(pieces.kept))


def test_every_part_meets_its_budget() -> None:
    """A budget beyond the text means more passes, one below it a share of a pass."""
    parts = [CorpusText(_tokens(100, 0), 100, 5000), CorpusText(_tokens(400, 1), 400, 500)]

    order = list(_CorpusOrder(parts, 64, 0))

    for number, part in enumerate(parts):
        seen = sum(int(part.tokens.lengths[i].sum()) for n, i in order if n == number)
        assert part.budget <= seen < part.budget + 64


def test_items_beyond_the_size_are_never_read() -> None:
    """D_LM = D_T means the same items."""
    part = CorpusText(_tokens(100, 0), 30, 2000)

    order = list(_CorpusOrder([part], 64, 0))

    assert max(int(index.max()) for _, index in order) < 30


def test_parts_are_mixed() -> None:
    """The parts of a corpus alternate instead of following one another."""
    parts = [CorpusText(_tokens(200, s), 200, 4000) for s in (0, 1)]

    numbers = [number for number, _ in _CorpusOrder(parts, 64, 0)]

    changes = sum(a != b for a, b in itertools.pairwise(numbers))
    assert changes > len(numbers) / 4
