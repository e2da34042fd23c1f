"""Preparing jobs to be done again: the next run of Snakemake then does them."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Literal, TypeAlias

from pdbench.core.errors import DataError, UsageError
from pdbench.core.files import read_json
from pdbench.jobs.selection import is_outdated
from pdbench.ops.status import Survey, saved_states, states_of
from pdbench.workflow import Paths
from pdbench.workflow.graph import Node
from pdbench.workflow.jobs import seed_name

Which: TypeAlias = Literal["failed", "missing", "all"]


def leftovers(found: Survey, which: Which) -> list[Path]:
    """What must go so that jobs begin anew: files and folders that are there.

    Of failed and missing jobs these are saved states, status files and logs, and what says that
    a cell, its seeds or its bundle are done; finished runs stay, and a cell that is done again
    keeps them. A cell that was trained with other settings counts as missing. Of ``all`` the
    finished runs of every cell go too, and only they: data, teachers and pre-trained students
    stay.

    Raises:
        UsageError: Everything is to go while cells are running.
    """
    if which == "all":
        return _everything(found)
    wanted = {"failed"} if which == "failed" else {"failed", "missing"}
    jobs = [node for key, node in found.graph.nodes.items() if found.states[key] in wanted]
    cells = {node.name for node in jobs if node.rule == "cell"}
    if which == "missing":
        cells |= set(_outdated(found))
    return [*_marks(found.graph.paths, cells), *_traces(found, jobs)]


def _everything(found: Survey) -> list[Path]:
    if found.cells["running"]:
        what = f"--redo all: {found.cells['running']} cells of {found.study.name} are running"
        raise UsageError(what, "stop them first")
    cells = list(found.graph.cells.values())
    whole = (node.output.parent for node in cells)
    paths = found.graph.paths
    stamps = paths.bundle("x").parent, paths.seed("x", 0).parents[1]
    return [*(path for path in (*whole, *stamps) if path.exists()), *_traces(found, cells)]


def remove(paths: Iterable[Path]) -> None:
    """Remove files and folders."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _outdated(found: Survey) -> Iterator[str]:
    paths = found.graph.paths
    for key, cell in found.study.cells.items():
        if found.states["cell", key] == "done" and is_outdated(found.study, paths, cell):
            yield key


def _marks(paths: Paths, cells: Collection[str]) -> Iterator[Path]:
    """What says that some cells are done, their seeds, and bundles that have one of them."""
    both = ((paths.cell(key) / "cell.json", paths.seed(key, 0).parent) for key in sorted(cells))
    marks = (mark for pair in both for mark in pair)
    yield from (mark for mark in marks if mark.exists())
    for stamp in sorted(paths.bundle("x").parent.glob("*.json")):
        try:
            named = read_json(stamp)["cells"]
        except (DataError, KeyError, TypeError):
            named = cells  # a broken one says nothing
        if not set(named).isdisjoint(cells):
            yield stamp


def _traces(found: Survey, jobs: Iterable[Node]) -> list[Path]:
    paths = found.graph.paths
    saved = saved_states(paths)
    traces = []
    for job in jobs:
        traces += states_of(paths, job, saved)
        if job.rule == "cell":
            traces.append(paths.status(job.name))
            traces += _of_seeds(found, job.name)
        traces.append(job.log)
    return [path for path in dict.fromkeys(traces) if path.exists()]


def _of_seeds(found: Survey, cell: str) -> Iterator[Path]:
    """The status files and logs of the seeds of a cell."""
    paths = found.graph.paths
    for seed in range(found.study.seeds[found.study.cells[cell]]):
        name = seed_name(cell, seed)
        yield from (paths.status(name), paths.log("seed", name))


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
