"""Whether a profile fits the cluster: its partitions, accounts and GPUs exist."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from pdbench.ops.doctor import Finding, answer
from pdbench.study.loading import read_yaml

_PLUGIN = "snakemake-executor-plugin-slurm"
_PARTITION, _ACCOUNT = "slurm_partition", "slurm_account"


def examine(profile: Path) -> Iterator[Finding]:
    """Compare a profile with the cluster that this machine belongs to.

    Args:
        profile: Its folder.

    Raises:
        UsageError: There is no such profile, or it is not YAML.
    """
    settings = read_yaml(profile / "config.yaml")
    try:
        yield Finding("ok", f"SLURM: {_PLUGIN} {metadata.version(_PLUGIN)}")
    except metadata.PackageNotFoundError:
        remedy = "pip install --constraint constraints.txt --editable '.[slurm]'"
        yield Finding("missing", f"SLURM: {_PLUGIN} is not installed", remedy)
    partitions = _lines(answer("sinfo", "--noheader", "--format=%R"))
    if partitions is None:
        remedy = "run this on the machine that submits jobs"
        yield Finding("missing", "SLURM: sinfo does not answer", remedy)
        return
    yield from _partitions(profile, settings, partitions)
    yield from _accounts(profile, settings)


def _partitions(profile: Path, settings: Any, known: set[str]) -> Iterator[Finding]:
    named = sorted({part for text in _values(settings, _PARTITION) for part in text.split(",")})
    yield from _compared(profile, "partition", named, known, "does not exist")
    if not named:
        yield Finding("ok", "SLURM: the profile names no partition: the cluster's default is used")
    for name in sorted(_gpu_partitions(settings) & known):
        kinds = answer("sinfo", "--noheader", "--format=%G", f"--partition={name}") or ""
        if "gpu" not in kinds:
            what = f"{profile / 'config.yaml'}: jobs want a GPU on {name!r}, which has none"
            yield Finding("missing", what, "name a partition with GPUs")


def _compared(
    profile: Path, kind: str, named: list[str], known: set[str], problem: str
) -> Iterator[Finding]:
    """What the profile names, beside what the cluster has."""
    for name in named:
        if name in known:
            yield Finding("ok", f"SLURM: {kind} {name}")
        else:
            what = f"{profile / 'config.yaml'}: {kind} {name!r} {problem}"
            yield Finding("missing", what, f"there are {', '.join(sorted(known)) or 'none'}")


def _accounts(profile: Path, settings: Any) -> Iterator[Finding]:
    named = sorted(set(_values(settings, _ACCOUNT)))
    asked = ["sacctmgr", "--noheader", "--parsable2", "show", "associations"]
    own = _lines(answer(*asked, f"user={getpass.getuser()}", "format=account"))
    if own is None:
        if named:
            what = f"SLURM: account {', '.join(named)}: the cluster keeps no accounts to compare"
            yield Finding("warning", what, "leave key slurm_account out if it is not needed")
        return
    yield from _compared(profile, "account", named, own, "is none of yours")
    if not named:
        config = answer("scontrol", "show", "config") or ""
        enforced = [line for line in config.splitlines() if "AccountingStorageEnforce" in line]
        if any("associations" in line for line in enforced) and not own:
            what = f"{profile / 'config.yaml'}: no slurm_account, and the cluster demands one"
            yield Finding("missing", what, "ask its administrators for yours")
        else:
            yield Finding("ok", "SLURM: no account named: your default is used")


def _gpu_partitions(settings: Any) -> set[str]:
    """The partitions of rules that ask for GPUs."""
    default = settings.get("default-resources") or {}
    found = set()
    for resources in [default, *(settings.get("set-resources") or {}).values()]:
        if isinstance(resources, dict) and ("gpu" in resources or "gres" in resources):
            found |= set(str(resources.get(_PARTITION, default.get(_PARTITION, ""))).split(","))
    return found - {""}


def _values(settings: Any, key: str) -> Iterator[str]:
    """The values of a key, wherever it stands."""
    if isinstance(settings, dict):
        for name, value in settings.items():
            if name == key:
                yield str(value)
            else:
                yield from _values(value, key)


def _lines(text: str | None) -> set[str] | None:
    return None if text is None else {line.strip() for line in text.splitlines() if line.strip()}
