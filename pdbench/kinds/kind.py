"""What differs between kinds of tasks: how they are read, trained, scored and soft-labelled."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from pdbench.core.entries import read_record, verified
from pdbench.core.errors import GuardError
from pdbench.data.batches import collate
from pdbench.data.columns import PREDICTIONS
from pdbench.data.metrics import compute
from pdbench.data.tokens import Tokens, read_array, write_tokens
from pdbench.data.vocabulary import Vocabulary, encode
from pdbench.engine import Classifier
from pdbench.engine.device import predict, predict_ranges
from pdbench.engine.targets import LabelledBatch
from pdbench.study.settings import Task

if TYPE_CHECKING:  # most jobs read no text, and start without what reads it
    from datasets import Dataset, DatasetDict

    from pdbench.data.sources import Reader


@dataclass(frozen=True)
class Asked:
    """Items without targets: what a model is asked to predict. Other kinds have subclasses."""

    tokens: Tokens


@dataclass(frozen=True)
class Labelled(Asked):
    """Items with targets: labels, (N,) int64, or the teacher's probabilities, (N, C).

    In a regression they are scores, (N,) float32, or (N, 1); other kinds have subclasses.
    """

    targets: NDArray[Any]

    @property
    def items(self) -> int:
        """How many of the tokens' items have a target."""
        return len(self.targets)

    def targets_of(self, index: NDArray[np.int64]) -> NDArray[Any]:
        """The targets of some items."""
        return self.targets[index]

    def batch(self, index: NDArray[np.int64], numbers: NDArray[np.int64] | None) -> LabelledBatch:
        """Some items; ``numbers`` are those of :func:`pdbench.data.batches.collate`."""
        return LabelledBatch(collate(self.tokens, index, numbers), self.targets_of(index))


@dataclass(frozen=True)
class Scores:
    """Metrics of one split (fractions) and what is compared with the label of each example, (N,).

    That is a class, int16; in a regression a score, float32; the place of an answer, packed
    (:mod:`pdbench.kinds.spans`), int64; or the rank of the true item, int32. Where it does not say
    them, ``examples`` is what each example scores, (N,) by metric.
    """

    metrics: dict[str, float]
    predictions: NDArray[Any]
    examples: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


