"""Tasks that look for an answer's first and last piece in a context.

SQuAD is read by :mod:`pdbench.kinds.squad`. A context that is too long becomes several windows,
[CLS] question [SEP] part of the context [SEP], of which the next begins ``stride`` pieces further
on, as in BERT's own script for SQuAD. The scores are those of SQuAD's own script and of
``evaluate``'s metric ``squad``, as fractions: lower case, no punctuation, no articles, and the
best over an example's true answers.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional

from pdbench.core.entries import verified
from pdbench.core.errors import DataError
from pdbench.data.columns import TEXT
from pdbench.data.tokens import Tokens, read_array, write_tokens
from pdbench.data.vocabulary import Encoded, Vocabulary, encode_whole
from pdbench.engine import Classifier
from pdbench.engine.device import predict_batches
from pdbench.engine.operations import Noise
from pdbench.kinds.kind import Asked, Kind, Labelled, Scores
from pdbench.study.settings import Task

if TYPE_CHECKING:
    from datasets import Dataset

    from pdbench.data.sources import Reader

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)

_END_BITS = 24
"""Of a place as one number: the lower bits say where it ends, the others where it begins."""

_PADDED = -1e4
"""The logit of padding: nothing after a softmax, and finite, since it is multiplied with 0."""

_QUESTIONS_AT_ONCE = 2048
"""Questions that are cut into pieces together."""

_NOWHERE = (-1, -1)
"""The characters of a piece that is not of the context."""


class _SpanReader(Classifier):
    """A BERT with one linear layer on every piece: is it the first, or the last, of a span?"""

    rows = None
    published_as = "BertForQuestionAnswering"
    output_name = "qa_outputs"

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
        counts = _write_windows(folder, split, self.task, vocabulary)
        return {"items": len(split), "labels": {}, **counts}

    def open_split(self, folder: Path) -> _Windowed:
        """Open a prepared split with its labels."""
        return _Windowed(Tokens.open(folder), _mapped(folder, "spans"), folder)

    def open_asked(self, folder: Path) -> _Windows:
        """Open the windows of a prepared split."""
        examples, chars = (_mapped(folder, name) for name in ("examples", "chars"))
        return _Windows(Tokens.open(folder), examples, chars)

    def soft_labelled(self, tokens: Tokens, soft: NDArray[Any], size: int) -> _SoftWindowed:
        """The first ``size`` items with the teacher's probabilities, one for each piece."""
        first = tokens.first(size)
        return _SoftWindowed(first, soft[: len(first.pieces)])

    @staticmethod
    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy over the pieces, of the first and of the last one.

        Targets are pieces, (B, 2), or probabilities, (B, S', 2), which may be padded further than
        the outputs (B, S, 2), or less far.
        """
        if targets.ndim == 3:
            width = min(outputs.shape[1], targets.shape[1])
            return functional.cross_entropy(outputs[:, :width], targets[:, :width])
        # Two rows for each item: a GPU adds up the loss of a third dimension in any order.
        rows = outputs.log_softmax(dim=1).transpose(1, 2).flatten(0, 1)
        return functional.nll_loss(rows, targets.flatten())

    def soft_label(
        self, teacher: Classifier, tokens: Tokens, items: int, path: Path
    ) -> NDArray[np.float64]:
        """Write the probabilities of the T pieces of the first items, float32 of (T, 2).

        What is returned, (2,), says how often no answer is seen: the mean probability that an
        item's first piece, [CLS], is the first and the last one.
        """
        stored = open_memmap(path, "w+", np.float32, (int(tokens.offsets[items]), 2))
        total = np.zeros(2)
        for index, logits in predict_batches(teacher, tokens.first(items)):
            width = int((tokens.offsets[index + 1] - tokens.offsets[index]).max())
            probabilities = self.soft(torch.from_numpy(logits[:, :width])).numpy()
            for item, own in zip(index, probabilities, strict=True):
                start, end = tokens.offsets[item], tokens.offsets[item + 1]
                stored[start:end] = own[: end - start]
            total += probabilities[:, 0].sum(axis=0, dtype=np.float64)
        stored.flush()
        return total / items

    def predict(self, model: Classifier, asked: Asked) -> NDArray[np.int64]:
        """The best place in the windows of each question, packed, (N,)."""
        windows = self.open_asked(asked.folder) if isinstance(asked, _Windowed) else asked
        assert isinstance(windows, _Windows)
        return _best_places(model, windows, self.task.windows.answer)

    def judge(self, said: NDArray[Any], data: Labelled, metrics: Sequence[str]) -> Scores:
        """Score the text at the place that was said of each question."""
        assert isinstance(data, _Windowed)
        values = _example_scores(metrics, data.folder, said)
        means = {metric: float(found.mean(dtype=np.float64)) for metric, found in values.items()}
        return Scores(means, said, examples=values)


def _mapped(folder: Path, name: str) -> NDArray[Any]:
    return read_array(verified(folder / f"{name}.npy"), mapped=True)


@dataclass(frozen=True)
class _Windows(Asked):
    """K windows of N questions.

    ``examples`` is the question of each window, (K,), and ``chars`` where each of T pieces stands
    in its context, -1 outside of it, (T, 2).
    """

    examples: NDArray[np.int32]
    chars: NDArray[np.int32]


@dataclass(frozen=True)
class _Windowed(Labelled):
    """K windows of a folder, with the pieces of the answer in each as targets, (K, 2) int64."""

    folder: Path


@dataclass(frozen=True)
class _SoftWindowed(Labelled):
    """N items, and what the teacher says of their T pieces: two probabilities, float32 (T, 2)."""

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


def _best_places(model: Classifier, data: _Windows, longest: int) -> NDArray[np.int64]:
    """Where in its context each question is answered, packed, (N,).

    It is the place, of all in its windows, whose logits of first and last piece add up to most.
    """
    questions = int(data.examples[-1]) + 1
    best = np.full(questions, -np.inf)
    places = np.zeros((questions, 2), np.int64)
    for index, logits in predict_batches(model, data.tokens):
        for item, own in zip(index, logits, strict=True):
            chars = data.chars[data.tokens.offsets[item] : data.tokens.offsets[item + 1]]
            inside = np.flatnonzero(chars[:, 0] >= 0)
            score, first, last = _best_span(own[inside], longest)
            question = data.examples[item]
            if score > best[question]:
                best[question] = score
                places[question] = chars[inside[first], 0], chars[inside[last], 1]
    return _packed(places[:, 0], places[:, 1])


def _best_span(logits: NDArray[np.float32], longest: int) -> tuple[float, int, int]:
    """The best sum of a first and a last logit (S, 2), at most ``longest`` pieces apart."""
    found = (-np.inf, 0, 0)
    for further in range(min(longest, len(logits))):
        sums = logits[: len(logits) - further, 0] + logits[further:, 1]
        first = int(sums.argmax())
        if sums[first] > found[0]:
            found = float(sums[first]), first, first + further
    return found


def _normalised(answer: str) -> str:
    plain = answer.lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", plain).split())


def _exact_match(predicted: str, answers: Sequence[str]) -> float:
    return float(_normalised(predicted) in map(_normalised, answers))


def _f1(predicted: str, answers: Sequence[str]) -> float:
    said, *true = (Counter(_normalised(text).split()) for text in (predicted, *answers))
    return max(2 * (said & t).total() / max(1, said.total() + t.total()) for t in true)


_SCORES = {"exact_match": _exact_match, "f1": _f1}


def _packed(starts: ArrayLike, ends: ArrayLike) -> NDArray[np.int64]:
    """Places in a context, from the first character to the one after the last, as numbers (N,)."""
    return (np.asarray(starts, np.int64) << _END_BITS) | np.asarray(ends, np.int64)


def _unpacked(places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where places that :func:`_packed` made begin and end, (N,) each."""
    return places >> _END_BITS, places & ((1 << _END_BITS) - 1)


def _example_scores(
    metrics: Sequence[str], folder: Path, places: NDArray[np.int64]
) -> dict[str, NDArray[np.float32]]:
    """What the packed places (N,) that are predicted of a split score, (N,) by metric."""
    import pyarrow.parquet as pq  # most training jobs need none of it

    table: Any = pq.read_table(verified(folder / TEXT), columns=["text_b", "answers"])
    contexts, answers = (table[name].to_pylist() for name in ("text_b", "answers"))
    starts, ends = (values.tolist() for values in _unpacked(places))
    said = [context[a:b] for context, a, b in zip(contexts, starts, ends, strict=True)]
    pairs = list(zip(said, answers, strict=True))
    return {m: np.array([_SCORES[m](*pair) for pair in pairs], np.float32) for m in metrics}


class _Window(NamedTuple):
    """One input: its pieces, where the context begins among them, and what they stand for.

    ``chars`` has the first and the last character, plus one, of each piece that is of the context;
    ``target`` the first and the last piece of the answer, or 0 and 0 where it lies elsewhere.
    """

    ids: list[int]
    second: int
    chars: list[tuple[int, int]]
    target: tuple[int, int]


def _write_windows(
    folder: Path, split: Dataset, task: Task, vocabulary: Vocabulary
) -> dict[str, int]:
    """Write the tokens of a split of questions, and beside them what scoring needs; count them.

    ``spans.npy`` has the targets of the windows, ``examples.npy`` the question of each,
    ``chars.npy`` the characters of their pieces and ``labels.npy`` the place of the first true
    answer of every question.
    """
    parts = [
        _encode_windows(vocabulary, split[start : start + _QUESTIONS_AT_ONCE], task, start)
        for start in range(0, len(split), _QUESTIONS_AT_ONCE)
    ]
    if not parts:
        raise DataError(f"{folder.name}: no question", "the split needs some")
    tokens = write_tokens(folder, (own for own, _ in parts))
    arrays = {name: np.concatenate([own[name] for _, own in parts]) for name in parts[0][1]}
    spans = map(_first_span, split["starts"], split["answers"])
    for name, array in {**arrays, "labels": _packed(*zip(*spans, strict=True))}.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    return {"windows": len(tokens), "pieces": len(tokens.pieces)}


def _first_span(starts: Sequence[int], answers: Sequence[str]) -> tuple[int, int]:
    return starts[0], starts[0] + len(answers[0])


def _encode_windows(
    vocabulary: Vocabulary, rows: dict[str, list[Any]], task: Task, number: int = 0
) -> tuple[Tokens, dict[str, NDArray[Any]]]:
    """Cut questions (text_a) and contexts (text_b), counted from a number, into windows."""
    contexts = list(dict.fromkeys(rows["text_b"]))
    encoded = dict(zip(contexts, encode_whole(vocabulary, contexts), strict=True))
    windows: list[_Window] = []
    examples: list[int] = []
    asked = [ids for ids, _ in encode_whole(vocabulary, rows["text_a"], located=False)]
    columns = (asked, rows["text_b"], rows["answers"], rows["starts"])
    for example, (ids, context, answers, starts) in enumerate(zip(*columns, strict=True), number):
        span = _first_span(starts, answers)
        found = list(_windows(vocabulary, ids, encoded[context], span, task))
        if not found:
            raise DataError(f"context {context[:40]!r}: no word piece", "remove or mend it")
        windows += found
        examples += [example] * len(found)
    tokens = Tokens(
        np.fromiter((i for window in windows for i in window.ids), np.uint16),
        np.cumsum([0, *(len(window.ids) for window in windows)], dtype=np.int64),
        np.array([window.second for window in windows], np.int32),
        vocabulary.digest,
        task.max_length,
    )
    return tokens, {
        "spans": np.array([window.target for window in windows], np.int64),
        "examples": np.array(examples, np.int32),
        "chars": np.array([place for window in windows for place in window.chars], np.int32),
    }


def _windows(
    vocabulary: Vocabulary, asked: Sequence[int], read: Encoded, answer: tuple[int, int], task: Task
) -> Iterator[_Window]:
    ids, chars = read
    begin = [vocabulary.index("[CLS]"), *asked[: task.windows.question], vocabulary.index("[SEP]")]
    most = task.max_length - len(begin) - 1
    first, last = _pieces_of(answer, chars)
    for start in range(0, len(ids), min(task.windows.stride, most)):
        end = min(start + most, len(ids))
        moved = len(begin) - start
        target = (first + moved, last + moved) if start <= first <= last < end else (0, 0)
        places = [*[_NOWHERE] * len(begin), *chars[start:end], _NOWHERE]
        yield _Window(
            [*begin, *ids[start:end], vocabulary.index("[SEP]")], len(begin), places, target
        )
        if end == len(ids):
            return


def _pieces_of(answer: tuple[int, int], chars: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The first and the last piece that hold a character of the answer; -1 where none does."""
    start, end = answer
    held = [i for i, (first, last) in enumerate(chars) if first < end and last > start]
    return (held[0], held[-1]) if held else (-1, -1)
