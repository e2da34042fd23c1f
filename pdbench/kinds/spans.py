"""Tasks that look for an answer's first and last piece in a context.

SQuAD is read by :mod:`pdbench.kinds.squad`; contexts become windows in
:mod:`pdbench.kinds.windows`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pdbench.data.batches import collate, sorted_buckets
from pdbench.data.tokens import Tokens
from pdbench.data.vocabulary import Vocabulary
from pdbench.engine import Bert, Classifier, Device
from pdbench.engine.device import BATCH_ITEMS
from pdbench.engine.operations import Noise
from pdbench.kinds.answers import example_scores, packed
from pdbench.kinds.kind import Kind, Labelled, Scores

if TYPE_CHECKING:
    from datasets import Dataset

    from pdbench.data.sources import Reader

_PADDED = -1e4
"""The logit of padding: nothing after a softmax, and finite, since it is multiplied with 0."""


class _SpanReader(Classifier):
    """A BERT with one linear layer on every piece: is it the first, or the last, of a span?

    Its logits are over the pieces, (B, S, 2), and the pooler is not used.
    """

    rows = None
    published_as = "BertForQuestionAnswering"
    output_name = "qa_outputs"

    def __init__(self, bert: Bert, labels: int = 2) -> None:
        super().__init__(bert, labels)

    @staticmethod
    def outputs(labels: int) -> int:
        """Two: where a span begins, and where it ends."""
        return 2

    def classify(self, states: Tensor, mask: Tensor | None, noise: Noise | None) -> Tensor:
        """Logits of each piece to be the first and the last, (B, S, 2), from (B, S, H)."""
        logits: Tensor = self.output(states)
        return logits if mask is None else logits.masked_fill(~mask[:, :, None], _PADDED)


class Spans(Kind):
    """Questions about a context."""

    head = _SpanReader

    @classmethod
    def reader(cls) -> Reader:
        """The reader of SQuAD."""
        from pdbench.kinds import squad

        return squad

    def write(self, folder: Path, split: Dataset, vocabulary: Vocabulary) -> dict[str, Any]:
        """Write the windows of a split, and beside them what scoring needs."""
        from pdbench.kinds.windows import write_windows

        counts = write_windows(folder, split, self.task, vocabulary)
        return {"items": len(split), "labels": {}, **counts}

    def open_split(self, folder: Path) -> _Windowed:
        """Open a prepared split."""
        targets, examples, chars = (
            np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in ("spans", "examples", "chars")
        )
        return _Windowed(Tokens.open(folder), targets, folder, examples, chars)

    def soft_labelled(self, tokens: Tokens, soft: NDArray[Any], size: int) -> _SoftWindowed:
        """The first ``size`` items with the teacher's probabilities, one for each piece."""
        first = tokens.first(size)
        return _SoftWindowed(first, soft[: len(first.pieces)])

    @staticmethod
    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy over the pieces, of the first and of the last one.

        Args:
            outputs: Logits, (B, S, 2).
            targets: The pieces, (B, 2), or probabilities, (B, S', 2), which may be padded
                further than the outputs, or less far.
        """
        if targets.ndim == 3:
            width = min(outputs.shape[1], targets.shape[1])
            outputs, targets = outputs[:, :width], targets[:, :width]
        return functional.cross_entropy(outputs, targets)

    def soft_label(
        self, teacher: Classifier, tokens: Tokens, items: int, device: Device, path: Path
    ) -> NDArray[np.float64]:
        """Write the probabilities of the T pieces of the first items, float16 of (T, 2).

        Returns:
            The mean probability that an item's first piece, [CLS], is the first and the last
            one: how often no answer is seen, (2,).
        """
        stored = open_memmap(path, "w+", np.float16, (int(tokens.offsets[items]), 2))
        total = np.zeros(2)
        for index, logits in _each_batch(teacher.to(device.torch), tokens, device, items=items):
            probabilities = self.soft(torch.from_numpy(logits)).numpy()
            for item, own in zip(index, probabilities, strict=True):
                start, end = tokens.offsets[item], tokens.offsets[item + 1]
                stored[start:end] = own[: end - start]
            total += probabilities[:, 0].sum(axis=0, dtype=np.float64)
        stored.flush()
        return total / items

    def score(
        self,
        model: Classifier,
        data: Labelled,
        metrics: Sequence[str],
        device: Device,
        numbers: NDArray[np.int64] | None = None,
    ) -> Scores:
        """Score the best place in the windows of each question."""
        assert isinstance(data, _Windowed)
        places = _best_places(model, data, self.task.windows.answer, device, numbers)
        values = example_scores(metrics, data.folder, places)
        means = {metric: float(found.mean(dtype=np.float64)) for metric, found in values.items()}
        return Scores(means, places, examples=values)


@dataclass(frozen=True)
class _Windowed(Labelled):
    """K windows of N questions, with the pieces of the answer in each as targets, (K, 2) int64.

    Attributes:
        folder: The prepared split.
        examples: The question of each window, (K,).
        chars: Where each of T pieces stands in its context, -1 outside of it, (T, 2).
    """

    folder: Path
    examples: NDArray[np.int32]
    chars: NDArray[np.int32]


@dataclass(frozen=True)
class _SoftWindowed(Labelled):
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


def _best_places(
    model: Classifier,
    data: _Windowed,
    longest: int,
    device: Device,
    numbers: NDArray[np.int64] | None,
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
            score, first, last = _best_span(own[inside], longest)
            question = data.examples[item]
            if score > best[question]:
                best[question] = score
                places[question] = chars[inside[first], 0], chars[inside[last], 1]
    return packed(places[:, 0], places[:, 1])


def _best_span(logits: NDArray[np.float32], longest: int) -> tuple[float, int, int]:
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
