"""One interface over embedded archives, local folders and the hub."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value, concatenate_datasets

from pdbench.core.errors import DataError, UsageError
from pdbench.core.words import shown
from pdbench.data import amazon, directory, embedded, hub
from pdbench.data.columns import SPLITS, SUBMISSION
from pdbench.data.places import archives_of
from pdbench.data.records import FORMATS, Breakage, Rows
from pdbench.data.schema import read_rows, read_splits, schema_of
from pdbench.data.texts import text_columns
from pdbench.study.catalogue.archives import ARCHIVES
from pdbench.study.catalogue.glue import glue_name
from pdbench.study.settings import Data, Source, Task, Text

_HEAD = 200
"""Rows of a file that are looked at before anything runs."""


class Reader(Protocol):
    """What reads tasks and texts that are published in a layout of their own: a module does."""

    def reads(self, source: Source) -> bool:
        """Whether a text is published in this layout."""

    def read_splits(self, task: Task, breakage: Breakage) -> dict[str, pa.Table]:
        """Read a task's splits; broken records are counted."""

    def read_text(self, source: Source, breakage: Breakage) -> pa.Table:
        """Read the text without labels."""


def read_task(
    task: Task, archives: Path, breakage: Breakage | None = None, published: Reader | None = None
) -> DatasetDict:
    """Read a task's splits: train, and dev, test and submission where the source has them.

    Every split has the column text, or text_a and text_b, and label: a ClassLabel with the
    task's label names, or a float where the task has none (a regression). A test split
    without labels, as GLUE's, is the split submission, which has no column label. What
    ``published`` reads, for a kind of task with a layout of its own, may have other columns.
    """
    breakage = breakage or Breakage(task.broken)
    if task.source == "embedded":
        tables = embedded.read_splits(task, archives)
    elif task.file is not None:
        tables = amazon.read_splits(task, breakage)
    elif published is not None:
        tables = published.read_splits(task, breakage)
    else:
        tables = _task_tables(task, breakage)
    labelled, where = tables.keys() - {SUBMISSION}, task.path or task.name
    if task.model_of is None and ("train" not in labelled or len(labelled) == 1):
        what = f"{where}: labelled splits: {', '.join(sorted(labelled)) or 'none'}"
        raise DataError(what, "a task needs train, and dev or test")
    if not tables:
        raise DataError(f"{where}: no split", "a task needs dev or test")
    empty = [split for split, table in tables.items() if not len(table)]
    if empty:
        raise DataError(f"{where}: no rows in {empty[0]}", "fill or remove it")
    if published is not None:
        return DatasetDict({split: Dataset(table) for split, table in tables.items()})
    return DatasetDict({split: _typed(table, task) for split, table in tables.items()})


def _task_tables(task: Task, breakage: Breakage, most: int | None = None) -> dict[str, pa.Table]:
    """Read the splits of a folder or of the hub, or so many rows of each of a folder's."""
    if task.source == "directory" and task.name:
        return directory.read_glue(task, breakage, most)
    splits = _opened(task, SPLITS, most)
    return read_splits(splits, task.columns, task.labels, breakage)


def _opened(about: Data, splits: Sequence[str], most: int | None) -> dict[str, Rows]:
    if about.source == "directory":
        return directory.open_splits(about, splits, most)
    return hub.open_splits(about, splits)


def read_text(
    text: Text,
    archives: Path,
    breakage: Breakage | None = None,
    scratch: Path | None = None,
    published: Callable[[Source], Reader | None] = lambda _: None,
) -> Dataset:
    """Read an unlabelled text: the column text, or text_a and text_b.

    ``breakage`` counts the broken records of all parts, and ``published`` gives the reader of a
    source whose layout is its own. Files in ``scratch`` may be mapped into memory: it must
    outlive the data set.
    """
    parts = []
    for source in text.parts or (text,):
        own, reader = Breakage(source.broken), published(source)
        if source.source == "embedded":
            part = Dataset.from_dict(embedded.read_columns(source, archives))
        elif source.file is not None:
            part = amazon.read_text(source, text.size, own, scratch or archives)
        elif reader is not None:
            part = Dataset(reader.read_text(source, own))
        else:
            part = Dataset(_text_table(source, own))
        parts.append(part)
        if breakage is not None:
            breakage.found += own.found
    if len({tuple(sorted(part.column_names)) for part in parts}) > 1:
        what = "key parts: some of the sources have pairs and some single texts"
        raise UsageError(what, "mix texts of one kind")
    return concatenate_datasets(parts)


def _text_table(text: Data, breakage: Breakage, most: int | None = None) -> pa.Table:
    """Read the text of a folder or of the hub, or so many rows of a folder's."""
    if text.source == "directory" and text.name:
        return directory.read_glue_text(text, breakage, most)
    rows = _opened(text, ("text",), most).get("text")
    if rows is None:
        what = f"{text.path or text.name}: neither text nor train, in a format that is read"
        raise DataError(what, f"add one ({', '.join(FORMATS)}), or name it with key splits.text")
    return read_rows(rows, schema_of(rows, text.columns, labelled=False), None, breakage)


def check_head(source: Data) -> None:
    """Raise what a job would say of the first rows of a local source with columns."""
    breakage = Breakage(1.0 if source.broken else 0.0)
    has_columns = source.source == "directory" and source.file is None
    if not has_columns or getattr(source, "kind", "classification") != "classification":
        return
    if isinstance(source, Task):
        _task_tables(source, breakage, _HEAD)
    elif not source.name or glue_name(source.name) is not None:
        _text_table(source, breakage, _HEAD)


def provenance(source: Source) -> dict[str, str]:
    """The licence and the citation of a source, as far as they are known."""
    if source.source == "embedded":
        archives = [ARCHIVES[name] for name in archives_of(source)]
        return {
            "licence": "; ".join(archive.licence for archive in archives),
            "citation": "; ".join(archive.citation for archive in archives),
        }
    if isinstance(source, Text) and source.parts:
        parts = [provenance(part) for part in source.parts]
        return {key: "; ".join(dict.fromkeys(p[key] for p in parts)) for key in parts[0]}
    at_hub = f"{source.name}@{source.revision}"
    where = shown(source.path or "") if source.source == "directory" else at_hub
    return {"licence": "see the source", "citation": f"{source.source} {where}"}


def _typed(table: pa.Table, task: Task) -> Dataset:
    label = ClassLabel(names=list(task.labels)) if task.labels else Value("float32")
    texts = {name: Value("string") for name in text_columns(table.column_names)}
    features = Features({**texts, "label": label} if "label" in table.column_names else texts)
    return Dataset(table.select(list(features)).cast(features.arrow_schema))
