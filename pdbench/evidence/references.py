"""Published numbers, each with where it stands and how it was obtained.

The files in ``config/reference/`` are the only place in the project where a published number
is written down; :mod:`pdbench.evidence.registry` says what may stand in them. Values are in the
unit of the source: per cent for scores.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from pdbench.core.errors import DataError, suggestion
from pdbench.evidence.registry import (
    COLUMNS,
    CONTEXT_FILE,
    GRADES,
    METRICS,
    OBTAINED,
    SIZES_IN_WORDS,
    SPLITS,
    TASKS,
    UNSTATED,
    VERSIONS,
)
from pdbench.study import ROOT, Architecture

FOLDER = ROOT / "config" / "reference"
_FILES = ("paper.csv", "released_models.csv", CONTEXT_FILE)

PAPER_SIZES = {
    "Tiny": Architecture(2, 128),
    "Mini": Architecture(4, 256),
    "Small": Architecture(4, 512),
    "Medium": Architecture(8, 512),
    "Base": Architecture(12, 768),
}
"""The paper's five named sizes, from small to large."""

_METHODS = {
    "PD-truncated-init": "pd-truncated",
    "PD-word-embedding-init": "pd-embeddings",
    "D (no pre-training)": "d",
    "PKD": "patient-kd",
}

_AS_WRITTEN = (
    *("artefact", "series", "task", "task_version", "split", "metric"),
    *("unit", "obtained", "grade", "source"),
)
"""Columns whose words stand in a reference as they are."""

_NO_KEY = ("unit", "value", "tolerance", "seeds", "obtained", "grade", "source")

_Row: TypeAlias = dict[str, str]


@dataclass(frozen=True)
class Reference:
    """One published number: its line, of whose columns the registry says what they mean.

    Attributes:
        method: Method id of pdbench where there is one, else the source's word in lower case.
        method_word: The method in the source's own word.
        value: The number, in per cent for scores.
        printed: The number as the file writes it, with its digits.
        tolerance: Reading error of a value read off a plot, in its unit; 0 for a printed one.
        seeds: Runs behind it; None where the source does not say or no run gave it.
        file: Name of the file it was read from.
    """

    artefact: str
    series: str
    architecture: str
    method: str
    method_word: str
    task: str
    task_version: str
    split: str
    metric: str
    unit: str
    value: float
    printed: str
    tolerance: float
    seeds: int | None
    obtained: str
    grade: str
    source: str
    transfer_size: int | None
    similarity: float | None
    file: str

    @property
    def name(self) -> str | None:
        """The paper's name of its size (Tiny ... Base), if it has one."""
        sizes = {str(size): name for name, size in PAPER_SIZES.items()}
        return sizes.get(self.architecture)

    @property
    def uncertainty(self) -> float:
        """How far the true number may be from the value: reading error, or half a last digit."""
        if self.tolerance:
            return self.tolerance
        _, _, decimals = self.printed.partition(".")
        return 0.5 * 10.0 ** -len(decimals)

    @property
    def is_score(self) -> bool:
        """Whether it is the score of a model on a split."""
        return METRICS[self.metric].scores

    @property
    def is_context(self) -> bool:
        """Whether it is shown for context only: secondary, or of another publication."""
        return self.grade == "secondary" or self.file == CONTEXT_FILE


def load_references(folder: Path = FOLDER) -> tuple[Reference, ...]:
    """Read every reference file of a folder, in a fixed order.

    Raises:
        DataError: A file is missing, its columns are not those of the registry, a value is
            none that the registry knows, or a number stands in it twice; the message names file
            and line.
    """
    return tuple(reference for name in _FILES for reference in _read(folder / name))


def _read(path: Path) -> Iterator[Reference]:
    lines: dict[tuple[str, ...], int] = {}
    for number, row in read_rows(path, tuple(COLUMNS)):
        try:
            _check(row)
            reference = _parse(row, path.name)
        except ValueError as error:
            raise DataError(f"{path}:{number}: {error}", "mend the line") from error
        key = tuple(row[column] for column in COLUMNS if column not in _NO_KEY)
        if key in lines:
            what = f"{path}:{number}: the same number as line {lines[key]}"
            raise DataError(what, "delete one of them")
        lines[key] = number
        yield reference


def read_rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, _Row]]:
    """Yield the line number and the row of every row of a file with exactly these columns.

    Raises:
        DataError: The file is missing, or has other columns or a row of another length.
    """
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
            yield reader.line_num, row


def _check(row: _Row) -> None:
    """Refuse words that the registry does not know, and numbers that contradict each other.

    Raises:
        ValueError: What is wrong.
    """
    for column in ("artefact", "series", "method", "value", "source"):
        if not row[column]:
            raise ValueError(f"{column} is empty")
    _known("metric", row["metric"], METRICS)
    _known("task", row["task"], TASKS)
    _known("grade", row["grade"], GRADES)
    _known("obtained", row["obtained"], OBTAINED)
    _known("task_version", row["task_version"], VERSIONS.get(row["task"], ("",)))
    metric = METRICS[row["metric"]]
    if row["unit"] != metric.unit:
        raise ValueError(f"unit {row['unit']!r}, but {row['metric']} is in {metric.unit}")
    _known("split", row["split"], SPLITS if metric.scores else ("-",))
    if bool(row["tolerance"]) != (row["obtained"] == "digitised"):
        raise ValueError("a digitised value needs a tolerance, and no other has one")
    if row["arch"] not in SIZES_IN_WORDS:
        Architecture.parse(row["arch"])


def _known(column: str, word: str, words: Iterable[str]) -> None:
    names = tuple(words)
    if word not in names:
        raise ValueError(f"unknown {column} {word!r} ({suggestion(word, names)})")


def _parse(row: _Row, file: str) -> Reference:
    value, tolerance = float(row["value"]), float(row["tolerance"] or 0)
    similarity = float(row["similarity"]) if row["similarity"] else None
    if not (tolerance >= 0 and abs(value) < float("inf")):
        raise ValueError("value and tolerance must be finite, and the tolerance not negative")
    if row["unit"] == "%" and abs(value) > 100:
        raise ValueError(f"value {row['value']} is more than 100%")
    if similarity is not None and not 0 <= similarity <= 1:
        raise ValueError(f"similarity {row['similarity']} is not between 0 and 1")
    words = {column: row[column] for column in _AS_WRITTEN}
    return Reference(
        **words,
        architecture=row["arch"],
        method=_METHODS.get(row["method"], row["method"].lower()),
        method_word=row["method"],
        value=value,
        printed=row["value"],
        tolerance=tolerance,
        seeds=None if row["seeds"] in (UNSTATED, "-") else int(row["seeds"]),
        transfer_size=_count(row["transfer_size"]),
        similarity=similarity,
        file=file,
    )


def _count(text: str) -> int | None:
    if not text:
        return None
    unit = {"k": 1_000, "m": 1_000_000}.get(text[-1], 1)
    return round(float(text.rstrip("km")) * unit)
