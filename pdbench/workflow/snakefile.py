"""What the Snakefile needs of a study, in one call."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pdbench.core.errors import PdbenchError, UsageError
from pdbench.study import offline
from pdbench.study.axes import Artefact
from pdbench.study.config import Study
from pdbench.study.loading import check_artefacts, load_study, read_yaml
from pdbench.workflow.bundles import BUNDLE
from pdbench.workflow.jobs import Jobs
from pdbench.workflow.paths import Paths

DEFAULT = "demo"
LEAST_SPACE = 100 * 2**20  # bytes; below that not even Snakemake's own files are safe


# The programs of the environment that runs Snakemake, also when it is not activated.
PREFIX = f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; "


class Workflow(NamedTuple):
    """The names that the rules use."""

    study: Study
    argument: str
    paths: Paths
    jobs: Jobs
    logs: Path
    benchmarks: Path


def open_workflow(config: Mapping[str, Any], artefacts: Mapping[str, Artefact]) -> Workflow:
    """Load the study that Snakemake's ``config`` names.

    Args:
        config: Snakemake's configuration: ``study``, ``bundle`` and ``split`` in seconds, and
            ``data``, the folder that `pdbench fetch` filled.
        artefacts: The artefacts that can be drawn.

    A mistake ends the program with one line on stderr and exit code 2: a traceback through
    the Snakefile would tell its user nothing more.
    """
    try:
        study = load_study(_study_named_by(config))
        bundle, split = sizes_of_jobs(config)
        _read_data_from(config)
        check_artefacts(study, artefacts)
        paths = Paths(study)
        check_folders(paths.results, paths.reports)
    except PdbenchError as error:
        print(f"pdbench: error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from error
    return Workflow(
        study=study,
        argument=study.argument,
        paths=paths,
        jobs=Jobs(study, bundle, split),
        logs=Path("logs") / study.name,
        benchmarks=paths.results / "benchmarks",
    )


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
    if free < LEAST_SPACE:
        raise PdbenchError(
            f"{Path().absolute()}: the disk is full, {free >> 20} MB are left",
            "free some space and run again; finished work is kept",
        )


def _study_named_by(config: Mapping[str, Any]) -> str:
    unknown = sorted(set(config) - {"study", "bundle", "split", "data"})
    if unknown:
        remedy = "the keys are study=NAME|PATH, bundle=SECONDS, split=SECONDS and data=DIR"
        raise UsageError(f"--config {unknown[0]}: unknown key", remedy)
    return str(config.get("study", DEFAULT))


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
