"""Preparing jobs to be done again: the next run of Snakemake then does them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, TypeAlias

from pdbench.errors import UsageError
from pdbench.results.status import Survey
from pdbench.study.graph import Node

Which: TypeAlias = Literal["failed", "missing", "all"]


def leftovers(found: Survey, which: Which) -> list[Path]:
    """What must go so that jobs begin anew: files and folders that are there.

    Of failed and missing jobs these are saved states, status files and logs; finished runs
    stay, and a cell that is done again keeps them. Of ``all`` the finished runs of every cell
    go too, and only they: data, teachers and pre-trained students stay.

    Raises:
        UsageError: Everything is to go while cells are running.
    """
    if which != "all":
        wanted = {"failed"} if which == "failed" else {"failed", "missing"}
        jobs = [node for key, node in found.graph.nodes.items() if found.states[key] in wanted]
        return list(_traces(found, jobs))
    if found.cells["running"]:
        what = f"--redo all: {found.cells['running']} cells of {found.study.name} are running"
        raise UsageError(what, "stop them first")
    cells = list(found.graph.cells.values())
    whole = (node.output.parent for node in cells)
    stamps = found.graph.paths.bundle("x").parent
    return [*(path for path in (*whole, stamps) if path.exists()), *_traces(found, cells)]


def remove(paths: Iterable[Path]) -> None:
    """Remove files and folders."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _traces(found: Survey, jobs: Iterable[Node]) -> list[Path]:
    paths = found.graph.paths
    states = paths.state(paths.results / "x").parent
    saved = sorted(states.iterdir()) if states.is_dir() else []
    traces = []
    for job in jobs:
        prefix = ".".join(job.output.parent.parts[len(paths.results.parts) :])
        traces += [path for path in saved if f"{path.name}.".startswith(f"{prefix}.")]
        if job.rule == "cell":
            traces.append(paths.status(job.name))
        traces.append(job.log)
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
    again = f"snakemake --config study={found.study.name}"
    head = f"removed {len(going)} files and folders" if going else "there is nothing to remove"
    return [*(f"removed {path}" for path in going), f"{head}; now run {again}"]
