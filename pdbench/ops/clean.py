"""Removing what no study needs any more: entries of other settings, or of studies that are gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pdbench.ops.redo import remove
from pdbench.study import ROOT, Study, load_study
from pdbench.study.loading import NO_STUDIES
from pdbench.workflow import Paths
from pdbench.workflow.graph import Graph
from pdbench.workflow.kinds import KINDS, Job
from pdbench.workflow.paths import RESULTS, STORE


def configured() -> list[Study]:
    """The studies in ``config/``.

    Raises:
        UsageError: One of them is broken, so that nobody knows what it needs.
    """
    files = sorted((ROOT / "config").glob("*.yaml"))
    return [load_study(path.stem) for path in files if path.stem not in NO_STUDIES]


def superfluous(kept: Iterable[Study]) -> list[Path]:
    """The entries of the store that none of some studies needs."""
    needed = {folder for study in kept for folder in _entries(study)}
    return [folder for folder in _stored() if folder not in needed]


def of_study(study: Study, kept: Iterable[Study]) -> list[Path]:
    """All of a study, but what others need: its entries in the store, its report and its logs."""
    others = [other for other in kept if other.name != study.name]
    needed = {folder for other in others for folder in _entries(other)}
    own = [folder for folder in _entries(study) if folder not in needed]
    own += [RESULTS / study.name, Paths(study).reports, Path("logs") / study.name]
    return [path for path in own if path.exists()]


def clean(going: Iterable[Path], *, yes: bool) -> list[str]:
    """Remove files and folders if that is meant, and say which.

    Args:
        going: What is to go.
        yes: Whether it goes; else it is only listed.

    Returns:
        Lines for the user.
    """
    paths = list(going)
    if not paths:
        return ["there is nothing to remove"]
    if yes:
        remove(paths)
        return [f"removed {len(paths)} files and folders"]
    return [*map(str, paths), f"nothing was removed: say --yes to remove these {len(paths)}"]


def _entries(study: Study) -> Iterator[Path]:
    """The folders of a study in the store."""
    paths = Paths(study)
    runs = (Job("run", run) for cell in study.seeds for run in study.runs(cell))
    for job in (*Graph(study).jobs, *runs):
        if KINDS[job.kind].last:
            yield paths.folder(job)


def _stored() -> list[Path]:
    """All entries but the marks of bundles and seeds, which hold nothing."""
    return sorted(
        folder
        for name, kind in KINDS.items()
        if kind.last and name not in ("bundle", "seed")
        for folder in (STORE / name).glob("*")
        if folder.is_dir() and not folder.name.startswith(".")
    )
