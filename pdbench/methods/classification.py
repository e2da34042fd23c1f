"""Training and scoring a classifier on stored items: what teachers and students share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pdbench.data.batches import Batch, collate, pieces_used, renumbering
from pdbench.data.metrics import compute
from pdbench.data.order import ItemBatches
from pdbench.data.tokens import Tokens
from pdbench.files import read_json
from pdbench.models import Classifier
from pdbench.models.bert import keep_pieces
from pdbench.training import (
    Device,
    Keeper,
    Optimisation,
    Progress,
    cross_entropy,
    optimise,
    predict,
    soft_cross_entropy,
)
from pdbench.training.work import rows_of


@dataclass(frozen=True)
class Labelled:
    """Items with targets: labels (N,) int64, or the teacher's probabilities (N, C)."""

    tokens: Tokens
    targets: NDArray[np.int64] | NDArray[np.float16]

    @property
    def items(self) -> int:
        """How many of the tokens' items have a target."""
        return len(self.targets)


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
    """Share of the most frequent class in a split."""
    share: float = read_json(task_folder / "task.json")["majority"][split]
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
    ``at_once`` is the most word pieces, padding counted, of a forward pass.
    """

    passes: int
    batch_size: int
    learning_rate: float
    warmup: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0
    least_steps: int = 0
    at_once: int | None = None

    def steps(self, items: int) -> int:
        """Updates on so many items."""
        return max(self.passes * -(-items // self.batch_size), self.least_steps)


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

    Args:
        model: The classifier, already on ``device``.
        data: The items and their targets.
        settings: Epochs, batch size, rate.
        device: Where and how precisely to compute.
        seed: Decides the order of the items and the dropout.
        numbers: As in :func:`pdbench.data.batches.collate`.
        keeper: Saves and restores the state of the run.
    """
    soft = data.targets.ndim == 2
    objective = soft_cross_entropy if soft else cross_entropy
    kind = np.float32 if soft else np.int64
    order = ItemBatches(data.tokens.lengths[: data.items], settings.batch_size, seed)

    def batch_of(step: int) -> LabelledBatch:
        index = order[step]
        return LabelledBatch(collate(data.tokens, index, numbers), data.targets[index].astype(kind))

    def loss_of(labelled: LabelledBatch) -> Tensor:
        targets = device.tensor(labelled.targets)
        with device.autocast():
            logits = model(*device.inputs(labelled.batch))
        return objective(logits.float(), targets)

    how = Optimisation(
        settings.steps(data.items),
        settings.learning_rate,
        settings.warmup,
        settings.weight_decay,
        settings.clip,
        settings.at_once,
    )
    return optimise(model, batch_of, loss_of, how, seed, keeper)


@dataclass(frozen=True)
class Scores:
    """Metrics of one split (fractions) and the predicted class of every example, (N,)."""

    metrics: dict[str, float]
    predictions: NDArray[np.int16]

    @property
    def constant(self) -> bool:
        """Whether every example got the same class: a degenerate predictor."""
        return bool((self.predictions == self.predictions[0]).all())


def score(
    model: Classifier,
    data: Labelled,
    metrics: Sequence[str],
    device: Device,
    numbers: NDArray[np.int64] | None = None,
) -> Scores:
    """Evaluate a classifier on a labelled split."""
    predictions = predict(model, data.tokens, device, numbers).argmax(axis=1)
    return Scores(compute(metrics, predictions, data.targets), predictions.astype(np.int16))
