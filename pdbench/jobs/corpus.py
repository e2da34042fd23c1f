"""The texts that a student is pre-trained on, and the order in which it sees them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pdbench.data.batches import PieceBatches, Purpose, generator, renumbering
from pdbench.data.tokens import Tokens
from pdbench.data.vocabulary import Vocabulary
from pdbench.study import Study
from pdbench.workflow import Paths


def open_corpus(study: Study, paths: Paths, corpus: str, vocabulary: Vocabulary) -> Corpus:
    """The texts of a corpus, each cut to its items."""
    parts = study.corpus_parts(corpus)
    opened = [(Tokens.open(paths.text(part.text)), part.size) for part in parts]
    texts = [tokens if size is None else tokens.first(size) for tokens, size in opened]
    return Corpus(texts, [part.tokens for part in parts], vocabulary)


def texts_of(study: Study, paths: Paths, corpus: str) -> dict[str, str]:
    """The digests of the texts of a corpus, by part."""
    parts = enumerate(study.corpus_parts(corpus))
    return {f"corpus.{i}": Tokens.open(paths.text(part.text)).digest for i, part in parts}


class Corpus:
    """Texts, each with the word pieces to train on, and what these are.

    ``kept`` has their ids in the vocabulary, (K,): ``special`` ones first, then the others by
    frequency. ``counts`` says how often each occurs, (K,), special ones 0. ``numbers`` is the
    table from id to position in ``kept``, (V,), and ``mask`` the position of [MASK].
    """

    def __init__(
        self, texts: Sequence[Tokens], budgets: Sequence[int], vocabulary: Vocabulary
    ) -> None:
        self.texts, self.budgets = texts, budgets
        counts = np.zeros(vocabulary.size, dtype=np.int64)
        for tokens in texts:
            counts += tokens.counts(vocabulary.size)
        special = np.array(vocabulary.special, dtype=np.int64)
        counts[special] = 0
        order = np.argsort(-counts, kind="stable")
        self.special = len(special)
        self.kept = np.concatenate([special, order[: np.count_nonzero(counts)]])
        self.counts = counts[self.kept]
        self.numbers = renumbering(self.kept, vocabulary.size)
        self.mask = int(self.numbers[vocabulary.index("[MASK]")])

    def predicted(self, limit: int | None) -> range:
        """The pieces that may be masked and predicted, at most ``limit`` of them."""
        end = len(self.kept) if limit is None else min(len(self.kept), self.special + limit)
        return range(self.special, end)

    def weights(self, smoothing: float) -> NDArray[np.float64] | None:
        """Of each piece when pieces to mask are drawn, (K,): its count to the power -smoothing."""
        return np.maximum(self.counts, 1.0) ** -smoothing if smoothing else None


class CorpusOrder:
    """The batch of each step: the texts mixed, each until its budget is met.

    A batch has at most ``batch_tokens`` word pieces, padding counted.
    """

    def __init__(self, corpus: Corpus, batch_tokens: int, seed: int) -> None:
        self._batches = [
            PieceBatches(tokens.lengths, batch_tokens, seed, number)
            for number, tokens in enumerate(corpus.texts)
        ]
        pairs = zip(self._batches, corpus.budgets, strict=True)
        steps = [batches.steps(budget) for batches, budget in pairs]
        texts_of_steps = np.repeat(np.arange(len(steps), dtype=np.uint16), steps)
        self._texts = generator(Purpose.MIXTURE, seed, 0).permutation(texts_of_steps)
        self._turns = np.empty(len(self._texts), np.uint32)  # among the steps of the same text
        for number, count in enumerate(steps):
            self._turns[self._texts == number] = np.arange(count)

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, step: int) -> tuple[int, NDArray[np.int64]]:
        """The number of a step's text, and the positions of its items in it, (B,)."""
        text = int(self._texts[step])
        return text, self._batches[text][int(self._turns[step])]
