"""What is missing before a study runs, found in a second: nothing here imports torch.

Each check yields findings: something that is well, a warning, or something that is missing and
would make jobs fail.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal, TypeAlias

from pdbench.core.errors import PdbenchError
from pdbench.core.words import byte_size
from pdbench.data.needs import Need, local_path, missing_from, needs_of
from pdbench.planning.costs import Sizes
from pdbench.study import ROOT, Study
from pdbench.study.offline import data_folder
from pdbench.study.settings import is_commit
from pdbench.workflow.graph import Graph
from pdbench.workflow.paths import ARCHIVES, STORE, Paths
from pdbench.workflow.plan import Plan
from pdbench.workflow.snakefile import check_folders

Mark: TypeAlias = Literal["ok", "warning", "missing"]

_SPARE = 1.5  # times the estimate that the disk should have free
_SECONDS = 5.0  # that another program may take to answer
_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        mark: How bad it is.
        what: What was looked at, and what was seen.
        remedy: What to do; empty if all is well.
    """

    mark: Mark
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        """The finding as one line."""
        return f"{self.mark:8} {self.what}" + (f"; {self.remedy}" if self.remedy else "")


def examine(study: Study, *, needs_gpu: bool, at_once: int = 1) -> Iterator[Finding]:
    """Look at this machine, the installation and the data of a study.

    Args:
        study: The study.
        needs_gpu: Whether the jobs run on this machine and want a GPU.
        at_once: How many jobs train at once, each of which saves its state.
    """
    yield from packages()
    yield from checkout()
    yield from folders(study)
    yield from disk(study, at_once)
    yield from data(study)
    if needs_gpu:
        yield from gpu()


def packages(constraints: Path = ROOT / "constraints.txt") -> Iterator[Finding]:
    """Compare Python's and the packages' versions with those that were tested."""
    yield Finding("ok", f"Python {platform.python_version()}")
    pins = _pins(constraints)
    wanted = [r for r in metadata.requires("pdbench") or () if "extra ==" not in r]
    names = [match[0] for text in wanted if (match := _NAME.match(text))]
    other, absent = [], []
    for name in names:
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            absent.append(name)
            continue
        pin = pins.get(_normal(name), found)
        if found.partition("+")[0] != pin:
            other.append(f"{name} {found} (tested: {pin})")
    if absent:
        remedy = "pip install --constraint constraints.txt --editable ."
        yield Finding("missing", f"packages: {', '.join(absent)} not installed", remedy)
    if other:
        remedy = "install with --constraint constraints.txt for tested versions"
        yield Finding("warning", f"packages: {', '.join(other)}", remedy)
    if not (absent or other):
        yield Finding("ok", f"packages: all {len(names)} as in constraints.txt")


def checkout() -> Iterator[Finding]:
    """Say whether records will name a commit that others can find."""
    head = answer("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD")
    if head is None:
        yield Finding("warning", "git: no commit", "records will not say which code ran")
        return
    changed = answer("git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no")
    if changed:
        what = f"git: {head}, and {len(changed.splitlines())} files are changed"
        yield Finding("warning", what, "commit them, so that records name the code that ran")
    else:
        yield Finding("ok", f"git: {head}, nothing changed")


def folders(study: Study) -> Iterator[Finding]:
    """See whether jobs may write."""
    try:
        check_folders(STORE, Path("reports") / study.name)
    except PdbenchError as error:
        yield Finding("missing", error.what, error.remedy)
    else:
        yield Finding("ok", f"folders: {Path().absolute()} can be written")


def disk(study: Study, at_once: int) -> Iterator[Finding]:
    """Compare the free disk with what the jobs that are left will fill."""
    paths = Paths(study)
    sizes = Sizes.counted(study, paths.audit)
    done = {job for job in Graph(study).jobs if paths.output(job).exists()}
    needed = Plan(study, sizes=sizes, done=done).peak_disk(at_once)
    free = shutil.disk_usage(".").free
    what = f"disk: {byte_size(free)} free, about {byte_size(needed)} needed"
    if free < needed:
        yield Finding("missing", what, "free some space, or work on another disk")
    elif free < _SPARE * needed:
        yield Finding("warning", what, "that is close: watch it")
    else:
        yield Finding("ok", what)


