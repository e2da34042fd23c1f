"""Answers to questions about a context: the official scores of SQuAD, and where they stand.

The scores are those of SQuAD's own script and of ``evaluate``'s metric ``squad``, as fractions:
lower case, no punctuation, no articles, and the best over an example's true answers.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)

_END_BITS = 24
"""Of a place as one number: the lower bits say where it ends, the others where it begins."""


def normalised(answer: str) -> str:
    """An answer as it is compared."""
    plain = answer.lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", plain).split())


def exact_match(predicted: str, answers: Sequence[str]) -> float:
    """1 if a prediction is one of the true answers, else 0."""
    return float(normalised(predicted) in map(normalised, answers))


def f1(predicted: str, answers: Sequence[str]) -> float:
    """The best F1 of the words of a prediction over the true answers."""
    return max(_f1(normalised(predicted).split(), normalised(true).split()) for true in answers)


def _f1(predicted: list[str], true: list[str]) -> float:
    both = (Counter(predicted) & Counter(true)).total()
    return 2 * both / (len(predicted) + len(true)) if both else 0.0


SCORES = {"exact_match": exact_match, "f1": f1}
"""What a predicted answer scores, by the id of the metric."""


def packed(starts: ArrayLike, ends: ArrayLike) -> NDArray[np.int64]:
    """Places in a context as one number each.

    Args:
        starts: The first character of each, (N,).
        ends: The character after its last, (N,).
    """
    return (np.asarray(starts, np.int64) << _END_BITS) | np.asarray(ends, np.int64)


def unpacked(places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where places that :func:`packed` made begin and end, (N,) each."""
    return places >> _END_BITS, places & ((1 << _END_BITS) - 1)


def example_scores(
    metrics: Sequence[str], folder: Path, places: NDArray[np.int64]
) -> dict[str, NDArray[np.float32]]:
    """What the predicted places of a split score, (N,) by metric.

    Args:
        metrics: Ids, of :data:`SCORES`.
        folder: The prepared split.
        places: As :func:`packed` gives them, (N,).
    """
    rows = _stored(folder)
    starts, ends = (values.tolist() for values in unpacked(places))
    said = [context[a:b] for (context, _), a, b in zip(rows, starts, ends, strict=True)]
    pairs = [(text, answers) for text, (_, answers) in zip(said, rows, strict=True)]
    return {m: np.array([SCORES[m](*pair) for pair in pairs], np.float32) for m in metrics}


def _stored(folder: Path) -> list[tuple[str, list[str]]]:
    """The context and the true answers of every example of a prepared split."""
    import pyarrow.parquet as pq  # most training jobs need none of it

    table: Any = pq.read_table(folder / "text.parquet", columns=["text_b", "answers"])
    columns = (table[name].to_pylist() for name in ("text_b", "answers"))
    return list(zip(*columns, strict=True))
