"""The four initialisations of a student (section 6.3 of the paper, figure5)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from pdbench.core.errors import DataError
from pdbench.engine.bert import Bert, BertShape, Classifier, MaskedLM
from pdbench.engine.checkpoints import load_encoder, read_checkpoint
from pdbench.study import Initialisation

BERT_RANGE = 0.02
_BERT_BASE_HIDDEN = 768


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
    model = head(Bert(shape), labels)
    random_model(model, deviation, generator)
    return model


def random_masked_lm(
    shape: BertShape, dropout: float, deviation: float, generator: torch.Generator
) -> MaskedLM:
    """Build a masked-LM model with random weights, drawn once."""
    model = MaskedLM(Bert(shape, dropout))
    random_model(model, deviation, generator)
    return model


def random_model(model: nn.Module, deviation: float, generator: torch.Generator) -> None:
    """Draw weights as BERT does: normal cut at two deviations; zero biases; unit norms."""
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            _truncated_normal(module.weight, deviation, generator)
        if isinstance(module, nn.Linear | nn.LayerNorm):
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
        if isinstance(module, MaskedLM):
            nn.init.zeros_(module.bias)


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

    Args:
        kind: random; embeddings (word embeddings of ``checkpoint``, the rest random);
            truncated (embeddings and first layers of a deeper ``checkpoint``); pretrained
            (the whole encoder of ``checkpoint``, of the same size).
        shape: The student's shape.
        labels: Number of classes. The output layer is always random, and so is the pooler of
            a checkpoint without one: masked LM trains neither.
        generator: The source of randomness.
        rule: See :func:`standard_deviation`.
        checkpoint: Folder of the pre-trained model; not needed for random.
        head: The kind of model.

    Raises:
        DataError: The checkpoint's width, depth or vocabulary does not fit.
    """
    deviation = standard_deviation(shape.hidden, rule)
    model = random_classifier(shape, labels, deviation, generator, head)
    if kind == "random":
        return model
    if checkpoint is None:
        raise ValueError(f"initialisation {kind!r} needs a checkpoint")
    found, weights, _ = read_checkpoint(checkpoint)
    _check_fit(kind, shape, found, checkpoint)
    if kind == "embeddings":
        model.bert.word_embeddings.weight.data.copy_(weights["word_embeddings.weight"])
    else:
        load_encoder(model.bert, _with_pooler(weights, model.bert), checkpoint)
    return model


def _with_pooler(weights: Mapping[str, Tensor], bert: Bert) -> dict[str, Tensor]:
    own = {f"pooler.{name}": tensor for name, tensor in bert.pooler.state_dict().items()}
    return {**own, **weights}


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


def _truncated_normal(weight: Tensor, deviation: float, generator: torch.Generator) -> None:
    nn.init.trunc_normal_(
        weight, 0.0, deviation, -2 * deviation, 2 * deviation, generator=generator
    )
