"""Files that people bring, in every format that is read, and the task that names their folder."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pdbench.study.settings import Task

Rows = list[dict[str, Any]]
Writer = Callable[[Path, Rows], None]


def write_csv(path: Path, rows: Rows) -> None:
    """Quoted where a field needs it."""
    with path.with_suffix(".csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([rows[0].keys(), *(row.values() for row in rows)])


def write_packed(path: Path, rows: Rows) -> None:
    """The same with .gz."""
    write_csv(path, rows)
    plain = path.with_suffix(".csv")
    path.with_suffix(".csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()


def write_tsv(path: Path, rows: Rows) -> None:
    """Unquoted, with the line ends of Windows."""
    lines = ["\t".join(rows[0]), *("\t".join(map(str, row.values())) for row in rows)]
    path.with_suffix(".tsv").write_text("\r\n".join(lines) + "\r\n", encoding="utf-8")


def write_jsonl(path: Path, rows: Rows) -> None:
    """An object a line."""
    content = "".join(json.dumps(row) + "\n" for row in rows)
    path.with_suffix(".jsonl").write_text(content, encoding="utf-8")


def write_json(path: Path, rows: Rows) -> None:
    """A list of objects."""
    path.with_suffix(".json").write_text(json.dumps(rows, indent=1), encoding="utf-8")


def write_parquet(path: Path, rows: Rows) -> None:
    """With types of its own."""
    pq.write_table(pa.Table.from_pylist(rows), path.with_suffix(".parquet"))


every_format = pytest.mark.parametrize(
    "write", [write_csv, write_packed, write_tsv, write_jsonl, write_json, write_parquet]
)


def own_task(folder: Path, labels: tuple[str, ...] = ("bad", "good"), **settings: Any) -> Task:
    """A task of a folder."""
    about = {"source": "directory", "path": str(folder), "metrics": ("accuracy",)}
    return Task(**{**about, "labels": labels, **settings})


def items(labels: list[Any]) -> Rows:
    """An item for each of these labels."""
    return [{"text": f"film {i}", "label": label} for i, label in enumerate(labels)]


def write_both(folder: Path, write: Writer, rows: Rows) -> None:
    """Train and dev alike."""
    for split in ("train", "dev"):
        write(folder / split, rows)
