"""A device's constants from what finished runs really took, with what remains uncertain.

The constants that are stated for a device are the prior: each known within its factor. The
finished runs, by kind of model and stage, move those that they say something about; the others
keep their factor, so that an estimate for sizes far from what was measured stays wide.
"""

from __future__ import annotations

import csv
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast, get_args

import numpy as np

from pdbench.core.errors import DataError
from pdbench.jobs.record import FIT, PRETRAIN, RunRecord, StageRecord
from pdbench.planning.costs import (
    COUNTED,
    Seen,
    Work,
    classifier,
    distinct_pieces,
    fitting,
    masked_lm,
)
from pdbench.planning.machines import H100, LAPTOP, Machine, machine_of
from pdbench.study import Architecture, Cell, Objective, Study
from pdbench.study.cells import VOCABULARY_SIZE
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job

_MOST = 600  # finished cells that are read: more say nothing new
_LEAST = 6  # observations below which the stated constants stand
_ROUNDS = 30
_LEAST_SPREAD = 0.05


@dataclass(frozen=True)
class Observation:
    """Something that was timed; those of a group share their errors."""

    group: str
    work: Work
    seconds: float
    device: str


def machine_for(study: Study, device: str | None, measured: Sequence[Study]) -> Machine:
    """The device that a plan is made for, fitted to what was measured on one of its kind.

    ``device`` is its name or file; None takes the kind of device that the finished runs of the
    ``measured`` studies were made on, else a GPU for the paper's scale and a CPU for a demo.
    """
    seen = [o for one in measured for o in _observations(one)]
    if device is not None:
        machine = machine_of(device)
    else:
        found = _device_of(seen)
        gpu = study.scale == "paper" if found is None else _is_gpu(found)
        machine = H100 if gpu else LAPTOP
    alike = [o for o in seen if _is_gpu(o.device) == (machine.kind == "gpu")]
    common = _device_of(alike)
    return fitted(machine, [o for o in alike if o.device == common])


def _device_of(seen: Iterable[Observation]) -> str | None:
    names = Counter(observation.device for observation in seen)
    return names.most_common(1)[0][0] if names else None


def _is_gpu(device: str) -> bool:
    """Whether a record's device is a GPU: torch's names of them begin with their makers'."""
    return device.startswith(("NVIDIA", "Tesla", "AMD Instinct", "AMD Radeon"))


def _observations(study: Study) -> list[Observation]:
    """What the finished jobs of a study took: stages of runs, and starts of jobs."""
    paths = Paths(study)
    done = [cell for cell in study.seed_counts if paths.cell(cell).is_file()]
    step = max(1, len(done) // _MOST)  # cells from all over the study, so that few are enough
    spread_out = (cell for first in range(step) for cell in done[first::step])
    chosen = itertools.islice(spread_out, _MOST)
    found = [o for cell in chosen for o in _of_cell(study, paths, cell)]
    trained = [Job("pretrain", start) for start in study.pretrained]
    trained += [Job("teacher", task) for task in study.taught]
    records = filter(None, (_record(paths, job) for job in trained))
    return [*found, *(o for record in records for o in _of_record(study, record))]


def fitted(machine: Machine, seen: Sequence[Observation], timed: str = "finished jobs") -> Machine:
    """A machine with constants fitted to observations, as far as they say anything.

    Minimises the squared errors of the logarithms of seconds and, weighed by their factors,
    those of the constants. A group of G observations counts once, not G times, because what
    the model gets wrong it gets wrong for all of them.
    """
    if len(seen) < _LEAST:
        return machine
    counts = np.array([observation.work.counts for observation in seen])  # (N, K)
    fixed = np.array([observation.work.seconds for observation in seen])
    target = np.log([observation.seconds for observation in seen])
    groups = Counter(observation.group for observation in seen)
    weights = np.array([1 / groups[observation.group] for observation in seen])
    prior = np.log([machine.constants[kind].seconds for kind in COUNTED])
    precision = np.array([math.log(machine.constants[kind].factor) ** -2.0 for kind in COUNTED])
    logs, spread = prior.copy(), machine.spread
    for _ in range(_ROUNDS):
        parts = counts * np.exp(logs)
        modelled = fixed + parts.sum(axis=1)
        errors = target - np.log(modelled)
        slopes = parts / modelled[:, None]
        scaled = slopes * (weights / spread**2)[:, None]
        information = scaled.T @ slopes + np.diag(precision)
        gradient = scaled.T @ errors + precision * (prior - logs)
        logs = logs + np.clip(np.linalg.solve(information, gradient), -1, 1)
        spread = max(_LEAST_SPREAD, float(np.sqrt(np.average(errors**2, weights=weights))))
    origin = f"fitted to {len(seen)} timings of {timed} on {seen[0].device}"
    constants = {
        kind: replace(machine.constants[kind], seconds=float(seconds), source=origin)
        for kind, seconds in zip(COUNTED, np.exp(logs), strict=True)
    }
    covariance = tuple(map(tuple, np.linalg.inv(information).tolist()))
    return replace(
        machine, constants=constants, covariance=covariance, spread=spread, origin=origin
    )


def _of_cell(study: Study, paths: Paths, cell: Cell) -> Iterator[Observation]:
    whole = [found for run in study.runs(cell) if (found := _record(paths, Job("run", run)))]
    for record in whole:
        yield from _of_record(study, record)
    job = _benchmark(paths.benchmarks / "cell" / f"{paths.label(Job('cell', cell))}.tsv")
    if job is not None and whole and not any(r.environment.resumed for r in whole):
        start = job - sum(record.environment.seconds for record in whole)
        if start > 0:
            yield Observation("start", Work(starts=1), start, whole[0].environment.device)


def _of_record(study: Study, record: RunRecord) -> Iterator[Observation]:
    size = Architecture.parse(record.architecture)
    if record.environment.threads > 1 or record.environment.processes > 1:
        return
    for stage in record.stages:
        work = _work(study, size, stage)
        if work is not None and stage.seconds > 0:
            group = f"{stage.objective} {size}"
            yield Observation(group, work, stage.seconds, record.environment.device)


def _work(study: Study, size: Architecture, stage: StageRecord) -> Work | None:
    """What a stage computed; None for objectives that ask their teacher in every step."""
    positions = stage.pieces / max(1e-9, 1 - stage.padding)
    if stage.objective == FIT:
        seen = Seen(stage.steps, stage.examples, positions, distinct_pieces(stage.pieces))
        return fitting(size, seen, study.training.fit.dimensions)
    if stage.objective == PRETRAIN:
        distinct = distinct_pieces(stage.pieces)
        settings = study.training.pretrain
        scored = min(settings.softmax_pieces or VOCABULARY_SIZE, distinct)
        seen = Seen(stage.steps, stage.examples, positions, distinct)
        return masked_lm(size, seen, settings.masked, scored)
    if stage.objective not in get_args(Objective):
        return None
    epochs = study.stage(cast("Objective", stage.objective)).epochs
    distinct = distinct_pieces(stage.pieces / epochs)
    return classifier(size, Seen(stage.steps, stage.examples, positions, distinct))


def _record(paths: Paths, job: Job) -> RunRecord | None:
    try:
        return RunRecord.read(paths.output(job).parent)
    except DataError:
        return None


def _benchmark(path: Path) -> float | None:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return float(next(csv.DictReader(file, delimiter="\t"))["s"])
    except (OSError, StopIteration, KeyError, ValueError):
        return None
