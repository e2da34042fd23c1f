"""One interface over embedded archives, local folders and the hub."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pyarrow as pa
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value, concatenate_datasets

from pdbench.core.errors import DataError, UsageError
from pdbench.data import amazon, directory, embedded, hub
from pdbench.data.columns import SUBMISSION
from pdbench.data.places import archives_of
from pdbench.data.records import Breakage, Rows
from pdbench.data.schema import (
    Labels,
    Schema,
    check_hidden,
    has_labels,
    label_order,
    read_hidden,
    read_rows,
    schema_of,
)
from pdbench.data.texts import TEXT_COLUMNS
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
    elif task.source == "directory" and task.name:
        tables = directory.read_glue(task, breakage)
    else:
        opened = (directory if task.source == "directory" else hub).open_splits(task)
        tables = _tables(opened, task, breakage)
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


def _tables(splits: dict[str, Rows], task: Task, breakage: Breakage) -> dict[str, pa.Table]:
    """Read splits with columns; a test split without labels becomes "submission"."""
    labels = Labels(task.labels)
    schemas = {s: schema_of(rows, task.columns, labelled=True) for s, rows in splits.items()}
    tables = {}
    for split, rows in splits.items():
        schema, own = schemas[split], _labels(rows, schemas[split], task, labels)
        if split == "test" and not has_labels(rows, schema, own):
            check_hidden(rows, schema, splits.get("train", rows))
            tables[SUBMISSION] = read_hidden(rows, schema)
        elif schema.label is None:
            raise DataError(
                f"{rows.where}: no label column among {', '.join(map(repr, rows.columns))}",
                "say which it is with key columns.label",
            )
        else:
            tables[split] = read_rows(rows, schema, own, breakage)
    return tables


def _labels(rows: Rows, schema: Schema, task: Task, labels: Labels) -> Labels:
    """What the labels of a split mean: its own class numbers, or what is written."""
    theirs = rows.classes.get(schema.label or "")
    if theirs is None or not task.labels:
        return labels
    label_order(rows.where, theirs, task.labels)
    return Labels(task.labels, {str(number): name for number, name in enumerate(theirs)})


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
        elif source.source == "directory" and source.name:
            part = Dataset(directory.read_glue_text(source, own))
        else:
            rows = (directory if source.source == "directory" else hub).open_text(source)
            schema = schema_of(rows, source.columns, labelled=False)
            part = Dataset(read_rows(rows, schema, None, own))
        parts.append(part)
        if breakage is not None:
            breakage.found += own.found
    if len({tuple(sorted(part.column_names)) for part in parts}) > 1:
        what = "key parts: some of the sources have pairs and some single texts"
        raise UsageError(what, "mix texts of one kind")
    return concatenate_datasets(parts)


def check_head(source: Task | Data) -> None:
    """Raise what a job would say of the first rows of a local source with columns."""
    breakage = Breakage(1.0 if source.broken else 0.0)
    has_columns = source.source == "directory" and source.file is None
    if not has_columns or getattr(source, "kind", "classification") != "classification":
        return
    if isinstance(source, Task):
        if source.name:
            directory.read_glue(source, breakage, _HEAD)
        else:
            _tables(directory.open_splits(source, _HEAD), source, breakage)
    elif glue_name(source.name) is not None:
        directory.read_glue_text(source, breakage, _HEAD)
    elif not source.name:
        rows = directory.open_text(source, _HEAD)
        read_rows(rows, schema_of(rows, source.columns, labelled=False), None, breakage)


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
    where = source.path if source.source == "directory" else f"{source.name}@{source.revision}"
    return {"licence": "see the source", "citation": f"{source.source} {where}"}


def _typed(table: pa.Table, task: Task) -> Dataset:
    label = ClassLabel(names=list(task.labels)) if task.labels else Value("float32")
    texts = {name: Value("string") for name in table.column_names if name in TEXT_COLUMNS}
    features = Features({**texts, "label": label} if "label" in table.column_names else texts)
    return Dataset(table.select(list(features)).cast(features.arrow_schema))
