"""Questions and contexts as word pieces: contexts that are too long become several windows.

A window is [CLS] question [SEP] part of the context [SEP]. The next one begins ``stride`` pieces
further on, until the context ends, as in BERT's own script for SQuAD.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from pdbench.core.errors import DataError
from pdbench.data.tokens import Tokens, write_tokens
from pdbench.data.vocabulary import Vocabulary
from pdbench.kinds.answers import packed
from pdbench.study.settings import Task

_ROWS = 2048
"""Questions that are cut into pieces together."""

_NOWHERE = -1
"""The character of a piece that is not of the context."""


class _Window(NamedTuple):
    """One input: its pieces, where the context begins among them, and what they stand for.

    ``chars`` has the first and the last character, plus one, of each of its context's pieces;
    ``target`` the first and the last piece of the answer, or 0 and 0 where it lies elsewhere.
    """

    ids: list[int]
    second: int
    chars: list[tuple[int, int]]
    target: tuple[int, int]


@dataclass(frozen=True)
class _Encoded:
    """The windows of some questions.

    Attributes:
        tokens: K windows of T pieces in all.
        examples: The question of each window, counted here, int32 of shape (K,).
        chars: Where each piece stands in its context, int32 of shape (T, 2).
        targets: The first and the last piece of the answer in each window, int64, (K, 2).
    """

    tokens: Tokens
    examples: NDArray[np.int32]
    chars: NDArray[np.int32]
    targets: NDArray[np.int64]


def write_windows(
    folder: Path, split: Dataset, task: Task, vocabulary: Vocabulary
) -> dict[str, int]:
    """Write the tokens of a split of questions, and beside them what scoring needs.

    ``spans.npy`` has the targets of the windows, ``examples.npy`` the question of each,
    ``chars.npy`` the characters of their pieces and ``labels.npy`` the place of the first true
    answer of every question.

    Returns:
        How many windows and pieces there are.
    """
    parts = [
        _encode_windows(vocabulary, split[start : start + _ROWS], task)
        for start in range(0, len(split), _ROWS)
    ]
    if not parts:
        raise DataError(f"{folder.name}: no question", "the split needs some")
    tokens = write_tokens(folder, (part.tokens for part in parts))
    firsts = np.arange(len(parts), dtype=np.int32) * _ROWS
    examples = [part.examples + first for part, first in zip(parts, firsts, strict=True)]
    _save(folder / "examples.npy", np.concatenate(examples).astype(np.int32))
    _save(folder / "chars.npy", np.concatenate([part.chars for part in parts]))
    _save(folder / "spans.npy", np.concatenate([part.targets for part in parts]))
    first = [
        (a[0], a[0] + len(t[0])) for a, t in zip(split["starts"], split["answers"], strict=True)
    ]
    _save(folder / "labels.npy", packed(*zip(*first, strict=True)))
    return {"windows": len(tokens), "pieces": len(tokens.pieces)}


def _save(path: Path, array: NDArray[Any]) -> None:
    np.save(path, array, allow_pickle=False)


def _encode_windows(vocabulary: Vocabulary, rows: dict[str, list[Any]], task: Task) -> _Encoded:
    """Cut questions and their contexts into windows.

    Args:
        vocabulary: The vocabulary.
        rows: The columns text_a (questions), text_b (contexts), answers and starts.
        task: Its longest input, and how long contexts are cut.

    Raises:
        DataError: A context has no piece.
    """
    contexts = list(dict.fromkeys(rows["text_b"]))
    tokenizer = vocabulary.tokenizer
    asked = tokenizer.encode_batch(rows["text_a"], add_special_tokens=False)
    read = tokenizer.encode_batch(contexts, add_special_tokens=False)
    encoded = dict(zip(contexts, read, strict=True))
    windows: list[_Window] = []
    examples: list[int] = []
    columns = (rows["text_b"], rows["answers"], rows["starts"])
    for number, (context, answers, starts) in enumerate(zip(*columns, strict=True)):
        question = asked[number].ids[: task.windows.question]
        span = starts[0], starts[0] + len(answers[0])
        found = list(_windows(vocabulary, question, encoded[context], span, task))
        if not found:
            raise DataError(f"context {context[:40]!r}: no word piece", "remove or mend it")
        windows += found
        examples += [number] * len(found)
    return _gathered(windows, examples, vocabulary, task.max_length)


def _windows(
    vocabulary: Vocabulary, question: Sequence[int], read: Any, answer: tuple[int, int], task: Task
) -> Iterator[_Window]:
    ids, chars = read.ids, read.offsets
    begin = [vocabulary.index("[CLS]"), *question, vocabulary.index("[SEP]")]
    most = task.max_length - len(begin) - 1
    first, last = _pieces_of(answer, chars)
    for start in range(0, len(ids), min(task.windows.stride, most)):
        end = min(start + most, len(ids))
        inside = start <= first <= last < end
        moved = len(begin) - start
        target = (first + moved, last + moved) if inside else (0, 0)
        yield _Window([*begin, *ids[start:end], begin[-1]], len(begin), chars[start:end], target)
        if end == len(ids):
            return


def _pieces_of(answer: tuple[int, int], chars: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The first and the last piece that hold a character of the answer; -1 where none does."""
    start, end = answer
    held = [i for i, (first, last) in enumerate(chars) if first < end and last > start]
    return (held[0], held[-1]) if held else (_NOWHERE, _NOWHERE)


def _gathered(
    windows: Sequence[_Window], examples: Sequence[int], vocabulary: Vocabulary, max_length: int
) -> _Encoded:
    offsets = np.cumsum([0, *(len(window.ids) for window in windows)])
    chars = np.full((offsets[-1], 2), _NOWHERE, np.int32)
    for window, start in zip(windows, offsets[:-1], strict=True):
        first = start + window.second
        chars[first : first + len(window.chars)] = window.chars
    tokens = Tokens(
        np.fromiter((i for window in windows for i in window.ids), np.uint16, int(offsets[-1])),
        offsets.astype(np.int64),
        np.array([window.second for window in windows], np.int32),
        vocabulary.digest,
        max_length,
    )
    targets = np.array([window.target for window in windows], np.int64)
    return _Encoded(tokens, np.asarray(examples, np.int32), chars, targets)
