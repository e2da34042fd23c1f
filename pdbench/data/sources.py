"""One interface over embedded archives, local folders and the hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from pdbench.data import directory, embedded, hub
from pdbench.data.archives import ARCHIVES, archives_of
from pdbench.data.labels import label_order
from pdbench.data.leaks import TEXT_COLUMNS
from pdbench.errors import DataError
from pdbench.study.settings import Source, Task, Text


def read_task(task: Task, archives: Path) -> DatasetDict:
    """Read a task's labelled splits: train, and dev and test where the source has them.

    Every split has the column text, or text_a and text_b, and label: a ClassLabel with the
    task's label names, or a float where the task has none (a regression). A source's split
    without labels, as GLUE's test, is left out.

    Args:
        task: Where the task comes from, and its label names.
        archives: Folder of the fetched archives.

    Raises:
        UsageError: The task's labels are not those of the source, or the source is unknown.
        DataError: A file is missing, broken, or holds an unknown label or an empty text; or
            there is no labelled train, or neither dev nor test.
    """
    if task.source == "embedded":
        tables = _embedded_task(task, archives)
    else:
        tables = (directory if task.source == "directory" else hub).read_splits(task)
    if "train" not in tables or len(tables) == 1:
        what = f"{task.path or task.name}: labelled splits: {', '.join(tables) or 'none'}"
        raise DataError(what, "a task needs train, and dev or test")
    return DatasetDict({split: _labelled(table, task) for split, table in tables.items()})


def read_text(text: Text, archives: Path) -> Dataset:
    """Read an unlabelled text: the column text, or text_a and text_b.

    Args:
        text: Where the text comes from.
        archives: Folder of the fetched archives.

    Raises:
        UsageError: The source is unknown, or a hub source has no revision.
        DataError: A file is missing, broken, or holds an empty text.
    """
    if text.source == "embedded":
        return Dataset.from_dict(embedded.read_columns(text, archives))
    return Dataset((directory if text.source == "directory" else hub).read_text(text))


def provenance(source: Source) -> dict[str, str]:
    """Return the licence and the citation of a source, as far as they are known."""
    if source.source == "embedded":
        archives = [ARCHIVES[name] for name in archives_of(source)]
        return {
            "licence": "; ".join(archive.licence for archive in archives),
            "citation": "; ".join(archive.citation for archive in archives),
        }
    where = source.path if source.source == "directory" else f"{source.name}@{source.revision}"
    return {"licence": "see the source", "citation": f"{source.source} {where}"}


def _embedded_task(task: Task, archives: Path) -> dict[str, pa.Table]:
    names, tables = embedded.read_splits(task, archives)
    order = label_order(f"embedded task {task.name}", names, task.labels)
    return {split: _relabelled(table, order) for split, table in tables.items()}


def _relabelled(table: pa.Table, order: Sequence[int]) -> pa.Table:
    labels = [order[label] for label in table["label"].to_pylist()]
    return table.set_column(table.column_names.index("label"), "label", pa.array(labels))


def _labelled(table: pa.Table, task: Task) -> Dataset:
    label = ClassLabel(names=list(task.labels)) if task.labels else Value("float32")
    texts = {name: Value("string") for name in table.column_names if name in TEXT_COLUMNS}
    features = Features({**texts, "label": label})
    return Dataset(table.select(list(features)).cast(features.arrow_schema))
