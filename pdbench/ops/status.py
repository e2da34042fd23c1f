"""How far a study is: what is done, what runs, what failed and why, what is missing.

Only names and dates of files are looked at, and the files of jobs that are not done: ten
thousand cells take a second, and nothing here imports torch.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pdbench.core.lines import rich_line
from pdbench.core.processes import identity
from pdbench.core.words import aligned
from pdbench.study import Cell, Study
from pdbench.workflow import Paths
from pdbench.workflow.graph import Graph
from pdbench.workflow.kinds import Job, jobs_of
from pdbench.workflow.paths import SAVED, STATUS

_State: TypeAlias = Literal["done", "running", "failed", "missing"]
_STATES: tuple[_State, ...] = get_args(_State)
_COLOURS = ("green", "cyan", "red", "dim")
_WEIGHT = ("running", "failed", "missing", "done")  # of a cell's seeds' states, what says most

# Seconds for which a job of another host counts as alive after its last sign of life: three times
# the interval at which a training job saves its state. A job that SLURM runs is alive.
_FRESH = 900.0
_STOPPED = ": stopped at "  # in a training job's last line: it saved its state at a signal
_REDRAWN = 3.0  # seconds between two looks
_SHOWN = 10  # failures that a terminal shows; --json has them all
_TAIL = 65_536  # bytes at a log's end that are read
_LOCKS = Path(".snakemake/locks")  # has files while Snakemake is at work, or was killed
_SECONDS = 5.0  # that another program may take to answer
_MARKS = re.compile(
    r"\berror:|\b(killed|cancelled|oom|oom[-_]kill\w*|out of memory|no space)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class _Failure:
    job: Job
    reason: str  # the line that says why
    log: Path
    waiting: int  # cells that wait for it

    def as_json(self) -> dict[str, Any]:
        return {
            "rule": self.job.kind,
            "name": self.job.name,
            "reason": self.reason,
            "log": str(self.log),
            "cells_waiting": self.waiting,
        }


@dataclass(frozen=True)
class Survey:
    """The state of every job of a study, and why those that failed did."""

    graph: Graph
    paths: Paths
    states: dict[Job, _State]
    reasons: dict[Job, str]
    queue: dict[str, int]  # SLURM's jobs of this user by state

    @classmethod
    def of(cls, study: Study, now: float | None = None) -> Survey:
        """Look at all jobs of a study, now or at another second since 1970."""
        graph, paths = Graph(study), Paths(study)
        look = _Look(study, paths, time.time() if now is None else now)
        found = {job: look.at(job) for job in graph.jobs}
        states = {job: state for job, (state, _) in found.items()}
        reasons = {job: reason for job, (_, reason) in found.items() if reason is not None}
        return cls(graph, paths, states, reasons, look.queue.counts)

    @property
    def study(self) -> Study:
        """The study."""
        return self.graph.study

    @cached_property
    def cells(self) -> Counter[_State]:
        """How many cells are in each state."""
        return self._count(self.study.seed_counts)

    @cached_property
    def artefacts(self) -> dict[str, Counter[_State]]:
        """The cells of each artefact that has some, by state."""
        named = self.study.artefacts.items()
        return {n: self._count(self.study.artefact_cells(n)) for n, needs in named if needs.cells}

    @cached_property
    def kinds(self) -> dict[str, Counter[_State]]:
        """All jobs by kind and state."""
        found: dict[str, Counter[_State]] = {}
        for job, state in self.states.items():
            found.setdefault(job.kind, Counter())[state] += 1
        return found

    @cached_property
    def failures(self) -> list[_Failure]:
        """What failed: first what most cells wait for."""
        found = [
            _Failure(job, reason, self.paths.log(job), self._waiting(job))
            for job, reason in self.reasons.items()
        ]
        return sorted(found, key=lambda failure: -failure.waiting)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.states[Job("report")] == "done" and not self.cells["running"]

    def _count(self, cells: Iterable[Cell]) -> Counter[_State]:
        return Counter(self.states[Job("cell", cell)] for cell in cells)

    def _waiting(self, job: Job) -> int:
        if job.kind == "cell":
            return 0
        return sum(self.states[cell] != "done" and job in needs for cell, needs in self._upstream)

    @cached_property
    def _upstream(self) -> list[tuple[Job, set[Job]]]:
        """What each cell waits for, directly or not; cells of one kind share the same."""
        upstream = cache(self.graph.upstream)
        cells = (Job("cell", cell) for cell in self.study.seed_counts)
        return [(cell, upstream(self.graph.needs[cell])) for cell in cells]

    def as_text(self) -> list[str]:
        """The survey as plain lines."""
        table = [("artefact", *_STATES), *_rows(self)]
        failures = (line for failure in self.failures for line in _explain(failure))
        return [*aligned(table), "", *_other_jobs(self), *failures]

    def as_json(self) -> dict[str, Any]:
        """The survey as ``pdbench status --json`` prints it."""
        return {
            "study": self.study.name,
            "cells": _counts(self.cells),
            "artefacts": {name: _counts(found) for name, found in self.artefacts.items()},
            "jobs": {kind: _counts(found) for kind, found in self.kinds.items()},
            "running": [str(job) for job, state in self.states.items() if state == "running"],
            "failures": [failure.as_json() for failure in self.failures],
            "queue": self.queue,
        }


class _Queue:
    def __init__(self) -> None:
        # Number, state, working directory and comment of every job of this user.
        said = answer("squeue", "--me", "--noheader", "--format=%i|%T|%Z|%k") or ""
        rows = [row for line in said.splitlines() if len(row := line.strip().split("|", 3)) == 4]
        self.jobs = {number: state for number, state, _, _ in rows}
        self.counts = dict(sorted(Counter(self.jobs.values()).items()))
        here = str(Path.cwd())
        self._running = {_plain(row[3]) for row in rows if row[1:3] == ["RUNNING", here]}

    def runs(self, job: Job, label: str) -> bool:
        """Whether a job that Snakemake submitted from this folder is running."""
        names = (job.kind, "wildcards", label) if job.name else (job.kind,)
        return _plain("_".join(("rule", *names))) in self._running


def answer(*command: str) -> str | None:
    """What another program prints; None if it is not there or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _plain(comment: str) -> str:
    """A comment with its separators alike: those of several wildcards are not our dots."""
    return re.sub(r"[^A-Za-z0-9]", "_", comment)


