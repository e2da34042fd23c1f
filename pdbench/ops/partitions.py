"""What jobs ask of a SLURM cluster, as a profile of Snakemake states it, and what it allows."""

from __future__ import annotations

import contextlib
import grp
import math
import operator
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pdbench.core.errors import UsageError
from pdbench.ops.status import answer
from pdbench.study import Study
from pdbench.workflow import Paths
from pdbench.workflow.graph import MOST, Graph
from pdbench.workflow.kinds import KINDS, Job
from pdbench.workflow.snakefile import sizes_of_jobs

_COMPARED = (
    *("slurm_partition", "slurm_account", "runtime", "mem", "mem_mb", "mem_mib"),
    *("mem_mb_per_cpu", "cpus_per_task", "gpu", "gres", "nodes"),
)
_NO_LIMIT = ("", "ALL", "UNLIMITED", "INFINITE", "NONE", "N/A", "(null)")


@dataclass(frozen=True)
class Asked:
    """What a job asks for: minutes, MB and numbers; what it does not say is nothing."""

    partition: str
    account: str = ""
    minutes: float = 0
    memory: float = 0
    cpus: float = 1
    gpus: float = 0
    nodes: float = 0


@dataclass(frozen=True)
class Trouble:
    """A partition that does not take a job of a kind, when it is submitted for the nth time."""

    job: Job
    attempt: int
    what: str
    remedy: str


@dataclass
class Partition:
    """A partition: its settings as ``scontrol`` names them, and what its kinds of nodes have."""

    name: str
    settings: dict[str, str] = field(default_factory=dict)
    nodes: list[tuple[float, float, float]] = field(default_factory=list)  # MB, CPUs, GPUs

    def refusals(self, asked: Asked) -> Iterator[tuple[str, str]]:
        """Why it would not start a job, and what to do about it."""
        another, here = "name another partition", f"partition {self.name!r}"
        if (state := self.settings.get("State", "UP")) != "UP":
            yield f"{here} is {state}", f"wait until it is up, or {another}"
        for key, own in (("AllowGroups", _groups()), ("AllowAccounts", {asked.account} - {""})):
            allowed = self.settings.get(key, "ALL")
            if allowed not in _NO_LIMIT and own and not own & set(allowed.split(",")):
                yield f"{here} is for {key.removeprefix('Allow').lower()} {allowed}", another
        for key, wanted, unit, resource in (
            ("MaxTime", asked.minutes, "minutes", "runtime"),
            ("MaxMemPerNode", asked.memory, "MB", "mem_mb"),
            ("MaxCPUsPerNode", asked.cpus, "CPUs", "threads"),
            ("MaxNodes", asked.nodes, "nodes", "nodes"),
        ):
            if wanted > (limit := _limit(self.settings.get(key, ""))):
                what = f"asks {wanted:g} {unit}, and {here} allows {limit:g}"
                yield what, f"lower {resource}, or {another}"
        yield from self._misfit(asked, f"no node of {here}", another)

    def _misfit(self, asked: Asked, where: str, another: str) -> Iterator[tuple[str, str]]:
        wanted = (asked.memory, asked.cpus, asked.gpus)
        if self.nodes and not any(all(map(operator.le, wanted, own)) for own in self.nodes):
            has = " or ".join(f"{m:g} MB, {c:g} CPUs, {g:g} GPUs" for m, c, g in self.nodes)
            what = f"asks {wanted[0]:g} MB, {wanted[1]:g} CPUs, {wanted[2]:g} GPUs, and {where}"
            yield f"{what} has as much ({has})", f"lower mem_mb, threads or gpu, or {another}"


def partitions() -> dict[str, Partition] | None:
    """The partitions of this cluster by name; None where SLURM does not answer."""
    lines = answer("sinfo", "--noheader", "--exact", "--format=%R|%m|%c|%G")
    if lines is None:
        return None
    found: dict[str, Partition] = {}
    for line in filter(None, map(str.strip, lines.splitlines())):
        name, *node = line.split("|")
        partition = found.setdefault(name, Partition(name))
        if len(node) == 3:
            partition.nodes.append((_number(node[0]), _number(node[1]), _gpus_in(node[2])))
    for line in (answer("scontrol", "--oneliner", "show", "partition") or "").splitlines():
        settings = dict(re.findall(r"(\w+)=(\S*)", line))
        if settings.get("PartitionName") in found:
            found[settings["PartitionName"]].settings = settings
    return found


