"""Tasks with one answer for each item: a class, a score, or a ranking of all items.

The dialogues of ReDial and INSPIRED, which rank, are read by :mod:`pdbench.kinds.dialogues`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pdbench.core.entries import read_record
from pdbench.data.columns import PREDICTIONS, PROBABILITIES
from pdbench.data.metrics import UNSEEN, compute, rank_of, ranking
from pdbench.engine import Classifier
from pdbench.engine.device import predict, predict_ranges
from pdbench.kinds.kind import Asked, Kind, Labelled, Scores

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from pdbench.data.sources import Reader


class Classes(Kind):
    """A classification."""

    guarded_by = "accuracy"

    @staticmethod
    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy of (B, C) with labels (B,), or with probabilities (B, C).

        The second is the distillation loss of Algorithm 1, -sum_c q_c log p_c: the teacher's
        probabilities q as they are, with no temperature and no share of hard labels.
        """
        return functional.cross_entropy(outputs, targets)

    def answers(self, model: Classifier, asked: Asked) -> dict[str, NDArray[Any]]:
        """The most likely class and the probability of each, (N,) and (N, C) float32."""
        logits = predict(model, asked.tokens)
        probabilities = torch.from_numpy(logits).softmax(dim=1).numpy()
        return {PREDICTIONS: self.said(logits), PROBABILITIES: probabilities}

    def remedy(self, predictions: NDArray[Any], true: NDArray[Any], least: float) -> str:
        """Name another order of the task's labels if it would make the teacher good enough.

        Checkpoints of NLI are published with three orders of their labels.
        """
        order, reached = _best_order(predictions, true, self.task.labels)
        if reached < least:
            return "check the label order, its learning rate and its epochs"
        return f"its labels seem mixed up: in the order {', '.join(order)} it reaches {reached:.3f}"


class Regression(Kind):
    """A regression: a model has one output, and the teacher's scores are its soft labels."""

    stored = np.float32

    @staticmethod
    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean squared error: (B, 1), and (B,) or (B, 1), to a scalar."""
        return functional.mse_loss(outputs[:, 0], targets.reshape(-1))

    @staticmethod
    def soft(outputs: Tensor) -> Tensor:
        """The scores as they are, (N, 1)."""
        return outputs

    @staticmethod
    def said(logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """The score of every item, (N,)."""
        return np.ascontiguousarray(logits[:, 0])


class Rankings(Kind):
    """Dialogues with the number of the next item; -1 is one that the labelled set lacks."""

    keeps = "end"
    loss = staticmethod(Classes.loss)

    @classmethod
    def reader(cls) -> Reader:
        """The reader of dialogues."""
        from pdbench.kinds import dialogues

        return dialogues

    def numbered(self, splits: DatasetDict) -> tuple[list[str], DatasetDict]:
        """Number the items of the labelled set in alphabetical order; others have -1."""
        from datasets import Dataset, DatasetDict

        items = sorted(set(splits["train"]["item"][:]))
        known = {item: number for number, item in enumerate(items)}

        def numbered(split: Dataset) -> Dataset:
            labels = [known.get(item, UNSEEN) for item in split["item"][:]]
            return Dataset.from_dict({"text": split["text"][:], "label": labels})

        return items, DatasetDict({name: numbered(split) for name, split in splits.items()})

    def constants(self, splits: DatasetDict) -> dict[str, dict[str, float]]:
        """What the ranking by how often train names each item scores, equal counts by number."""
        counts = np.bincount(splits["train"]["label"][:])
        order = np.argsort(-counts, kind="stable")
        rank = np.empty(len(order), np.int32)
        rank[order] = np.arange(1, len(order) + 1)
        found = {}
        for split in ("dev", "test"):
            true = np.asarray(splits[split]["label"][:])
            placed = np.where(true == UNSEEN, 0, rank[true])
            found[split] = compute(self.task.metrics, placed, true)
        return found

    def labels(self, folder: Path) -> tuple[str, ...]:
        """The items of the prepared task."""
        return tuple(read_record(folder)["labels"])

    def predict(self, model: Classifier, asked: Asked) -> NDArray[np.int32]:
        """The items that rank first and their ranks, (N, K, 2)."""
        logits = (own for _, own in predict_ranges(model, asked.tokens))
        return np.concatenate([ranking(own) for own in logits])

    def judge(self, said: NDArray[Any], data: Labelled, metrics: Sequence[str]) -> Scores:
        """Score the rank of each true item."""
        placed = rank_of(said, data.targets)
        return Scores(compute(metrics, placed, data.targets), placed)

    def is_constant(self, said: NDArray[Any]) -> bool:
        """Whether one item ranks first everywhere."""
        return super().is_constant(said[:, 0, 0])


def _best_order(
    predictions: NDArray[Any], true: NDArray[Any], labels: Sequence[str]
) -> tuple[tuple[str, ...], float]:
    """The name that each class should have had to agree best with the truth; the accuracy then."""
    from scipy.optimize import linear_sum_assignment

    counts = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(counts, (predictions, true), 1)
    classes, meant = linear_sum_assignment(counts, maximize=True)
    return tuple(labels[i] for i in meant), float(counts[classes, meant].sum() / len(true))
