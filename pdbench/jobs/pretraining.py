"""Masked-LM pre-training of a student on a corpus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pdbench.data.batches import collate, renumbering
from pdbench.data.order import PieceBatches, Purpose, generator
from pdbench.data.tokens import Tokens
from pdbench.data.vocabulary import Vocabulary
from pdbench.engine import (
    ALONE,
    BertShape,
    Device,
    Keeper,
    MaskedLM,
    Optimisation,
    Progress,
    Ranks,
    optimise,
)
from pdbench.engine.bert import embedding_of, keep_pieces
from pdbench.engine.initialise import random_masked_lm, standard_deviation
from pdbench.engine.losses import Masked, mask_pieces
from pdbench.engine.spectral import spectral_embeddings
from pdbench.jobs.taught import Taught, open_taught
from pdbench.study import Start, Study
from pdbench.study.cells import seed_of
from pdbench.workflow import Paths


@dataclass(frozen=True)
class Part:
    """One text of a corpus: its items and the word pieces to train on."""

    tokens: Tokens
    items: int
    budget: int


@dataclass(frozen=True)
class Pieces:
    """The word pieces of a corpus: special ones first, then the others by frequency.

    Attributes:
        kept: Their ids in the vocabulary, (K,).
        numbers: Table from id to position in ``kept``, (V,).
        special: How many special pieces lead.
    """

    kept: NDArray[np.int64]
    numbers: NDArray[np.int64]
    special: int

    def predicted(self, limit: int | None) -> range:
        """The pieces that may be masked and predicted, at most ``limit`` of them."""
        end = len(self.kept) if limit is None else min(len(self.kept), self.special + limit)
        return range(self.special, end)


def pretraining_seed(start: Start) -> int:
    """The seed of a pre-trained student."""
    own = () if start.method is None else (start.method,)
    return seed_of("pretrain", start.corpus, start.architecture, *own)


def pretrain_student(
    study: Study,
    paths: Paths,
    start: Start,
    vocabulary: Vocabulary,
    device: Device,
    keeper: Keeper | None = None,
    ranks: Ranks = ALONE,
) -> tuple[MaskedLM, Progress]:
    """Train a student by masked LM, or by a method's own objective, from its first weights.

    Only pieces that occur in the corpus are trained; the others keep their first weights.

    Returns:
        The model with the whole vocabulary, and what training did.
    """
    settings = study.training.pretrain
    seed = pretraining_seed(start)
    parts = open_corpus(study, paths, start.corpus)
    pieces = corpus_pieces(parts, vocabulary)
    taught = open_taught(study, paths, start, vocabulary.size)
    model = (
        taught.student(settings.dropout)
        if taught
        else _first_weights(study, start, parts, pieces, vocabulary, seed)
    )
    whole, bias = model.bert.word_embeddings.weight.detach(), model.bias.detach()
    kept = torch.from_numpy(pieces.kept)
    keep_pieces(model, kept)
    if taught:
        taught.prepare(kept, device)
    model.bert.pooler.requires_grad_(False)  # masked LM does not use it
    model.to(device.torch)
    order = CorpusOrder(parts, settings.batch_tokens, seed)
    predicted = pieces.predicted(settings.softmax_pieces)
    mask_id = int(pieces.numbers[vocabulary.mask])
    loss_of = _loss(model, taught, predicted.stop, device)

    def batch_of(step: int) -> Masked:
        part, index = order[step]
        batch = collate(parts[part].tokens, index, pieces.numbers)
        random = generator(Purpose.MASKS, seed, step)
        return mask_pieces(batch, settings.masked, predicted, mask_id, random)

    how = Optimisation(
        len(order),
        study.learning_rate(settings.learning_rate, start.architecture),
        settings.warmup,
        at_once=settings.at_once,
    )
    trained = taught.trained(model) if taught else model
    progress = optimise(trained, batch_of, loss_of, how, seed, keeper, ranks)
    _restore_pieces(model.cpu(), whole, bias, pieces)
    return model, progress


def _loss(
    model: MaskedLM, taught: Taught | None, scored: int, device: Device
) -> Callable[[Masked], Tensor]:
    """The loss of a batch: masked LM over the first ``scored`` pieces, or a method's own."""

    def loss_of(masked: Masked) -> Tensor:
        positions, targets = device.tensor(masked.positions), device.tensor(masked.targets)
        inputs = device.inputs(masked.batch)
        if taught:
            return taught.loss(model, inputs, positions, targets, scored, device)
        with device.autocast():
            return model.loss(*inputs, positions, targets, scored)

    return loss_of


