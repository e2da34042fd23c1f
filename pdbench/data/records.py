"""Reading files of records, each with the place where it stands."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from pdbench.core.errors import DataError, UsageError

_Record: TypeAlias = dict[str, Any]
Located: TypeAlias = Iterator[tuple[str, _Record]]


class Breakage:
    """Counts records that are left out because they are broken, up to a share of all."""

    def __init__(self, share: float = 0.0) -> None:
        self.share, self.found = share, 0
        self._total = 0
        self._first: DataError | None = None

    def leave_out(self, error: DataError) -> None:
        """Count a broken record; where none may be broken, raise ``error``."""
        if not self.share:
            raise error
        self._first = self._first or error
        self.found += 1

    def check(self, total: int) -> None:
        """Refuse more broken records than may be, among ``total`` more since the last time."""
        self._total += total
        if self._first is not None and self.found > self.share * self._total:
            what = f"{self.found} of {self._total} records are broken, first {self._first.what}"
            raise DataError(what, f"mend them, or raise key broken above {self.share:g}")


def label_order(where: str, theirs: Sequence[str], ours: Sequence[str]) -> list[int]:
    """Return, for each of a source's label names, its index among the study's.

    ``where`` says what the source's names belong to.
    """
    if set(theirs) != set(ours):
        raise UsageError(
            f"{where}: key labels: {', '.join(ours) or 'none'}",
            f"write its own label names, [{', '.join(theirs)}]",
        )
    return [ours.index(name) for name in theirs]


def records(path: Path, breakage: Breakage | None = None) -> Located:
    """Yield the place ("file:line") and the record of every row of a file.

    The file's ending names its format; of txt, each line is a text, in the column text. A CSV
    row is placed at its last line; a Parquet row at its number, from 1. By default none may be
    broken.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file", "mend its path or name")
    if path.suffix not in _READERS:
        raise DataError(f"{path}: ending {path.suffix!r}", f"it may be {', '.join(_READERS)}")
    try:
        yield from _READERS[path.suffix](path, breakage or Breakage())
    except (UnicodeDecodeError, csv.Error, pa.ArrowInvalid) as error:
        raise DataError(f"{path}: cannot be read ({error})", "mend or replace the file") from error


def tab_separated(
    path: Path, breakage: Breakage | None = None, header: Sequence[str] = ()
) -> Located:
    """Yield the place and the record of every line of a file of unquoted fields.

    ``header`` names the columns; the first line does if it is empty.
    """
    breakage = breakage or Breakage()
    names = tuple(header)
    for where, line in _lines(path, breakage):
        fields = line.split("\t")
        if not names:
            names = tuple(fields)
        elif len(fields) == len(names):
            yield where, dict(zip(names, fields, strict=True))
        else:
            what = f"{where}: {len(fields)} fields, the header has {len(names)}"
            breakage.leave_out(DataError(what, "mend the line"))


def _comma_separated(path: Path, breakage: Breakage) -> Located:
    with path.open(encoding="utf-8-sig", newline="") as handle:
        reader = csv.DictReader(handle, strict=True)
        for record in reader:
            where = f"{path}:{reader.line_num}"
            if None in record or None in record.values():
                what = f"{where}: not as many fields as the header has"
                breakage.leave_out(DataError(what, "mend the line"))
            else:
                yield where, dict(record)


def _json_lines(path: Path, breakage: Breakage) -> Located:
    for where, line in _lines(path, breakage):
        try:
            record = json.loads(line)
            if "\\u" in line:  # half a character may be written so, and no text has one
                json.dumps(record, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else error
            breakage.leave_out(DataError(f"{where}: not JSON ({reason})", "mend the line"))
            continue
        if isinstance(record, dict):
            yield where, record
        else:
            breakage.leave_out(DataError(f"{where}: no JSON object", "write one object a line"))


def _parquet(path: Path, _: Breakage) -> Located:
    try:
        rows = pq.read_table(path).to_pylist()
    except OSError as error:
        if error.errno is not None:
            raise
        raise pa.ArrowInvalid(error) from error  # what Arrow calls a page that it cannot unpack
    for number, record in enumerate(rows, start=1):
        yield f"{path}: row {number}", record


def _plain_text(path: Path, breakage: Breakage) -> Located:
    for where, line in _lines(path, breakage):
        yield where, {"text": line}


def _lines(path: Path, breakage: Breakage) -> Iterator[tuple[str, str]]:
    """The place and the text of every line that is not empty.

    Lines end at a new line only: texts may hold other characters that split lines.
    """
    with path.open("rb") as handle:
        for number, raw in enumerate(handle, start=1):
            where = f"{path}:{number}"
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                what = f"{where}: not UTF-8 ({error.reason})"
                breakage.leave_out(DataError(what, "mend the line, or save the file as UTF-8"))
                continue
            if line:
                yield where, line


_READERS: dict[str, Callable[[Path, Breakage], Located]] = {
    ".tsv": tab_separated,
    ".csv": _comma_separated,
    ".jsonl": _json_lines,
    ".parquet": _parquet,
    ".txt": _plain_text,
}
