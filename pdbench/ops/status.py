"""How far a study is: what is done, what runs, what failed and why, what is missing.

Only names and dates of files are looked at, and the files of jobs that are not done: ten
thousand cells take a second, and nothing here imports torch.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from pdbench.study import Study
from pdbench.study.cells import SeedOf
from pdbench.workflow import Paths
from pdbench.workflow.graph import Graph
from pdbench.workflow.kinds import KINDS, Job
from pdbench.workflow.paths import SAVED, STORE

State: TypeAlias = Literal["done", "running", "failed", "missing"]
STATES: tuple[State, ...] = get_args(State)

FRESH = 900.0
"""Seconds for which a job of another host counts as alive after its last sign of life: three
times the interval at which a training job saves its state. A job that SLURM runs is alive."""

STOPPED = ": stopped at "
"""Says in a training job's last line that it saved its state because a signal asked for it."""

_TAIL = 65_536  # bytes at a log's end that are read
_LOCKS = Path(".snakemake/locks")  # has files while Snakemake is at work, or was killed
_RUNS = "RUNNING"  # as squeue says it
_QUEUE_SECONDS = 5.0  # that squeue may take
_MARKS = re.compile(
    r"\berror:|\b(killed|cancelled|oom|oom[-_]kill\w*|out of memory|no space)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Failure:
    """A job that failed.

    Attributes:
        job: The job.
        reason: The line that explains it.
        log: Its log.
        waiting: Cells that wait for it, itself not counted.
    """

    job: Job
    reason: str
    log: Path
    waiting: int = 0

    def as_json(self) -> dict[str, Any]:
        """The failure with its log."""
        return {
            "rule": self.job.kind,
            "name": self.job.name,
            "reason": self.reason,
            "log": str(self.log),
            "cells_waiting": self.waiting,
        }


@dataclass(frozen=True)
class Survey:
    """The state of every job of a study.

    Attributes:
        graph: The jobs.
        paths: Their files.
        states: The state of each.
        reasons: Why those that failed did.
        queue: SLURM's jobs of this user by state; empty without a queue.
    """

    graph: Graph
    paths: Paths
    states: dict[Job, State]
    reasons: dict[Job, str]
    queue: dict[str, int] = field(default_factory=dict)

    @property
    def study(self) -> Study:
        """The study."""
        return self.graph.study

    def count(self, keys: Iterable[Job]) -> Counter[State]:
        """How many of some jobs are in each state."""
        return Counter(self.states[key] for key in keys)

    @cached_property
    def cells(self) -> Counter[State]:
        """How many cells are in each state."""
        return self.count(Job("cell", cell) for cell in self.study.seeds)

    @cached_property
    def artefacts(self) -> dict[str, Counter[State]]:
        """The cells of each artefact that has some, by state."""
        return {
            name: self.count(Job("cell", cell) for cell in self.study.artefact_cells(name))
            for name, needs in self.study.artefacts.items()
            if needs.cells
        }

    @cached_property
    def rules(self) -> dict[str, Counter[State]]:
        """All jobs by rule and state."""
        found: dict[str, Counter[State]] = {}
        for job, state in self.states.items():
            found.setdefault(job.kind, Counter())[state] += 1
        return found

    @cached_property
    def failures(self) -> list[Failure]:
        """What failed: first what most cells wait for."""
        found = [
            Failure(job, reason, self.paths.log(job), self._waiting(job))
            for job, reason in self.reasons.items()
        ]
        return sorted(found, key=lambda failure: -failure.waiting)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.states[Job("report")] == "done" and not self.cells["running"]

    def _waiting(self, job: Job) -> int:
        if job.kind == "cell":
            return 0
        return sum(
            self.states[cell] != "done" and job in needs for cell, needs in self._upstream.items()
        )

    @cached_property
    def _upstream(self) -> dict[Job, set[Job]]:
        """What each cell waits for, directly or not; cells of one kind share the same."""
        known: dict[tuple[Job, ...], set[Job]] = {}
        found = {}
        for cell in (Job("cell", cell) for cell in self.study.seeds):
            needs = self.graph.needs[cell]
            if needs not in known:
                known[needs] = self.graph.upstream(needs)
            found[cell] = known[needs]
        return found

    def as_json(self) -> dict[str, Any]:
        """Return the survey in the shape that ``pdbench status --json`` prints."""
        return {
            "study": self.study.name,
            "cells": _counts(self.cells),
            "artefacts": {name: _counts(found) for name, found in self.artefacts.items()},
            "jobs": {rule: _counts(found) for rule, found in self.rules.items()},
            "running": [str(job) for job, state in self.states.items() if state == "running"],
            "failures": [failure.as_json() for failure in self.failures],
            "queue": self.queue,
        }


def survey(study: Study, now: float | None = None) -> Survey:
    """Look at all jobs of a study.

    Args:
        study: The study.
        now: Seconds since 1970; None asks the clock.
    """
    graph, paths = Graph(study), Paths(study)
    look = _Look(study, paths, time.time() if now is None else now)
    states: dict[Job, State] = {}
    reasons: dict[Job, str] = {}
    for job in graph.jobs:
        states[job], reason = look.at(job)
        if reason is not None:
            reasons[job] = reason
    return Survey(graph, paths, states, reasons, look.queue.counts)


class _Queue:
    """SLURM's jobs of this user."""

    def __init__(self) -> None:
        rows = self._ask() if shutil.which("squeue") else []
        self.jobs = {number: state for number, state, _, _ in rows}
        self.counts = dict(sorted(Counter(self.jobs.values()).items()))
        here = str(Path.cwd())
        self._running = {
            _plain(comment)
            for _, state, folder, comment in rows
            if (state, folder) == (_RUNS, here)
        }

    def runs(self, job: Job, label: str) -> bool:
        """Whether a job that Snakemake submitted from this folder is running."""
        names = (job.kind, "wildcards", label) if job.name else (job.kind,)
        return _plain("_".join(("rule", *names))) in self._running

    def _ask(self) -> list[tuple[str, str, str, str]]:
        """Number, state, working directory and comment of every job."""
        command = ["squeue", "--me", "--noheader", "--format=%i|%T|%Z|%k"]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=True, timeout=_QUEUE_SECONDS
            )
        except (OSError, subprocess.SubprocessError):
            return []
        rows = (line.strip().split("|", 3) for line in done.stdout.splitlines())
        return [(row[0], row[1], row[2], row[3]) for row in rows if len(row) == 4]


