"""Published numbers, each with where it stands and how it was obtained.

The files in ``config/reference/`` are the only place in the project where a published number
is written down. Values are in the unit of the source: per cent for scores.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pdbench.errors import DataError
from pdbench.study import ROOT, Architecture

FOLDER = ROOT / "config" / "reference"
FILES = ("paper.csv", "released_models.csv", "concurrent_work.csv")
REQUIRED = ("artefact", "arch", "method", "task", "split", "metric", "value", "grade", "source")
SPLITS = ("dev", "test", "unstated")
"""Splits of scores; other numbers have "-"."""

COUNT_UNITS = {"k": 1_000, "m": 1_000_000}

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


@dataclass(frozen=True)
class Reference:
    """One published number.

    Attributes:
        artefact: The table or figure it belongs to; an id of pdbench where there is one.
        series: Its row or curve, in the source's words.
        architecture: "L/H", or the source's own words.
        method: Method id of pdbench where there is one, else the source's word in lower case.
        method_word: The method in the source's own word.
        task: The task in the source's words.
        split: dev, test, or "unstated" where the source does not say.
        metric: Metric id.
        value: The number, in per cent for scores.
        printed: The number as the file writes it, with its digits.
        tolerance: Reading error of a value read off a plot, in its unit; 0 for a printed one.
        obtained: printed, quoted or digitised.
        grade: primary (the paper's own statement) or secondary.
        source: Publication and place.
        transfer_size: Items of the transfer set, where it matters.
        similarity: Domain similarity S of the transfer set, where it matters.
        file: Name of the file it was read from.
    """

    artefact: str
    series: str
    architecture: str
    method: str
    method_word: str
    task: str
    split: str
    metric: str
    value: float
    printed: str
    tolerance: float
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


def load_references(folder: Path = FOLDER) -> tuple[Reference, ...]:
    """Read every reference file of a folder, in a fixed order.

    Raises:
        DataError: A file is missing, lacks a column, or has a value that is no number; the
            message names file and line.
    """
    return tuple(reference for name in FILES for reference in _read(folder / name))


def _read(path: Path) -> Iterator[Reference]:
    try:
        handle = path.open(encoding="utf-8", newline="")
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror})", "restore it from the repository"
        ) from error
    with handle:
        reader = csv.DictReader(handle)
        missing = sorted(set(REQUIRED) - set(reader.fieldnames or ()))
        if missing:
            raise DataError(f"{path}: no column {missing[0]!r}", "restore it from the repository")
        for row in reader:
            try:
                yield _parse(row, path.name)
            except (TypeError, ValueError) as error:
                raise DataError(
                    f"{path}: line {reader.line_num}: {error}", "mend the line"
                ) from error


def _parse(row: dict[str, str], file: str) -> Reference:
    method = row["method"]
    return Reference(
        artefact=row["artefact"],
        series=row.get("series") or row.get("row") or method,
        architecture=row["arch"],
        method=_METHODS.get(method, method.lower()),
        method_word=method,
        task=row["task"],
        split=row["split"],
        metric=row["metric"],
        value=float(row["value"]),
        printed=row["value"],
        tolerance=float(row.get("tolerance") or 0),
        obtained=row.get("obtained") or "printed",
        grade=row["grade"],
        source=row["source"],
        transfer_size=_count(row.get("transfer_size")),
        similarity=float(row["similarity"]) if row.get("similarity") else None,
        file=file,
    )


def _count(text: str | None) -> int | None:
    if not text:
        return None
    unit = COUNT_UNITS.get(text[-1], 1)
    return round(float(text.rstrip("km")) * unit)
