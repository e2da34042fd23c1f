"""Tasks and texts from local folders: GLUE's original files, TSV, CSV, JSON lines, Parquet.

A folder whose ``name`` is a GLUE task has GLUE's files. Any other has ``train``, ``dev`` (or
``validation``) and ``test`` in one of the formats, with the columns ``text``, or ``text_a`` and
``text_b``, and ``label``: the name of a label or its index; a number where the task has no label
names. A test split without labels is what predictions are submitted for; another split without
the column ``label`` is left out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from pdbench.core.errors import DataError, UsageError
from pdbench.data.places import local_folder
from pdbench.data.records import Breakage, Located, label_order, records, tab_separated
from pdbench.data.texts import one_line, text_names
from pdbench.study.catalogue.glue import GLUE, GlueTask, glue_name
from pdbench.study.settings import Source, Task

_FORMATS = ("tsv", "csv", "jsonl", "parquet")
_TEXTS = ("txt", *_FORMATS)

_STEMS = {"train": ("train",), "dev": ("dev", "validation"), "test": ("test",)}


def read_splits(task: Task, breakage: Breakage) -> dict[str, pa.Table]:
    """Read the labelled splits of a folder, and its unlabelled test split as "submission"."""
    folder = local_folder(task)
    if task.name:
        layout = _layout(task)
        files = {} if task.model_of or not layout.dev else {"train": "train.tsv"}
        files |= {"dev": layout.dev} if layout.dev else {}
        tables = {
            split: _glue_table(folder / file, layout, task.labels, breakage)
            for split, file in files.items()
        }
        unlabelled = folder / layout.unlabelled
        if unlabelled.is_file():
            tables["submission"] = _unlabelled_table(unlabelled, layout)
        return tables
    found = {split: _find(folder, stems, _FORMATS) for split, stems in _STEMS.items()}
    tables = {split: _table(path, task, breakage) for split, path in found.items() if path}
    if "test" in tables and "label" not in tables["test"].column_names:
        tables["submission"] = tables.pop("test")
    return {s: t for s, t in tables.items() if s == "submission" or "label" in t.column_names}


def read_text(text: Source, breakage: Breakage) -> pa.Table:
    """Read the texts of a folder: GLUE's training split, or the file ``text`` or ``train``."""
    folder = local_folder(text)
    if text.name:
        layout = _layout(text)
        return _glue_table(folder / "train.tsv", layout, None, breakage)
    path = _find(folder, ("text", "train"), _TEXTS)
    if path is None:
        raise DataError(f"{folder}: no file text or train", f"add one ({', '.join(_TEXTS)})")
    return _table(path, None, breakage)


def _layout(source: Source) -> GlueTask:
    name = glue_name(source.name)
    if name is None:
        what = f"key name: {source.name!r} is no GLUE task"
        raise UsageError(what, f"there are {', '.join(GLUE)}; leave it out for other files")
    return GLUE[name]


def _find(folder: Path, stems: tuple[str, ...], endings: tuple[str, ...]) -> Path | None:
    candidates = (folder / f"{stem}.{ending}" for stem in stems for ending in endings)
    return next((path for path in candidates if path.is_file()), None)


def _glue_table(
    path: Path, layout: GlueTask, labels: tuple[str, ...] | None, breakage: Breakage
) -> pa.Table:
    """Read one of GLUE's files; without ``labels``, its texts alone."""
    if not path.is_file():
        raise DataError(f"{path}: no such file", "unpack GLUE's original files there")
    own = Breakage(max(layout.broken, breakage.share))
    rows = tab_separated(path, own, layout.header)
    read_label = None
    if labels is not None:
        order = label_order("GLUE", layout.labels, labels)
        read_label = _label_reader(dict(zip(layout.classes, order, strict=True)))
    table = _columns(rows, layout.texts, layout.label, read_label, own)
    breakage.found += own.found
    return table


def _unlabelled_table(path: Path, layout: GlueTask) -> pa.Table:
    """Read one of GLUE's test files: all of its lines, in order, with an empty text or without."""
    names = text_names(len(layout.texts))
    columns: dict[str, list[str]] = {name: [] for name in names}
    for number, (where, record) in enumerate(tab_separated(path)):
        index = record.get("index", record.get("id"))
        if index != str(number):
            raise DataError(f"{where}: index {index}, expected {number}", "use GLUE's own file")
        for name, column in zip(names, layout.texts, strict=True):
            columns[name].append(_text(record, column, where))
    return pa.table(columns)


def _table(path: Path, task: Task | None, breakage: Breakage) -> pa.Table:
    """Read a file with our own columns; without a task, its texts alone."""
    rows = records(path, breakage)
    first = next(rows, None)
    if first is None:
        raise DataError(f"{path}: no rows", "remove or fill the file")
    where, record = first
    layouts = (text_names(1), text_names(2))
    texts = next((names for names in layouts if all(n in record for n in names)), None)
    if texts is None:
        raise DataError(f"{where}: no column text, nor text_a and text_b", "name the columns so")
    read_label = None
    if task is not None and "label" in record:
        known: dict[Any, int] = {name: index for index, name in enumerate(task.labels)}
        for index in range(len(task.labels)):
            known.setdefault(str(index), index)
            known.setdefault(index, index)
        read_label = _label_reader(known)
    return _columns(itertools.chain([first], rows), texts, "label", read_label, breakage)


def _label_reader(known: dict[Any, int]) -> Callable[[Any], float]:
    """What turns a written label into its number, or into itself where there are no names."""
    return known.__getitem__ if known else _number


def _columns(
    rows: Located,
    texts: tuple[str, ...],
    label: str,
    read_label: Callable[[Any], float] | None,
    breakage: Breakage,
) -> pa.Table:
    """Check every row and gather its texts, and its label where one is read."""
    names = (*text_names(len(texts)), *(() if read_label is None else ("label",)))
    columns: dict[str, list[Any]] = {name: [] for name in names}
    before, kept = breakage.found, 0
    for where, record in rows:
        try:
            found: list[Any] = [_text(record, name, where) for name in texts]
            if not all(found):
                raise DataError(f"{where}: empty text", "fill or remove the line")
            if read_label is not None:
                found.append(_label(record, label, where, read_label))
        except DataError as error:
            breakage.leave_out(error)
            continue
        kept += 1
        for name, value in zip(names, found, strict=True):
            columns[name].append(value)
    breakage.check(kept + breakage.found - before)
    return pa.table(columns)


def _text(record: dict[str, Any], name: str, where: str) -> str:
    return one_line(_field(record, name, where))


def _label(
    record: dict[str, Any], name: str, where: str, read_label: Callable[[Any], float]
) -> float:
    value = _field(record, name, where)
    try:
        return read_label(value)
    except (KeyError, TypeError, ValueError) as error:
        what = f"{where}: unknown label {value!r}"
        raise DataError(what, "mend it, or add it to the task's labels") from error


def _field(record: dict[str, Any], name: str, where: str) -> Any:
    if name not in record:
        raise DataError(f"{where}: no column {name!r}", "check the file's header")
    return record[name]


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number
