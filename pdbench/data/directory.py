"""Tasks and texts from local folders: GLUE's original files, one's own, and published ones.

A folder whose ``name`` is a GLUE task has GLUE's files. Any other has ``train``, ``dev`` (or
``validation``, ``val``, ``valid``) and ``test``, each a file of a format that is read
(:mod:`pdbench.data.records`), the parts ``train-00000-of-00002.parquet`` and so on, or a folder
of text files, one text in each, in a folder for each label. What may be data and is not read is
named.
"""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from pdbench.core.errors import DataError, UsageError
from pdbench.core.files import bounded
from pdbench.data.columns import SUBMISSION
from pdbench.data.places import local_folder
from pdbench.data.records import LONGEST, Breakage, Located, Rows, format_of, open_rows
from pdbench.data.schema import Labels, Schema, label_order, read_hidden, read_rows
from pdbench.study.catalogue.glue import GLUE, GlueTask, glue_name
from pdbench.study.settings import Data, Source, Task

_log = logging.getLogger(__name__)

_NAMES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "train": (("train",),),
    "dev": (("dev", "validation", "val", "valid"), ("validation_matched",)),
    "test": (("test",), ("test_matched",)),
    "text": (("text",), ("train",)),
}
"""What a split may be called: the first group of which one is there; of MNLI the matched one."""

_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})")
_GLUE_FILES = Data(source="directory", format="tsv", quotes=False)


def choose(split: str, names: Mapping[str, str], where: str) -> str | None:
    """Which of several candidates a split is; None where none has a name of it.

    ``names`` are the candidates' plain names by what they are called.
    """
    for group in _NAMES[split]:
        found = [called for called, name in names.items() if name.casefold() in group]
        if len(found) > 1:
            what = f"{where}: {' and '.join(found)}, each of which may be {split}"
            raise DataError(what, f"remove or rename one, or say which with key splits.{split}")
        if found:
            return found[0]
    return None


def open_splits(about: Data, splits: Sequence[str], most: int | None = None) -> dict[str, Rows]:
    """Open those of some splits that a folder has, not of GLUE's files, or so many rows of each."""
    chosen = _chosen(local_folder(about), about, splits)
    return {split: _opened(paths, about, most) for split, paths in chosen.items()}


def _chosen(folder: Path, about: Data, splits: Sequence[str]) -> dict[str, list[Path]]:
    """The file or folder of each split, or its parts; others that may be data are named."""
    there = _candidates(folder, about)
    names = {called: _stem(paths[0]) for called, paths in there.items()}
    found: dict[str, list[Path]] = {}
    for split in splits:
        if split in about.splits:
            found[split] = [folder / about.splits[split]]
            if not found[split][0].exists():
                what = f"{found[split][0]}: no such file or folder"
                raise DataError(what, f"mend key splits.{split}")
        elif (called := choose(split, names, str(folder))) is not None:
            found[split] = _whole(there[called])
    used = {path for paths in found.values() for path in paths}
    over = [path.name for paths in there.values() for path in paths if path not in used]
    if over and found:
        _log.warning("%s: not read: %s", folder, ", ".join(over))
    if not found and over:
        what = f"{folder}: {', '.join(over)}, of which none is called {' or '.join(splits)}"
        raise DataError(what, "rename them, or say which is which with key splits")
    return found


