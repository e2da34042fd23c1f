"""Processes that work on the same files: whose turn it is, and whether one still lives."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from pdbench.core.errors import PdbenchError
from pdbench.core.words import duration

_log = logging.getLogger(__name__)

_BEAT = 60.0  # seconds between two signs of life of a process that holds a lock
_SILENCE = 900.0  # seconds without one after which nobody waits any more
_POLL = 1.0  # seconds between two tries


def exclusive_lock(path: Path) -> contextlib.AbstractContextManager[None]:
    """Keep other processes that ask for the same ``path`` waiting, also on other machines.

    The operating system lets go of it when the process dies. A file system without locks
    keeps nobody waiting. Nobody waits for what only holds the lock and does nothing.

    Raises:
        PdbenchError: Whoever holds it has given no sign of life for a quarter of an hour.
    """
    return _locked(path, fcntl.LOCK_EX)


def shared_lock(path: Path) -> contextlib.AbstractContextManager[None]:
    """Keep processes waiting that want an :func:`exclusive_lock`, and none that share it."""
    return _locked(path, fcntl.LOCK_SH)


def identity(pid: int) -> str:
    """What tells a process on this machine from others, also later ones of its number.

    Nothing where there is no such process.
    """
    try:
        about = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return about.rpartition(")")[2].split()[19]  # when it began, in ticks since the machine did


@contextlib.contextmanager
def _locked(path: Path, kind: int) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _let_writers_open(handle)
        with contextlib.suppress(OSError):  # a file system without locks
            _take(handle, path, kind)
        with _signs_of_life(handle):
            yield
    finally:
        os.close(handle)


def _let_writers_open(handle: int) -> None:
    """Let nobody open a lock who may not write: whoever may read a file can hold its lock."""
    writers = os.fstat(handle).st_mode & 0o222
    with contextlib.suppress(OSError):  # it is somebody else's
        os.fchmod(handle, writers | writers << 1)


def _take(handle: int, path: Path, kind: int) -> None:
    began = heard = time.monotonic()  # clocks of machines differ, so that none is compared
    sign = os.fstat(handle).st_mtime_ns
    while True:
        try:
            fcntl.lockf(handle, kind | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            now = time.monotonic()
            if now - began < _POLL:
                _log.info("%s: another process is at work on this; waiting for it", path)
            if sign != os.fstat(handle).st_mtime_ns:
                sign, heard = os.fstat(handle).st_mtime_ns, now
            if now - heard > _SILENCE:
                what = f"{path}: held by a process that has done nothing for {duration(_SILENCE)}"
                raise PdbenchError(what, "end it, `fuser` names it, and run again") from None
            time.sleep(_POLL)
        else:
            if time.monotonic() - began > _POLL:
                _log.info("%s: went on after %s", path, duration(time.monotonic() - began))
            return


@contextlib.contextmanager
def _signs_of_life(handle: int) -> Iterator[None]:
    """Keep the time of a lock's file new while the lock is held."""
    over = threading.Event()

    def beat() -> None:
        while True:
            with contextlib.suppress(OSError):
                os.utime(handle)
            if over.wait(_BEAT):
                return

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