def _plain(comment: str) -> str:
    """A comment with its separators alike: those of several wildcards are not our dots."""
    return re.sub(r"[^A-Za-z0-9]", "_", comment)


class _Look:
    """One look at the files of a study.

    Args:
        study: The study.
        paths: Its files.
        now: Seconds since 1970.
    """

    def __init__(self, study: Study, paths: Paths, now: float) -> None:
        self.queue = _Queue()
        self._now = now
        self._study, self._paths = study, paths
        self._started = _names(STORE / "status")
        self._is_supervised = bool(_names(_LOCKS))
        self._saved = saved_states()
        self._logged: dict[Path, set[str]] = {}

    def at(self, job: Job) -> tuple[State, str | None]:
        """The state of a job, and why it failed if it did."""
        if os.path.exists(self._paths.output(job)):  # noqa: PTH110 - ten times as fast
            return "done", None
        if job.kind == "cell" and (words := self._words(job)):
            return min((self._by_word(job, *word) for word in words), key=_by_weight)
        log = self._paths.log(job)
        if log.parent not in self._logged:
            self._logged[log.parent] = _names(log.parent)
        return self._by_log(job) if log.name in self._logged[log.parent] else ("missing", None)

    def _words(self, job: Job) -> list[tuple[Job, str]]:
        """The cell and its seeds, as far as they have status files, and how each is called."""
        if not self._started:
            return []
        seeds = range(self._study.seeds[job.key])
        found = [(job, "")]
        found += [(Job("seed", SeedOf(job.key, number)), f"seed {number}, ") for number in seeds]
        return [
            (own, whose) for own, whose in found if self._paths.status(own).name in self._started
        ]

    def _by_word(self, job: Job, own: Job, whose: str) -> tuple[State, str | None]:
        """What the status file of a cell or of a seed says, if its process still lives."""
        log = self._paths.log(own)
        try:
            said = json.loads(self._paths.status(own).read_text(encoding="utf-8"))
            state = said["state"]
        except (OSError, ValueError, KeyError):
            return self._by_log(job)
        name = f"{whose}{log}: " if whose else ""
        if state == "failed":
            return "failed", name + (said.get("reason") or last_line(log))
        if state != "running":  # stopped: the next run takes it up
            return "missing", None
        if self._lives(said, job):
            return "running", None
        where = f"{said.get('host')}, process {said.get('pid')}"
        return "failed", f"{name}ended without a word on {where}: {last_line(log)}"

    def _by_log(self, job: Job) -> tuple[State, str | None]:
        """What can be said of a job that writes nothing but a log.

        Snakemake also leaves an empty log of a job that could not be submitted.
        """
        line, is_error = _ending(self._paths.log(job))
        if is_error:
            return "failed", line
        if self.queue.runs(job, self._paths.label(job)) or (
            self._is_supervised and self._is_fresh(job)
        ):
            return "running", None
        if STOPPED in line:  # the next run takes it up
            return "missing", None
        return "failed", f"ended without a word: {line}"

    def _lives(self, said: dict[str, Any], job: Job) -> bool:
        if said.get("host") == platform.node():
            return Path(f"/proc/{said.get('pid')}").exists()
        if said.get("slurm_job") and self.queue.jobs:
            return str(said["slurm_job"]) in self.queue.jobs
        return self._is_fresh(job)

    def _is_fresh(self, job: Job) -> bool:
        """Whether a job has given a sign of life: a line, its word, or a saved state."""
        signs = [self._paths.log(job), *states_of(self._study, self._paths, job, self._saved)]
        if job.kind == "cell":
            signs += [self._paths.status(own) for own, _ in self._words(job)]
        return any(self._now - _changed(path) < FRESH for path in signs)


