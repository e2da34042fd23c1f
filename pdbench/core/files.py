"""Files written whole or not at all, and the digests that identify their content."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pdbench.core.errors import DataError

STANDARD_OUTPUT = Path("-")

_AT_CWD, _RENAME_EXCHANGE = -100, 2  # of Linux: fcntl.h and linux/fs.h

_STREAM = re.compile(r"/dev/(fd/|std(out|err)$)|/proc/[^/]+/fd/")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of ``path`` that takes its place when the block succeeds.

    Works for a file and for a folder: whichever the block creates. Its content is on the disk
    before it has its name, and the name before the block is left; whatever stood at ``path``
    stands there until then, and for good if the block fails. A link stays one, and what it names
    is replaced; pipes and devices are written to.
    """
    if _is_special(path):
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder, path.name)
            _write_into(path, Path(folder, path.name).read_bytes())
        return
    path = path.resolve() if path.is_symlink() else path
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield temporary
        _flush_all(temporary)
        _take_place(temporary, path)
        flush(path.parent)
    finally:
        remove(temporary)


def remove_temporaries(path: Path) -> None:
    """Remove what killed processes left beside a path that they made; its lock must be held."""
    with contextlib.suppress(FileNotFoundError), os.scandir(path.parent) as found:
        for left in found:
            if left.name.startswith(f".{path.name}."):
                remove(Path(left.path))


def _take_place(temporary: Path, path: Path) -> None:
    """Give a file or folder its name, under which a folder is never missing."""
    if not (path.is_dir() and temporary.is_dir()):
        temporary.replace(path)
    elif not _exchange(temporary, path):
        aside = path.with_name(f"{temporary.name}.old")
        path.rename(aside)
        try:
            temporary.rename(path)
        except BaseException:
            aside.rename(path)
            raise
        remove(aside)


def _exchange(one: Path, other: Path) -> bool:
    """Let two paths change their names at once; False where the file system cannot, as NFS."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    names = (_AT_CWD, os.fsencode(one), _AT_CWD, os.fsencode(other))
    if call(*names, _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), str(other))


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


def _flush_all(path: Path) -> None:
    for inner in path.rglob("*") if path.is_dir() else ():
        flush(inner)
    flush(path)


def flush(path: Path) -> None:
    """Wait until a file's content, or a folder's names, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def share(path: Path) -> None:
    """Give a file that a library made for its owner alone the mode that the umask says."""
    umask = os.umask(0)
    os.umask(umask)
    path.chmod(0o666 & ~umask)


@contextlib.contextmanager
def scratch(path: Path) -> Iterator[Path]:
    """Yield an empty temporary sibling of ``path``, a folder that is removed afterwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
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


def bounded(path: Path, most: int) -> Path:
    """The path of a file to be read whole; DataError where it has more than ``most`` bytes."""
    if (size := path.stat().st_size) > most:
        raise DataError(f"{path}: {size:,} bytes, and {most:,} are read at most", mended(path))
    return path


def read_json(path: Path, most: int = 2**28) -> Any:
    """Read a JSON file of so many bytes at most; DataError where it is missing or is not JSON."""
    try:
        return json.loads(bounded(path, most).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        is_lost = _is_stored(path) and path.parent.is_dir()
        remedy = mended(path) if is_lost else "run the job that makes it"
        raise DataError(f"{path}: no such file", remedy) from error
    except (ValueError, RecursionError) as error:  # ValueError: also numbers of many digits
        raise DataError(f"{path}: not valid JSON ({error})", mended(path)) from error
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> DataError:
    """The error of a file that cannot be read: who may not read it need not delete it."""
    if isinstance(error, PermissionError):
        return DataError(f"{path}: you may not read it", "ask its owner to let you")
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path}: missing", mended(path))
    return DataError(f"{path}: cannot be read ({error.strerror})", mended(path))


def digest(value: Any) -> str:
    """Return the sha256 of ``value`` in canonical JSON, as 64 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's content, as 64 hexadecimal digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def remove(path: Path) -> None:
    """Remove a file, a folder with all that is in it, or a link, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
