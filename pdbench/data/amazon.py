"""Amazon product reviews, as their releases of 2018 and 2023 have them: JSON lines.

A product belongs wholly to test, dev, the labelled set or the unlabelled text, by the sha256 of
its id, so no two of them share a product. Of each part those reviews are taken whose text comes
first in the order of sha256, each text once: a random sample, the same on every machine. The
file is read twice, a line at a time; between the two, eight bytes of each review are in memory.
"""

from __future__ import annotations

import gzip
import itertools
import json
import zlib
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from datasets import Dataset
from numpy.typing import NDArray

from pdbench.core.errors import DataError
from pdbench.data.places import local_folder
from pdbench.data.records import Breakage, raw_lines
from pdbench.data.repositories import at_its_commit, fetched
from pdbench.data.texts import clean, hashed, one_line, share_of
from pdbench.study.settings import Source, Task

_LAYOUTS = {
    "2023": ("text", "rating", "parent_asin"),
    "2018": ("reviewText", "overall", "asin"),
}
"""The fields of the text, the stars and the product in each release."""

_PARTS = {"test": 0.05, "dev": 0.1, "train": 0.3, "text": 1.0}
"""Where the share of products ends that each part has."""

_SPARE = 0.5
"""More texts than asked for are kept, as a share: those that hold a text of test are left out
later, and where one of these is "Great book!" they are many."""

_ROWS = 4096
_NO_KEYS = np.zeros(0, np.uint64)
_LOWER = np.uint64(2**32 - 1)
_TEXTS = pa.schema([("text", pa.string())])


class _Review(NamedTuple):
    """A review: its text on one line, its stars from 1 to 5, and which part it belongs to."""

    text: str
    stars: int
    part: str

    @property
    def key(self) -> int:
        """The first 64 bits of what decides its place (:func:`pdbench.data.splits.order_of`)."""
        return int.from_bytes(hashed(self.text)[:8], "big")


def read_splits(task: Task, breakage: Breakage) -> dict[str, pa.Table]:
    """Read train, dev and test of a review file: the text, and the label that its stars make."""
    labels = {stars: task.labels.index(name) for name, own in task.ratings.items() for stars in own}
    path = review_file(task)
    asked = {"train": task.train, "dev": task.dev, "test": task.test}
    sizes = {part: None if size is None else _with_spare(size) for part, size in asked.items()}
    chosen = _choose(path, sizes, breakage, lambda r: labels.get(r.stars), balanced=task.balanced)
    found: dict[str, list[_Review]] = {part: [] for part in sizes}
    for review in chosen:
        found[review.part].append(review)
    schema = _TEXTS.append(pa.field("label", pa.int64()))
    return {
        part: pa.table([[r.text for r in own], [labels[r.stars] for r in own]], schema=schema)
        for part, own in found.items()
    }


def read_text(source: Source, size: int, breakage: Breakage, scratch: Path) -> Dataset:
    """Read unlabelled reviews, somewhat more than ``size``, memory-mapped.

    The file that is mapped stands in ``scratch``, which must outlive the data set.
    """
    wanted: dict[str, int | None] = {"text": _with_spare(size)}
    target = scratch / f"{hashed(repr(source)).hex()[:16]}.arrow"
    with pa.OSFile(str(target), "wb") as file, pa.ipc.new_stream(file, _TEXTS) as writer:
        texts = (review.text for review in _choose(review_file(source), wanted, breakage))
        while batch := list(itertools.islice(texts, _ROWS)):
            writer.write_batch(pa.record_batch([batch], schema=_TEXTS))
    return Dataset.from_file(str(target))


def review_file(source: Source) -> Path:
    """Where the file of a source stands: in its folder, or fetched from the hub."""
    file = source.file
    assert file is not None
    if source.source == "directory":
        path = local_folder(source) / file
        if not path.is_file():
            raise DataError(f"{path}: no such file", "mend key path or key file")
        return path
    from huggingface_hub import hf_hub_download

    def ask(commit: str) -> Path:
        found = hf_hub_download(source.name, file, repo_type="dataset", revision=commit)
        return Path(found)

    return at_its_commit(fetched(source, ask), source)