def _by_weight(found: tuple[State, str | None]) -> int:
    """What says most of a cell whose seeds are in different states."""
    return ("running", "failed", "missing", "done").index(found[0])


def saved_states() -> set[str]:
    """The names of all saved states."""
    return _names(SAVED)


def states_of(study: Study, paths: Paths, job: Job, saved: Collection[str]) -> list[Path]:
    """Those of some saved states that are of a job or of one of its runs."""
    if not saved or KINDS[job.kind].model is None:
        return []
    products = [job] if job.kind != "cell" else [Job("run", run) for run in study.runs(job.key)]
    folders = (paths.state(paths.folder(product)) for product in products)
    return [folder for folder in folders if folder.name in saved]


def _changed(path: Path) -> float:
    """When a file was changed, in seconds since 1970; 0 if it is not there."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def last_line(path: Path) -> str:
    """The line of a log that explains how it ended: the last error, else the last line."""
    return _ending(path)[0]


def _ending(path: Path) -> tuple[str, bool]:
    """The last error of a log, else its last line; and whether it is an error."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return "it left no log", False
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if _explains(line)]
    last = (errors or lines or ["its log is empty; Snakemake's own are in .snakemake/log"])[-1]
    return last.removeprefix("pdbench: error: "), bool(errors)


def _explains(line: str) -> bool:
    return _MARKS.search(line) is not None


def _names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))  # noqa: PTH208 - names alone, without a Path for each
    except OSError:
        return set()


def _counts(found: Counter[State]) -> dict[str, int]:
    return {state: found[state] for state in STATES}
