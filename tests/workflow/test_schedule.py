"""How long jobs take together on a number of devices."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from pdbench.planning.schedule import makespan
from pdbench.study import Architecture, Start
from pdbench.workflow.kinds import Job


def job(name: str) -> Job:
    """A job of its own."""
    return Job("cell", name)


def wall(
    seconds: dict[str, float],
    needs: dict[str, str] | None = None,
    devices: int = 1,
    on_device: Callable[[Job], bool] = lambda key: True,
) -> float:
    """The wall time of jobs that are given by single letters, the longest first."""
    times = {job(name): value for name, value in seconds.items()}
    waits = {job(name): [job(need) for need in (needs or {}).get(name, "")] for name in seconds}
    return makespan(times, waits, on_device, devices, times.__getitem__)


def test_one_device_does_one_after_the_other() -> None:
    """The wall time is the sum."""
    assert wall({"a": 1, "b": 2, "c": 4}) == 7


def test_many_devices_wait_for_the_longest_chain() -> None:
    """No number of devices beats the critical path."""
    seconds = {"a": 1, "b": 2, "c": 4, "d": 3}

    assert wall(seconds, {"c": "a", "d": "bc"}, devices=64) == 8


def test_the_longest_goes_first() -> None:
    """Two devices: 4 beside 3 and 1; in the other order it would be 5."""
    assert wall({"a": 1, "b": 3, "c": 4}, devices=2) == 4


def test_what_needs_no_device_never_waits_for_one() -> None:
    """Preparing data goes on beside training."""
    assert wall({"a": 5, "b": 3}, on_device=lambda key: key == job("a")) == 5


def test_what_needs_no_device_gives_none_back() -> None:
    """One device stays one: it is taken by 5 and then by 4, whatever ends beside it."""
    seconds = {"a": 5, "b": 4, "c": 1}

    assert wall(seconds, on_device=lambda key: key != job("c")) == 9


def test_done_jobs_hold_up_nobody() -> None:
    """A predecessor without seconds is done."""
    assert wall({"b": 2}, {"b": "a"}) == 2


def test_nothing_takes_no_time() -> None:
    """An empty study has no wall time."""
    assert wall({}) == 0


def test_equals_need_no_order() -> None:
    """Two starts that cost the same, of which one has a method of its own, are both made."""
    starts = (Start("general", Architecture(1, 64), 0, method) for method in (None, "own"))
    times = dict.fromkeys((Job("pretrain", start) for start in starts), 2.0)

    assert makespan(times, dict.fromkeys(times, ()), lambda job: True, 1, times.__getitem__) == 4


@pytest.mark.parametrize("devices", [1, 2, 7, 64])
def test_bounds_of_list_schedules(devices: int) -> None:
    """Between the two lower bounds and Graham's upper one, on random graphs."""
    random.seed(devices)
    for _ in range(20):
        names = [str(i) for i in range(60)]
        times = {job(n): random.expovariate(1) for n in names}
        needs = {
            job(n): [job(m) for m in random.sample(names[:i], min(i, random.randint(0, 3)))]
            for i, n in enumerate(names)
        }
        longest: dict[Job, float] = {}
        for key, seconds in times.items():
            longest[key] = seconds + max((longest[need] for need in needs[key]), default=0)
        total, path = sum(times.values()), max(longest.values())

        found = makespan(times, needs, lambda key: True, devices, times.__getitem__)

        assert max(total / devices, path) <= found + 1e-9
        assert found <= total / devices + path * (1 - 1 / devices) + 1e-9