def _reviews(path: Path, breakage: Breakage) -> Iterator[_Review]:
    """Yield every review that has a text."""
    return (review for review in breakage.checked(_read(path, breakage)) if review.text)


def _read(path: Path, breakage: Breakage) -> Iterator[_Review]:
    number = 0
    try:
        for number, line in enumerate(raw_lines(path), start=1):
            try:
                yield _review(line)
            except (ValueError, TypeError, OverflowError, RecursionError) as error:
                reason = error.msg if isinstance(error, json.JSONDecodeError) else error
                what = f"{path}:{number}: no review ({reason})"
                remedy = "mend or remove the line, or set key broken"
                breakage.leave_out(DataError(what, remedy))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: cut short after line {number}", "fetch it again") from error


def _with_spare(size: int) -> int:
    return round(size * (1 + _SPARE)) + _ROWS


def _review(line: bytes) -> _Review:
    record: Any = json.loads(line)
    if not isinstance(record, dict):
        raise ValueError("no JSON object")
    names = next((n for n in _LAYOUTS.values() if n[1] in record and n[2] in record), None)
    if names is None:
        known = " or ".join(f"{stars} and {product}" for _, stars, product in _LAYOUTS.values())
        raise ValueError(f"it lacks {known}")
    text, stars, product = record.get(names[0]), record[names[1]], record[names[2]]
    if not isinstance(text, str | None) or not isinstance(product, str):
        raise ValueError(f"{names[0]} or {names[2]} is no text")
    whole = one_line(clean(text or ""))
    whole.encode()  # half a character is no text
    part = next(part for part, end in _PARTS.items() if share_of(product, 8) < end)
    if isinstance(stars, bool) or float(stars) not in range(6):
        raise ValueError(f"{names[1]} is {stars!r}, no number of stars")
    return _Review(whole, int(float(stars)), part)


def _choose(
    path: Path,
    sizes: dict[str, int | None],
    breakage: Breakage,
    class_of: Callable[[_Review], int | None] = lambda review: 0,
    *,
    balanced: bool = False,
) -> Iterator[_Review]:
    """Yield the reviews of each part whose keys are the smallest, each key once.

    ``sizes`` says how many to take of each part, None all. A review without a class is left out;
    if ``balanced``, every class of a part is first thinned to the size of the smallest.
    """
    keys: dict[tuple[str, int], array[int]] = {}
    for review in _reviews(path, breakage):
        found = class_of(review)
        if review.part in sizes and found is not None:
            keys.setdefault((review.part, found), array("Q")).append(review.key)
    chosen = {}
    for part, size in sizes.items():
        same = [np.array(own, np.uint64) for (where, _), own in keys.items() if where == part]
        classes = _thinned([np.unique(own) for own in same]) if balanced else same
        chosen[part] = np.unique(np.concatenate([*classes, _NO_KEYS]))[:size]
    taken = {part: np.zeros(len(own), np.bool_) for part, own in chosen.items()}
    for review in _reviews(path, Breakage(1.0)):  # counted the first time
        if review.part not in sizes or class_of(review) is None:
            continue
        own = chosen[review.part]
        place = int(np.searchsorted(own, np.uint64(review.key)))
        if place < len(own) and own[place] == review.key and not taken[review.part][place]:
            taken[review.part][place] = True
            yield review


def _thinned(classes: list[NDArray[np.uint64]]) -> list[NDArray[np.uint64]]:
    """Leave about as many keys of each class as the smallest has, whatever their order.

    The lower half of a key decides, and the upper half its place: what stays is still spread
    evenly, so that the first so many of all classes together are balanced too.
    """
    fewest = min(map(len, classes), default=0)
    limits = [fewest * 2**32 // len(own) for own in classes]
    return [own[own & _LOWER < np.uint64(m)] for own, m in zip(classes, limits, strict=True)]
