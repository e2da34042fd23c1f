"""How far a run is and how long the rest may take; live in a terminal, else a line now and then."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from pdbench.core.lines import rich_line
from pdbench.core.words import clock, time_left

_PRIOR = 10.0  # core-seconds that the rough costs count for against what was measured
_SECONDS_BETWEEN_LINES = 30.0
_JOBS_SHOWN = 8


@dataclass(frozen=True)
class _Job:
    rule: str
    message: str
    threads: int
    cost: float
    began: float


class Progress:
    """The state of one Snakemake run, by a clock that returns seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began = now()
        self._waiting: dict[str, dict[str, float]] = {}
        self._planned: Counter[str] = Counter()
        self._measured: defaultdict[str, float] = defaultdict(float)
        self._expected: defaultdict[str, float] = defaultdict(float)
        self._cores = 1
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
            f"{time_left(self.time_left())}"
        )

    def expect(self, costs: Mapping[str, Mapping[str, float]]) -> None:
        """Learn the rough core-seconds of the study's jobs, by rule and name."""
        self._waiting = {rule: dict(jobs) for rule, jobs in costs.items()}

    def plan(self, counts: Mapping[str, int]) -> None:
        """Learn how many jobs of each rule this run has."""
        self._planned = Counter({rule: n for rule, n in counts.items() if rule != "total"})
        self._began = self._now()

    def start(
        self, number: int, rule: str, wildcards: Iterable[str], message: str, threads: int
    ) -> None:
        """A job begins."""
        cost = self._waiting.get(rule, {}).pop(".".join(wildcards), 0.0)
        if number in self._failed:
            self._failed.remove(number)  # tried again
        else:
            self._planned[rule] -= 1
        self.running[number] = _Job(rule, message, threads, cost, self._now())
        self._cores = max(self._cores, sum(job.threads for job in self.running.values()))

    def finish(self, number: int) -> tuple[str, int] | None:
        """A job ended well; returns its rule and their number if it was the rule's last."""
        job = self.running.pop(number, None)
        if job is None:
            return None
        self.finished[job.rule] += 1
        self._measured[job.rule] += job.threads * self.since(job)
        self._expected[job.rule] += job.cost
        others = any(other.rule == job.rule for other in self.running.values())
        is_last = self._planned[job.rule] <= 0 and not others and job.rule in self._waiting
        return (job.rule, self.finished[job.rule]) if is_last else None

    def fail(self, number: int) -> None:
        """A job failed."""
        if self.running.pop(number, None) is not None:
            self._failed.add(number)

    def since(self, job: _Job) -> float:
        """Seconds since a job began."""
        return self._now() - job.began

    def time_left(self) -> float:
        """Seconds until the last job ends, if what is left goes as what was measured.

        Each rule's costs are corrected by what its finished jobs took, or by what all jobs
        took as long as the rule has few of them; the work is spread over as many cores as
        have been busy at once.
        """
        running = [
            max(0.0, job.cost * self._scale(job.rule) - job.threads * self.since(job))
            for job in self.running.values()
        ]
        waiting = sum(
            count * self._typical_cost(rule) * self._scale(rule)
            for rule, count in self._planned.items()
        )
        return max([(sum(running) + waiting) / self._cores, *running])

    def _typical_cost(self, rule: str) -> float:
        costs = self._waiting.get(rule, {}).values()
        return sum(costs) / len(costs) if costs else 0.0

    def _scale(self, rule: str) -> float:
        overall = (sum(self._measured.values()) + _PRIOR) / (sum(self._expected.values()) + _PRIOR)
        return (self._measured[rule] + overall * _PRIOR) / (self._expected[rule] + _PRIOR)


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
