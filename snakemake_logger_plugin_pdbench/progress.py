"""Which jobs are done, which run, and how long the rest may take."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

Costs = Mapping[str, Mapping[str, float]]
"""Rough core-seconds of every job by rule and name (see ``pdbench.workflow.jobs``)."""

_PRIOR = 10.0  # core-seconds that the rough costs count for against what was measured


@dataclass(frozen=True)
class Job:
    """A job that was started."""

    rule: str
    name: str
    message: str
    threads: int
    cost: float
    began: float


class Progress:
    """The state of one Snakemake run.

    Args:
        clock: Returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._waiting: dict[str, dict[str, float]] = {}
        self._planned: Counter[str] = Counter()
        self._measured: defaultdict[str, float] = defaultdict(float)
        self._expected: defaultdict[str, float] = defaultdict(float)
        self._cores = 1
        self._done: Counter[str] = Counter()
        self.running: dict[int, Job] = {}
        self._failed: set[int] = set()

    @property
    def total(self) -> int:
        """Jobs of this run."""
        return self._planned.total() + len(self.running) + self.done + self.failed

    @property
    def done(self) -> int:
        """Jobs that ended well."""
        return self._done.total()

    @property
    def failed(self) -> int:
        """Jobs that failed and were not tried again."""
        return len(self._failed)

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self._clock() - self._began

    def expect(self, costs: Costs) -> None:
        """Learn the rough costs of the study's jobs."""
        self._waiting = {rule: dict(jobs) for rule, jobs in costs.items()}

    def plan(self, counts: Mapping[str, int]) -> None:
        """Learn how many jobs of each rule this run has."""
        self._planned = Counter({rule: n for rule, n in counts.items() if rule != "total"})
        self._began = self._clock()

    def start(
        self, number: int, rule: str, wildcards: Iterable[str], message: str, threads: int
    ) -> None:
        """A job begins."""
        name = ".".join(wildcards)
        cost = self._waiting.get(rule, {}).pop(name, 0.0)
        if number in self._failed:
            self._failed.remove(number)  # tried again
        else:
            self._planned[rule] -= 1
        self.running[number] = Job(rule, name, message, threads, cost, self._clock())
        self._cores = max(self._cores, sum(job.threads for job in self.running.values()))

    def finish(self, number: int) -> tuple[str, int] | None:
        """A job ended well; returns its rule and their number if it was the rule's last."""
        job = self.running.pop(number, None)
        if job is None:
            return None
        self._done[job.rule] += 1
        self._measured[job.rule] += job.threads * self.since(job)
        self._expected[job.rule] += job.cost
        others = any(other.rule == job.rule for other in self.running.values())
        is_last = self._planned[job.rule] <= 0 and not others and job.rule in self._waiting
        return (job.rule, self._done[job.rule]) if is_last else None

    def fail(self, number: int) -> None:
        """A job failed."""
        if self.running.pop(number, None) is not None:
            self._failed.add(number)

    def since(self, job: Job) -> float:
        """Seconds since a job began."""
        return self._clock() - job.began

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
