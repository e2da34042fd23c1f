"""Training and scoring models that find an answer's first and last piece in a context."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor

from pdbench.core.files import read_json
from pdbench.data.answers import example_scores, packed
from pdbench.data.batches import collate, sorted_buckets
from pdbench.data.tokens import Tokens
from pdbench.engine import Classifier, Device, soft_cross_entropy
from pdbench.engine.predict import BATCH_ITEMS
from pdbench.kinds.classification import Labelled, Scores


@dataclass(frozen=True)
class Windowed(Labelled):
    """K windows of N questions, with the pieces of the answer in each as targets, (K, 2) int64.

    Attributes:
        folder: The prepared split.
        examples: The question of each window, (K,).
        chars: Where each of T pieces stands in its context, -1 outside of it, (T, 2).
        longest: Pieces of the longest answer that is predicted.
    """

    folder: Path
    examples: NDArray[np.int32]
    chars: NDArray[np.int32]
    longest: int

    @classmethod
    def open(cls, task_folder: Path, split: str) -> Windowed:
        """Open one split of a prepared task of spans."""
        folder = task_folder / split
        arrays = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in ("spans", "examples", "chars")
        }
        longest: int = read_json(task_folder / "task.json")["longest_answer"]
        targets, examples, chars = (arrays[name] for name in ("spans", "examples", "chars"))
        return cls(Tokens.open(folder), targets, folder, examples, chars, longest)

    def targets_of(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        """The first and the last piece of the answer, (B, 2)."""
        return self.targets[index].astype(np.int64)

    def scored(
        self,
        model: Classifier,
        metrics: Sequence[str],
        device: Device,
        numbers: NDArray[np.int64] | None = None,
    ) -> Scores:
        """Score the best place in the windows of each question."""
        places = best_places(model, self, device, numbers)
        values = example_scores(metrics, self.folder, places)
        means = {metric: float(found.mean(dtype=np.float64)) for metric, found in values.items()}
        return Scores(means, places, examples=values)


@dataclass(frozen=True)
class SoftWindowed(Labelled):
    """N items, and for each of their T pieces the teacher's probabilities, float16 of (T, 2).

    They are those of being the first and the last piece of the answer.
    """

    @property
    def items(self) -> int:
        """How many items have probabilities: all."""
        return len(self.tokens)

    def targets_of(self, index: NDArray[np.int64]) -> NDArray[np.float32]:
        """The probabilities of the pieces of some items, 0 where padded, (B, S, 2)."""
        starts, ends = self.tokens.offsets[index], self.tokens.offsets[index + 1]
        found = np.zeros((len(index), int((ends - starts).max()), 2), np.float32)
        for row, start, end in zip(found, starts, ends, strict=True):
            row[: end - start] = self.targets[start:end]
        return found

    @property
    def objective(self) -> Callable[[Tensor, Tensor], Tensor]:
        """The mean of the soft cross-entropies of the first and the last piece."""
        return soft_spans


def soft_spans(logits: Tensor, probabilities: Tensor) -> Tensor:
    """Mean soft cross-entropy over the pieces: (B, S, 2) and (B, S', 2) to a scalar.

    One may be padded further than the other.
    """
    width = min(logits.shape[1], probabilities.shape[1])
    return soft_cross_entropy(logits[:, :width], probabilities[:, :width])


def best_places(
    model: Classifier, data: Windowed, device: Device, numbers: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Where in its context each question is answered, packed, (N,).

    It is the place, of all in its windows, whose logits of first and last piece add up to most.
    """
    questions = int(data.examples[-1]) + 1
    best = np.full(questions, -np.inf)
    places = np.zeros((questions, 2), np.int64)
    for index, logits in _each_batch(model, data.tokens, device, numbers):
        for item, own in zip(index, logits, strict=True):
            chars = data.chars[data.tokens.offsets[item] : data.tokens.offsets[item + 1]]
            inside = np.flatnonzero(chars[:, 0] >= 0)
            score, first, last = best_span(own[inside], data.longest)
            question = data.examples[item]
            if score > best[question]:
                best[question] = score
                places[question] = chars[inside[first], 0], chars[inside[last], 1]
    return packed(places[:, 0], places[:, 1])


def best_span(logits: NDArray[np.float32], longest: int) -> tuple[float, int, int]:
    """The best sum of a first and a last logit, and the two pieces.

    Args:
        logits: Of each of S pieces to be the first and the last, (S, 2).
        longest: Most pieces of a span.
    """
    found = (-np.inf, 0, 0)
    for further in range(min(longest, len(logits))):
        sums = logits[: len(logits) - further, 0] + logits[further:, 1]
        first = int(sums.argmax())
        if sums[first] > found[0]:
            found = float(sums[first]), first, first + further
    return found


@torch.inference_mode()
def _each_batch(
    model: Classifier,
    tokens: Tokens,
    device: Device,
    numbers: NDArray[np.int64] | None = None,
    items: int | None = None,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield the positions of items with the logits of their pieces, (B, S, 2)."""
    model.eval()
    for index in sorted_buckets(tokens.lengths[:items], BATCH_ITEMS):
        with device.autocast():
            logits = model(*device.inputs(collate(tokens, index, numbers)))
        lengths = tokens.offsets[index + 1] - tokens.offsets[index]
        yield index, logits.float().cpu().numpy()[:, : int(lengths.max())]


def soft_label_spans(
    teacher: Classifier, tokens: Tokens, items: int, device: Device, path: Path
) -> NDArray[np.float64]:
    """Write a teacher's probabilities for the T pieces of the first items, float16 of (T, 2).

    Args:
        teacher: The fine-tuned teacher.
        tokens: The text.
        items: How many of its items.
        device: Where and how precisely to compute.
        path: The npy file.

    Returns:
        The mean probability that an item's first piece, [CLS], is the first and the last one:
        how often no answer is seen, (2,).
    """
    stored = open_memmap(path, "w+", np.float16, (int(tokens.offsets[items]), 2))
    total = np.zeros(2)
    for index, logits in _each_batch(teacher.to(device.torch), tokens, device, items=items):
        probabilities = torch.from_numpy(logits).softmax(dim=1).numpy()
        for item, own in zip(index, probabilities, strict=True):
            start, end = tokens.offsets[item], tokens.offsets[item + 1]
            stored[start:end] = own[: end - start]
        total += probabilities[:, 0].sum(axis=0, dtype=np.float64)
    stored.flush()
    return total / items
