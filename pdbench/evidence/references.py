"""Published numbers, each with where it stands and how it was obtained.

The files in ``config/reference/`` are the only place in the project where a published number
is written down. Which words may stand in them is said here, and what their columns mean in
``config/reference/README.md``. Values are in the unit of the source: per cent for scores.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from pdbench.core.errors import DataError, suggestion
from pdbench.evidence.made_with import ORIGINS, PARTS, MadeWith, known_as
from pdbench.evidence.statements import Term
from pdbench.evidence.table import Split
from pdbench.study import Architecture, Cell, Study
from pdbench.study.catalogue.glue import GLUE, glue_name, published_task
from pdbench.study.catalogue.metrics import METRICS, metrics_for
from pdbench.study.discovery import configured
from pdbench.workflow.specs import REFERENCES

Similarities: TypeAlias = Mapping[str, Mapping[str, float]]
"""S of each transfer set to each task, as the audit measured it."""

_USUAL_FILE = "usual_runs.csv"  # how many runs are behind a number whose source does not say
_MADE_WITH_FILE = "made_with.csv"  # teachers, transfer sets and corpora behind the numbers
_CONTEXT_FILE = "concurrent_work.csv"  # other publications: shown for context, never a target
_FILES = ("paper.csv", "released_models.csv", _CONTEXT_FILE)

PAPER_SIZES = {
    "Tiny": Architecture(2, 128),
    "Mini": Architecture(4, 256),
    "Small": Architecture(4, 512),
    "Medium": Architecture(8, 512),
    "Base": Architecture(12, 768),
}
"""The paper's five named sizes, from small to large."""

_COLUMNS = (
    *("artefact", "series", "arch", "method", "init", "task", "task_version", "split", "metric"),
    *("unit", "transfer_size", "similarity", "value", "tolerance", "seeds", "best_of", "obtained"),
    *("grade", "source"),
)
"""The columns of a reference file, in order; the README of its folder says what they mean."""

_RUNS = ("seeds", "best_of")
_USUAL_COLUMNS = ("split", *_RUNS, "why")
_MADE_WITH_COLUMNS = ("artefact", "task", "part", "name", "sources", "items", "origin", "source")

_SCORES = {
    **{name: METRICS[name].unit for name in metrics_for("classification")},
    **dict.fromkeys(("meta_score", "glue_score", "average"), "%"),
    **dict.fromkeys(("task_metric", "mean_of_task_metrics"), "%"),
}
"""The unit of every metric of the reference files that scores a split of a task."""

_UNITS = {
    **_SCORES,
    "accuracy_points_or_percent": "points or %",
    "params_millions": "million",
    "transfer_set_millions": "million",
    "inference_seconds": "s",
    **dict.fromkeys(("speedup_vs_BERT_LARGE_TPUv2", "TPU_speedup_x", "speedup_x"), "ratio"),
    **dict.fromkeys(("compression_x", "size_reduction_x"), "ratio"),
    **dict.fromkeys(("size_ratio", "speed_ratio", "data_ratio"), "ratio"),
}
"""The unit of every metric of the reference files."""

_BOOK_REVIEWS = "book-reviews"
_BOOKS = "Books"  # the category that they are of

TASKS = {
    "MNLI": "mnli",
    **{task.title: name for name, task in GLUE.items()},
    "Amazon Book Reviews": _BOOK_REVIEWS,
    **dict.fromkeys(("-", "GLUE-6", "Score", "avg", "avg8", "MNLI/RTE"), ""),
}
"""Tasks in the sources' words, each with the id of one task's data; "" for none or several."""

_VERSIONS = {
    "MNLI": ("matched", "mismatched", "unstated"),
    "MNLI-m": ("matched",),
    "MNLI-mm": ("mismatched",),
    "QNLI": ("v1", "v2", "unstated"),
}
"""Versions of the tasks that have several."""

META_TASKS = (
    (("SST-2", "accuracy"),),
    (("MRPC", "f1"), ("MRPC", "accuracy")),
    (("QQP", "f1"), ("QQP", "accuracy")),
    (("MNLI-m", "accuracy"), ("MNLI-mm", "accuracy")),
    (("QNLI", "accuracy"),),
    (("RTE", "accuracy"),),
)
"""What the meta score of GLUE-6 is the mean of: the scores of a task are averaged first."""

_SPLITS = ("dev", "test", "unstated")  # splits of scores; other numbers have "-"

