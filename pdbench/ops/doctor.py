"""What is missing before a study runs, found in seconds: nothing here imports torch.

Each check yields findings: something that is well, a warning, or something that is missing and
would make jobs fail.
"""

from __future__ import annotations

import getpass
import os
import platform
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from pdbench.core.errors import PdbenchError, UsageError
from pdbench.core.words import byte_size
from pdbench.data.needs import Need, missing_from, needs_of, problems_of_files
from pdbench.ops.partitions import Partition, partitions, troubles
from pdbench.ops.status import answer
from pdbench.planning.costs import Sizes
from pdbench.planning.machines import DEVICE
from pdbench.study import ROOT, Study
from pdbench.study.discovery import GIT, IS_CHECKOUT
from pdbench.study.loading import read_yaml
from pdbench.study.offline import caches_in_use, data_folder
from pdbench.study.settings import is_commit
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job
from pdbench.workflow.plan import DEVICES, Plan
from pdbench.workflow.snakefile import check_folders

_SPARE = 1.5  # times the estimate that the disk should have free
_SLURM = "snakemake-executor-plugin-slurm"
_PARTITION, _ACCOUNT = "slurm_partition", "slurm_account"


@dataclass(frozen=True)
class _Finding:
    mark: Literal["ok", "warning", "missing"]
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.mark:8} {self.what}" + (f"; {self.remedy}" if self.remedy else "")


def examine(study: Study, profile: Path | None = None) -> Iterator[_Finding]:
    """Look at this machine, the installation and the data of a study.

    With a folder of a profile of Snakemake, jobs do not run on this machine; UsageError if it
    cannot be read.
    """
    yield from _packages()
    yield from _checkout()
    yield from _folders(study)
    yield from _disk(study, max(DEVICES) if profile else os.cpu_count() or 1)
    yield from _data(study)
    yield from _heads(study)
    if profile:
        yield from _profile(study, profile)
    elif study.scale == "paper":
        yield from _gpu()


def _packages(constraints: Path = ROOT / "constraints.txt") -> Iterator[_Finding]:
    yield _Finding("ok", f"Python {platform.python_version()}")
    pins = _pins(constraints)
    wanted = [r for r in metadata.requires("pdbench") or () if "extra ==" not in r]
    names = [match[0] for text in wanted if (match := re.match(r"[A-Za-z0-9._-]+", text))]
    other, absent = [], []
    for name in names:
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            absent.append(name)
            continue
        pin = pins.get(_normal(name))
        if pin and found.partition("+")[0] != pin:
            other.append(f"{name} {found} (tested: {pin})")
    if absent:
        remedy = "pip install pdbench"
        if IS_CHECKOUT:
            remedy = "pip install --constraint constraints.txt --editable ."
        yield _Finding("missing", f"packages: {', '.join(absent)} not installed", remedy)
    if other:
        remedy = "install with --constraint constraints.txt for tested versions"
        yield _Finding("warning", f"packages: {', '.join(other)}", remedy)
    if not (absent or other):
        said = "as in constraints.txt" if pins else "are installed"
        yield _Finding("ok", f"packages: all {len(names)} {said}")


def _checkout() -> Iterator[_Finding]:
    if not IS_CHECKOUT:
        yield _Finding("ok", f"pdbench {metadata.version('pdbench')}, as a package")
        return
    head = answer(*GIT, "rev-parse", "--short", "HEAD")
    changed = answer(*GIT, "status", "--porcelain", "--untracked-files=no")
    if head is None:
        yield _Finding("warning", "git: no commit", "records will not say which code ran")
    elif changed:
        what = f"git: {head}, and {len(changed.splitlines())} files are changed"
        yield _Finding("warning", what, "commit them, so that records name the code that ran")
    else:
        yield _Finding("ok", f"git: {head}, nothing changed")


def _folders(study: Study) -> Iterator[_Finding]:
    try:
        check_folders(Paths(study))
    except PdbenchError as error:
        yield _Finding("missing", error.what, error.remedy)
    else:
        yield _Finding("ok", f"folders: {Path().absolute()} can be written")


