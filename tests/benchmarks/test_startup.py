"""A started process is measured to its first update, and a failing one is named."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

import pytest

from benchmarks import startup
from benchmarks.first_step import leave_after_first_step
from pdbench.core.errors import DataError
from pdbench.engine.loop import AdamW


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A command that computes for a moment, and fails if it is told to."""
    (tmp_path / "job.py").write_text(
        "import sys\nsum(range(10**6))\nsys.exit(*sys.argv[1:])\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    return [sys.executable, "-m", "job"]


def test_cpu_seconds_are_the_childs(module: list[str]) -> None:
    """At most what the system counts for all children of this process."""
    cost = startup.run(module, threads=1)
    all_children = resource.getrusage(resource.RUSAGE_CHILDREN)

    assert 0 < cost.cpu <= all_children.ru_utime + all_children.ru_stime
    assert cost.wall > 0


def test_a_process_that_fails_is_one_clear_line(module: list[str]) -> None:
    """The line has its command, the last line of its log, and the log."""
    with pytest.raises(DataError, match=r"-m job no data: failed \(no data\)") as error:
        startup.run([*module, "no data"], threads=1)

    assert "see logs/benchmarks/job.log" in str(error.value)


def test_our_job_leaves_at_its_first_update(monkeypatch: pytest.MonkeyPatch) -> None:
    """The update is made first, as it was asked for, and nothing comes after it."""
    done: list[object] = []
    monkeypatch.setattr(AdamW, "step", lambda _, *settings: done.append(settings))
    monkeypatch.setattr(os, "_exit", done.append)

    leave_after_first_step()
    AdamW([], 0.0).step(0.1, 1.0)

    assert done == [(0.1, 1.0), 0]
