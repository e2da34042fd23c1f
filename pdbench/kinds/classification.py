"""Training and scoring a classifier on stored items: what teachers and students share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pdbench.core.files import read_json
from pdbench.data.batches import Batch, collate, pieces_used, renumbering
from pdbench.data.metrics import compute
from pdbench.data.order import ItemBatches
from pdbench.data.tokens import Tokens
from pdbench.engine import (
    Classifier,
    Device,
    Keeper,
    Optimisation,
    Progress,
    cross_entropy,
    optimise,
    predict,
    soft_cross_entropy,
    squared_error,
)
from pdbench.engine.bert import keep_pieces
from pdbench.engine.portions import rows_of


@dataclass(frozen=True)
class Labelled:
    """Items with targets.

    They are labels, (N,) int64, or the teacher's probabilities, (N, C); in a regression scores,
    (N,) float32, or the teacher's, (N, 1).
    """

    tokens: Tokens
    targets: NDArray[Any]

    @property
    def is_regression(self) -> bool:
        """Whether the targets are scores and no classes."""
        if self.targets.ndim == 2:
            return bool(self.targets.shape[1] == 1)
        return bool(np.issubdtype(self.targets.dtype, np.floating))

    @property
    def items(self) -> int:
        """How many of the tokens' items have a target."""
        return len(self.targets)

    def targets_of(self, index: NDArray[np.int64]) -> NDArray[Any]:
        """The targets of some items: classes as int64, all others as float32."""
        kind = np.float32 if self.targets.ndim == 2 or self.is_regression else np.int64
        return self.targets[index].astype(kind)

    @property
    def objective(self) -> Callable[[Tensor, Tensor], Tensor]:
        """The loss of logits (B, C) for the targets of a batch."""
        if self.is_regression:
            return squared_error
        return soft_cross_entropy if self.targets.ndim == 2 else cross_entropy

    def scored(
        self,
        model: Classifier,
        metrics: Sequence[str],
        device: Device,
        numbers: NDArray[np.int64] | None = None,
    ) -> Scores:
        """Evaluate a model on the items; see :func:`score`."""
        return score(model, self, metrics, device, numbers)


@dataclass(frozen=True)
class LabelledBatch:
    """B items with their targets: labels (B,) int64, or probabilities (B, C) float32."""

    batch: Batch
    targets: NDArray[Any]

    def __len__(self) -> int:
        return len(self.targets)

    def rows(self, chosen: slice) -> LabelledBatch:
        """Some of the items with their targets."""
        return LabelledBatch(rows_of(self.batch, chosen), self.targets[chosen])


def open_split(task_folder: Path, split: str) -> Labelled:
    """Open one split of a prepared task."""
    folder = task_folder / split
    labels = np.load(folder / "labels.npy", allow_pickle=False)
    return Labelled(Tokens.open(folder), labels)


def majority(task_folder: Path, split: str) -> float:
    """Share of the most frequent class in a split; 0 of a regression."""
    share: float = read_json(task_folder / "task.json")["majority"].get(split, 0.0)
    return share


def restrict_pieces(
    model: Classifier, all_tokens: Sequence[Tokens], vocabulary: int
) -> NDArray[np.int64]:
    """Keep the word embeddings that any of ``all_tokens`` needs; return the new numbers."""
    kept = pieces_used(all_tokens, vocabulary)
    keep_pieces(model, torch.from_numpy(kept))
    return renumbering(kept, vocabulary)


