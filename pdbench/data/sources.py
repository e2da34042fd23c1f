"""One interface over embedded archives, local folders and the hub."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value, concatenate_datasets

from pdbench.core.errors import DataError, UsageError
from pdbench.data import amazon, dialogues, directory, embedded, hub, squad
from pdbench.data.archives import archives_of
from pdbench.data.records import Breakage
from pdbench.data.texts import TEXT_COLUMNS
from pdbench.study.catalogue.archives import ARCHIVES
from pdbench.study.settings import Source, Task, Text


def read_task(task: Task, archives: Path, breakage: Breakage | None = None) -> DatasetDict:
    """Read a task's splits: train, and dev, test and submission where the source has them.

    Every split has the column text, or text_a and text_b, and label: a ClassLabel with the
    task's label names, or a float where the task has none (a regression). A test split
    without labels, as GLUE's, is the split submission, which has no column label. Instead of
    label, spans have answers and starts (:mod:`pdbench.data.squad`) and rankings have item
    (:mod:`pdbench.data.dialogues`).

    Args:
        task: Where the task comes from, and its label names.
        archives: Folder of the fetched archives.
        breakage: Counts broken records; by default as many as the task allows.
    """
    breakage = breakage or Breakage(task.broken)
    if task.source == "embedded":
        tables = embedded.read_splits(task, archives)
    elif task.file is not None:
        tables = amazon.read_splits(task, breakage)
    elif task.kind == "span":
        tables = squad.read_splits(task, breakage)
    elif task.kind == "ranking":
        tables = dialogues.read_splits(task, breakage)
    else:
        tables = (directory if task.source == "directory" else hub).read_splits(task, breakage)
    labelled = tables.keys() - {"submission"}
    if task.model_of is None and ("train" not in labelled or len(labelled) == 1):
        what = f"{task.path or task.name}: labelled splits: {', '.join(sorted(labelled)) or 'none'}"
        raise DataError(what, "a task needs train, and dev or test")
    if not tables:
        raise DataError(f"{task.path or task.name}: no split", "a task needs dev or test")
    empty = [split for split, table in tables.items() if not len(table)]
    if empty:
        raise DataError(f"{task.path or task.name}: no rows in {empty[0]}", "fill or remove it")
    return DatasetDict({split: _typed(table, task) for split, table in tables.items()})


def read_text(
    text: Text, archives: Path, breakage: Breakage | None = None, scratch: Path | None = None
) -> Dataset:
    """Read an unlabelled text: the column text, or text_a and text_b.

    Args:
        text: Where the text comes from.
        archives: Folder of the fetched archives.
        breakage: Counts broken records; by default as many as the text allows.
        scratch: Folder for files that are mapped into memory; it must outlive the data set.
    """
    breakage = breakage or Breakage(text.broken)
    if not text.parts:
        return _read_part(text, text.size, archives, breakage, scratch)
    parts = []
    for part in text.parts:
        own = Breakage(part.broken)
        parts.append(_read_part(part, text.size, archives, own, scratch))
        breakage.found += own.found
    names = {tuple(sorted(part.column_names)) for part in parts}
    if len(names) > 1:
        what = "key parts: some of the sources have pairs and some single texts"
        raise UsageError(what, "mix texts of one kind")
    return concatenate_datasets(parts)


def _read_part(
    source: Source, size: int, archives: Path, breakage: Breakage, scratch: Path | None
) -> Dataset:
    if source.source == "embedded":
        return Dataset.from_dict(embedded.read_columns(source, archives))
    if source.file is not None:
        return amazon.read_text(source, size, breakage, scratch or archives)
    if source.name.rpartition("/")[2].lower() in dialogues.LAYOUTS:
        return Dataset(dialogues.read_text(source, breakage))
    if source.source == "directory" and source.name == "squad":
        return Dataset(squad.read_text(source, breakage))
    read = directory.read_text if source.source == "directory" else hub.read_text
    return Dataset(read(source, breakage))


def provenance(source: Source) -> dict[str, str]:
    """Return the licence and the citation of a source, as far as they are known."""
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
    if task.kind != "classification":
        return Dataset(table)
    label = ClassLabel(names=list(task.labels)) if task.labels else Value("float32")
    texts = {name: Value("string") for name in table.column_names if name in TEXT_COLUMNS}
    features = Features({**texts, "label": label} if "label" in table.column_names else texts)
    return Dataset(table.select(list(features)).cast(features.arrow_schema))
