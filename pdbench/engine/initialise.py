"""First weights: the four initialisations of a student (section 6.3, figure5), and spectral."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pdbench.core.errors import DataError
from pdbench.engine.bert import Bert, BertShape, Classifier, MaskedLM
from pdbench.engine.checkpoints import Checkpoint
from pdbench.study import Initialisation

BERT_RANGE = 0.02
_BERT_BASE_HIDDEN = 768
_OVERSAMPLING = 8
_POWER_ITERATIONS = 4

_M = TypeVar("_M", bound=nn.Module)


def standard_deviation(hidden: int, rule: str) -> float:
    """Spread of random weights: "bert" is 0.02; "scaled" keeps H * sigma^2 of BERT_BASE.

    With 0.02 at H = 128 and less, what a layer adds is a few percent of its residual, and
    a short training never learns to use context; "scaled" gives every width the activation
    scale that BERT_BASE has at 768.
    """
    return BERT_RANGE if rule == "bert" else BERT_RANGE * math.sqrt(_BERT_BASE_HIDDEN / hidden)


def random_classifier(
    shape: BertShape,
    labels: int,
    deviation: float,
    generator: torch.Generator,
    head: type[Classifier] = Classifier,
) -> Classifier:
    """Build a classifier with random weights, drawn once."""
    return random_model(head(Bert(shape), labels), deviation, generator)


def random_model(model: _M, deviation: float, generator: torch.Generator) -> _M:
    """Draw weights as BERT does: normal cut at two deviations; zero biases; unit norms."""
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            ends = -2 * deviation, 2 * deviation
            nn.init.trunc_normal_(module.weight, 0.0, deviation, *ends, generator=generator)
        if isinstance(module, nn.Linear | nn.LayerNorm):
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
        if isinstance(module, MaskedLM):
            nn.init.zeros_(module.bias)
    return model


def initial_classifier(
    kind: Initialisation,
    shape: BertShape,
    labels: int,
    generator: torch.Generator,
    rule: str = "bert",
    checkpoint: Path | None = None,
    head: type[Classifier] = Classifier,
) -> Classifier:
    """Build a student with its first weights.

    They are random; embeddings (word embeddings of ``checkpoint``, the rest random); truncated
    (embeddings and first layers of a deeper ``checkpoint``); or pretrained (the whole encoder of
    ``checkpoint``, of the same size). The output layer is always random, and so is the pooler of
    a checkpoint without one: masked LM trains neither. See :func:`standard_deviation` for ``rule``.
    """
    deviation = standard_deviation(shape.hidden, rule)
    model = random_classifier(shape, labels, deviation, generator, head)
    if kind == "random":
        return model
    assert checkpoint is not None
    stored = Checkpoint(checkpoint)
    _check_fit(kind, shape, stored.shape, checkpoint)
    if kind == "embeddings":
        found = stored.weights()["word_embeddings.weight"]
        model.bert.word_embeddings.weight.data.copy_(found)
    else:
        stored.load_encoder(model.bert, keeps_pooler=True)
    return model


def adopted_classifier(
    checkpoint: Checkpoint, labels: int, seed: int, head: type[Classifier] = Classifier
) -> Classifier:
    """The encoder of a checkpoint, of its own size, under a new output layer."""
    generator = torch.Generator().manual_seed(seed)
    model = random_classifier(checkpoint.shape, labels, BERT_RANGE, generator, head)
    checkpoint.load_encoder(model.bert)
    return model


def _check_fit(kind: str, shape: BertShape, found: BertShape, checkpoint: Path) -> None:
    same_depth = kind != "pretrained" or found.layers == shape.layers
    deep_enough = kind == "embeddings" or found.layers >= shape.layers
    same_pieces = found.vocabulary == shape.vocabulary
    if found.hidden == shape.hidden and same_depth and deep_enough and same_pieces:
        return
    raise DataError(
        f"{checkpoint}: a {found.architecture} model with {found.vocabulary} pieces cannot "
        f"start a {shape.architecture} student with {shape.vocabulary} by {kind!r}",
        "pre-train a model that fits",
    )


def spectral_embeddings(
    items: list[NDArray[np.int64]], pieces: int, hidden: int, deviation: float, seed: int
) -> Tensor:
    """Embeddings (V, H) of the ``pieces`` (V) ids of a corpus, as a start for masked LM.

    The embedding of a word piece is its row in the truncated singular value decomposition of the
    item-by-piece matrix (latent semantic analysis; Deerwester et al., 1990), each count weighted
    by log(items / items with the piece), each row scaled to the norm that a random row of this
    ``deviation`` would have; the row of an id that occurs in no item or in every item is zero.
    Factorising co-occurrence is what embedding objectives converge to (Levy and Goldberg, 2014).

    Why: masked LM reaches such embeddings by itself, but not within the demo's budget. On film
    reviews a 2/64 model's loss is 5.40 nats after 11 million word pieces, where word frequencies
    alone give 6.00, and 4.67 after 22 million. Only then does its mean embedding separate
    sentiment (68.8% in a linear probe with 1,000 labels; 57 to 60% after 2 to 5 million), nearly
    as well as the decomposition of 1.2 million pieces (71.6%, in a second).
    """
    matrix, weights = _weighted_counts(items, pieces)
    rank = min(hidden, *matrix.shape)
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    _, values, vectors = torch.svd_lowrank(
        matrix, q=min(rank + _OVERSAMPLING, *matrix.shape), niter=_POWER_ITERATIONS
    )
    torch.random.set_rng_state(state)
    rows = torch.zeros(pieces, hidden)
    rows[:, :rank] = vectors[:, :rank] * values[:rank]
    scale = deviation * hidden**0.5 / rows.norm(dim=1).clamp_min(1e-12)
    return rows * torch.where(weights > 0, scale, 0.0)[:, None]


def _weighted_counts(items: list[NDArray[np.int64]], pieces: int) -> tuple[Tensor, Tensor]:
    lengths = np.fromiter((len(item) for item in items), np.int64, len(items))
    rows = np.repeat(np.arange(len(items)), lengths)
    cells = np.unique(rows * pieces + np.concatenate(items))
    rows, columns = cells // pieces, cells % pieces
    containing = np.bincount(columns, minlength=pieces)
    weights = np.where(containing > 0, np.log(len(items) / np.maximum(containing, 1)), 0.0)
    weights = weights.astype(np.float32)
    matrix = torch.sparse_coo_tensor(
        torch.from_numpy(np.stack([rows, columns])),
        torch.from_numpy(weights[columns]),
        (len(items), pieces),
        is_coalesced=True,
        check_invariants=False,
    )
    return matrix, torch.from_numpy(weights)
