"""Reading files of records, each with the place where it stands."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from pdbench.errors import DataError

Record: TypeAlias = dict[str, Any]
Located: TypeAlias = Iterator[tuple[str, Record]]


class Breakage:
    """Counts records that are left out because they are broken, up to a share of all.

    Args:
        share: The largest share that may be left out; 0 refuses the first.
    """

    def __init__(self, share: float = 0.0) -> None:
        self.share, self.found = share, 0
        self._first: DataError | None = None

    def leave_out(self, error: DataError) -> None:
        """Count a broken record.

        Raises:
            DataError: ``error`` itself, where none may be broken.
        """
        if not self.share:
            raise error
        self._first = self._first or error
        self.found += 1

    def check(self, total: int) -> None:
        """Compare what was left out with all ``total`` records.

        Raises:
            DataError: More are broken than may be.
        """
        if self._first is not None and self.found > self.share * total:
            what = f"{self.found} of {total} records are broken, first {self._first.what}"
            raise DataError(what, f"mend them, or raise key broken above {self.share:g}")


def records(path: Path) -> Located:
    """Yield the place ("file:line") and the record of every row of a file.

    The format is the one that the file's ending names: tsv, csv, jsonl, parquet or txt
    (one text a line, in the column text). A CSV row is placed at its last line; a Parquet
    row at its number, from 1.

    Raises:
        DataError: The file cannot be read, or a line is broken.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file", "mend key path or key name")
    try:
        yield from _READERS[path.suffix](path)
    except (UnicodeDecodeError, csv.Error, pa.ArrowInvalid) as error:
        raise DataError(f"{path}: cannot be read ({error})", "mend or replace the file") from error


def tab_separated(path: Path, header: Sequence[str] = (), *, tolerant: bool = False) -> Located:
    """Yield the place and the record of every line of a file of unquoted fields.

    Args:
        path: The file; a byte-order mark is skipped.
        header: Names of the columns; read from the first line if empty.
        tolerant: Leave out lines with another number of fields than the header has.

    Raises:
        DataError: A line has another number of fields than the header has.
    """
    names = tuple(header)
    for number, line in enumerate(_lines(path), start=1):
        fields = line.split("\t")
        if not names:
            names = tuple(fields)
        elif len(fields) == len(names):
            yield f"{path}:{number}", dict(zip(names, fields, strict=True))
        elif not tolerant:
            what = f"{path}:{number}: {len(fields)} fields, the header has {len(names)}"
            raise DataError(what, "mend the line")


def _comma_separated(path: Path) -> Located:
    with path.open(encoding="utf-8-sig", newline="") as handle:
        reader = csv.DictReader(handle, strict=True)
        for record in reader:
            if None in record or None in record.values():
                what = f"{path}:{reader.line_num}: not as many fields as the header has"
                raise DataError(what, "mend the line")
            yield f"{path}:{reader.line_num}", dict(record)


def _json_lines(path: Path) -> Located:
    for number, line in enumerate(_lines(path), start=1):
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{path}:{number}: not JSON ({error.msg})", "mend the line") from error
        if not isinstance(record, dict):
            raise DataError(f"{path}:{number}: no JSON object", "write one object a line")
        yield f"{path}:{number}", record


def _parquet(path: Path) -> Located:
    for number, record in enumerate(pq.read_table(path).to_pylist(), start=1):
        yield f"{path}: row {number}", record


def _plain_text(path: Path) -> Located:
    for number, line in enumerate(_lines(path), start=1):
        yield f"{path}:{number}", {"text": line}


def _lines(path: Path) -> Iterator[str]:
    """Lines end at a new line only: texts may hold other characters that split lines."""
    with path.open(encoding="utf-8-sig", newline="\n") as handle:
        for line in handle:
            if stripped := line.rstrip("\r\n"):
                yield stripped


_READERS: dict[str, Callable[[Path], Located]] = {
    ".tsv": tab_separated,
    ".csv": _comma_separated,
    ".jsonl": _json_lines,
    ".parquet": _parquet,
    ".txt": _plain_text,
}