@dataclass(frozen=True)
class Pass:
    """How a stage walks over its data: ``passes`` epochs of batches of ``batch_size``.

    Data so small that this makes fewer than ``least_steps`` updates is seen more often.
    ``at_once`` is the most word pieces, padding counted, of a forward pass. ``span`` is the
    part of these updates that a stage takes, where several share them: it goes on in the order
    of the items, which ``order_seed`` decides, or else the stage's own seed.
    """

    passes: int
    batch_size: int
    learning_rate: float
    warmup: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0
    least_steps: int = 0
    at_once: int | None = None
    span: tuple[float, float] = (0.0, 1.0)
    order_seed: int | None = None

    def steps(self, items: int) -> int:
        """Updates on so many items."""
        return len(self.updates(items))

    def updates(self, items: int) -> range:
        """The numbers of these updates among all that share them."""
        whole = max(self.passes * -(-items // self.batch_size), self.least_steps)
        start, end = self.span
        return range(round(start * whole), round(end * whole))


def train_classifier(
    model: Classifier,
    data: Labelled,
    settings: Pass,
    device: Device,
    seed: int,
    numbers: NDArray[np.int64] | None = None,
    keeper: Keeper | None = None,
) -> Progress:
    """Train on labels (cross-entropy) or on soft labels (soft cross-entropy).

    Scores, be they labels or the teacher's, are learnt by their squared error.

    Args:
        model: The classifier, already on ``device``.
        data: The items and their targets.
        settings: Epochs, batch size, rate.
        device: Where and how precisely to compute.
        seed: Decides the order of the items and the dropout.
        numbers: As in :func:`pdbench.data.batches.collate`.
        keeper: Saves and restores the state of the run.
    """
    objective = data.objective

    def loss_of(labelled: LabelledBatch) -> Tensor:
        targets = device.tensor(labelled.targets)
        with device.autocast():
            logits = model(*device.inputs(labelled.batch))
        return objective(logits.float(), targets)

    return train_stage(model, loss_of, data, settings, seed, numbers, keeper)


def train_stage(
    model: nn.Module,
    loss_of: Callable[[LabelledBatch], Tensor],
    data: Labelled,
    settings: Pass,
    seed: int,
    numbers: NDArray[np.int64] | None = None,
    keeper: Keeper | None = None,
) -> Progress:
    """Train on labels or soft labels with any loss.

    Args:
        model: What trains, already on its device.
        loss_of: The mean loss of a batch.
        data: As in :func:`train_classifier`, like all that follow.
        settings: Epochs, batch size, rate.
        seed: Decides the order of the items and the dropout.
        numbers: As there.
        keeper: Saves and restores the state of the run.
    """
    order_seed = seed if settings.order_seed is None else settings.order_seed
    order = ItemBatches(data.tokens.lengths[: data.items], settings.batch_size, order_seed)
    updates = settings.updates(data.items)

    def batch_of(step: int) -> LabelledBatch:
        index = order[updates[step]]
        return LabelledBatch(collate(data.tokens, index, numbers), data.targets_of(index))

    how = Optimisation(
        len(updates),
        settings.learning_rate,
        settings.warmup,
        settings.weight_decay,
        settings.clip,
        settings.at_once,
    )
    return optimise(model, batch_of, loss_of, how, seed, keeper)


@dataclass(frozen=True)
class Scores:
    """Metrics of one split (fractions) and what was predicted for every example, (N,).

    A prediction is a class, int16; in a regression a score, float32; the place of an answer,
    packed (:mod:`pdbench.data.answers`), int64; or the rank of the true item, int32.

    ``examples`` is what each example scores, (N,) by metric, where predictions and labels alone
    do not say it; ``answered`` what was answered, (N,), where a prediction does not say it.
    """

    metrics: dict[str, float]
    predictions: NDArray[Any]
    examples: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    answered: NDArray[np.int32] | None = None

    @property
    def constant(self) -> bool:
        """Whether every example got the same answer: a degenerate predictor."""
        said = self.predictions if self.answered is None else self.answered
        return bool((said == said[0]).all())


def score(
    model: Classifier,
    data: Labelled,
    metrics: Sequence[str],
    device: Device,
    numbers: NDArray[np.int64] | None = None,
) -> Scores:
    """Evaluate a classifier on a labelled split."""
    predictions = predicted(model, data.tokens, device, numbers)
    return Scores(compute(metrics, predictions, data.targets), predictions)


def predicted(
    model: Classifier,
    tokens: Tokens,
    device: Device,
    numbers: NDArray[np.int64] | None = None,
) -> NDArray[np.int16] | NDArray[np.float32]:
    """The most likely class of every item, (N,) int16; the score of a model with one output."""
    logits = predict(model, tokens, device, numbers)
    if model.output.out_features == 1:
        return np.ascontiguousarray(logits[:, 0])
    classes: NDArray[np.int16] = logits.argmax(axis=1).astype(np.int16)
    return classes
