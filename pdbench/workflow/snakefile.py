"""What the Snakefile needs of a study, in one call."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from pdbench.core.errors import PdbenchError, UsageError
from pdbench.study import offline
from pdbench.study.axes import Artefact, check_artefacts
from pdbench.study.config import Study
from pdbench.study.loading import load_study, read_yaml
from pdbench.workflow.graph import BUNDLE, Graph
from pdbench.workflow.kinds import KINDS, SHOWN, Job, runs_of
from pdbench.workflow.paths import Paths
from pdbench.workflow.specs import STORE

_DEFAULT = "demo"
_LEAST_SPACE = 100 * 2**20  # bytes; below that not even Snakemake's own files are safe

# The programs of the environment that runs Snakemake, also when it is not activated.
PREFIX = f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; "


class _Workflow:
    """What the rules ask: the jobs of a study by their wildcards.

    Attributes:
        study: The study.
        argument: What commands call it.
        paths: Its files.
        graph: Its jobs.
        logs: Folder of the logs.
    """

    def __init__(self, study: Study, bundle: float, split: float) -> None:
        self.study, self.argument = study, study.argument
        self.paths, self.graph = Paths(study), Graph(study, bundle, split)
        self.logs = self.paths.logs

    def inputs(self, kind: str, label: str = "") -> list[Any]:
        """The files that a job reads.

        Those in the store need only be there: whatever decides them is in their path. What
        stands below ``reports/`` is made again when its inputs are newer.
        """
        from snakemake.io import ancient

        job = self.job(kind, label)
        found: list[Any] = [self.paths.asked(job)] if kind in SHOWN else []
        for need in self.graph.needs[job]:
            files = map(str, self.paths.outputs(need))
            found += files if need.kind in SHOWN else map(ancient, files)
        return found

    def job(self, kind: str, label: str = "") -> Job:
        """The job that a rule's wildcard names."""
        return self._known[kind, label] if label else Job(kind)

    def key(self, kind: str, label: str) -> str:
        """What a job's command is told of it, after the study."""
        return KINDS[kind].arguments(self.job(kind, label).key)

    def priority(self, kind: str, label: str = "") -> float:
        """The priority of a job."""
        return self.graph.priority(self.job(kind, label))

    @property
    def announced(self) -> dict[str, Any]:
        """What the display is told: rough core-seconds of jobs by rule and wildcard, the page."""
        costs: dict[str, dict[str, float]] = {}
        for job, seconds in self.graph.costs.items():
            wildcard = self.paths.label(job) if job.name else ""
            costs.setdefault(job.kind, {})[wildcard] = seconds
        return {"pdbench_costs": costs, "pdbench_report": str(self.paths.index)}

    @cached_property
    def _known(self) -> dict[tuple[str, str], Job]:
        return {(job.kind, self.paths.label(job)): job for job in self.graph.jobs}


def trust_paths(workflow: Any) -> None:
    """Let what Snakemake remembers of older runs decide nothing.

    A product's path in the store has the digest of all that decides it: what is there is right.
    Snakemake takes this setting from its command line alone, which users need not know.
    """
    from snakemake.settings.enums import RerunTrigger

    type(workflow).rerun_triggers = property(lambda _: frozenset({RerunTrigger.MTIME}))


def open_workflow(
    config: Mapping[str, Any], artefacts: Mapping[str, Artefact], *, is_first: bool = True
) -> _Workflow:
    """Load the study that Snakemake's ``config`` names.

    A mistake ends the program with one line on stderr and exit code 2: a traceback through
    the Snakefile would tell its user nothing more.

    Args:
        config: Snakemake's configuration: ``study``, ``bundle`` and ``split`` in seconds, and
            ``data``, the folder that `pdbench fetch` filled.
        artefacts: The artefacts that can be drawn.
        is_first: Whether this is no job that reads the workflow again.
    """
    try:
        study = load_study(_study_named_by(config))
        sizes = sizes_of_jobs(config)
        _read_data_from(config)
        check_artefacts(study, artefacts)
        found = _Workflow(study, *sizes)
        check_folders(STORE, found.paths.reports)
        if is_first:
            found.paths.ask(found.graph)
            _forget_lost_runs(study, found.paths, found.graph)
    except PdbenchError as error:
        print(f"pdbench: error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from error
    return found


def _forget_lost_runs(study: Study, paths: Paths, graph: Graph) -> None:
    """Remove what says that cells are done of which a run has gone, so that it is trained again."""
    for job in graph.jobs:
        if job.kind not in ("seed", "cell", "bundle") or not paths.output(job).exists():
            continue
        if not all((paths.run(run) / "record.json").exists() for run in runs_of(study, job)):
            paths.output(job).unlink(missing_ok=True)
            paths.table.unlink(missing_ok=True)


def check_folders(*folders: Path) -> None:
    """Refuse to begin where Snakemake or a job could not write.

    Raises:
        PdbenchError: A folder is there and is read-only, or the disk is full.
    """
    own = [Path(), Path(".snakemake"), Path("logs")]
    for folder in (*own, *(place for path in folders for place in (path.parent, path))):
        if folder.is_dir() and not os.access(folder, os.W_OK):
            raise PdbenchError(
                f"{folder.absolute()}: this folder is read-only",
                "change its permissions or work in a folder of your own",
            )
    free = shutil.disk_usage(".").free
    if free < _LEAST_SPACE:
        raise PdbenchError(
            f"{Path().absolute()}: the disk is full, {free >> 20} MB are left",
            "free some space and run again; finished work is kept",
        )


def _study_named_by(config: Mapping[str, Any]) -> str:
    unknown = sorted(set(config) - {"study", "bundle", "split", "data"})
    if unknown:
        remedy = "the keys are study=NAME|PATH, bundle=SECONDS, split=SECONDS and data=DIR"
        raise UsageError(f"--config {unknown[0]}: unknown key", remedy)
    return str(config.get("study", _DEFAULT))


def _read_data_from(config: Mapping[str, Any]) -> None:
    """Let all jobs read what was fetched into the folder that ``data`` names, and ask no network.

    Jobs inherit the variable; a cluster's jobs are given ``--config`` again and set it there.
    """
    if config.get("data"):
        os.environ[offline.VARIABLE] = str(Path(config["data"]).resolve())
    offline.data_folder()


_SECONDS = {
    "bundle": "give the estimated seconds of cells that share a job; 0 bundles none",
    "split": "give the estimated seconds of cells that are split by seed; 0 splits none",
}


def sizes_of_jobs(config: Mapping[str, Any]) -> tuple[float, float]:
    """The estimated seconds of cells that share a job, and of cells that are split by seed.

    Raises:
        UsageError: One of them is no number of seconds.
    """
    return _seconds_of(config, "bundle", BUNDLE), _seconds_of(config, "split", 0.0)


def profile_config(profile: Path | None) -> dict[str, Any]:
    """Read what a profile of Snakemake configures, from the one file that it names.

    Raises:
        UsageError: The profile or its file cannot be read.
    """
    if profile is None:
        return {}
    file = read_yaml(profile / "config.yaml").get("configfile")
    return read_yaml(profile / str(file)) if file else {}


def _seconds_of(config: Mapping[str, Any], key: str, default: float) -> float:
    found = config.get(key, default)
    if isinstance(found, int | float) and not isinstance(found, bool) and found >= 0:
        return float(found)
    raise UsageError(f"--config {key}={found}: not a number of seconds", _SECONDS[key])