_OBTAINED = ("printed", "quoted", "digitised")
_GRADES = ("primary", "secondary")
UNSTATED = "unstated"

_SIZES_IN_WORDS = ("-", "BERT_LARGE", "5 models", "Mini vs Base")  # where there is no single L/H

_METHODS = {
    "PD-truncated-init": "pd-truncated",
    "PD-word-embedding-init": "pd-embeddings",
    "D (no pre-training)": "d",
    "PKD": "patient-kd",
}

_UNNORMALISED = ("mnli", "mnli-mismatched", "qnli", "qqp")
"""Tasks on which Patient KD's authors compare states as they are."""

_EVERY_TASK = "-"

_READ = ("arch", "method", "init", "value", "tolerance", *_RUNS, "transfer_size", "similarity")
"""Columns whose words do not stand in a reference as they are."""

_NO_KEY = ("unit", "value", "tolerance", *_RUNS, "obtained", "grade", "source")


@dataclass(frozen=True)
class Reference:
    """One published number: its line in a reference file."""

    artefact: str
    series: str
    architecture: str
    method: str  # method id of pdbench where there is one, else the source's word in lower case
    method_word: str  # the method in the source's own word
    task: str
    task_version: str
    split: str
    metric: str
    unit: str
    value: float
    printed: str  # the value as the file writes it, with its digits
    tolerance: float  # reading error of a value read off a plot, in its unit; 0 for a printed one
    seeds: int  # runs that it is the mean of; 0 where no run gave it
    best_of: int  # of how many such means it may be the best; 0 where no run gave it
    assumed: tuple[str, ...]  # which of these two its source leaves open
    obtained: str
    grade: str
    source: str
    transfer_size: int | None
    similarity: float | None
    file: str
    behind_artefact: tuple[MadeWith, ...]  # what the numbers of its artefact were made with

    @property
    def size(self) -> Architecture | None:
        """Its size; None where the source names no single L/H."""
        if self.architecture in _SIZES_IN_WORDS:
            return None
        return Architecture.parse(self.architecture)

    @property
    def name(self) -> str | None:
        """The paper's name of its size (Tiny ... Base), if it has one."""
        return next((name for name, size in PAPER_SIZES.items() if size == self.size), None)

    @property
    def term(self) -> Term:
        """What identifies it: everything that no other published number shares with it."""
        size, transfer = self.architecture, (self.transfer_size, self.similarity)
        where = (self.artefact, self.series, size, self.task, self.split, *transfer)
        return "|".join("" if part is None else str(part) for part in where), self.metric

    def part(self, task: str, metric: str) -> Reference:
        """A score that it is the mean of, in the version of the task that no source states."""
        versions = _VERSIONS.get(task, ("",))
        version = UNSTATED if UNSTATED in versions else versions[0]
        method = as_run(self.method, TASKS[task])
        return replace(self, task=task, metric=metric, task_version=version, method=method)

    def made_with(self, part: str) -> tuple[MadeWith, ...]:
        """The ways in which its source has a teacher, transfer set or corpus of its task."""
        own = (one for one in self.behind_artefact if one.part == part)
        return tuple(one for one in own if one.task in (_EVERY_TASK, self.task))

    @property
    def uncertainty(self) -> float:
        """How far the true number may be from the value: reading error, or half a last digit."""
        if self.tolerance:
            return self.tolerance
        _, _, decimals = self.printed.partition(".")
        return 0.5 * 10.0 ** -len(decimals)

    @property
    def behind(self) -> str:
        """The runs behind it in words: "1 there (assumed), the best of 20"."""
        seeds, best = (" (assumed)" if one in self.assumed else "" for one in _RUNS)
        chosen = "" if self.best_of == 1 else f", the best of {self.best_of}{best}"
        return f"{self.seeds} there{seeds}{chosen}"

    @property
    def is_score(self) -> bool:
        """Whether it is the score of a model on a split."""
        return self.metric in _SCORES

    @property
    def is_context(self) -> bool:
        """Whether it is shown for context only: secondary, or of another publication."""
        return self.grade == "secondary" or self.file == _CONTEXT_FILE


def load_references(folder: Path | None = None) -> tuple[Reference, ...]:
    """Read every reference file of a folder, ``config/reference``, in a fixed order.

    Raises:
        DataError: A file is missing, its columns are others, a word is not known, or a number
            stands in it twice; the message names file and line.
    """
    folder = folder or configured(REFERENCES)
    usual = _read_usual(folder / _USUAL_FILE)
    made = tuple(_read_made_with(folder / _MADE_WITH_FILE))
    found = tuple(r for name in _FILES for r in _read(folder / name, usual, made))
    known = {reference.artefact for reference in found}
    if strange := [one.artefact for one in made if one.artefact not in known]:
        what = f"{folder / _MADE_WITH_FILE}: unknown artefact {strange[0]!r}"
        raise DataError(what, suggestion(strange[0], known))
    return found


