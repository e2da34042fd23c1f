"""Pre-training draws its budget, orders pieces by frequency, and keeps the vocabulary."""

import itertools
from types import SimpleNamespace

import numpy as np

from pdbench.data.tokens import Tokens
from pdbench.jobs.corpus import Corpus, CorpusOrder

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

    pieces = Corpus([tokens], [1], VOCABULARY)

    counts = np.bincount(tokens.pieces, minlength=60)[pieces.kept[5:]]
    assert pieces.kept[:5].tolist() == [0, 1, 2, 3, 4]
    assert (np.diff(counts) <= 0).all()
    assert counts.min() > 0
    assert (pieces.numbers[pieces.kept] == np.arange(len(pieces.kept))).all()


def test_predicted_pieces_are_the_frequent_ones() -> None:
    """A limit counts from behind the special pieces; none means all."""
    pieces = Corpus([_tokens(200, 0)], [1], VOCABULARY)

    assert pieces.predicted(10) == range(5, 15)
    assert pieces.predicted(None) == range(5, len(pieces.kept))
    assert pieces.predicted(10_000) == range(5, len(pieces.kept))


def test_weights_are_powers_of_the_counts() -> None:
    """A piece that occurs n times weighs n^-.7, a special one 1; without smoothing none does."""
    tokens = _tokens(200, 0)
    corpus = Corpus([tokens], [1], VOCABULARY)

    counts = np.bincount(tokens.pieces, minlength=60)[corpus.kept[5:]]
    assert np.allclose(corpus.weights(0.7), [*[1.0] * 5, *counts.astype(float) ** -0.7])
    assert corpus.weights(0.0) is None


def test_every_part_meets_its_budget() -> None:
    """A budget beyond the text means more passes, one below it a share of a pass."""
    corpus = Corpus([_tokens(100, 0), _tokens(400, 1)], [5000, 500], VOCABULARY)

    order = list(CorpusOrder(corpus, 64, 0))

    for number, budget in enumerate(corpus.budgets):
        lengths = corpus.texts[number].lengths
        assert budget <= sum(int(lengths[i].sum()) for n, i in order if n == number) < budget + 64


def test_items_beyond_the_size_are_never_read() -> None:
    """D_LM = D_T means the same items."""
    corpus = Corpus([_tokens(100, 0).first(30)], [2000], VOCABULARY)

    order = list(CorpusOrder(corpus, 64, 0))

    assert max(int(index.max()) for _, index in order) < 30


def test_parts_are_mixed() -> None:
    """The parts of a corpus alternate instead of following one another."""
    corpus = Corpus([_tokens(200, seed) for seed in (0, 1)], [4000, 4000], VOCABULARY)

    numbers = [number for number, _ in CorpusOrder(corpus, 64, 0)]

    changes = sum(a != b for a, b in itertools.pairwise(numbers))
    assert changes > len(numbers) / 4
