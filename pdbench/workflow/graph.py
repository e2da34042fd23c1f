"""The jobs of a study, as the workflow joins them: what each waits for, which goes first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from pdbench.core.files import digest
from pdbench.planning.costs import Costs, Work
from pdbench.planning.machines import H100, LAPTOP
from pdbench.study import Cell, Study
from pdbench.study.cells import Bundle
from pdbench.workflow.kinds import KINDS, OF_CELLS, Job

BUNDLE = 60.0  # estimated seconds that a bundle may have if nothing else is asked for
_MOST_CELLS = 200  # of one bundle: their names stand in its command
MOST = 10_000  # jobs that train: Snakemake plans as many in seconds, SLURM's default queues no more
_STEP = 1_000
_FINENESS = 40  # keeps a job of 10^10 core-seconds below the step


class Graph:
    """All jobs of a study.

    Small cells share jobs of an estimated ``bundle`` seconds; 0 gives each its own. Of a cell of
    ``split`` seconds or more each seed has a job of its own; 0 splits none. Where that makes more
    than ``most`` jobs, none is split, and cells share jobs of more seconds.
    """

    study: Study

    def __init__(
        self, study: Study, bundle: float = 0.0, split: float = 0.0, most: float = math.inf
    ) -> None:
        self.study, self._costs = study, Costs(study)
        self._bundle, self._split, self._most = bundle, split, most

    @cached_property
    def jobs(self) -> tuple[Job, ...]:
        """Every job, in the order of the workflow."""
        return tuple(
            Job(name, key)
            for name, kind in KINDS.items()
            if name not in OF_CELLS
            for key in dict.fromkeys(kind.keys(self))
        )

    @cached_property
    def bundles(self) -> list[Bundle]:
        """The bundles of small cells, and of larger ones where there would be too many jobs."""
        found: list[Bundle] = []
        for limit in self._limits():
            found = _partition(self.study, self._seconds, limit) if limit else []
            shared = sum(len(bundle.cells) for bundle in found)
            if len(self.study.seed_counts) - shared + len(found) <= self._most:
                break
        return found

    def _limits(self) -> Iterator[float]:
        """The seconds that a bundle may have, then more of them, up to all cells in one."""
        yield self._bundle
        whole = sum(self._seconds.values())
        limit = max(self._bundle, whole / self._most)
        while limit <= whole:
            limit *= 2
            yield limit

    @cached_property
    def alone(self) -> list[Cell]:
        """The cells that have a job of their own."""
        bundled = {cell for bundle in self.bundles for cell in bundle.cells}
        return [cell for cell in self.study.seed_counts if cell not in bundled]

    @cached_property
    def split(self) -> dict[Cell, tuple[int, ...]]:
        """The seed numbers of the cells that are trained seed by seed."""
        large = [cell for cell in self.alone if 0 < self._split <= self._seconds[cell.key]]
        found = {
            cell: tuple(range(self.study.seed_counts[cell]))
            for cell in large
            if self.study.trained_by(cell) == cell and self.study.seed_counts[cell] > 1
        }
        jobs = len(self.bundles) + len(self.alone) + sum(map(len, found.values()))
        return found if jobs <= self._most else {}

    @cached_property
    def needs(self) -> dict[Job, tuple[Job, ...]]:
        """The jobs that each waits for."""
        found = {}
        for job in self.jobs:
            kind = KINDS[job.kind]
            every = (*kind.needs(self.study, job.key), *kind.after(self, job.key))
            found[job] = tuple(dict.fromkeys(every))
        return found

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
        split = (Job("cell", cell) for cell in self.split)
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

    @cached_property
    def _seconds(self) -> dict[str, float]:
        """The estimated seconds of every cell, by its key."""
        # Narrow models gain little from a GPU, so that one device's seconds are no other's.
        machine = H100 if self.study.scale == "paper" else LAPTOP
        return {
            cell.key: machine.seconds(self._costs.cell(cell)) for cell in self.study.seed_counts
        }


def _partition(study: Study, seconds: Mapping[str, float], limit: float) -> list[Bundle]:
    """Put small cells into bundles; cells that are in none have a job of their own.

    ``seconds`` are estimated, by a cell's key. A cell of ``limit`` or more is in none.
    """
    units: dict[Cell, list[Cell]] = {}  # each trained cell, then those that only score its models
    for cell in sorted(study.seed_counts, key=lambda cell: study.trained_by(cell) != cell):
        units.setdefault(study.trained_by(cell), []).append(cell)
    groups: dict[tuple[str, str], list[list[Cell]]] = {}
    for unit in units.values():
        if sum(seconds[cell.key] for cell in unit) < limit:
            groups.setdefault((unit[0].task, unit[0].method), []).append(unit)
    return [
        _bundle(cells)
        for group in groups.values()
        for cells in _filled(group, seconds, limit)
        if len(cells) > 1
    ]


def _filled(
    units: list[list[Cell]], seconds: Mapping[str, float], limit: float
) -> Iterator[list[Cell]]:
    """Cut a list of units, small sizes first, where the next would exceed the limit."""
    cells: list[Cell] = []
    total = 0.0
    units = sorted(units, key=lambda own: (own[0].architecture.encoder_parameters, own[0].key))
    for unit in units:
        cost = sum(seconds[cell.key] for cell in unit)
        if cells and (total + cost > limit or len(cells) + len(unit) > _MOST_CELLS):
            yield cells
            cells, total = [], 0.0
        cells += unit
        total += cost
    yield cells


def _bundle(cells: list[Cell]) -> Bundle:
    keys = tuple(cell.key for cell in cells)
    task, method, largest = cells[0].task, cells[0].method, cells[-1].architecture
    return Bundle(
        name=f"{task}.{method}.{largest.slug}.{digest(sorted(keys))[:8]}",
        title=f"{len(keys)} cells of {method} on {task}, up to {largest}",
        cells=tuple(cells),
    )
