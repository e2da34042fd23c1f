"""The time left, held against recorded times of a demo's jobs: replayed by a virtual clock.

``demo_jobs.csv`` has the jobs of one demo on two cores beside other work: the seconds planned, and
those that Snakemake's benchmark files say, as ``busy``. ``quiet`` is the same but for what runs
before the pre-training, which was measured again with little beside it.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from pdbench.planning.schedule import Planned
from snakemake_logger_plugin_pdbench.display import Progress

_ALONE = {"archive", "latency"}  # take all cores
_EVERY = 15.0  # seconds between looks
_END = 60.0  # seconds before the end, of which no more is said than that


class _Recorded(NamedTuple):
    rule: str
    name: str
    planned: float
    seconds: float
    urgency: float
    needs: tuple[int, ...]


Slower = Callable[[_Recorded, float], float]
"""How many times as long a job takes that begins at some second."""


def _recorded(column: str) -> list[_Recorded]:
    with (Path(__file__).parent / "demo_jobs.csv").open() as file:
        return [
            _Recorded(
                row["rule"],
                str(number),
                float(row["planned"]),
                float(row[column]),
                float(row["urgency"]),
                tuple(map(int, row["needs"].split())),
            )
            for number, row in enumerate(csv.DictReader(file))
        ]


def _replay(
    cores: int, slower: Slower = lambda job, now: 1.0, column: str = "quiet"
) -> Iterator[tuple[float, float]]:
    """Run the jobs as Snakemake would; yields elapsed seconds and the seconds said to be left.

    The last pair is the end of the run.
    """
    jobs, now = _recorded(column), 0.0
    progress = Progress(lambda: now)
    progress.expect(
        {
            (job.rule, job.name): Planned(
                job.planned,
                job.urgency,
                tuple((jobs[need].rule, jobs[need].name) for need in job.needs),
            )
            for job in jobs
        }
    )
    progress.plan(Counter(job.rule for job in jobs))
    progress.cores = cores
    waiting, done, ends = set(range(len(jobs))), set[int](), dict[int, float]()
    look = _EVERY
    while waiting or ends:
        for number in sorted(waiting, key=lambda one: -jobs[one].urgency):
            job = jobs[number]
            threads = cores if job.rule in _ALONE else 1
            busy = sum(cores if jobs[one].rule in _ALONE else 1 for one in ends)
            if busy + threads <= cores and done.issuperset(job.needs):
                waiting.remove(number)
                ends[number] = now + job.seconds * slower(job, now)
                progress.start(number, job.rule, [job.name], "", threads)
        first = min(ends, key=ends.__getitem__)
        while look < ends[first]:
            now = look
            yield now, progress.time_left()
            look += _EVERY
        now = ends.pop(first)
        done.add(first)
        progress.finish(first)
    yield now, 0.0


def _worst(replayed: Iterator[tuple[float, float]], after: float = 60.0) -> float:
    """The largest factor by which an estimate was wrong, later than some seconds."""
    *said, (end, _) = replayed
    asked = [(end - now, left) for now, left in said if now >= after and end - now > _END]
    return max(math.exp(abs(math.log(left / true))) for true, left in asked)


@pytest.mark.parametrize("cores", [1, 2, 16])
@pytest.mark.parametrize("times", [1.0, 2.0])
def test_on_a_steady_machine_the_first_minute_knows(cores: int, times: float) -> None:
    """Whatever its cores and its speed, the time left is right within a factor of 1.5."""
    assert _worst(_replay(cores, lambda job, now: times)) < 1.5


@pytest.mark.parametrize("cores", [1, 2])
def test_a_machine_that_becomes_slow_is_known_in_five_minutes(cores: int) -> None:
    """Twice as slow from the middle on: within 1.5 again after five minutes."""
    middle = sum(job.seconds for job in _recorded("quiet")) / cores / 2

    worst = _worst(_replay(cores, lambda job, now: 2.0 if now > middle else 1.0), middle + 300)

    assert worst < 1.5


@pytest.mark.parametrize("rule", ["teacher", "pretrain", "bundle"])
def test_one_slow_job_does_not_mislead(rule: str) -> None:
    """After a job of five times its plan the rest is still known within 1.5, two minutes later."""
    slow = max((job for job in _recorded("quiet") if job.rule == rule), key=lambda job: job.seconds)
    ended: list[float] = []

    def slower(job: _Recorded, now: float) -> float:
        if job.name != slow.name:
            return 1.0
        ended.append(now + 5 * job.seconds)
        return 5.0

    said = list(_replay(2, slower))

    assert _worst(iter(said), ended[0] + 120) < 1.5


def test_a_machine_that_is_never_steady_is_followed() -> None:
    """As recorded beside other work: four times its plan at first, one and a half in the end."""
    assert _worst(_replay(2, column="busy"), after=420) < 1.5
