"""How far a run is and how long the rest may take; live in a terminal, else a line now and then."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from pdbench.core.lines import rich_line
from pdbench.core.words import clock, time_left
from pdbench.planning.schedule import Planned, makespan

_PRIOR = 5.0  # seconds that the plan counts for against what was measured
_HALF_LIFE = 120.0  # seconds of all cores after which what was measured counts for half
_MOST = 2.0  # times what is expected, that one job counts for: the next may be as they were
_STRETCH = 0.2  # of the time that a job has run is left to it where its plan is used up
_LAST = 60.0  # seconds that are a last minute
_HOLDS = 1.0  # seconds that an estimate holds unless a job begins or ends
_SECONDS_BETWEEN_LINES = 30.0
_JOBS_SHOWN = 8


@dataclass(frozen=True)
class _Job:
    rule: str
    name: str  # its wildcards
    message: str
    threads: int
    cost: float  # seconds, as planned
    began: float


class Progress:
    """The state of one Snakemake run, by a clock that returns seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began = now()
        self._plan: dict[tuple[str, str], Planned] = {}
        self._waiting: dict[str, dict[str, float]] = {}
        self._planned: Counter[str] = Counter()
        self._threads: dict[str, int] = {}
        self._measured: defaultdict[str, float] = defaultdict(float)
        self._expected: defaultdict[str, float] = defaultdict(float)
        self._estimate: tuple[float, float] | None = None  # when, and the seconds left
        self._last: float | None = None  # since when it is the last minute
        self.cores = 1
        self.finished: Counter[str] = Counter()
        self.running: dict[int, _Job] = {}
        self._failed: set[int] = set()

    @property
    def total(self) -> int:
        """Jobs of this run."""
        return self._planned.total() + len(self.running) + self.done + self.failed

    @property
    def done(self) -> int:
        """Jobs that ended well."""
        return self.finished.total()

    @property
    def failed(self) -> int:
        """Jobs that failed and were not tried again."""
        return len(self._failed)

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self._now() - self._began

    def __str__(self) -> str:
        return (
            f"{self.done}/{self.total} jobs, {clock(self.elapsed)} elapsed, "
            f"{time_left(self.time_left(), overdue=self.is_overdue)}"
        )

    @property
    def is_overdue(self) -> bool:
        """Whether the last minute has lasted for more than one."""
        return self._last is not None and self._now() - self._last > _LAST

    def expect(self, plan: Mapping[tuple[str, str], Planned]) -> None:
        """Learn the jobs of the study, by rule and name."""
        self._plan, self._waiting = dict(plan), {}
        for (rule, name), job in plan.items():
            self._waiting.setdefault(rule, {})[name] = job.seconds

    def plan(self, counts: Mapping[str, int]) -> None:
        """Learn how many jobs of each rule this run has."""
        self._planned = Counter({rule: n for rule, n in counts.items() if rule != "total"})
        self._began = self._now()
        self._estimate = None

    def start(
        self, number: int, rule: str, wildcards: Iterable[str], message: str, threads: int
    ) -> None:
        """A job begins."""
        name = ".".join(wildcards)
        self._waiting.get(rule, {}).pop(name, None)
        job = self._plan.get((rule, name))
        cost = job.seconds if job else 0.0
        if number in self._failed:
            self._failed.remove(number)  # tried again
        else:
            self._planned[rule] -= 1
        self.running[number] = _Job(rule, name, message, threads, cost, self._now())
        self._threads[rule] = threads
        self.cores = max(self.cores, sum(own.threads for own in self.running.values()))
        self._estimate = None

    def finish(self, number: int) -> tuple[str, int] | None:
        """A job ended well; returns its rule and their number if it was the rule's last."""
        job = self.running.pop(number, None)
        if job is None:
            return None
        self.finished[job.rule] += 1
        self._learn(job)
        self._estimate = None
        others = any(other.rule == job.rule for other in self.running.values())
        is_last = self._planned[job.rule] <= 0 and not others and job.rule in self._waiting
        return (job.rule, self.finished[job.rule]) if is_last else None

    def fail(self, number: int) -> None:
        """A job failed."""
        if self.running.pop(number, None) is not None:
            self._failed.add(number)
            self._estimate = None

    def since(self, job: _Job) -> float:
        """Seconds since a job began."""
        return self._now() - job.began

    def time_left(self) -> float:
        """Seconds until the last job ends, if what is left goes as what was measured last.

        The jobs that are left are put on the cores as Snakemake puts them. Each takes its plan
        times what its rule has lately taken of it, or all rules where its own has done little. A
        job that has used up its plan is given a share of the time that it has run.
        """
        now = self._now()
        if self._estimate is None or now - self._estimate[0] >= _HOLDS:
            self._estimate = now, self._schedule()
        at, expected = self._estimate
        left = max(0.0, expected - (now - at))
        if left >= _LAST:
            self._last = None
        elif self._last is None:
            self._last = now
        return left

    def _schedule(self) -> float:
        jobs = list(self.running.values())
        scales = self._scales(jobs)
        seconds, urgency = {}, {key: job.urgency for key, job in self._plan.items()}
        threads = dict(self._threads)
        for job in jobs:
            key, since = (job.rule, job.name), self.since(job)
            seconds[key] = max(job.cost * scales(job.rule) - since, _STRETCH * since)
            urgency[key] = math.inf
        for rule, names in self._waiting.items():
            share = min(1.0, self._planned[rule] / max(1, len(names)))  # others are done already
            if share > 0:
                scale = share * scales(rule)
                seconds |= {(rule, name): cost * scale for name, cost in names.items()}
        needs = {key: self._plan[key].needs if key in self._plan else () for key in seconds}
        return makespan(
            seconds, needs, lambda key: threads.get(key[0], 1), self.cores, urgency.__getitem__
        )

    def _learn(self, job: _Job) -> None:
        """Count what a job took, and what was measured before for less."""
        took = min(self.since(job), self._most(job))
        kept = 0.5 ** (took / (_HALF_LIFE * self.cores))
        for sums in (self._measured, self._expected):
            for rule in sums:
                sums[rule] *= kept
        self._measured[job.rule] += took
        self._expected[job.rule] += job.cost

    def _scales(self, jobs: Sequence[_Job]) -> Callable[[str], float]:
        """What jobs of a rule take, as a share of their plan; ``jobs`` run."""
        measured, expected = self._measured.copy(), self._expected.copy()
        for job in jobs:  # that one takes longer is known before it ends
            if self.since(job) > job.cost * self._drift():
                measured[job.rule] += min(self.since(job), self._most(job))
                expected[job.rule] += job.cost
        drift = _ratio(sum(measured.values()), sum(expected.values()), 1.0)
        return lambda rule: _ratio(measured[rule], expected[rule], drift)

    def _most(self, job: _Job) -> float:
        return _MOST * job.cost * self._drift()

    def _drift(self) -> float:
        """What the jobs that ended lately took, as a share of their plan."""
        return _ratio(sum(self._measured.values()), sum(self._expected.values()), 1.0)


