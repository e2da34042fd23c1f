"""Files written whole or not at all, and the digests that identify their content."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pdbench.core.errors import DataError

_log = logging.getLogger(__name__)

STANDARD_OUTPUT = Path("-")

_STREAM = re.compile(r"/dev/(fd/|std(out|err)$)|/proc/[^/]+/fd/")


def exclusive_lock(path: Path) -> contextlib.AbstractContextManager[None]:
    """Keep other processes that ask for the same ``path`` waiting, also on other machines.

    The operating system lets go of it when the process dies. A file system without locks
    keeps nobody waiting.
    """
    return _locked(path, fcntl.LOCK_EX)


def shared_lock(path: Path) -> contextlib.AbstractContextManager[None]:
    """Keep processes waiting that want an :func:`exclusive_lock`, and none that share it."""
    return _locked(path, fcntl.LOCK_SH)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of ``path`` that takes its place when the block succeeds.

    Works for a file and for a folder: whichever the block creates. Its content is on the disk
    before it has its name. If the block fails, what stood at ``path`` before still stands there.
    A link stays one, and what it names is replaced; pipes and devices are written to.
    """
    if _is_special(path):
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder, path.name)
            _write_into(path, Path(folder, path.name).read_bytes())
        return
    path = path.resolve() if path.is_symlink() else path
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}")
    _remove(temporary)
    try:
        yield temporary
        if temporary.is_dir():
            for file in filter(Path.is_file, temporary.rglob("*")):
                flush(file)
            _remove(path)
        else:
            flush(temporary)
        temporary.replace(path)
    finally:
        _remove(temporary)


def _is_special(path: Path) -> bool:
    """Whether a path is a pipe, a device, or a stream of a process, which may be a plain file."""
    is_plain = path.is_file() or path.is_dir() or not path.exists()
    return not is_plain or _STREAM.match(str(path.absolute())) is not None


def _write_into(path: Path, content: bytes) -> None:
    """Write to what is no plain file; to one of this process's streams after what it has said."""
    sys.stdout.flush()
    own = [number for number in (1, 2) if _is_stream(path, number)]
    with os.fdopen(os.dup(own[0]), "wb") if own else path.open("ab") as there:
        there.write(content)


def _is_stream(path: Path, number: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(number))
    except OSError:  # closed, as a daemon's may be
        return False


def flush(path: Path) -> None:
    """Wait until a file's content, or a folder's names, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """Yield an empty folder below ``parent``, which is removed afterwards."""
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".scratch.", dir=parent) as folder:
        yield Path(folder)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` in one step; - is standard output."""
    if path == STANDARD_OUTPUT:
        sys.stdout.write(text)
        return
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON with sorted keys, in one step; to no plain file in ASCII."""
    is_seen = path == STANDARD_OUTPUT or _is_special(path)
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=is_seen)
    # On GitHub "##[" is a command wherever it stands in a line.
    write_text(path, (text.replace("##", r"#\u0023") if is_seen else text) + "\n")


def mended(path: Path) -> str:
    """What to do about a broken file: whole entries of the store are made again, by any run.

    What jobs make stands below ``results/`` and ``reports/`` of the working directory; all else
    is a person's, and nobody is told to delete it.
    """
    if _is_stored(path):
        return f"delete {Path(*path.parts[:4])} and run again"
    if path.parts[0] in ("results", "reports"):
        return f"delete {path} and run again"
    return "mend or replace it"


def _is_stored(path: Path) -> bool:
    """Whether a file is part of an entry of the store: results/store/KIND/ENTRY/FILE."""
    return path.parts[:2] == ("results", "store") and len(path.parts) > 4


def read_json(path: Path) -> Any:
    """Read a JSON file; DataError where it is missing or is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        is_lost = _is_stored(path) and path.parent.is_dir()
        remedy = mended(path) if is_lost else "run the job that makes it"
        raise DataError(f"{path}: no such file", remedy) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not valid JSON ({error})", mended(path)) from error


def digest(value: Any) -> str:
    """Return the sha256 of ``value`` in canonical JSON, as 64 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's content, as 64 hexadecimal digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextlib.contextmanager
def _locked(path: Path, kind: int) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as handle:
        with contextlib.suppress(OSError):
            try:
                fcntl.lockf(handle, kind | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                _log.info("%s: another process is at work on this; waiting for it", path)
                fcntl.lockf(handle, kind)
        yield


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