def _read_made_with(path: Path) -> Iterator[MadeWith]:
    for number, row in read_rows(path, _MADE_WITH_COLUMNS):
        known: dict[str, Collection[str]] = {"part": PARTS, "origin": ORIGINS}
        known["task"] = {*TASKS, _EVERY_TASK}
        for column, words in known.items():
            if row[column] not in words:
                what = f"{path}:{number}: unknown {column} {row[column]!r}"
                raise DataError(what, suggestion(row[column], words))
        sources = frozenset(filter(None, map(str.strip, row["sources"].split("+"))))
        try:
            items = _count(row["items"])
        except ValueError as error:
            raise DataError(f"{path}:{number}: {error}", "write items like 1.3m") from error
        if not (row["artefact"] and row["name"] and sources):
            what = f"{path}:{number}: artefact, name or sources are empty"
            raise DataError(what, "mend the line")
        yield MadeWith(**{**row, "sources": sources, "items": items})  # type: ignore[arg-type]


def _read_usual(path: Path) -> dict[str, dict[str, str]]:
    """The runs behind a number of each split that are usual where the source does not say."""
    found: dict[str, dict[str, str]] = {}
    for number, row in read_rows(path, _USUAL_COLUMNS):
        split, runs = row["split"], {column: row[column] for column in _RUNS}
        if split not in _SPLITS or split in found:
            what = f"{path}:{number}: split {split!r} is not known, or stands there twice"
            raise DataError(what, f"write one line for each of {', '.join(_SPLITS)}")
        if not all(map(_is_count, runs.values())):
            raise DataError(f"{path}:{number}: seeds and best_of count runs", "write whole numbers")
        found[split] = runs
    if lost := [split for split in _SPLITS if split not in found]:
        raise DataError(f"{path}: no line for the split {lost[0]}", "add it")
    return found


def _read(
    path: Path, usual: Mapping[str, Mapping[str, str]], made: tuple[MadeWith, ...]
) -> Iterator[Reference]:
    lines: dict[tuple[str, ...], int] = {}
    for number, row in read_rows(path, _COLUMNS):
        try:
            _check(row)
            behind = tuple(one for one in made if one.artefact == row["artefact"])
            reference = _parse(row, path.name, usual.get(row["split"], {}), behind)
        except ValueError as error:
            raise DataError(f"{path}:{number}: {error}", "mend the line") from error
        key = tuple(row[column] for column in _COLUMNS if column not in _NO_KEY)
        if key in lines:
            what = f"{path}:{number}: the same number as line {lines[key]}"
            raise DataError(what, "delete one of them")
        lines[key] = number
        yield reference


