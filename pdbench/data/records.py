"""Files of records: their columns, and every record with the place where it stands."""

from __future__ import annotations

import codecs
import contextlib
import csv
import gzip
import io
import itertools
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeAlias, TypeVar

import pyarrow.parquet as pq

from pdbench.core.errors import DataError
from pdbench.study.settings import Data, Format

_Record: TypeAlias = dict[str, Any]
Located: TypeAlias = Iterator[tuple[str, _Record]]

_Fields: TypeAlias = Iterator[tuple[str, list[str]]]
_T = TypeVar("_T")

_NO_SETTINGS = Data(source="directory")
_COMPRESSED = ".gz"
LONGEST = 2**25
"""Bytes of a line, or characters of a row: of more no item is made, and memory has an end."""

_LARGEST_LIST = 2**28
"""Characters of a JSON list, which is read whole."""

_MORE = "..."
"""The last of the names in key header, where lines may have more fields, which are not read."""


class Breakage:
    """Counts records that are left out because they are broken, up to a share of all."""

    def __init__(self, share: float = 0.0) -> None:
        self.share, self.found = share, 0
        self._kept = 0
        self._first: DataError | None = None

    def leave_out(self, error: DataError) -> None:
        """Count a broken record; where none may be broken, raise ``error``."""
        if not self.share:
            raise error
        self._first = self._first or error
        self.found += 1

    def checked(self, kept: Iterable[_T]) -> Iterator[_T]:
        """Yield and count the other records; at their end, refuse more broken ones than may be."""
        for record in kept:
            self._kept += 1
            yield record
        total = self._kept + self.found
        if self._first is not None and self.found > self.share * total:
            what = f"{self.found} of {total} records are broken, first {self._first.what}"
            raise DataError(what, f"mend them, or raise key broken above {self.share:g}")


@dataclass(frozen=True)
class Rows:
    """The records of one split or text.

    Attributes:
        where: The file, or the split of a data set.
        columns: The names of the columns, as they are written; of JSON those of all records.
        read: What yields the place ("file:line") and the record of every row. It is given the
            columns that are wanted, and counts broken records.
        classes: The label names of columns of class numbers, where the source itself says them.
    """

    where: str
    columns: Sequence[str]
    read: Callable[[Sequence[str], Breakage], Located]
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def whole(self) -> Located:
        """Yield every record with all columns; none may be broken."""
        return self.read(self.columns, Breakage())


def open_rows(path: Path, about: Data = _NO_SETTINGS, most: int | None = None) -> Rows:
    """Open a file; ``about`` says how it is written where its ending does not.

    With ``most`` rows, no more of it is read: what is wrong with its head is found at once.

    Of txt, each line is a text, in the column text. A CSV row is placed at its last line; a
    Parquet row, and a record of a JSON list, at its number, from 1.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file", "mend its path or name")
    name = about.format or format_of(path)
    if name is None:
        raise DataError(f"{path}: ending {path.suffix!r}", f"it may be {', '.join(FORMATS)}")
    with _one_line(path):
        columns, read, classes = FORMATS[name](path, about, most)

    def located(wanted: Sequence[str], breakage: Breakage) -> Located:
        with _one_line(path):
            yield from itertools.islice(read(wanted, breakage), most)

    return Rows(str(path), columns, located, classes)


def format_of(path: Path) -> Format | None:
    """The format that a file's ending names, before .gz; None if it is none that is read."""
    suffix = Path(path.stem).suffix if path.suffix == _COMPRESSED else path.suffix
    return next((name for name in FORMATS if suffix.lower() == f".{name}"), None)


_Read: TypeAlias = Callable[[Sequence[str], Breakage], Located]
_Opened: TypeAlias = tuple[Sequence[str], _Read, Mapping[str, Sequence[str]]]

_UNREADABLE = (OSError, EOFError, ValueError, RecursionError, csv.Error, zlib.error)


