"""A new study: one that extends another, or one that is made of what files say.

What the files do not say is asked for in one line; nothing is guessed. The templates are the files
in ``pdbench/ops/templates/``, with $-names filled in.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import yaml

from pdbench.core.errors import DataError, PdbenchError, UsageError
from pdbench.core.files import write_text
from pdbench.core.words import visible
from pdbench.data.columns import SPLITS
from pdbench.data.directory import open_splits
from pdbench.data.needs import problems_of_files, unpinned
from pdbench.data.places import model_folder
from pdbench.data.records import Breakage, Rows
from pdbench.data.schema import Schema, label_text, schema_of
from pdbench.data.texts import one_line, order_of
from pdbench.data.vocabulary import open_vocabulary
from pdbench.study import ROOT, Architecture, load_study
from pdbench.study.loading import schema_file
from pdbench.study.settings import Columns, Data, Text, VocabularySource

_TEMPLATES = Path(__file__).parent / "templates"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_EMBEDDED_TEACHER = "all-minilm-l6-v2"
_EMBEDDED_VOCABULARY = "bert-base-uncased"
_HIDDEN = "-1"  # in the place of the labels of a test split that are kept back
_MOST_LABELS = 200
"""Classes; a column of more different values is more likely no label."""

_PIECES, _MOST_PIECES = 1.3, 1.5  # word pieces a word: in the mean, and of long words
_LONGEST = 512
_TIMES = 3  # that students read the text in pre-training
_LEAST_TOKENS = 300_000  # word pieces, as in the demo
_RATE, _SMALL_RATE = "5.0e-5", "1.0e-4"  # of a teacher, and of the embedded one
SCORES = "scores"
"""What stands in the place of label names where labels are numbers that are no classes."""


@dataclass(frozen=True)
class Asked:
    """What a study is made of.

    Attributes:
        task: The folder of the labelled splits, each a file called train, dev or test.
        text: The file of the unlabelled text.
        teacher: A folder, a repository of the hub as owner/name, or the embedded model.
        sizes: The sizes of the students.
        labels: The names of the classes, in the order of the class numbers; ``("scores",)`` where
            labels are numbers; none where the files say them.
        columns: The columns that hold texts and label, where their names do not say it.
    """

    task: Path
    text: Path
    teacher: str
    sizes: tuple[Architecture, ...]
    labels: tuple[str, ...] = ()
    columns: Columns = field(default_factory=Columns)


def write_study(
    folder: Path, name: str | None, asked: Asked | None
) -> tuple[list[Path], list[str]]:
    """Write ``config/<name>.yaml`` into a working folder, and ``slurm/`` where it has none.

    Without ``asked`` the study extends the smallest. Returned is what was written, and the
    repositories of the hub whose commits are to be pinned.

    Raises:
        UsageError: Something is there already, or has to be said.
        DataError: A file cannot be read, or is not what it should be.
    """
    named = name or ("mine" if asked is None else _name_of(asked.task))
    if not _NAME.fullmatch(named):
        what = f"{named!r:.80} is no name of a study"
        raise UsageError(what, "say another with --name: letters, digits and hyphens")
    path, profile = folder / "config" / f"{named}.yaml", folder / "slurm"
    if path.exists():
        raise UsageError(f"{path} is there already", "choose another name with --name")
    kind = "overlay" if asked is None else "study"
    words = {"name": named, "schema": ROOT / schema_file(kind)}
    words |= {} if asked is None else _words(asked, folder, named)
    template = (_TEMPLATES / f"{kind}.yaml.txt").read_text(encoding="utf-8")
    write_text(path, Template(template).substitute(words))
    with _removed_on_error(path), contextlib.chdir(folder):
        study = load_study(str(Path("config") / path.name))
        for problem in problems_of_files(study):
            raise problem
        lacks = sorted(unpinned(study))
    if profile.exists():
        return [path], lacks
    shutil.copytree(ROOT / "slurm", profile)
    return [path, profile], lacks


@contextlib.contextmanager
def _removed_on_error(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        path.unlink()
        raise


def _name_of(task: Path) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", task.resolve().name).strip("-")


def _words(asked: Asked, folder: Path, name: str) -> dict[str, object]:
    """What stands in the template's places."""
    if folder.resolve().is_relative_to(asked.task.resolve()):
        what = f"{asked.task}: results would stand among the data, which they must not"
        raise UsageError(what, "move the splits into a folder of their own, such as data/task")
    splits = _splits(asked)
    found = {split: _looked_at(rows, asked.columns, split) for split, rows in splits.items()}
    labelled = [split for split, own in found.items() if own.labels]
    if "train" not in labelled or len(labelled) == 1:
        what = f"{asked.task}: labelled splits: {', '.join(labelled) or 'none'}"
        raise UsageError(what, "call its files train, and dev or test: train.csv, test.csv")
    labels, about = _labels(asked, splits["train"], found)
    text, of_text = _text(asked)
    sides = {len(own.schema.texts) for own in [*found.values(), text]}
    if len(sides) > 1:
        what = f"{asked.text}: {len(text.schema.texts)} texts an item, and {asked.task} has another"
        raise UsageError(what, "name unlabelled items like those of the task, or say --columns")
    lengths = sorted(length for own in [*found.values(), text] for length in own.lengths)
    teacher, vocabulary = _teacher(asked.teacher, folder)
    said = asked.columns.model_dump(exclude_none=True)
    return {
        "title": _yaml(f"Compact students for {visible(name)}"),
        "path": visible(asked.task.name or str(asked.task)),
        "folder": _yaml(_seen_from(folder, asked.task)),
        "splits": ", ".join(f"{split}: {len(own.lengths):,} items" for split, own in found.items())
        + ("" if len(labelled) == len(SPLITS) else "; dev is held out of train"),
        "columns": f"    columns: {_yaml(said)}\n" if said else "",
        "labels": _yaml(labels),
        "about_labels": about,
        "metrics": _yaml(["accuracy"] if labels else ["pearson", "spearman"]),
        "max_length": _max_length(lengths),
        "teacher": _lines(teacher),
        "model": _yaml(teacher),
        "rate": _SMALL_RATE if teacher["source"] == "embedded" else _RATE,
        "vocabulary": _yaml(vocabulary),
        "sizes": "\n".join(f"    {size}: {size}" for size in asked.sizes),
        "text_folder": _yaml(_seen_from(folder, asked.text.parent)),
        "text_file": _yaml(asked.text.name),
        "text_columns": f"    columns: {_yaml(of_text)}\n" if of_text else "",
        "items": text.different,
        "least": max(1, text.different // 2),
        "tokens": max(_LEAST_TOKENS, round(_TIMES * _PIECES * sum(text.lengths))),
        "about_tokens": f"{_TIMES} times the text, and {_LEAST_TOKENS:,} at least",
    }


def _seen_from(folder: Path, path: Path) -> str:
    """A path as a study in the folder names it: from there if it is below it."""
    whole = path.resolve()
    below = whole.is_relative_to(folder.resolve())
    return os.path.relpath(whole, folder.resolve()) if below else str(whole)


def _yaml(value: Any) -> str:
    """A value in one line."""
    text = yaml.safe_dump([value], default_flow_style=True, width=math.inf, allow_unicode=True)
    return str(text).strip()[1:-1]


def _lines(keys: Mapping[str, str]) -> str:
    return "\n      ".join(f"{key}: {_yaml(value)}" for key, value in keys.items())


@dataclass(frozen=True)
class _Looked:
    """What is in the rows of a file: their columns, words an item, labels, and different items."""

    schema: Schema
    lengths: Sequence[int]
    labels: Mapping[str, int]
    different: int


def _looked_at(rows: Rows, columns: Columns, split: str) -> _Looked:
    with _asking_for_columns():
        schema = schema_of(rows, columns, labelled=split in SPLITS)
    if schema.label is None and split == "train":
        what = f"{rows.where}: no label column among {', '.join(map(repr, rows.columns[:20]))}"
        raise UsageError(what, "say which it is with --columns label=NAME")
    lengths, labels, items = [], Counter[str](), set()
    for _, record in rows.read(schema.columns, Breakage()):
        texts = [one_line(record.get(name)) for name in schema.texts]
        lengths.append(sum(len(text.split()) for text in texts))
        items.add(order_of(texts)[:16])
        label = None if schema.label is None else label_text(record.get(schema.label))
        if label not in (None, _HIDDEN):
            labels[str(label)] += 1
    if not lengths:
        raise DataError(f"{rows.where}: no rows", "fill or remove it")
    return _Looked(schema, lengths, labels, len(items))


@contextlib.contextmanager
def _asking_for_columns() -> Iterator[None]:
    """What cannot be known of columns is asked for as the command line has it."""
    try:
        yield
    except PdbenchError as error:
        raise UsageError(error.what, "say it with --columns text=NAME,label=NAME") from error


def _splits(asked: Asked) -> dict[str, Rows]:
    if not asked.task.is_dir():
        raise DataError(f"{asked.task}: no such folder", "name that of the labelled splits")
    try:
        return open_splits(Data(source="directory", path=str(asked.task)), SPLITS)
    except DataError as error:
        raise DataError(error.what, "call the files train, dev and test") from error


def _text(asked: Asked) -> tuple[_Looked, dict[str, str]]:
    """What is in the text, and the columns that have to be said of it."""
    if not asked.text.is_file():
        raise DataError(f"{asked.text}: no such file", "name that of the unlabelled text")
    splits = {"text": asked.text.name}
    about = Text(source="directory", path=str(asked.text.parent), splits=splits, size=1)
    rows = open_splits(about, ["text"])["text"]
    said = asked.columns.model_copy(update={"label": None})
    if not set(said.texts) <= set(rows.columns):  # which the task alone has
        said = Columns()
    return _looked_at(rows, said, "text"), said.model_dump(exclude_none=True)


def _labels(asked: Asked, train: Rows, found: Mapping[str, _Looked]) -> tuple[list[str], str]:
    """The names of the classes, none of scores, and where they are from, in words."""
    there = sum((Counter(own.labels) for own in found.values()), Counter[str]())
    named = train.classes.get(found["train"].schema.label or "")
    if asked.labels == (SCORES,):
        return [], "numbers"
    if names := asked.labels or named:
        _check_names(names, there, train)
        return list(names), "in the order of their numbers"
    if any(_NUMBER.fullmatch(label) for label in there):
        shown = ", ".join(sorted(there)[:5]) + (", ..." if len(there) > 5 else "")
        what = f"{train.where}: its labels are numbers, {shown}: classes or scores?"
        remedy = f"say --labels NAME,NAME in the order of the numbers, or --labels {SCORES}"
        raise UsageError(what, remedy)
    if not 2 <= len(there) <= _MOST_LABELS:
        what = f"{train.where}: {len(there):,} different labels"
        raise UsageError(what, "say which column has them with --columns label=NAME")
    counts = ", ".join(f"{there[label]:,} {visible(label)}" for label in sorted(there))
    return sorted(there), f"in the order of the alphabet; {counts}"


def _check_names(names: Sequence[str], there: Mapping[str, int], train: Rows) -> None:
    """Refuse names of classes that are not what the rows have: their names or their numbers."""
    known = {name.casefold() for name in names}
    numbers = set(map(str, range(len(names))))
    if len(known) < len(names) or len(names) < 2:
        raise UsageError(f"--labels {','.join(names)}", "name two classes or more, each once")
    if not (there.keys() <= numbers or {label.casefold() for label in there} <= known):
        what = f"{train.where}: labels {', '.join(sorted(there)[:20])}, and named are"
        raise UsageError(f"{what} {', '.join(names)}", "name every class with --labels, each once")


def _max_length(lengths: Sequence[int]) -> int:
    """Word pieces that keep 99 of 100 texts whole, [CLS] and [SEP] too, in steps of 16."""
    long = lengths[min(len(lengths) - 1, math.floor(0.99 * len(lengths)))]
    return min(_LONGEST, 16 * math.ceil((_MOST_PIECES * long + 3) / 16))


def _teacher(name: str, folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The source of the teacher, and of the vocabulary."""
    if Path(name).is_dir():
        from pdbench.engine.checkpoints import Checkpoint

        here = VocabularySource(source="directory", path=name)
        Checkpoint(model_folder(here, Path())).check(open_vocabulary(here, Path()))
        own = {"source": "directory", "path": _seen_from(folder, Path(name))}
        return own, own
    if name == _EMBEDDED_TEACHER:
        vocabulary = {"source": "embedded", "name": _EMBEDDED_VOCABULARY}
        return {"source": "embedded", "name": name}, vocabulary
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name) and not name.startswith("."):
        own = {"source": "hub", "name": name, "revision": "pinned"}
        return own, own
    what = f"--teacher {name!r:.80}: neither a folder nor owner/name of a repository of the hub"
    raise UsageError(what, f"name one, or {_EMBEDDED_TEACHER}, which needs no hub")