class _Look:
    def __init__(self, study: Study, paths: Paths, now: float) -> None:
        self.queue, self._names = _Queue(), cache(_names_in)
        self._study, self._paths, self._now = study, paths, now

    def at(self, job: Job) -> tuple[_State, str | None]:
        """The state of a job, and why it failed if it did."""
        if os.path.exists(self._paths.output(job)):  # noqa: PTH110 - ten times as fast
            return "done", None
        if job.kind == "cell" and (words := self._words(job)):
            found = [self._by_word(job, own) for own in words]
            return min(found, key=lambda said: _WEIGHT.index(said[0]))
        log = self._paths.log(job)
        return self._by_log(job) if log.name in self._names(log.parent) else ("missing", None)

    def _words(self, job: Job) -> list[Job]:
        """Those of a cell's job and its seeds' that have left word of how far they came."""
        started = self._names(STATUS)
        own = jobs_of(self._study, job.key) if started else ()
        return [one for one in own if self._paths.status(one).name in started]

    def _by_word(self, job: Job, own: Job) -> tuple[_State, str | None]:
        """What the status file of a cell or of a seed says, if its process still lives."""
        log = self._paths.log(own)
        try:
            said = json.loads(self._paths.status(own).read_text(encoding="utf-8"))
            state = said["state"]
        except (OSError, ValueError, KeyError):
            return self._by_log(job)
        name = f"seed {own.key.seed_number}, {log}: " if own.kind == "seed" else ""
        if state == "failed":
            return "failed", name + (said.get("reason") or _ending(log)[0])
        if state != "running":  # stopped: the next run takes it up
            return "missing", None
        if self._lives(said, job):
            return "running", None
        where = f"{said.get('host')}, process {said.get('pid')}"
        return "failed", f"{name}ended without a word on {where}: {_ending(log)[0]}"

    def _by_log(self, job: Job) -> tuple[_State, str | None]:
        """What can be said of a job that writes nothing but a log.

        Snakemake also leaves an empty log of a job that could not be submitted.
        """
        line, is_error = _ending(self._paths.log(job))
        if is_error:
            return "failed", line
        supervised = bool(self._names(_LOCKS))
        if self.queue.runs(job, self._paths.label(job)) or (supervised and self._is_fresh(job)):
            return "running", None
        if _STOPPED in line:  # the next run takes it up
            return "missing", None
        return "failed", f"ended without a word: {line}"

    def _lives(self, said: dict[str, Any], job: Job) -> bool:
        if said.get("host") == platform.node():
            return identity(said.get("pid", 0)) == said.get("began")
        if said.get("slurm_job") and self.queue.jobs:
            return str(said["slurm_job"]) in self.queue.jobs
        return self._is_fresh(job)

    def _is_fresh(self, job: Job) -> bool:
        signs = [self._paths.log(job)]
        if self._names(SAVED):
            signs += self._paths.states(job)
        if job.kind == "cell":
            signs += [self._paths.status(own) for own in self._words(job)]
        return any(self._now - _changed(path) < _FRESH for path in signs)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _ending(path: Path) -> tuple[str, bool]:
    """The last error of a log, else its last line; and whether it is an error."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return "it left no log", False
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if _MARKS.search(line)]
    last = (errors or lines or ["its log is empty; Snakemake's own are in .snakemake/log"])[-1]
    return last.removeprefix("pdbench: error: "), bool(errors)


def _names_in(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))  # noqa: PTH208 - names alone, without a Path for each
    except OSError:
        return set()


def _counts(found: Counter[_State]) -> dict[str, int]:
    return {state: found[state] for state in _STATES}


def watch(console: Console, look: Callable[[], Survey]) -> None:
    """Draw what ``look`` finds on a terminal, until the study is done or Ctrl-C."""
    found = look()
    live = Live(_drawn(found), console=console, auto_refresh=False)
    with contextlib.suppress(KeyboardInterrupt), live:
        while not found.is_over:
            time.sleep(_REDRAWN)
            found = look()
            live.update(_drawn(found), refresh=True)


def _rows(found: Survey) -> list[tuple[str, ...]]:
    counted = {**found.artefacts, "all cells": found.cells}
    return [(name, *(str(counts[state]) for state in _STATES)) for name, counts in counted.items()]


def _other_jobs(found: Survey) -> list[str]:
    lines = []
    for kind, counts in found.kinds.items():
        if kind != "cell" and counts["done"] < counts.total():
            parts = (f"{counts[state]} {state}" for state in _STATES if counts[state])
            lines.append(f"{kind}: {', '.join(parts)}")
    if found.queue:
        jobs = ", ".join(f"{count} {state.lower()}" for state, count in found.queue.items())
        lines.append(f"SLURM: {jobs}")
    return lines


def _explain(failure: _Failure) -> list[str]:
    waiting = f" ({failure.waiting} cells wait for it)" if failure.waiting else ""
    return [f"failed: {failure.job}{waiting}", f"  {failure.reason}", f"  {failure.log}"]


def _drawn(found: Survey) -> Group:
    table = Table(box=None, pad_edge=False)
    table.add_column(f"study {found.study.name}")
    for state, colour in zip(_STATES, _COLOURS, strict=True):
        table.add_column(state, justify="right", style=colour)
    *artefacts, cells = _rows(found)
    for row in artefacts:
        table.add_row(*map(rich_line, row))
    table.add_row(*cells, style="bold")
    parts: list[RenderableType] = [table, *map(rich_line, _other_jobs(found))]
    for failure in found.failures[:_SHOWN]:
        first, *others = _explain(failure)
        parts += [rich_line(first, "red"), *map(rich_line, others)]
    if len(found.failures) > _SHOWN:
        parts.append(Text(f"and {len(found.failures) - _SHOWN} more failures"))
    return Group(*parts)
