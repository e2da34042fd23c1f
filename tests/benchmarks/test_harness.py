"""Workers answer, sides take turns, and a broken worker is one clear line."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from benchmarks import harness
from benchmarks.harness import Cost, Worker, interleave
from pdbench.core.errors import DataError

FAKE = """
import os
from benchmarks.worker import serve

def train(request, clock):
    print("a library that talks")
    return {"process": os.getpid(), "threads": os.environ["OMP_NUM_THREADS"]}

def fail(request, clock):
    raise ValueError("no such sentence")

serve({"train": train, "fail": fail})
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The module name of a worker that sleeps, in the working directory."""
    (tmp_path / "fake_worker.py").write_text(FAKE)
    monkeypatch.chdir(tmp_path)
    return "fake_worker"


def test_a_worker_lives_through_all_its_requests(fake: str) -> None:
    """Two requests are answered by one process, with the threads it was given."""
    with Worker(fake, threads=3) as worker:
        first = worker.ask(work="train")
        second = worker.ask(work="train")

    assert first.more["process"] == second.more["process"] != os.getpid()
    assert first.more["threads"] == "3"
    assert first.more["memory_mb"] > 1


def test_a_worker_ends_with_its_context(fake: str) -> None:
    """No process is left behind; one that may be in the middle of a work is killed."""
    with Worker(fake, threads=1) as worker:
        process = worker.ask(work="train").more["process"]
    other = Worker(fake, threads=1)
    left = other.ask(work="train").more["process"]
    other.__exit__(KeyError, KeyError(), None)

    for number in (process, left):
        with pytest.raises(ProcessLookupError):
            os.kill(number, 0)
    assert other._process.returncode == -signal.SIGKILL


def test_a_failed_work_is_named_with_its_reason(fake: str) -> None:
    """The error names module, work, the last line of the log, and the log."""
    with pytest.raises(DataError) as error, Worker(fake, threads=1) as worker:
        worker.ask(work="fail")

    line = str(error.value)
    assert "fake_worker: fail failed (ValueError: no such sentence)" in line
    assert "see logs/benchmarks/fake_worker.log" in line


def test_a_worker_that_cannot_start_is_named(fake: str) -> None:
    """A module that is not there is reported by the first request."""
    with pytest.raises(DataError, match="No module named nowhere"), Worker("nowhere", 1) as worker:
        worker.ask(work="train")


def test_workers_see_neither_network_nor_gpu() -> None:
    """Both sides are kept off the hub and off the GPU, with the threads that were asked for."""
    variables = harness.environment(2)

    assert variables["HF_HUB_OFFLINE"] == "1"
    assert variables["CUDA_VISIBLE_DEVICES"] == ""
    assert variables["OMP_NUM_THREADS"] == variables["MKL_NUM_THREADS"] == "2"


def test_missing_peers_are_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the peers' environment the command that makes it is named."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(DataError, match="make bench"):
        harness.peers_python()


class Sides:
    """Sides that note when they were asked, on a clock that moves only with them."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.now = 100.0

    def side(self, name: str, seconds: float = 1.0) -> harness.Side:
        """A side that takes so long."""

        def run() -> Cost:
            self.asked.append(name)
            self.now += seconds
            return Cost(seconds, seconds / 2)

        return run


@pytest.fixture
def sides(monkeypatch: pytest.MonkeyPatch) -> Sides:
    """Sides whose clock is the harness's."""
    found = Sides()
    monkeypatch.setattr(harness.time, "monotonic", lambda: found.now)
    return found


def test_sides_take_turns_to_go_first(sides: Sides) -> None:
    """In each round every comparison has its pair, and who begins alternates by round."""
    a = sides.side("ours", 1.0), sides.side("a", 2.0)
    b = sides.side("ours", 1.0), sides.side("b", 3.0)

    found = interleave({"a": a, "b": b}, 3)

    one, other = ["ours", "a", "ours", "b"], ["a", "ours", "b", "ours"]
    assert sides.asked == one + other + one
    assert {name: len(pairs) for name, pairs in found.items()} == {"a": 3, "b": 3}
    assert {(p.ours.wall, p.peer.wall) for p in found["b"]} == {(1.0, 3.0)}


def test_a_deadline_stops_pairs_that_would_pass_it(sides: Sides) -> None:
    """A slow comparison is left out where it would end too late, a fast one is not."""
    fast = sides.side("ours"), sides.side("fast")
    slow = sides.side("ours"), sides.side("slow", 9.0)

    found = interleave({"fast": fast, "slow": slow}, 4, deadline=100.0 + 18.0)

    assert len(found["fast"]) == 4
    assert len(found["slow"]) == 1


def test_the_first_round_is_whole_whatever_the_deadline(sides: Sides) -> None:
    """A comparison without a pair would be no row."""
    slow = sides.side("ours"), sides.side("slow", 9.0)

    found = interleave({"slow": slow, "other": slow}, 4, deadline=100.0)

    assert {name: len(pairs) for name, pairs in found.items()} == {"slow": 1, "other": 1}


def test_every_pair_is_reported(sides: Sides) -> None:
    """A watcher learns the seconds and the ratio of each pair."""
    lines: list[str] = []

    interleave({"a": (sides.side("ours", 2.0), sides.side("a", 5.0))}, 1, report=lines.append)

    assert lines == ["a, pair 1: 2.00 s against 5.00 s, 2.50"]
