"""The jobs of a study, as the workflow joins them: what each waits for, which goes first."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cached_property

from pdbench.planning.costs import Costs
from pdbench.planning.machines import H100, LAPTOP
from pdbench.planning.work import Work
from pdbench.study import Cell, Study
from pdbench.workflow.bundles import BUNDLE, Bundle, partition
from pdbench.workflow.kinds import KINDS, Job

_STEP = 1_000
_FINENESS = 40  # keeps a job of 10^10 core-seconds below the step


class Graph:
    """All jobs of a study.

    Args:
        study: The study.
        bundle: Estimated seconds of the cells that share a job; 0 gives each its own.
        split: Estimated seconds of a cell from which each of its seeds has a job of its own; 0
            splits none.
    """

    study: Study

    def __init__(self, study: Study, bundle: float = 0.0, split: float = 0.0) -> None:
        self.study = study
        self._bundle = bundle
        self._split = split

    @classmethod
    def as_run(cls, study: Study, bundle: float = BUNDLE, split: float = 0.0) -> Graph:
        """The jobs as Snakemake runs them: small cells share one."""
        return cls(study, bundle, split)

    @cached_property
    def jobs(self) -> tuple[Job, ...]:
        """Every job, in the order of the workflow; runs belong to the jobs of their cells."""
        return tuple(
            Job(name, key)
            for name, kind in KINDS.items()
            if name != "run"
            for key in dict.fromkeys(kind.keys(self))
        )

    @cached_property
    def bundles(self) -> list[Bundle]:
        """The bundles of small cells."""
        return partition(self.study, self._seconds, self._bundle) if self._bundle else []

    @cached_property
    def alone(self) -> list[Cell]:
        """The cells that have a job of their own."""
        bundled = {cell for bundle in self.bundles for cell in bundle.cells}
        return [cell for cell in self.study.seeds if cell not in bundled]

    @cached_property
    def split(self) -> dict[str, tuple[int, ...]]:
        """The seeds of the cells that are trained seed by seed, by the cells' keys."""
        large = [cell for cell in self.alone if 0 < self._split <= self._seconds[cell.key]]
        return {
            cell.key: tuple(range(self.study.seeds[cell]))
            for cell in large
            if self.study.trained_by(cell) == cell and self.study.seeds[cell] > 1
        }

    @cached_property
    def needs(self) -> dict[Job, tuple[Job, ...]]:
        """The jobs that each waits for."""
        return {job: tuple(dict.fromkeys(self._needs(job))) for job in self.jobs}

    def upstream(self, jobs: Iterable[Job]) -> set[Job]:
        """Some jobs, and all that they wait for, directly or not."""
        found: set[Job] = set()
        waiting = list(jobs)
        while waiting:
            job = waiting.pop()
            if job not in found:
                found.add(job)
                waiting.extend(self.needs[job])
        return found

    def work(self, costs: Costs) -> dict[Job, Work]:
        """What every job computes."""
        found = {job: KINDS[job.kind].work(costs, job.key) for job in self.jobs}
        split = (Job("cell", self.study.cells[key]) for key in self.split)
        return {**found, **dict.fromkeys(split, Work(starts=1))}  # its seeds have their own

    @cached_property
    def costs(self) -> dict[Job, float]:
        """Rough core-seconds of every job."""
        return {job: LAPTOP.seconds(work) for job, work in self.work(self._costs).items()}

    def priority(self, job: Job) -> float:
        """Snakemake's priority: earlier kinds first, and within a kind the longest job."""
        latest = max(kind.order for kind in KINDS.values())
        cost = self.costs.get(job, 0.0)
        rank = latest + 1 - KINDS[job.kind].order
        return rank * _STEP + round(_FINENESS * math.log1p(cost))

    def _needs(self, job: Job) -> Iterable[Job]:
        kind = KINDS[job.kind]
        yield from kind.needs(self.study, job.key)
        yield from kind.after(self, job.key)

    @cached_property
    def _costs(self) -> Costs:
        return Costs(self.study)

    @cached_property
    def _seconds(self) -> dict[str, float]:
        """The estimated seconds of every cell, by its key."""
        # Narrow models gain little from a GPU, so that one device's seconds are no other's.
        machine = H100 if self.study.scale == "paper" else LAPTOP
        return {cell.key: machine.seconds(self._costs.cell(cell)) for cell in self.study.seeds}
