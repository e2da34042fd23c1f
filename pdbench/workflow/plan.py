"""What a study would make and what it would cost: counted and estimated without training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pdbench.core.words import aligned, byte_size, estimated_duration
from pdbench.planning.costs import Costs, Sizes, Work
from pdbench.planning.machines import LAPTOP, Estimate, Machine
from pdbench.planning.schedule import makespan
from pdbench.study.config import Study
from pdbench.study.settings import ArtefactNeeds
from pdbench.workflow.graph import BUNDLE, MOST, Graph
from pdbench.workflow.kinds import KINDS, Job, kept_size

_HOUR = 3600.0
_SEEDS = (3, 5)  # of which a plan says what they would cost
_WHOLE_FROM = 100  # larger prices are shown without decimals
_WHOLE = "together"  # in place of an artefact's id
DEVICES = (1, 64)


@dataclass(frozen=True)
class _Cost:
    """What some jobs cost together."""

    steps: int  # each cell for itself
    device: Estimate  # seconds on the device
    cpu: float  # seconds of a CPU core beside it
    disk: float  # bytes that they leave

    def as_json(self) -> dict[str, Any]:
        """The cost in steps, hours and bytes."""
        return {
            "steps": self.steps,
            "device_hours": self.device.as_json(_HOUR),
            "cpu_hours": round(self.cpu / _HOUR, 3),
            "disk_bytes": round(self.disk),
        }


@dataclass(frozen=True)
class Rates:
    """What an hour of the device costs, and the power that it takes; None of what is not known."""

    price: float | None = None  # in any currency
    watts: float | None = None

    def of(self, device: Estimate) -> dict[str, Estimate]:
        """The price, and the energy in kWh, of seconds on the device, as far as they are known."""
        an_hour = {"price": self.price, "kwh": self.watts and self.watts / 1000}
        parts = device.seconds, device.low, device.high
        return {
            name: Estimate(*(seconds / _HOUR * rate for seconds in parts))
            for name, rate in an_hour.items()
            if rate is not None
        }


class Plan:
    """The size and the cost of a study on a machine that trains.

    ``sizes`` says how much data there is, None assumes it; the jobs that are ``done`` cost
    nothing more. ``bundle`` and ``split`` are those of :class:`~pdbench.workflow.graph.Graph`.
    """

    def __init__(
        self,
        study: Study,
        machine: Machine = LAPTOP,
        sizes: Sizes | None = None,
        done: Collection[Job] = (),
        bundle: float = BUNDLE,
        split: float = 0.0,
    ) -> None:
        self.study, self.machine = study, machine
        self.sizes = sizes or Sizes(study)
        self.graph, self._by_seed = Graph(study), Graph(study, split=split)
        self._as_run = Graph(study, bundle, split, MOST)
        self._costs = Costs(study, self.sizes)
        every = self.graph.work(self._costs)
        self.work: dict[Job, Work] = {job: w for job, w in every.items() if job not in done}

    @cached_property
    def runs(self) -> dict[str, int]:
        """The number of runs of each cell, by its key."""
        return {key: self.study.number_of_runs(cell) for key, cell in self.study.cells.items()}

    def runs_of(self, artefact: str) -> int:
        """The runs that an artefact draws on."""
        return sum(self.runs[cell.key] for cell in self.study.artefact_cells(artefact))

    @cached_property
    def jobs(self) -> dict[str, int]:
        """The number of jobs of each rule, as the workflow counts them: bundles are jobs."""
        return dict(Counter(job.kind for job in self._as_run.jobs))

    @cached_property
    def rules(self) -> dict[str, _Cost]:
        """What is left to do costs by rule, each cell for itself."""
        found: dict[str, list[Job]] = {}
        for job in self.work:
            found.setdefault(job.kind, []).append(job)
        return {kind: self.cost(jobs) for kind, jobs in found.items()}

    @cached_property
    def disk(self) -> dict[Job, float]:
        """The bytes that each job leaves."""
        return {job: KINDS[job.kind].size(self._costs, job.key) for job in self.graph.jobs}

    @cached_property
    def _jobs_of(self) -> dict[str, set[Job]]:
        """The jobs that each artefact's cells need, by its id."""
        return {
            name: self.graph.upstream(Job("cell", cell) for cell in self.study.artefact_cells(name))
            for name in self.study.artefacts
        }

    def cost(self, keys: Iterable[Job]) -> _Cost:
        """What some jobs cost together; done ones cost nothing more."""
        left = [key for key in keys if key in self.work]
        trained = sum((self.work[key] for key in left if _is_on_device(key)), start=Work())
        return _Cost(
            steps=len(left),
            device=self.machine.estimate(trained, self.sizes.uncertainty),
            cpu=sum(LAPTOP.seconds(self.work[key]) for key in left if not _is_on_device(key)),
            disk=sum(self.disk[key] for key in left),
        )

    def own_and_shared(self, artefact: str) -> tuple[_Cost, _Cost]:
        """What an artefact costs that no other one needs, and what it costs with others."""
        jobs = self._jobs_of[artefact]
        others = set().union(*(own for name, own in self._jobs_of.items() if name != artefact))
        return self.cost(jobs - others), self.cost(jobs & others)

    @cached_property
    def whole(self) -> _Cost:
        """What all jobs cost."""
        return self.cost(self.work)

    @cached_property
    def alternatives(self) -> dict[str, dict[str, Estimate]]:
        """What the device would take for each artefact alone and for all, from the beginning.

        By the artefact's id or "together", and then by what is changed of the study: nothing
        ("as it is"), the seeds of every artefact, or whose runs select the grid point.
        """
        drawn = {name: needs for name, needs in self.study.artefacts.items() if needs.cells}
        alone = {name: {name: needs} for name, needs in drawn.items()}
        return {
            name: {
                words: self._device(study.changed(artefacts=_with_seeds(chosen, seeds)))
                for words, seeds, study in self._changed
            }
            for name, chosen in {**alone, _WHOLE: drawn}.items()
        }

    @cached_property
    def _changed(self) -> list[tuple[str, int | None, Study]]:
        """The study as it is and changed: in words, the seeds of every artefact, and the rest."""
        training = self.study.training
        other = "all-seeds" if training.select == "first-seed" else "first-seed"
        selecting = self.study.changed(training=training.model_copy(update={"select": other}))
        return [
            ("as it is", None, self.study),
            *((f"{seeds} seeds", seeds, self.study) for seeds in _SEEDS),
            (f"select: {other}", None, selecting),
        ]

    def _device(self, study: Study) -> Estimate:
        found = Graph(study).work(Costs(study, self.sizes))
        trained = sum((work for job, work in found.items() if _is_on_device(job)), start=Work())
        return self.machine.estimate(trained, self.sizes.uncertainty)

    @cached_property
    def _states(self) -> list[float]:
        """The bytes of the states that training jobs save, the largest first."""
        found = []
        for job in self.work:
            at_once = len(self._by_seed.split.get(job.key, (0,)))
            found += [KINDS[job.kind].state_size(self._costs, job.key)] * at_once
        return sorted(found, reverse=True)

    def peak_disk(self, devices: int) -> float:
        """Bytes that must be free for all jobs and the states of those that run at once."""
        return self.whole.disk + sum(self._states[:devices])

    @cached_property
    def kept(self) -> tuple[int, float]:
        """How many students will be kept, and their bytes."""
        cells = [job.key for job in self.work if job.kind == "cell"]
        number = sum(map(self.study.number_of_kept, cells))
        return number, sum(kept_size(self.study, cell) for cell in cells)

    @cached_property
    def seconds(self) -> dict[Job, float]:
        """The wall time of each job that is left, large cells seed by seed."""
        return {
            job: (self.machine if _is_on_device(job) else LAPTOP).seconds(work)
            for job, work in self._by_seed.work(self._costs).items()
            if (Job("cell", job.key.cell) if job.kind == "seed" else job) in self.work
        }

    @property
    def longest(self) -> tuple[Job, float] | None:
        """The job that takes longest, and its seconds: no number of devices makes it shorter."""
        return max(self.seconds.items(), key=lambda item: item[1], default=None)

    def wall(self, devices: int) -> Estimate:
        """The wall time on some devices, with the interval of the work itself."""
        needs, urgency = self._by_seed.needs, self._by_seed.priority
        takes_one = _is_on_device if self.machine.kind == "gpu" else lambda job: True
        found = makespan(self.seconds, needs, takes_one, devices, urgency)
        device = self.whole.device
        high = device.high / device.seconds if device.seconds else 1.0
        return Estimate(found, found / high, found * high)

    def as_text(self, devices: Sequence[int] = DEVICES, rates: Rates | None = None) -> list[str]:
        """The plan as lines: small tables, with its assumptions named."""
        last = [*_wall(self, devices), *_billed(self, rates or Rates())]
        tables = (_artefacts(self), _rules(self), _alternatives(self), last)
        return [*_head(self), *(line for lines in tables for line in ("", *lines))]

    def as_json(
        self, devices: Sequence[int] = DEVICES, rates: Rates | None = None
    ) -> dict[str, Any]:
        """The plan as ``pdbench plan --json`` writes it.

        ``jobs`` counts jobs by rule, of which a bundle has several cells; ``rules`` and
        ``artefacts`` have costs, an artefact's own and those it shares; ``alternatives`` has the
        hours of each artefact alone, with other seeds and another selection; ``wall_hours`` and
        ``peak_disk_bytes`` go by the number of devices, ``cells`` by the runs of each.
        ``kept_students`` counts the students whose weights stay; ``bill`` has price and kwh of
        the time on the device, by the ``rates`` that are known.
        """
        bill = (rates or Rates()).of(self.whole.device)
        return {
            "study": self.study.name,
            "totals": {
                "artefacts": len(self.study.artefacts),
                "cells": len(self.runs),
                "jobs": sum(self.jobs.values()),
                "runs": sum(self.runs.values()),
                **self.whole.as_json(),
            },
            "device": {
                "name": self.machine.name,
                "title": self.machine.title,
                "origin": self.machine.origin,
                "sizes": "assumed" if self.sizes.uncertainty else "counted",
                "constants": {
                    kind: {"seconds": constant.seconds, "source": constant.source}
                    for kind, constant in self.machine.constants.items()
                },
            },
            "rules": {rule: cost.as_json() for rule, cost in self.rules.items()},
            "jobs": self.jobs,
            "wall_hours": {str(n): self.wall(n).as_json(_HOUR) for n in devices},
            "bill": {name: found.as_json(1.0) for name, found in bill.items()},
            "kept_students": {"number": self.kept[0], "disk_bytes": round(self.kept[1])},
            "peak_disk_bytes": {str(n): round(self.peak_disk(n)) for n in devices},
            "artefacts": {
                name: {
                    "cells": [cell.key for cell in self.study.artefact_cells(name)],
                    "runs": self.runs_of(name),
                    "own": own.as_json(),
                    "shared": shared.as_json(),
                }
                for name in self.study.artefacts
                for own, shared in (self.own_and_shared(name),)
            },
            "alternatives": {
                name: {words: found.as_json(_HOUR) for words, found in row.items()}
                for name, row in self.alternatives.items()
            },
            "cells": self.runs,
        }