class Kind(ABC):
    """One task, seen as what its kind makes of it."""

    head: ClassVar[type[Classifier]] = Classifier
    """The kind of model: the encoder and its output layer."""

    keeps: ClassVar[Literal["start", "end"]] = "start"
    """What stays of a text that is too long."""

    stored: ClassVar[DTypeLike] = np.int64
    """The type of the stored labels."""

    guarded_by: ClassVar[str] = ""
    """The metric that guards the teacher, if it is not the first of the task."""

    def __init__(self, task: Task) -> None:
        self.task = task

    @property
    def guard_metric(self) -> str:
        """The metric that guards the teacher."""
        return self.guarded_by or self.task.metrics[0]

    @property
    def teacher_metrics(self) -> tuple[str, ...]:
        """What a teacher is scored by: the metrics of the task, and that of the guard."""
        return tuple(dict.fromkeys((*self.task.metrics, self.guard_metric)))

    @classmethod
    def reader(cls) -> Reader | None:
        """What reads the layouts in which such tasks are published; None: labelled columns."""
        return None

    def numbered(self, splits: DatasetDict) -> tuple[list[str], DatasetDict]:
        """The names of the labels, and the splits with their numbers in the column label."""
        return list(self.task.labels), splits

    def write(self, folder: Path, split: Dataset, vocabulary: Vocabulary) -> dict[str, Any]:
        """Write a split's tokens and targets into its folder; count items, pieces and labels."""
        from pdbench.data.splits import stored_sides

        parts = (
            encode(vocabulary, first, second, self.task.max_length, self.keeps)
            for first, second in stored_sides(folder)
        )
        tokens = write_tokens(folder, parts)
        counts: dict[str, Any] = {"items": len(tokens), "pieces": len(tokens.pieces)}
        if "label" not in split.column_names:
            return counts
        labels = split["label"][:]
        np.save(folder / "labels.npy", np.asarray(labels, self.stored), allow_pickle=False)
        found = Counter(labels)
        return {**counts, "labels": {name: found[i] for i, name in enumerate(self.task.labels)}}

    def constants(self, splits: DatasetDict) -> dict[str, dict[str, float]]:
        """What the best constant answer of train scores in every metric, by evaluated split.

        Empty where it is the share of the most frequent class, or 0 of a task without classes.
        """
        return {}

    def labels(self, folder: Path) -> tuple[str, ...]:
        """The names of the outputs in order, of a task that is prepared in ``folder``."""
        return self.task.labels

    def open_split(self, folder: Path) -> Labelled:
        """Open a prepared split with its labels."""
        return Labelled(Tokens.open(folder), read_array(verified(folder / "labels.npy")))

    def open_asked(self, folder: Path) -> Asked:
        """Open what a model is asked of a prepared split, and no labels."""
        return Asked(Tokens.open(folder))

    def soft_labelled(self, tokens: Tokens, soft: NDArray[Any], size: int) -> Labelled:
        """The first ``size`` items of a text with a teacher's soft labels, as they are stored."""
        return Labelled(tokens.first(size), soft[:size])

    @staticmethod
    @abstractmethod
    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of a batch of outputs, for labels and for soft labels, as a scalar."""

    @staticmethod
    def soft(outputs: Tensor) -> Tensor:
        """The soft labels that outputs (N, C) of a teacher say: probabilities, (N, C)."""
        return outputs.softmax(dim=1)

    def soft_label(
        self, teacher: Classifier, tokens: Tokens, items: int, path: Path
    ) -> NDArray[np.float64]:
        """Write a teacher's soft labels of the first N items, float32 (N, C); return their mean.

        They go to disk range after range, so that they are never in memory together.
        """
        stored = open_memmap(path, "w+", np.float32, (items, teacher.output.out_features))
        total = np.zeros(stored.shape[1])
        for chosen, logits in predict_ranges(teacher, tokens.first(items)):
            labels = self.soft(torch.from_numpy(logits)).numpy()
            stored[chosen] = labels
            total += labels.sum(axis=0, dtype=np.float64)
        stored.flush()
        return total / items

    def predict(self, model: Classifier, asked: Asked) -> NDArray[Any]:
        """What a model says of every example, (N,), or (N, ...) of some kinds."""
        return self.said(predict(model, asked.tokens))

    @staticmethod
    def said(logits: NDArray[np.float32]) -> NDArray[Any]:
        """What logits (N, C) say: the most likely classes, (N,) int16."""
        classes: NDArray[np.int16] = logits.argmax(axis=1).astype(np.int16)
        return classes

    def answers(self, model: Classifier, asked: Asked) -> dict[str, NDArray[Any]]:
        """What is kept of a model's answers, by name: what it predicts, and what else there is."""
        return {PREDICTIONS: self.predict(model, asked)}

    def score(self, model: Classifier, data: Labelled, metrics: Sequence[str]) -> Scores:
        """Evaluate a model on a labelled split."""
        return self.judge(self.predict(model, data), data, metrics)

    def judge(self, said: NDArray[Any], data: Labelled, metrics: Sequence[str]) -> Scores:
        """Score what :meth:`predict` said of a labelled split."""
        return Scores(compute(metrics, said, data.targets), said)

    def is_constant(self, said: NDArray[Any]) -> bool:
        """Whether every example got the same answer: a degenerate predictor."""
        return bool((said == said[0]).all())

    def guard(
        self, name: str, dev: Scores, true: NDArray[Any], constants: Mapping[str, float]
    ) -> None:
        """Refuse a teacher that is hardly better than a constant answer.

        ``constants`` are such an answer's scores, that of the guard first: the teacher must be
        above it by the margin of its settings, and above the others.

        Raises:
            GuardError: It is not.
        """
        margin = self.task.teacher.margin if self.task.teacher else 0.0
        for metric, constant in constants.items():
            found, least = dev.metrics[metric], constant + margin
            if found < least or found <= constant < 1:
                asked = f" and tasks.{name}.teacher.margin asks {margin:g} more" if margin else ""
                raise GuardError(
                    f"task {name!r}: the teacher's dev {metric} is {found:.3f}, a constant answer "
                    f"has {constant:.3g}{asked}",
                    self.remedy(dev.predictions, true, least),
                )
            margin = 0.0

    def remedy(self, predictions: NDArray[Any], true: NDArray[Any], least: float) -> str:
        """What to do about a teacher whose score is not the least that it must be."""
        return "check the scores, its learning rate and its epochs"


def majority(task_folder: Path, split: str) -> float:
    """Share of the most frequent label in a split; 0 of a task without labels."""
    share: float = read_record(task_folder)["majority"].get(split, 0.0)
    return share