def _disk(study: Study, at_once: int) -> Iterator[_Finding]:
    """Compare the free disk with what is left to do, where so many jobs train at once."""
    paths = Paths(study)
    sizes = Sizes.counted(study, paths.audit)
    needed = Plan(study, sizes=sizes, done=paths.done()).peak_disk(at_once)
    free = shutil.disk_usage(".").free
    what = f"disk: {byte_size(free)} free, about {byte_size(needed)} needed"
    if free < needed:
        yield _Finding("missing", what, "free some space, or work on another disk")
    elif free < _SPARE * needed:
        yield _Finding("warning", what, "that is close: watch it")
    else:
        yield _Finding("ok", what)


def _data(study: Study) -> Iterator[_Finding]:
    try:
        folder = data_folder()
    except PdbenchError as error:
        yield _Finding("missing", error.what, error.remedy)
        return
    if folder is None:
        yield from _cached(study)
        return
    lines = list(missing_from(study, folder))
    for line in lines:
        yield _Finding("missing", f"data: {line}", f"run pdbench fetch STUDY --to {folder}")
    if not lines:
        yield _Finding("ok", f"data: all {len(needs_of(study))} items are in {folder}")


def _heads(study: Study) -> Iterator[_Finding]:
    for error in problems_of_files(study):
        yield _Finding("missing", f"data: {error.what}", error.remedy)