def read_rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line number and the row of every row of a file with exactly these columns."""
    try:
        handle = path.open(encoding="utf-8", newline="")
    except OSError as error:
        what = f"{path}: cannot be read ({error.strerror})"
        raise DataError(what, "restore it from the repository") from error
    with handle:
        reader = csv.DictReader(handle)
        found = tuple(reader.fieldnames or ())
        if found != columns:
            lost = [column for column in columns if column not in found]
            named = f"no column {lost[0]!r}" if lost else f"columns {', '.join(found)}"
            raise DataError(f"{path}: {named}", f"give it the columns {', '.join(columns)}")
        for row in reader:
            if None in row or None in row.values():
                what = f"{path}:{reader.line_num}: not as many fields as the header has"
                raise DataError(what, "mend the line")
            if "grade" in columns and row["grade"] not in _GRADES:
                what = f"{path}:{reader.line_num}: unknown grade {row['grade']!r}"
                raise DataError(what, suggestion(row["grade"], _GRADES))
            yield reader.line_num, row


def _check(row: dict[str, str]) -> None:
    """Refuse words that are not known, and numbers that contradict each other."""
    for column in ("artefact", "series", "method", "value", "source"):
        if not row[column]:
            raise ValueError(f"{column} is empty")
    known: dict[str, Collection[str]] = {
        "metric": _UNITS,
        "task": TASKS,
        "obtained": _OBTAINED,
        "task_version": _VERSIONS.get(row["task"], ("",)),
        "split": _SPLITS if row["metric"] in _SCORES else ("-",),
    }
    for column, words in known.items():
        if row[column] not in words:
            raise ValueError(f"unknown {column} {row[column]!r} ({suggestion(row[column], words)})")
    if row["unit"] != (unit := _UNITS[row["metric"]]):
        raise ValueError(f"unit {row['unit']!r}, but {row['metric']} is in {unit}")
    if bool(row["tolerance"]) != (row["obtained"] == "digitised"):
        raise ValueError("a digitised value needs a tolerance, and no other has one")
    for column in _RUNS:
        if (row[column] == "-") == (row["metric"] in _SCORES):
            raise ValueError(f"{column} {row[column]!r}: a score has runs behind it, no other has")
    if row["arch"] not in _SIZES_IN_WORDS:
        Architecture.parse(row["arch"])


def _parse(
    row: dict[str, str], file: str, usual: Mapping[str, str], made: tuple[MadeWith, ...]
) -> Reference:
    value, tolerance = float(row["value"]), float(row["tolerance"] or 0)
    similarity = float(row["similarity"]) if row["similarity"] else None
    if not (tolerance >= 0 and abs(value) < float("inf")):
        raise ValueError("value and tolerance must be finite, and the tolerance not negative")
    if row["unit"] == "%" and abs(value) > 100:
        raise ValueError(f"value {row['value']} is more than 100%")
    if similarity is not None and not 0 <= similarity <= 1:
        raise ValueError(f"similarity {row['similarity']} is not between 0 and 1")
    words = {column: word for column, word in row.items() if column not in _READ}
    return Reference(
        **words,
        architecture=row["arch"],
        method=as_run(_METHODS.get(row["method"], row["method"].lower()), TASKS[row["task"]]),
        method_word=row["method"],
        value=value,
        printed=row["value"],
        tolerance=tolerance,
        seeds=_runs(row, "seeds", usual),
        best_of=_runs(row, "best_of", usual),
        assumed=tuple(column for column in _RUNS if row[column] == UNSTATED),
        transfer_size=_count(row["transfer_size"]),
        similarity=similarity,
        file=file,
        behind_artefact=made,
    )


def _runs(row: Mapping[str, str], column: str, usual: Mapping[str, str]) -> int:
    word = row[column]
    if word == "-":
        return 0
    stated = usual[column] if word == UNSTATED else word
    if not _is_count(stated):
        raise ValueError(f'{column} {word!r} is neither a number from 1 on nor "{UNSTATED}"')
    return int(stated)


def _is_count(word: str) -> bool:
    return word.isdecimal() and int(word) > 0


def _count(text: str) -> int | None:
    if not text:
        return None
    unit = {"k": 1_000, "m": 1_000_000}.get(text[-1], 1)
    return round(float(text.rstrip("km")) * unit)


def as_run(method: str, task: str) -> str:
    """The id of a method as its authors ran it on a task."""
    if method == "patient-kd" and task in _UNNORMALISED:
        return "patient-kd-unnormalised"
    return method


def is_similar(found: float | None, published: float) -> bool:
    """Whether a measured similarity S is the published one."""
    # Which texts are drawn changes S a little.
    return found is not None and abs(found - published) <= 0.02


def transfer_of(
    study: Study, cell: Cell, similarity: Similarities
) -> tuple[int | None, float | None]:
    """The items of a cell's transfer set, and its S to the task where that was measured."""
    if cell.transfer is None:
        return None, None
    found = similarity.get(cell.transfer, {}).get(cell.task)
    return study.transfer_sets[cell.transfer].size, found


def data_id(study: Study, task: str) -> str:
    """What a task of the study is, by its source: an id of :data:`TASKS`, or its own id.

    A task that is called as a published one and is read from elsewhere is none.
    """
    settings = study.tasks[task]
    glue = published_task(settings.source, settings.name, settings.configuration)
    if glue is not None:
        return str(glue_name(glue.title))
    if settings.file is not None and known_as(settings) == _BOOKS:
        return _BOOK_REVIEWS
    return f"own {task}" if task in TASKS.values() else task


def published_split(split: Split, identity: str) -> str:
    """What a publication calls a split of the study.

    GLUE's test labels are hidden, so the study's test split is GLUE's dev, the study's own dev
    is held out of the training examples, and GLUE's test is what its server scored.
    """
    if identity in GLUE:
        return {"test": "dev", "dev": "held out", "submission": "test"}[split]
    return split
