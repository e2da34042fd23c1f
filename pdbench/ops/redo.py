"""Preparing jobs to be done again: the next run of Snakemake then does them."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Literal, TypeAlias

from pdbench.core.errors import DataError, UsageError
from pdbench.core.files import read_json
from pdbench.ops.status import Survey, saved_states, states_of
from pdbench.study import Cell, Study
from pdbench.study.cells import SeedOf
from pdbench.workflow.kinds import Job
from pdbench.workflow.paths import STORE

Which: TypeAlias = Literal["failed", "missing", "all"]


def leftovers(found: Survey, which: Which) -> list[Path]:
    """What must go so that jobs begin anew: files and folders that are there.

    Of failed and missing jobs these are saved states, status files and logs; finished runs stay.
    Of ``all`` the finished runs of every cell go too, what says that they are done, and the
    table of them, and only they: data, teachers and pre-trained students stay.

    Raises:
        UsageError: Everything is to go while cells are running.
    """
    if which == "all":
        return _everything(found)
    wanted = {"failed"} if which == "failed" else {"failed", "missing"}
    return _traces(found, [job for job, state in found.states.items() if state in wanted])


def _everything(found: Survey) -> list[Path]:
    if found.cells["running"]:
        what = f"--redo all: {found.cells['running']} cells of {found.study.name} are running"
        raise UsageError(what, "stop them first")
    study, paths = found.study, found.paths
    going = [paths.table]
    for cell in study.seeds:
        going += [paths.folder(Job("run", run)) for run in study.runs(cell)]
        going += [paths.folder(job) for job in _marks(study, cell)]
    names = {cell.key for cell in study.seeds}
    stamps = (STORE / "bundle").glob("*/*.json")
    going += [stamp.parent for stamp in stamps if _names_one(stamp, names)]
    cells = [Job("cell", cell) for cell in study.seeds]
    return [*(path for path in going if path.exists()), *_traces(found, cells)]


def _marks(study: Study, cell: Cell) -> list[Job]:
    """The jobs of a cell and of its seeds."""
    seeds = (Job("seed", SeedOf(cell, number)) for number in range(study.seeds[cell]))
    return [Job("cell", cell), *seeds]


def _names_one(stamp: Path, cells: Collection[str]) -> bool:
    """Whether what says that a bundle is done names one of some cells."""
    try:
        return not set(read_json(stamp)["cells"]).isdisjoint(cells)
    except (DataError, KeyError, TypeError):
        return True  # a broken one says nothing


def remove(paths: Iterable[Path]) -> None:
    """Remove files and folders."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _traces(found: Survey, jobs: Iterable[Job]) -> list[Path]:
    paths, saved = found.paths, saved_states()
    traces = []
    for job in jobs:
        traces += states_of(found.study, paths, job, saved)
        for own in _marks(found.study, job.key) if job.kind == "cell" else ():
            traces += [paths.status(own), paths.log(own)]
        traces.append(paths.log(job))
    return [path for path in dict.fromkeys(traces) if path.exists()]


def prepare(found: Survey, which: Which, *, yes: bool) -> list[str]:
    """Remove what is in the way of doing jobs again, and say what went.

    Args:
        found: The state of the study.
        which: Which jobs.
        yes: Whether finished runs may go.

    Returns:
        Lines for the user.
    """
    going = leftovers(found, which)
    cells = found.cells["done"] if which == "all" else 0
    if cells and not yes:
        head = f"--redo all would remove {len(going)} files and folders, {cells} finished cells"
        return [f"{head} with all their runs; nothing was removed: say --yes", *map(str, going)]
    remove(going)
    again = f"snakemake --config study={shlex.quote(found.study.argument)}"
    head = f"removed {len(going)} files and folders" if going else "there is nothing to remove"
    return [*(f"removed {path}" for path in going), f"{head}; now run {again}"]
