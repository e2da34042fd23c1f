"""Whose turn it is: one process at a time, and nobody waits for one that does nothing."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pdbench.core import processes
from pdbench.core.errors import PdbenchError
from pdbench.core.processes import exclusive_lock, identity, shared_lock

HOLD = """
import fcntl, sys
with open(sys.argv[1], sys.argv[2]) as file:
    fcntl.lockf(file, fcntl.LOCK_EX if sys.argv[2] == "r+" else fcntl.LOCK_SH)
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(params=["r+", "r"], ids=["a process that hangs", "a reader"])
def held(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen]]:
    """A lock that another process holds, and that process."""
    lock = tmp_path / "lock"
    lock.touch()
    command = [sys.executable, "-c", HOLD, str(lock), request.param]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline()
        yield lock, holder
        holder.kill()


def test_a_wait_ends_when_the_other_ends(
    held: tuple[Path, subprocess.Popen], caplog: pytest.LogCaptureFixture
) -> None:
    """Lines say that one waits, and that one goes on."""
    lock, holder = held
    timer = threading.Timer(0.5, holder.kill)
    timer.start()
    with caplog.at_level(logging.INFO), exclusive_lock(lock):
        timer.join()

    said = [record.getMessage() for record in caplog.records]
    assert [words.partition(": ")[2][:10] for words in said] == ["another pr", "went on af"]


def test_nobody_waits_for_what_does_nothing(
    held: tuple[Path, subprocess.Popen], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that holds a lock without working on anything keeps nobody for ever."""
    lock, _ = held
    monkeypatch.setattr(processes, "_POLL", 0.01)
    monkeypatch.setattr(processes, "_SILENCE", 0.1)

    held_by = pytest.raises(PdbenchError, match="lock: held by a process that has done nothing for")
    with held_by, exclusive_lock(lock):
        pass


def test_whoever_gives_signs_of_life_is_waited_for(
    held: tuple[Path, subprocess.Popen], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However old the lock's file is, and whatever clocks say."""
    lock, holder = held
    monkeypatch.setattr(processes, "_POLL", 0.01)
    monkeypatch.setattr(processes, "_SILENCE", 0.3)

    def work() -> None:
        for day in range(10):
            os.utime(lock, (day, day))
            time.sleep(0.1)
        holder.kill()

    thread = threading.Thread(target=work)
    thread.start()
    with exclusive_lock(lock):
        thread.join()


def test_who_works_gives_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the lock is held."""
    monkeypatch.setattr(processes, "_BEAT", 0.01)
    lock = tmp_path / "lock"
    with shared_lock(lock):
        os.utime(lock, (1, 1))
        ends = time.monotonic() + 10
        while lock.stat().st_mtime < 100 and time.monotonic() < ends:
            time.sleep(0.01)
        assert lock.stat().st_mtime > 100


def test_a_lock_is_for_those_who_may_write(tmp_path: Path) -> None:
    """Whoever can open it for reading could hold it against those who work."""
    before = os.umask(0o022)
    try:
        with exclusive_lock(tmp_path / "mine"):
            pass
        os.umask(0o002)
        with exclusive_lock(tmp_path / "ours"):
            pass
    finally:
        os.umask(before)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"mine": 0o600, "ours": 0o660}


def test_a_number_is_no_identity() -> None:
    """A later process of the same number began at another time."""
    own, first = identity(os.getpid()), identity(1)

    assert own == identity(os.getpid())
    assert own != first
    assert identity(2**22 + 1) == ""