def _first_weights(
    study: Study,
    start: Start,
    parts: list[Part],
    pieces: Pieces,
    vocabulary: Vocabulary,
    seed: int,
) -> MaskedLM:
    settings, hidden = study.training.pretrain, start.architecture.hidden
    deviation = standard_deviation(hidden, study.training.initializer_range)
    shape = BertShape.of(start.architecture, vocabulary.size)
    random = torch.Generator().manual_seed(seed)
    model = random_masked_lm(shape, settings.dropout, deviation, random)
    if settings.embedding_start == "spectral":
        whole = model.bert.word_embeddings.weight.detach()
        _start_spectral(whole, parts, pieces, deviation, seed)
    return model


def open_corpus(study: Study, paths: Paths, corpus: str) -> list[Part]:
    """Open the texts of a corpus."""
    parts = []
    for part in study.corpus_parts(corpus):
        tokens = Tokens.open(paths.text(part.text))
        items = len(tokens) if part.size is None else min(part.size, len(tokens))
        parts.append(Part(tokens, items, part.tokens))
    return parts


def corpus_pieces(parts: list[Part], vocabulary: Vocabulary) -> Pieces:
    """Count the word pieces of a corpus and order them by frequency."""
    counts = np.zeros(vocabulary.size, dtype=np.int64)
    for part in parts:
        counts += part.tokens.first(part.items).counts(vocabulary.size)
    special = np.array(vocabulary.special, dtype=np.int64)
    counts[special] = 0
    order = np.argsort(-counts, kind="stable")
    kept = np.concatenate([special, order[: np.count_nonzero(counts)]])
    return Pieces(kept, renumbering(kept, vocabulary.size), len(special))


class CorpusOrder:
    """The batch of each step of pre-training: the parts mixed, each until its budget is met.

    Args:
        parts: The texts of the corpus.
        batch_tokens: Most word pieces of a batch, padding counted.
        seed: Decides the order.
    """

    def __init__(self, parts: Sequence[Part], batch_tokens: int, seed: int) -> None:
        self._batches = [
            PieceBatches(part.tokens.lengths[: part.items], batch_tokens, seed, number)
            for number, part in enumerate(parts)
        ]
        steps = [
            batches.steps(part.budget) for batches, part in zip(self._batches, parts, strict=True)
        ]
        parts_of_steps = np.repeat(np.arange(len(parts), dtype=np.uint16), steps)
        self._parts = generator(Purpose.MIXTURE, seed, 0).permutation(parts_of_steps)
        self._turns = np.empty(len(self._parts), np.uint32)  # among the steps of the same part
        for number, count in enumerate(steps):
            self._turns[self._parts == number] = np.arange(count)

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, step: int) -> tuple[int, NDArray[np.int64]]:
        """The number of a step's part, and the positions of its items in it, (B,).

        Raises:
            IndexError: There is no such step.
        """
        part = int(self._parts[step])
        return part, self._batches[part][int(self._turns[step])]


def _start_spectral(
    weight: Tensor, parts: list[Part], pieces: Pieces, deviation: float, seed: int
) -> None:
    items = [
        pieces.numbers[part.tokens.item(i).astype(np.int64)]
        for part in parts
        for i in range(part.items)
    ]
    rows = spectral_embeddings(items, len(pieces.kept), weight.shape[1], deviation, seed)
    rows[: pieces.special] = 0
    found = rows.abs().sum(dim=1) > 0
    weight[torch.from_numpy(pieces.kept)[found]] = rows[found]


def _restore_pieces(model: MaskedLM, whole: Tensor, bias: Tensor, pieces: Pieces) -> None:
    kept = torch.from_numpy(pieces.kept)
    whole[kept] = model.bert.word_embeddings.weight.detach()
    bias[kept] = model.bias.detach()
    model.bert.word_embeddings = embedding_of(whole)
    model.bias = torch.nn.Parameter(bias)