def _is_on_device(job: Job) -> bool:
    return KINDS[job.kind].on_device


def _span(estimate: Estimate) -> str:
    """An estimate with its 90% interval, in hours or minutes."""
    if estimate.seconds == 0:
        return "-"
    low, high = estimated_duration(estimate.low), estimated_duration(estimate.high)
    return f"{estimated_duration(estimate.seconds)} ({low} to {high})"


def _head(plan: Plan) -> list[str]:
    totals = f"{len(plan.runs)} cells, {sum(plan.runs.values())} runs"
    machine = plan.machine
    sizes = "assumed from the study" if plan.sizes.uncertainty else "counted by the audit"
    return [
        f"Study {plan.study.name}: {sum(plan.jobs.values())} jobs, {totals}",
        f"Device: {machine.title}; {machine.origin}",
        *(
            f"  {kind:9} {constant.seconds:9.3g} s each: {constant.source}"
            for kind, constant in machine.constants.items()
            if constant.source != machine.origin
        ),
        f"Size of the data: {sizes}. In brackets: 90% intervals.",
    ]


def _artefacts(plan: Plan) -> list[str]:
    rows = [("artefact", "cells", "runs", "own", "shared with others", "disk")]
    for name in plan.study.artefacts:
        own, shared = plan.own_and_shared(name)
        cells, runs = len(plan.study.artefact_cells(name)), plan.runs_of(name)
        disk = byte_size(own.disk + shared.disk)
        rows.append((name, str(cells), str(runs), _span(own.device), _span(shared.device), disk))
    cells, runs, disk = len(plan.runs), sum(plan.runs.values()), byte_size(plan.whole.disk)
    rows.append(("together", str(cells), str(runs), _span(plan.whole.device), "", disk))
    return aligned(rows)