def _ratio(measured: float, expected: float, prior: float) -> float:
    """A ratio that begins with the prior's."""
    return (measured + prior * _PRIOR) / (expected + _PRIOR)


class LiveScreen:
    """A bar with the time left, and below it the jobs that run."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self._progress = progress
        self._live = Live(
            console=console, get_renderable=self._draw, refresh_per_second=2, transient=True
        )
        self._live.start()

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self._live.console.print(rich_line(line))

    def close(self) -> None:
        """Remove the bar."""
        self._live.stop()

    def _draw(self) -> Group:
        progress = self._progress
        elapsed = progress.elapsed
        whole = elapsed + progress.time_left()
        bar = Table.grid(padding=(0, 1))
        bar.add_row(ProgressBar(total=whole or 1.0, completed=elapsed, width=30), str(progress))
        jobs = list(progress.running.values())[:_JOBS_SHOWN]
        lines = [rich_line(f"  {clock(progress.since(job)):>5}  {job.message}") for job in jobs]
        for line in lines:
            line.no_wrap = True
        return Group(bar, *lines)


class LineScreen:
    """A line every half minute, for logs and continuous integration."""

    def __init__(
        self, console: Console, progress: Progress, seconds: float = _SECONDS_BETWEEN_LINES
    ) -> None:
        self._console = console
        self._progress = progress
        self._seconds = seconds
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._thread.start()

    def say(self, line: str) -> None:
        """Print a line."""
        self._console.print(rich_line(line), soft_wrap=True)

    def close(self) -> None:
        """Print no more lines."""
        self._closed.set()
        self._thread.join()

    def _tick(self) -> None:
        while not self._closed.wait(self._seconds):
            jobs = [job.message for job in list(self._progress.running.values())]
            self.say("; ".join([str(self._progress), *jobs[:2]]))


Screen: TypeAlias = LiveScreen | LineScreen


def open_screen(console: Console, progress: Progress) -> Screen:
    """Return the screen that fits the console."""
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveScreen(console, progress)
    return LineScreen(console, progress)
