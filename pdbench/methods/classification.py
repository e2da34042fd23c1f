"""Training and scoring a classifier on stored items: what teachers and students share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pdbench.data.batches import Batch, collate, epochs, pieces_used, renumbering
from pdbench.data.metrics import compute
from pdbench.data.tokens import Tokens
from pdbench.files import read_json
from pdbench.models import Classifier
from pdbench.models.bert import keep_pieces
from pdbench.training import (
    Device,
    Optimisation,
    Progress,
    cross_entropy,
    optimise,
    predict,
    soft_cross_entropy,
)


@dataclass(frozen=True)
class Labelled:
    """Items with targets: labels (N,) int64, or the teacher's probabilities (N, C)."""

    tokens: Tokens
    targets: NDArray[np.int64] | NDArray[np.float16]

    @property
    def items(self) -> int:
        """How many of the tokens' items have a target."""
        return len(self.targets)


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
    """

    passes: int
    batch_size: int
    learning_rate: float
    warmup: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0
    least_steps: int = 0

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
) -> Progress:
    """Train on labels (cross-entropy) or on soft labels (soft cross-entropy).

    Args:
        model: The classifier, already on ``device``.
        data: The items and their targets.
        settings: Epochs, batch size, rate.
        device: Where and how precisely to compute.
        seed: Decides the order of the items and the dropout.
        numbers: As in :func:`pdbench.data.batches.collate`.
    """
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    soft = data.targets.ndim == 2
    objective = soft_cross_entropy if soft else cross_entropy
    kind = np.float32 if soft else np.int64

    def loss_of(batch: Batch) -> Tensor:
        targets = device.tensor(data.targets[batch.index].astype(kind))
        with device.autocast():
            logits = model(*device.inputs(batch))
        return objective(logits.float(), targets)

    lengths = data.tokens.lengths[: data.items]
    steps = settings.steps(data.items)
    order = epochs(lengths, settings.batch_size, "items", rng)
    return optimise(
        model,
        (collate(data.tokens, index, numbers) for index in order),
        loss_of,
        Optimisation(
            steps,
            settings.learning_rate,
            settings.warmup,
            settings.weight_decay,
            settings.clip,
        ),
    )


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
