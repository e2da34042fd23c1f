"""Looking for sentences of test, and items of dev, in other texts, under the normalised match."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from pdbench.core.errors import DataError
from pdbench.data.prepared import SUBMISSION, prepared_splits
from pdbench.data.texts import TEXT_COLUMNS, normalise, sentences
from pdbench.study import Study
from pdbench.workflow import Paths

Row: TypeAlias = tuple[str, ...]

ROWS = 4096
"""Stored items that are in memory at once, however many a text has."""


def tested_sentences(study: Study, paths: Paths) -> set[str]:
    """Return the normalised texts that no unlabelled text may hold, of all tasks.

    They are the sentences of every test split, of a pair task both sides of every pair. Of dev
    and of a split whose labels are hidden they are whole items, since published training and
    test pairs share sentences by the thousand. A student that read dev's items with the
    teacher's labels would be chosen, and compared on dev, by what it has seen.
    """
    tested: set[str] = set()
    for task in study.tasks:
        splits = prepared_splits(paths.task(task))
        if "test" in splits:
            tested |= keys_of(stored_rows(paths.task(task) / "test"))
        for split in {"dev", SUBMISSION} & set(splits):
            tested |= {_whole_key(row) for row in stored_rows(paths.task(task) / split)}
    return tested - {""}


def tested_elsewhere(study: Study, paths: Paths, task: str) -> set[Row]:
    """Return the test items of the other tasks that a task's models are scored on."""
    folders = [paths.task(other) for other in study.scored_with(task)]
    tests = [folder / "test" for folder in folders if "test" in prepared_splits(folder)]
    return {item_key(row) for folder in tests for row in stored_rows(folder)}


def keys_of(rows: Iterable[Row]) -> set[str]:
    """Return the normalised form of every text of the rows, without the empty one."""
    return {key for row in rows for key in item_key(row)} - {""}


def item_key(row: Row) -> Row:
    """Return the normalised form of a whole item."""
    return tuple(normalise(text) for text in row)


def _whole_key(row: Row) -> str:
    """Return the normalised form of a whole item as one text."""
    return "\x1f".join(item_key(row))


def is_leak(row: Row, tested: set[str]) -> bool:
    """Whether the row, a text of it, or a sentence within one is among the tested ones."""
    if len(row) > 1 and _whole_key(row) in tested:
        return True
    return any(normalise(part) in tested for text in row for part in {text, *sentences(text)})


def stored_rows(folder: Path) -> Iterator[Row]:
    """Yield the items of ``text.parquet`` in ``folder``, one text or two each."""
    for columns in stored_columns(folder):
        yield from zip(*columns, strict=True)


def stored_columns(folder: Path) -> Iterator[list[list[str]]]:
    """Yield the text columns of ``text.parquet`` in ``folder``, ``ROWS`` items at a time."""
    path = folder / "text.parquet"
    try:
        with pq.ParquetFile(path) as file:
            names = [name for name in TEXT_COLUMNS if name in file.schema_arrow.names]
            for batch in file.iter_batches(ROWS, columns=names):
                yield [batch[name].to_pylist() for name in names]
    except (OSError, pa.ArrowInvalid) as error:
        remedy = "prepare the tasks and texts first"
        raise DataError(f"{path}: missing or broken", remedy) from error


def stored_sides(folder: Path) -> Iterator[tuple[list[str], list[str] | None]]:
    """Yield the same, with None in the place of the second texts where items have one."""
    for first, *second in stored_columns(folder):
        yield first, second[0] if second else None