def data(study: Study) -> Iterator[Finding]:
    """See whether everything that the study reads is at hand, or can be fetched."""
    try:
        folder = data_folder()
    except PdbenchError as error:
        yield Finding("missing", error.what, error.remedy)
        return
    if folder is None:
        yield from _cached(study)
        return
    lines = list(missing_from(study, folder))
    for line in lines:
        yield Finding("missing", f"data: {line}", f"run pdbench fetch STUDY --to {folder}")
    if not lines:
        yield Finding("ok", f"data: all {len(needs_of(study))} items are in {folder}")


def gpu() -> Iterator[Finding]:
    """See whether this machine has a GPU that torch can use."""
    found = answer("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    if not found:
        yield Finding("warning", "GPU: none here", "the study trains on the CPU; see pdbench plan")
        return
    names = ", ".join(found.splitlines())
    try:
        build = metadata.version("torch")
    except metadata.PackageNotFoundError:
        return  # named among the packages
    if build.endswith("+cpu"):
        remedy = "install the CUDA build from https://pytorch.org"
        yield Finding("missing", f"GPU: {names}, but torch {build} cannot use it", remedy)
    else:
        yield Finding("ok", f"GPU: {names}")


def _cached(study: Study) -> Iterator[Finding]:
    """Without a fetched folder: what is cached here, and what a network must bring."""
    absent: dict[str, list[str]] = {}
    unpinned: list[str] = []
    needs = needs_of(study)
    places = (local_path(need) for need in needs if need.kind == "directory")
    lost = [path for path in places if not path.exists()]
    for path in lost:
        yield Finding("missing", f"data: {path}: not there", "mend key path")
    for need in needs:
        if need.kind == "directory":
            continue
        if need.kind != "archive" and not is_commit(need.source.revision):
            unpinned.append(need.name)
        elif not is_cached(need):
            where = "package index" if need.kind == "archive" else "hub"
            absent.setdefault(where, []).append(need.key)
    if unpinned:
        what = f"data: {len(set(unpinned))} repositories have no pinned commit, first {unpinned[0]}"
        yield Finding("missing", what, "run pdbench pin STUDY where the hub can be reached")
    for where, keys in absent.items():
        offline = where == "hub" and os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0")
        what = f"data: {len(keys)} of {len(needs)} come from the {where}, first {keys[0]}"
        if offline:
            yield Finding("missing", f"{what}, and HF_HUB_OFFLINE is set", "unset it, or fetch")
        else:
            remedy = "jobs need internet; without it: pdbench fetch STUDY --to DIR"
            yield Finding("warning", what, remedy)
    if not (lost or absent or unpinned):
        yield Finding("ok", f"data: all {len(needs)} items are cached here")


def is_cached(need: Need) -> bool:
    """Whether an archive, or a commit of a hub repository, is in its cache on this machine."""
    if need.kind == "archive":
        from pdbench.data.places import path_of

        return path_of(need.name, ARCHIVES).is_file()
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    revision = str(need.source.revision)
    if need.kind == "data set":
        cache = Path(os.environ.get("HF_DATASETS_CACHE", home / "datasets"))
        return any((cache / need.name.replace("/", "___")).glob(f"*/*/{revision}"))
    cache = Path(os.environ.get("HF_HUB_CACHE", home / "hub"))
    kind = "datasets" if need.kind == "file" else "models"
    snapshot = cache / f"{kind}--{need.name.replace('/', '--')}" / "snapshots" / revision
    return (snapshot / (need.source.file or "vocab.txt")).exists()


def _pins(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("==") for line in lines if "==" in line and not line.startswith("#"))
    return {_normal(name): version.strip() for name, _, version in pairs}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def answer(*command: str) -> str | None:
    """What another program prints; None if it is not there or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def worst(findings: Iterable[Finding]) -> int:
    """The exit code: 1 if something is missing."""
    return int(any(finding.mark == "missing" for finding in findings))
