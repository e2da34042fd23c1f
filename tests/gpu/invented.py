"""Invented tasks that a small BERT learns in seconds: no file, no tokenizer, no network."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch
from numpy.typing import NDArray

from pdbench.data.batches import Batch, collate
from pdbench.data.tokens import Tokens
from pdbench.engine import Bert, BertShape, Classifier, MaskedLM
from pdbench.engine.device import predict, predict_batches
from pdbench.engine.initialise import random_classifier, random_model, standard_deviation
from pdbench.jobs.corpus import Corpus
from pdbench.kinds import Kind, Labelled, kind_of
from pdbench.study import Architecture
from pdbench.study.settings import StageSettings, Task

PIECES = 600
PADDING, CLS, SEP, MASK, MARKS, PLAIN = 0, 1, 2, 3, 4, 100
"""Ids: those of special pieces, the first of those that say the answer, and of all others."""

LABELS = {"classification": 3, "regression": 0, "ranking": 12, "span": 0}
"""Kinds of tasks, and how many labels the invented one has."""

_LONGEST = 16


def tokens(items: int, seed: int, longest: int = _LONGEST, *, pairs: bool = False) -> Tokens:
    """Items of 8 to ``longest`` plain pieces between [CLS] and [SEP], as texts or as pairs."""
    random = np.random.default_rng(seed)
    lengths = random.integers(8, longest + 1, items)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    pieces = random.integers(PLAIN, PIECES, offsets[-1]).astype(np.uint16)
    pieces[offsets[:-1]], pieces[offsets[1:] - 1] = CLS, SEP
    seconds = lengths // 2 if pairs else lengths
    return Tokens(pieces, offsets, seconds.astype(np.int32), "invented", longest)


def task(kind: str, items: int = 512, seed: int = 0) -> tuple[Kind, Labelled]:
    """A task in which a mark among the pieces says the answer, and examples of it."""
    own, random = tokens(items, seed), np.random.default_rng([seed, 1])
    marks = random.integers(0, LABELS[kind] or 2, items)
    starts = own.offsets[:-1] + random.integers(1, 5, items)
    lengths = random.integers(1, 3, items)
    own.pieces[starts] = MARKS + marks
    labels = [f"label-{i}" for i in range(LABELS[kind])]
    named = "classification" if kind == "regression" else kind
    about = {"source": "embedded", "kind": named, "metrics": ["f1"], "labels": labels}
    found = kind_of(Task.model_validate(about))
    if kind == "span":
        own.pieces[starts + lengths] = MARKS + 2 + marks
        first = starts - own.offsets[:-1]
        return found, Labelled(own, np.stack([first, first + lengths], axis=1))
    return found, Labelled(own, marks.astype(np.float32 if kind == "regression" else np.int64))


def corpus(items: int = 384, longest: int = _LONGEST) -> Corpus:
    """A text in which every plain piece follows its predecessor's number."""
    own = tokens(items, 7, longest)
    for start, end in zip(own.offsets[:-1] + 1, own.offsets[1:] - 1, strict=True):
        first = int(own.pieces[start])
        own.pieces[start:end] = PLAIN + (first + np.arange(end - start)) % 50
    about = {"size": PIECES, "special": (PADDING, CLS, SEP, MASK), "index": lambda _: MASK}
    return Corpus([own], [len(own.pieces) * 3], SimpleNamespace(**about))  # type: ignore[arg-type]


def shape(size: str, pieces: int = PIECES) -> BertShape:
    """The shape of a size L/H, with a small vocabulary."""
    return BertShape.of(Architecture.parse(size), pieces)


def classifier(size: str, kind: Kind, labels: int, seed: int = 0) -> Classifier:
    """A model with random first weights for a kind of task."""
    own = shape(size)
    random = torch.Generator().manual_seed(seed)
    deviation = standard_deviation(own.hidden, "scaled")
    return random_classifier(own, kind.head.outputs(labels), deviation, random, kind.head)


def masked_lm(size: str, pieces: int = PIECES) -> MaskedLM:
    """A masked-LM model with random first weights."""
    own = shape(size, pieces)
    random = torch.Generator().manual_seed(0)
    return random_model(MaskedLM(Bert(own)), standard_deviation(own.hidden, "scaled"), random)


def batch(items: int = 8, longest: int = 64, *, pairs: bool, padded: bool) -> Batch:
    """One batch of texts or pairs, padded or all as long as the longest."""
    own = tokens(items * (1 if padded else 40), 3, longest, pairs=pairs)
    found = np.arange(len(own))
    if not padded:
        found = found[own.lengths == own.lengths[0]][:items]
    return collate(own, found)


def settings(epochs: int, **changes: object) -> StageSettings:
    """How a stage trains: batches of 32 at a rate that all the sizes here learn with."""
    about = {"epochs": epochs, "learning_rate": (2e-3,), "batch_size": (32,), **changes}
    return StageSettings.model_validate(about)


def share_right(kind: Kind, model: Classifier, data: Labelled) -> float:
    """The share of examples that a model answers; of scores, the variance that it explains."""
    if data.targets.ndim == 2:
        found: NDArray[np.int64] = np.empty_like(data.targets)
        for index, logits in predict_batches(model, data.tokens):
            found[index] = logits.argmax(axis=1)
        return float((found == data.targets).all(axis=1).mean())
    said = kind.said(predict(model, data.tokens))
    if data.targets.dtype == np.float32:
        return float(1 - np.square(said - data.targets).mean() / data.targets.var())
    return float((said == data.targets).mean())
