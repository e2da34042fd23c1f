"""Removing results: so that jobs are done again, or because no study needs them any more."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Literal

from pdbench.core.entries import read_record
from pdbench.core.errors import DataError, UsageError
from pdbench.core.files import remove
from pdbench.ops.status import Survey
from pdbench.study import Cell, Study
from pdbench.workflow import Paths
from pdbench.workflow.graph import Graph
from pdbench.workflow.kinds import KINDS, Job, jobs_of
from pdbench.workflow.paths import SAVED, STATUS
from pdbench.workflow.specs import STORE


def redo(found: Survey, which: Literal["failed", "missing", "all"], *, yes: bool) -> list[str]:
    """Remove what is in the way of doing jobs again, and say what went.

    Of failed and missing jobs these are saved states, status files and logs; finished runs stay.
    Of ``all`` the finished runs of every cell go too, what says that they are done, and the
    table of them, and only they: data, teachers and pre-trained students stay. That removes
    nothing without ``yes``, and is a UsageError while cells are running.
    """
    if which == "all":
        going = _everything(found)
        if going and not yes:
            head = f"--redo all would remove {len(going)} files and folders, all that is finished"
            return [f"{head} among them; nothing was removed: say --yes", *map(str, going)]
    else:
        wanted = {"failed", which}
        going = _traces(found, [job for job, state in found.states.items() if state in wanted])
    for path in going:
        remove(path)
    again = f"pdbench run {shlex.quote(found.study.argument)}"
    head = f"removed {len(going)} files and folders" if going else "there is nothing to remove"
    return [*(f"removed {path}" for path in going), f"{head}; now run {again}"]


def _everything(found: Survey) -> list[Path]:
    if found.cells["running"]:
        what = f"--redo all: {found.cells['running']} cells of {found.study.name} are running"
        raise UsageError(what, "stop them first")
    study, paths = found.study, found.paths
    going = [paths.table]
    for cell in study.seed_counts:
        for run in study.runs(cell):
            going += [paths.run(run), paths.student(run), paths.waiting(run)]
        going += [paths.folder(job) for job in jobs_of(study, cell)]
    cells = [Job("cell", cell) for cell in study.seed_counts]
    return [*(path for path in going if path.exists()), *_traces(found, cells)]


def _traces(found: Survey, jobs: Iterable[Job]) -> list[Path]:
    paths, traces = found.paths, []
    for job in jobs:
        traces += paths.states(job)
        for own in jobs_of(found.study, job.key) if job.kind == "cell" else [job]:
            traces += [paths.status(own), paths.log(own)]
    return [path for path in dict.fromkeys(traces) if path.exists()]


def superfluous(kept: Iterable[Study]) -> list[Path]:
    """What the store has that none of some studies needs.

    Marks of bundles, which depend on how a study is run, hold nothing and are left.
    """
    needed = {path for study in kept for path in _stored(study)}
    places = [STORE / name for name, kind in KINDS.items() if kind.is_stored and name != "bundle"]
    found = (path for place in (*places, SAVED, STATUS) for path in place.glob("[!.]*"))
    return sorted(path for path in found if path not in needed)


def of_study(study: Study, kept: Iterable[Study]) -> list[Path]:
    """All of a study, but what others need: what the store has of it, its report and its logs."""
    needed = {path for other in kept if other.name != study.name for path in _stored(other)}
    own = [path for path in _stored(study) if path not in needed]
    own += [Paths(study).results, Paths(study).reports, Paths(study).logs]
    return [path for path in own if path.exists()]


def clean(going: Collection[Path], *, yes: bool) -> list[str]:
    """Remove files and folders if that is meant, else list them; return lines that say so."""
    if not going:
        return ["there is nothing to remove"]
    if yes:
        for path in going:
            remove(path)
        return [f"removed {len(going)} files and folders"]
    return [*map(str, going), f"nothing was removed: say --yes to remove these {len(going)}"]


def _stored(study: Study) -> Iterator[Path]:
    """What the store may have of a study: entries, saved states and words of how far it came."""
    paths = Paths(study)
    runs = (Job("run", run) for cell in study.seed_counts for run in study.runs(cell))
    seeds = (job for cell in study.seed_counts for job in jobs_of(study, cell))
    for job in dict.fromkeys((*Graph(study).jobs, *runs, *seeds)):
        if KINDS[job.kind].is_stored:
            folder = paths.folder(job)
            yield from (folder, paths.state(folder), paths.status(job))
    for cell in study.seed_counts:
        yield from _students(study, paths, cell)


def _students(study: Study, paths: Paths, cell: Cell) -> Iterator[Path]:
    """The students of a cell that its record says are kept, or all that may be before it is."""
    with contextlib.suppress(DataError):
        yield from map(
            Path, read_record(paths.folder(Job("cell", cell))).get("students", {}).values()
        )
        return
    if study.training.keep_students != "none":
        for run in study.runs(cell):
            yield from (paths.student(run), paths.waiting(run))