def troubles(
    study: Study, profile: Path, settings: Mapping[str, Any], known: Mapping[str, Partition]
) -> Iterator[Trouble]:
    """What no partition that a job names would take, one for each kind of job and refusal.

    First what is asked at once, then what a job asks when it failed and is submitted again.
    UsageError where the profile says something that is no resource.
    """
    paths, graph = Paths(study), Graph(study, *sizes_of_jobs(profile), MOST)
    jobs = [job for job in graph.jobs if KINDS[job.kind].is_stored]
    stated = {kind: _Stated(kind, settings) for kind in {job.kind for job in jobs}}
    said: set[tuple[str, str]] = set()
    for attempt in range(1, int(settings.get("restart-times") or 0) + 2):
        seen: dict[tuple[str, Asked], Job] = {}
        for job in jobs:
            asked = stated[job.kind].asked(paths.label(job), attempt)
            seen.setdefault((job.kind, asked), job)
        for (kind, asked), job in seen.items():
            default = [one.name for one in known.values() if one.settings.get("Default") == "YES"]
            names = asked.partition.split(",") if asked.partition else default
            named = [known[name] for name in names if name in known]
            refused = [list(partition.refusals(asked)) for partition in named]
            for what, remedy in refused[0] if refused and all(refused) else ():
                if (kind, remedy) not in said:
                    said.add((kind, remedy))
                    yield Trouble(job, attempt, what, remedy)


class _Stated:
    """The resources of a kind of job, by Snakemake's own reading of a profile."""

    def __init__(self, kind: str, settings: Mapping[str, Any]) -> None:
        from snakemake.resources import Resources

        self._kind = kind
        self._threads = (settings.get("set-threads") or {}).get(kind, 1)
        self._resources: dict[str, Any] = {}
        own = (settings.get("set-resources") or {}).get(kind) or {}
        with self._reading():
            for stated in (settings.get("default-resources") or {}, own):
                texts = [f"{name}={value}" for name, value in stated.items() if name in _COMPARED]
                self._resources |= Resources.parse(texts, allow_expressions=True)

    def asked(self, label: str, attempt: int) -> Asked:
        """What a job asks for, by its name in the workflow."""
        from snakemake.iocontainers import Wildcards

        about = {"attempt": attempt, "threads": self._threads, "input": [], "rulename": self._kind}
        wildcards = Wildcards(fromdict={"job": label})
        with self._reading():
            found = {
                name: resource.evaluate(wildcards, async_run=None, **about).value
                for name, resource in self._resources.items()
            }
        cpus = _number(found.get("cpus_per_task", self._threads))
        return Asked(
            partition=str(found.get("slurm_partition", "")),
            account=str(found.get("slurm_account", "")),
            minutes=_number(found.get("runtime")),
            memory=_number(found.get("mem_mb_per_cpu")) * cpus or _number(found.get("mem_mb")),
            cpus=cpus,
            gpus=_number(found.get("gpu")) or _gpus_in(str(found.get("gres"))),
            nodes=_number(found.get("nodes")),
        )

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        from snakemake.exceptions import WorkflowError

        try:
            yield
        except (WorkflowError, ValueError, TypeError) as error:
            what = f"resources of {self._kind}: {' '.join(str(error).split())}"
            raise UsageError(what, "mend default-resources or set-resources") from error


def _number(value: Any) -> float:
    """A number as SLURM and profiles write it: "64000", "64000+"; 0 for anything else."""
    match = re.match(r"\d+(\.\d+)?", str(value))
    return float(match[0]) if match else 0.0


def _limit(text: str) -> float:
    """A limit of ``scontrol``: a number, or a time in minutes; infinite where there is none."""
    if text in _NO_LIMIT:
        return math.inf
    if ":" not in text:
        return _number(text)
    days, _, clock = text.rpartition("-")
    hours, minutes, seconds = ([0.0, 0.0] + [float(part) for part in clock.split(":")])[-3:]
    return 1440 * _number(days) + 60 * hours + minutes + seconds / 60


def _gpus_in(gres: str) -> float:
    """The GPUs among generic resources: 4 in "gpu:a100:4(S:0-1),shard:8"."""
    parts = [one.split(":") for one in re.sub(r"\(.*?\)", "", gres).split(",")]
    counts = [part[-1] for part in parts if part[0] == "gpu"]
    return sum(float(count) if count.isdecimal() else 1.0 for count in counts)


def _groups() -> set[str]:
    found = set()
    for number in {os.getegid(), *os.getgroups()}:
        with contextlib.suppress(KeyError):
            found.add(grp.getgrgid(number).gr_name)
    return found