def _gpu() -> Iterator[_Finding]:
    found = answer("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    if not found and os.environ.get(DEVICE) == "cpu":
        yield _Finding("warning", "GPU: none here", "the study trains on the CPU; see pdbench plan")
        return
    if not found:
        remedy = f"set {DEVICE}=cpu to train on the CPU all the same; pdbench plan says how long"
        yield _Finding("missing", "GPU: none here", remedy)
        return
    names = ", ".join(found.splitlines())
    try:
        build = metadata.version("torch")
    except metadata.PackageNotFoundError:
        return  # named among the packages
    if build.endswith("+cpu"):
        remedy = "install the CUDA build from https://pytorch.org"
        yield _Finding("missing", f"GPU: {names}, but torch {build} cannot use it", remedy)
    else:
        yield _Finding("ok", f"GPU: {names}")


def _cached(study: Study) -> Iterator[_Finding]:
    """Without a fetched folder: what is cached here, and what a network must bring."""
    absent: dict[str, list[str]] = {}
    lost, unpinned = [], []
    needs = needs_of(study)
    for need in needs:
        if need.kind == "directory":
            if not need.path.exists():
                lost.append(need.path)
                yield _Finding("missing", f"data: {need.path}: not there", "mend key path")
        elif need.kind != "archive" and not is_commit(need.source.revision):
            unpinned.append(need.name)
        elif not _is_cached(study, need):
            where = "package index" if need.kind == "archive" else "hub"
            absent.setdefault(where, []).append(need.key)
    if unpinned:
        what = f"data: {len(set(unpinned))} repositories have no pinned commit, first {unpinned[0]}"
        yield _Finding("missing", what, "run pdbench pin STUDY where the hub can be reached")
    for where, keys in absent.items():
        what = f"data: {len(keys)} of {len(needs)} come from the {where}, first {keys[0]}"
        if where == "hub" and os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0"):
            yield _Finding("missing", f"{what}, and HF_HUB_OFFLINE is set", "unset it, or fetch")
        else:
            remedy = "jobs need internet; without it: pdbench fetch STUDY --to DIR"
            yield _Finding("warning", what, remedy)
    if not (lost or absent or unpinned):
        yield _Finding("ok", f"data: all {len(needs)} items are cached here")


def _is_cached(study: Study, need: Need) -> bool:
    if need.kind == "archive":
        return Paths(study).output(Job("archive", need.name)).is_file()
    caches, revision = caches_in_use(), str(need.source.revision)
    if need.kind == "data set":
        folder = caches["HF_DATASETS_CACHE"] / need.name.replace("/", "___")
        return any(folder.glob(f"*/*/{revision}"))
    name = f"{'datasets' if need.kind == 'file' else 'models'}--{need.name.replace('/', '--')}"
    snapshot = caches["HF_HUB_CACHE"] / name / "snapshots" / revision
    return (snapshot / (need.source.file or "vocab.txt")).exists()


def _pins(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("==") for line in lines if "==" in line and not line.startswith("#"))
    return {_normal(name): version.strip() for name, _, version in pairs}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _profile(study: Study, profile: Path) -> Iterator[_Finding]:
    settings = read_yaml(profile / "config.yaml")
    try:
        yield _Finding("ok", f"SLURM: {_SLURM} {metadata.version(_SLURM)}")
    except metadata.PackageNotFoundError:
        remedy = "pip install 'pdbench[slurm]'"
        if IS_CHECKOUT:
            remedy = "pip install --constraint constraints.txt --editable '.[slurm]'"
        yield _Finding("missing", f"SLURM: {_SLURM} is not installed", remedy)
    known = partitions()
    if known is None:
        remedy = "run this on the machine that submits jobs"
        yield _Finding("missing", "SLURM: sinfo does not answer", remedy)
        return
    named = sorted({part for text in _values(settings, _PARTITION) for part in text.split(",")})
    yield from _compared(profile, "partition", named, set(known), "does not exist")
    if not named:
        yield _Finding("ok", "SLURM: the profile names no partition: the cluster's default is used")
    yield from _limits(study, profile, settings, known)
    yield from _accounts(profile, settings)


def _limits(
    study: Study, profile: Path, settings: Any, known: dict[str, Partition]
) -> Iterator[_Finding]:
    """Compare what jobs ask for with what partitions allow; SLURM would let them wait for ever."""
    file = profile / "config.yaml"
    try:
        found = list(troubles(study, profile, settings, known))
    except UsageError as error:
        raise UsageError(f"{file}: {error.what}", error.remedy) from error
    for one in found:
        again = f", at attempt {one.attempt}" if one.attempt > 1 else ""
        what = f"{file}: {one.job} {one.what}{again}"
        yield _Finding("warning" if again else "missing", what, one.remedy)
    if not found:
        yield _Finding("ok", "SLURM: the partitions take what jobs ask for")


def _compared(
    profile: Path, kind: str, named: list[str], known: set[str], problem: str
) -> Iterator[_Finding]:
    for name in named:
        if name in known:
            yield _Finding("ok", f"SLURM: {kind} {name}")
        else:
            what = f"{profile / 'config.yaml'}: {kind} {name!r} {problem}"
            yield _Finding("missing", what, f"there are {', '.join(sorted(known)) or 'none'}")


def _accounts(profile: Path, settings: Any) -> Iterator[_Finding]:
    named = sorted(set(_values(settings, _ACCOUNT)))
    asked = ["sacctmgr", "--noheader", "--parsable2", "show", "associations"]
    own = _lines(answer(*asked, f"user={_user()}", "format=account"))
    if own is None:
        if named:
            what = f"SLURM: account {', '.join(named)}: the cluster keeps no accounts to compare"
            yield _Finding("warning", what, "leave key slurm_account out if it is not needed")
        return
    yield from _compared(profile, "account", named, own, "is none of yours")
    if not named:
        config = answer("scontrol", "show", "config") or ""
        enforced = [line for line in config.splitlines() if "AccountingStorageEnforce" in line]
        if any("associations" in line for line in enforced) and not own:
            what = f"{profile / 'config.yaml'}: no slurm_account, and the cluster demands one"
            yield _Finding("missing", what, "ask its administrators for yours")
        else:
            yield _Finding("ok", "SLURM: no account named: your default is used")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return str(os.getuid())


def _values(settings: Any, key: str) -> Iterator[str]:
    if isinstance(settings, dict):
        for name, value in settings.items():
            if name == key:
                yield str(value)
            else:
                yield from _values(value, key)


def _lines(text: str | None) -> set[str] | None:
    return None if text is None else {line.strip() for line in text.splitlines() if line.strip()}