@contextlib.contextmanager
def _one_line(path: Path) -> Iterator[None]:
    """Say what makes a file unreadable in one line."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error.reason})", "save it as UTF-8") from error
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())[:200]
        what = f"{path}: cannot be read ({reason})"
        raise DataError(what, "mend or replace the file, or let it be read") from error


def _open(path: Path) -> gzip.GzipFile | io.BufferedReader:
    return gzip.open(path) if path.suffix == _COMPRESSED else path.open("rb")


def _tab_separated(path: Path, about: Data, most: int | None) -> _Opened:
    if about.quotes or (about.quotes is None and _is_quoted(path, most)):
        return _with_header(about, lambda _: _quoted_rows(path, "\t"))

    def rows(breakage: Breakage) -> _Fields:
        return ((where, line.split("\t")) for where, line in _lines(path, breakage))

    return _with_header(about, rows)


def _comma_separated(path: Path, about: Data, _: int | None) -> _Opened:
    return _with_header(about, lambda _: _quoted_rows(path, ","))


def _with_header(about: Data, rows: Callable[[Breakage], _Fields]) -> _Opened:
    """Name the fields of rows: by the first one, unless the study has their names."""
    said = [name for name in about.header if name != _MORE]
    names = said or next(rows(Breakage()), ("", []))[1]

    def read(_: Sequence[str], breakage: Breakage) -> Located:
        for where, fields in itertools.islice(rows(breakage), 0 if said else 1, None):
            if len(fields) == len(names) or (_MORE in about.header and len(fields) > len(names)):
                yield where, dict(zip(names, fields, strict=False))
            else:
                wanted = f"{'key header names' if said else 'the header has'} {len(names)}"
                what = f"{where}: {len(fields)} fields, {wanted}"
                breakage.leave_out(DataError(what, "mend the line"))

    return names, read, {}


def _is_quoted(path: Path, most: int | None) -> bool:
    """Whether the quotation marks of a TSV file are those of a spreadsheet.

    It is read both ways. Where either way gives every row as many fields as the first has, and
    the fields differ, nothing in the file says what is meant.
    """

    def lines() -> Iterator[str]:
        return (line for _, line in itertools.islice(_lines(path, Breakage(1.0)), most))

    if not any(line.startswith('"') or '\t"' in line for line in lines()):
        return False
    plain = {line.count("\t") for line in lines()}
    try:
        counts = {len(row) for _, row in itertools.islice(_quoted_rows(path, "\t"), most)}
    except csv.Error:
        return False
    if len(plain) == 1 == len(counts):
        what = f"{path}: fields in quotation marks, which may belong to the format or the text"
        raise DataError(what, "write quotes: true (a spreadsheet's) or quotes: false in the study")
    return len(counts) == 1


@contextlib.contextmanager
def _text(path: Path) -> Iterator[IO[str]]:
    with _open(path) as handle:
        yield io.TextIOWrapper(handle, encoding="utf-8-sig", newline="")


def _quoted_rows(path: Path, delimiter: str) -> _Fields:
    csv.field_size_limit(LONGEST)
    length = 0  # of the row that is being read, which may have several lines

    def lines(handle: IO[str]) -> Iterator[str]:
        nonlocal length
        for line in iter(partial(handle.readline, LONGEST + 1), ""):
            if (length := length + len(line)) > LONGEST:
                raise csv.Error(f"the next row has over {LONGEST:,} characters")
            yield line

    with _text(path) as handle:
        reader = csv.reader(lines(handle), delimiter=delimiter, strict=True)
        try:
            for row in reader:
                length = 0
                if row:
                    yield f"{path}:{reader.line_num}", row
        except csv.Error as error:
            raise csv.Error(f"line {reader.line_num}: {error}") from error


def _json(path: Path, about: Data, most: int | None) -> _Opened:
    with _open(path) as handle:
        parts = iter(partial(handle.readline, 2**16), b"")
        first = next(
            filter(None, (part.removeprefix(codecs.BOM_UTF8).lstrip() for part in parts)), b""
        )
    is_list = first.startswith(b"[")
    return _json_list(path) if is_list else _json_lines(path, about, most)


def _json_list(path: Path) -> _Opened:
    with _text(path) as handle:
        written = handle.read(_LARGEST_LIST + 1)
    if len(written) > _LARGEST_LIST:
        what = f"{path}: a JSON list of over {_LARGEST_LIST:,} characters"
        raise DataError(what, "write one object a line, which is read as it comes")
    content, has_escapes = json.loads(written, object_pairs_hook=_each_once), "\\u" in written

    def read(_: Sequence[str], breakage: Breakage) -> Located:
        for number, found in enumerate(content, start=1):
            where = f"{path}: record {number}"
            try:
                yield where, _object(found, has_escapes)
            except ValueError as error:
                breakage.leave_out(DataError(f"{where}: {error}", "write objects of whole texts"))

    return _keys(found for found in content if isinstance(found, dict)), read, {}


def _json_lines(path: Path, _: Data, most: int | None) -> _Opened:
    def read(_: Sequence[str], breakage: Breakage) -> Located:
        for where, line in _lines(path, breakage):
            try:
                found = json.loads(line, object_pairs_hook=_each_once)
                yield where, _object(found, "\\u" in line)
            except (ValueError, RecursionError) as error:
                reason = str(error)
                if isinstance(error, json.JSONDecodeError):
                    reason = f"not JSON ({error.msg})"
                remedy = "mend the line, or write one object a line"
                breakage.leave_out(DataError(f"{where}: {reason}", remedy))

    names = _keys(record for _, record in itertools.islice(read((), Breakage(1.0)), most))
    if not names:
        next(read((), Breakage()), None)  # which says what is wrong with the first line
    return names, read, {}


def _object(found: Any, has_escapes: bool) -> _Record:
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    if has_escapes:  # half a character may be written so, and no text has one
        json.dumps(found, ensure_ascii=False).encode()
    return found


def _each_once(pairs: list[tuple[str, Any]]) -> _Record:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key {next(n for n in names if names.count(n) > 1)!r} stands twice")
    return found


def _keys(found: Iterable[_Record]) -> list[str]:
    """The keys of all records, in the order in which they appear."""
    return list(dict.fromkeys(itertools.chain.from_iterable(found)))


def _parquet(path: Path, _: Data, __: int | None) -> _Opened:
    def read(wanted: Sequence[str], _: Breakage) -> Located:
        with _open(path) as handle, pq.ParquetFile(handle) as file:
            batches = (batch.to_pylist() for batch in file.iter_batches(columns=list(wanted)))
            for number, record in enumerate(itertools.chain.from_iterable(batches), start=1):
                yield f"{path}: row {number}", record

    with _open(path) as handle:
        schema = pq.read_schema(handle)
    if b"huggingface" not in (schema.metadata or {}):  # where datasets writes label names
        return schema.names, read, {}
    from datasets import Features

    return schema.names, read, classes_of(Features.from_arrow_schema(schema))


def classes_of(features: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    """The label names of the columns that are class numbers."""
    from datasets import ClassLabel

    return {n: tuple(own.names) for n, own in features.items() if isinstance(own, ClassLabel)}


def _plain_text(path: Path, _: Data, __: int | None) -> _Opened:
    def read(_: Sequence[str], breakage: Breakage) -> Located:
        for where, line in _lines(path, breakage):
            yield where, {"text": line}

    return ["text"], read, {}


def raw_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file that may be compressed; DataError where one is longer than any text."""
    with _open(path) as handle:
        lines = iter(partial(handle.readline, LONGEST + 1), b"")
        for number, line in enumerate(lines, start=1):
            if len(line) > LONGEST:
                what = f"{path}:{number}: a line of over {LONGEST:,} bytes"
                raise DataError(what, "cut or remove it")
            yield line


def _lines(path: Path, breakage: Breakage) -> Iterator[tuple[str, str]]:
    """The place and the text of every line that is not empty.

    Lines end at a new line only: texts may hold other characters that split lines.
    """
    for number, raw in enumerate(raw_lines(path), start=1):
        where = f"{path}:{number}"
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            what = f"{where}: not UTF-8 ({error.reason})"
            breakage.leave_out(DataError(what, "mend the line, or save the file as UTF-8"))
            continue
        if line:
            yield where, line


FORMATS: dict[Format, Callable[[Path, Data, int | None], _Opened]] = {
    "tsv": _tab_separated,
    "csv": _comma_separated,
    "jsonl": _json_lines,
    "json": _json,
    "parquet": _parquet,
    "txt": _plain_text,
}
"""What opens a file of each format, by its ending."""
