"""Entries of the store: a folder of files, and a record, written last, that vouches for them.

The record has the sha256 of every file beside it and of its own content. Whatever is read of an
entry is opened through :func:`verified` or :func:`whole`, which compare it with the record, so
that nothing is trained on what a disk or a person has changed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pdbench.core.errors import DataError
from pdbench.core.files import digest, file_digest, mended, read_json, unreadable, write_json

RECORD = "record.json"

_OUTPUTS, _DIGEST = "outputs", "digest"


def write_record(folder: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """Write the record of a folder whose other files are whole; return it without its digest."""
    others = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != RECORD)
    outputs = {str(path.relative_to(folder)): file_digest(path) for path in others}
    record = {**content, _OUTPUTS: outputs}
    write_json(folder / RECORD, {**record, _DIGEST: digest(record)})
    return record


def read_record(folder: Path) -> dict[str, Any]:
    """The record of an entry, without its digest.

    Raises:
        DataError: There is none, or it was changed since it was written.
    """
    path = folder / RECORD
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get(_OUTPUTS), dict):
        raise DataError(f"{path}: not the record of an entry of the store", mended(path))
    if content.pop(_DIGEST, None) != digest(content):
        what = f"{path}: its content does not match its digest, so it was edited"
        raise DataError(what, mended(path))
    return content


def verified(path: Path) -> Path:
    """A file of an entry, or of a folder in one, that is what the entry's record says.

    Raises:
        DataError: It is missing, empty or other than was written.
    """
    verified_digest(path)
    return path


def verified_digest(path: Path) -> str:
    """The sha256 of a :func:`verified` file."""
    folder = next((one for one in itertools.islice(path.parents, 2) if _has_record(one)), None)
    if folder is None:
        raise DataError(f"{path}: no record vouches for it", mended(path))
    return _compared(path, read_record(folder)[_OUTPUTS].get(str(path.relative_to(folder))))


def whole(folder: Path) -> Path:
    """The folder of an entry of which all files are what its record says; else a DataError."""
    for name, known in read_record(folder)[_OUTPUTS].items():
        _compared(folder / name, known)
    return folder


def lost_from(folder: Path) -> Iterator[Path]:
    """The files of an entry that are not there, or have no content; quickly.

    Raises:
        DataError: The record was changed.
    """
    named = [RECORD] if _is_lost(folder / RECORD) else read_record(folder)[_OUTPUTS]
    return (folder / name for name in named if _is_lost(folder / name))


def _has_record(folder: Path) -> bool:
    return (folder / RECORD).is_file()


def _is_lost(path: Path) -> bool:
    """Whether a file is not there, or is what a loss of power may leave of one."""
    try:
        return path.stat().st_size == 0
    except FileNotFoundError:
        return True


def _compared(path: Path, known: str | None) -> str:
    """The sha256 of a file, which must be the known one."""
    try:
        found = file_digest(path)
    except OSError as error:
        raise unreadable(path, error) from error
    if found == known:
        return found
    empty = "empty, as a loss of power leaves files" if _is_lost(path) else ""
    raise DataError(f"{path}: {empty or 'not what its record says'}", mended(path))
