"""Masked-LM pre-training of a student on a corpus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pdbench.data.batches import Batch, collate, renumbering, shuffled_buckets
from pdbench.data.tokens import Tokens
from pdbench.data.vocabulary import Vocabulary
from pdbench.models import Bert, BertShape, MaskedLM, random_model
from pdbench.models.bert import embedding_of, keep_pieces
from pdbench.models.initialise import standard_deviation
from pdbench.models.spectral import spectral_embeddings
from pdbench.study import Architecture, Paths, Study
from pdbench.study.cells import seed_of
from pdbench.training import Device, Optimisation, Progress, cross_entropy, optimise
from pdbench.training.objectives import mask_pieces


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


def pretrain_student(
    study: Study,
    paths: Paths,
    corpus: str,
    architecture: Architecture,
    vocabulary: Vocabulary,
    device: Device,
) -> tuple[MaskedLM, Progress, int]:
    """Train a student by masked LM from its first weights.

    Only pieces that occur in the corpus are trained; the others keep their first weights.

    Returns:
        The model with the whole vocabulary, what training did, and the seed.
    """
    settings = study.training.pretrain
    rate = study.learning_rate(settings.learning_rate, architecture)
    seed = seed_of("pretrain", corpus, architecture)
    parts = open_corpus(study, paths, corpus)
    pieces = corpus_pieces(parts, vocabulary)
    deviation = standard_deviation(architecture.hidden, study.training.initializer_range)
    generator = torch.Generator().manual_seed(seed)
    model = MaskedLM(Bert(BertShape.of(architecture, vocabulary.size), settings.dropout))
    random_model(model, deviation, generator)
    whole = model.bert.word_embeddings.weight.detach()
    if settings.embedding_start == "spectral":
        _start_spectral(whole, parts, pieces, deviation, seed)
    bias = model.bias.detach()
    keep_pieces(model, torch.from_numpy(pieces.kept))
    model.to(device.torch)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    order = batch_order(parts, settings.batch_tokens, rng)
    progress = optimise(
        model,
        (collate(parts[part].tokens, index, pieces.numbers) for part, index in order),
        _masked_lm_loss(model, pieces, study, device, rng, vocabulary),
        Optimisation(len(order), rate, settings.warmup),
    )
    _restore_pieces(model.cpu(), whole, bias, pieces)
    return model, progress, seed


def open_corpus(study: Study, paths: Paths, corpus: str) -> list[Part]:
    """Open the texts of a corpus."""
    parts = []
    for part in study.corpora[corpus]:
        tokens = Tokens.open(paths.text(part.text))
        items = len(tokens) if part.size is None else min(part.size, len(tokens))
        parts.append(Part(tokens, items, part.tokens))
    return parts


def corpus_pieces(parts: list[Part], vocabulary: Vocabulary) -> Pieces:
    """Count the word pieces of a corpus and order them by frequency."""
    counts = np.zeros(vocabulary.size, dtype=np.int64)
    for part in parts:
        pieces = part.tokens.pieces[: part.tokens.offsets[part.items]]
        counts += np.bincount(pieces, minlength=vocabulary.size)
    special = np.array(vocabulary.special, dtype=np.int64)
    counts[special] = 0
    order = np.argsort(-counts, kind="stable")
    kept = np.concatenate([special, order[: np.count_nonzero(counts)]])
    return Pieces(kept, renumbering(kept, vocabulary.size), len(special))


def batch_order(
    parts: list[Part], batch_tokens: int, generator: np.random.Generator
) -> list[tuple[int, NDArray[np.int64]]]:
    """Draw batches from every part until its budget is met, and shuffle them all."""
    order = [
        (number, index)
        for number, part in enumerate(parts)
        for index in _part_batches(part, batch_tokens, generator)
    ]
    return [order[i] for i in generator.permutation(len(order))]


def _part_batches(
    part: Part, batch_tokens: int, generator: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    lengths = part.tokens.lengths[: part.items]
    seen = 0
    while seen < part.budget:
        for index in shuffled_buckets(lengths, batch_tokens, "pieces", generator):
            yield index
            seen += int(lengths[index].sum())
            if seen >= part.budget:
                return


def _masked_lm_loss(
    model: MaskedLM,
    pieces: Pieces,
    study: Study,
    device: Device,
    rng: np.random.Generator,
    vocabulary: Vocabulary,
) -> Callable[[Batch], Tensor]:
    settings = study.training.pretrain
    predicted = pieces.predicted(settings.softmax_pieces)
    mask_id = int(pieces.numbers[vocabulary.mask])

    def loss_of(batch: Batch) -> Tensor:
        masked = mask_pieces(batch, settings.masked, predicted, mask_id, rng)
        positions, targets = device.tensor(masked.positions), device.tensor(masked.targets)
        with device.autocast():
            logits = model(*device.inputs(masked.batch), positions, predicted.stop)
        return cross_entropy(logits.float(), targets)

    return loss_of


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