def _rules(plan: Plan) -> list[str]:
    rows = [("step", "number", f"{_word(plan)} time", "CPU time", "disk")]
    for name, cost in [*plan.rules.items(), ("together", plan.whole)]:
        cpu = estimated_duration(cost.cpu) if cost.cpu else "-"
        rows.append((name, str(cost.steps), _span(cost.device), cpu, byte_size(cost.disk)))
    return aligned(rows)


def _alternatives(plan: Plan) -> list[str]:
    rows = [("alone, whatever is done", *next(iter(plan.alternatives.values())))]
    for name, found in plan.alternatives.items():
        rows.append((name, *(estimated_duration(own.seconds) for own in found.values())))
    return aligned(rows)


def _with_seeds(
    artefacts: Mapping[str, ArtefactNeeds], seeds: int | None
) -> dict[str, ArtefactNeeds]:
    """Artefacts with so many seeds each; None leaves them as they are."""
    changed = {} if seeds is None else {"seeds": seeds}
    return {name: needs.model_copy(update=changed) for name, needs in artefacts.items()}


def _wall(plan: Plan, devices: Sequence[int]) -> list[str]:
    rows = [(f"{_word(plan)}s", "wall time", "free disk needed")]
    rows += [(str(n), _span(plan.wall(n)), byte_size(plan.peak_disk(n))) for n in devices]
    lines = aligned(rows)
    if plan.longest is not None:
        key, seconds = plan.longest
        lines.append(f"The longest job is {key}: {estimated_duration(seconds)}")
    number, kept = plan.kept
    how = plan.study.training.keep_students
    lines.append(f"Kept students ({how}): {number}, {byte_size(kept)} of that disk")
    lines.append("Disk is with the states of running jobs; the hub's own caches come on top")
    return lines


def _billed(plan: Plan, rates: Rates) -> Iterator[str]:
    units = {"price": "in the currency of --price", "kwh": "kWh"}
    for name, found in rates.of(plan.whole.device).items():
        parts = found.seconds, found.low, found.high
        value, low, high = (f"{p:,.0f}" if p >= _WHOLE_FROM else f"{p:.3g}" for p in parts)
        yield f"All {_word(plan)} time: {value} ({low} to {high}) {units[name]}"


def _word(plan: Plan) -> str:
    return "GPU" if plan.machine.kind == "gpu" else "core"