def _candidates(folder: Path, about: Data) -> dict[str, list[Path]]:
    """What may be data, by what it is called; the parts of one split stand together."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        named = any(_stem(path) in group for groups in _NAMES.values() for group in groups)
        is_data = format_of(path) is not None or (about.format is not None and named)
        if not path.name.startswith(".") and (is_data or (named and path.is_dir())):
            shard = _SHARD.fullmatch(path.name.partition(".")[0])
            called = path.name if shard is None else path.name.replace(shard[0], shard[1])
            found.setdefault(called, []).append(path)
    return found


def _stem(path: Path) -> str:
    """The name of a file without its endings and the number of its part."""
    name = path.name.removesuffix(".gz")
    stem = (name.rpartition(".")[0] or name) if not path.is_dir() else name
    shard = _SHARD.fullmatch(stem)
    return (shard[1] if shard else stem).casefold()


def _whole(paths: list[Path]) -> list[Path]:
    """The parts of a split, all of which must be there."""
    shards = [_SHARD.fullmatch(path.name.partition(".")[0]) for path in paths]
    counts = {int(shard[3]) for shard in shards if shard}
    if counts and (counts != {len(paths)}):
        what = f"{paths[0]}: {len(paths)} parts, of {' or '.join(map(str, sorted(counts)))}"
        raise DataError(what, "add the others, or remove those of another download")
    return paths


def _opened(paths: Sequence[Path], about: Data, most: int | None) -> Rows:
    """Open a folder of texts, a file, or the parts of one, one after the other."""
    if paths[0].is_dir():
        return _open_folder(paths[0], about.labels if isinstance(about, Task) else (), most)
    first, *others = parts = [open_rows(path, about, most) for path in paths]
    for other in others:
        if set(other.columns) != set(first.columns):
            what = f"{other.where}: columns {', '.join(other.columns)}"
            raise DataError(what, f"give it those of {first.where}: {', '.join(first.columns)}")

    def read(wanted: Sequence[str], breakage: Breakage) -> Located:
        return itertools.chain.from_iterable(part.read(wanted, breakage) for part in parts)

    return Rows(first.where, first.columns, read, first.classes)


def _open_folder(folder: Path, labels: Sequence[str], most: int | None) -> Rows:
    """Open a folder of text files: with labels, those in its folders of these names."""
    classes = {path.name: path for path in sorted(folder.iterdir()) if path.is_dir()}
    missing = [label for label in labels if label not in classes]
    if missing:
        what = f"{folder}: no folder {missing[0]!r}, but {', '.join(classes) or 'none'}"
        raise DataError(what, "name the folders of its texts in key labels")
    over = [name for name in classes if name not in labels]
    if over:
        _log.warning("%s: not read: %s", folder, ", ".join(over))
    chosen = {label: classes[label] for label in labels} or {"": folder}

    def read(_: Sequence[str], breakage: Breakage) -> Located:
        for label, own in chosen.items():
            for path in sorted(own.glob("*.txt"))[:most]:
                try:
                    text = bounded(path, LONGEST).read_text(encoding="utf-8-sig")
                except (OSError, UnicodeDecodeError) as error:
                    what = f"{path}: no text in UTF-8 ({error})"
                    breakage.leave_out(DataError(what, "mend or remove it, or set key broken"))
                except DataError as error:
                    breakage.leave_out(error)
                else:
                    yield str(path), {"text": text, "label": label}

    return Rows(str(folder), ["text", "label"] if labels else ["text"], read)


def read_glue(task: Task, breakage: Breakage, most: int | None = None) -> dict[str, pa.Table]:
    """Read GLUE's files: the labelled splits, and its unlabelled test split as "submission"."""
    folder, layout = local_folder(task), _layout(task)
    files = {} if task.model_of or not layout.dev else {"train": "train.tsv"}
    files |= {"dev": layout.dev} if layout.dev else {}
    label_order("GLUE", layout.labels, task.labels)
    tables = {}
    for split, file in files.items():
        labels = Labels(task.labels, layout.classes)
        tables[split] = _glue_table(folder / file, layout, labels, breakage, most)
    unlabelled = folder / layout.unlabelled
    if unlabelled.is_file():
        rows = open_rows(unlabelled, _GLUE_FILES, most)
        tables[SUBMISSION] = read_hidden(_in_order(rows), Schema(layout.texts, layout.label))
    return tables


def read_glue_text(text: Source, breakage: Breakage, most: int | None = None) -> pa.Table:
    """Read the texts of GLUE's training file."""
    return _glue_table(local_folder(text) / "train.tsv", _layout(text), None, breakage, most)


def _layout(source: Source) -> GlueTask:
    name = glue_name(source.name)
    if name is None:
        what = f"key name: {source.name!r} is no GLUE task"
        raise UsageError(what, f"there are {', '.join(GLUE)}; leave it out for other files")
    return GLUE[name]


def _glue_table(
    path: Path, layout: GlueTask, labels: Labels | None, breakage: Breakage, most: int | None
) -> pa.Table:
    """Read one of GLUE's files; without ``labels``, its texts alone."""
    if not path.is_file():
        raise DataError(f"{path}: no such file", "unpack GLUE's original files there")
    own = Breakage(max(layout.broken, breakage.share))
    rows = open_rows(path, _GLUE_FILES.model_copy(update={"header": layout.header}), most)
    table = read_rows(rows, Schema(layout.texts, layout.label), labels, own)
    breakage.found += own.found
    return table


def _in_order(rows: Rows) -> Rows:
    """The rows of GLUE's test file, of which none may be missing."""

    def read(wanted: Sequence[str], breakage: Breakage) -> Located:
        for number, (where, record) in enumerate(rows.read(wanted, breakage)):
            index = record.get("index", record.get("id"))
            if index != str(number):
                raise DataError(f"{where}: index {index}, expected {number}", "use GLUE's own file")
            yield where, record

    return Rows(rows.where, rows.columns, read)
