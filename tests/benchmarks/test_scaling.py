"""How time and memory grow is told by rows and drawn."""

from __future__ import annotations

from pathlib import Path

from benchmarks import scaling
from benchmarks.harness import Cost
from benchmarks.options import Options

OPTIONS = Options(quick=True, threads=1, pairs=2)


def cost(seconds: float, memory: float) -> Cost:
    """What a job took, most of it training."""
    phases = {"open_seconds": 0.1, "prepare_seconds": 0.2, "train_seconds": seconds - 0.3}
    return Cost(seconds, seconds, {"memory_mb": memory, **phases})


COSTS = {
    1000: [cost(1, 400), cost(2, 410)],
    1_000_000: [cost(2, 500), cost(3, 410)],
}


def test_larger_sizes_are_compared_with_the_smallest_of_their_round() -> None:
    """One row of seconds and one of megabytes; a size is not compared with itself."""
    time, memory = scaling._rows(COSTS, 7, OPTIONS)

    assert time.work == memory.work == "distillation from 1,000,000 items, 7 updates"
    assert time.peer == "itself with 1,000 items"
    assert (time.ratio_min, time.ratio_max) == (1.5, 2)
    assert (memory.ratio_min, memory.ratio_max) == (1, 1.25)
    assert time.more["open_seconds"] == 0.1


def test_the_limit_is_a_row() -> None:
    """Below 1 the job stayed under it."""
    assert scaling._limit_row(cost(1, scaling.LIMIT_MB / 2), OPTIONS).ratio == 0.5


def test_figure_is_drawn_the_same_each_time(tmp_path: Path) -> None:
    """As PNG and as SVG."""
    for stem in ("a", "b"):
        scaling.draw(COSTS, 7, tmp_path / stem)

    for suffix in ("png", "svg"):
        first, second = ((tmp_path / f"{stem}.{suffix}").read_bytes() for stem in "ab")
        assert first == second
    assert b"Items of the transfer set" in (tmp_path / "a.svg").read_bytes()
