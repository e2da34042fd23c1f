"""A worker's clock counts what runs under it, and nothing else."""

from __future__ import annotations

import pytest

from benchmarks import worker
from benchmarks.worker import Clock


def test_only_what_runs_under_the_clock_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks add up; what is done between them does not count."""
    now = {"wall": 0.0, "cpu": 0.0}
    monkeypatch.setattr(worker.time, "perf_counter", lambda: now["wall"])
    monkeypatch.setattr(worker.time, "process_time", lambda: now["cpu"])

    def spend(wall: float, cpu: float) -> None:
        now["wall"] += wall
        now["cpu"] += cpu

    clock = Clock()
    spend(100, 100)
    for _ in range(3):
        with clock:
            spend(2, 1)
        spend(50, 50)

    assert (clock.wall, clock.cpu) == (6, 3)


def test_work_that_fails_under_the_clock_still_fails() -> None:
    """The clock hides no error."""
    with pytest.raises(ValueError, match="broken"), Clock():
        raise ValueError("broken")
