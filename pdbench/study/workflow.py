"""What the Snakefile needs of a study, in one call."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pdbench.errors import PdbenchError, UsageError
from pdbench.study.config import Study
from pdbench.study.jobs import Jobs
from pdbench.study.loading import ROOT, check_artefacts, load_study
from pdbench.study.paths import Paths

DEFAULT = "demo"


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


def open_workflow(config: Mapping[str, Any], artefacts: Iterable[str]) -> Workflow:
    """Load the study that Snakemake's ``config`` names.

    Args:
        config: Snakemake's configuration; its only key is ``study``.
        artefacts: Ids of the artefacts that can be drawn.

    A mistake ends the program with one line on stderr and exit code 2: a traceback through
    the Snakefile would tell its user nothing more.
    """
    try:
        study = load_study(_study_named_by(config))
        check_artefacts(study, artefacts)
    except PdbenchError as error:
        print(f"pdbench: error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from error
    paths = Paths(study)
    return Workflow(
        study=study,
        argument=study_argument(config),
        paths=paths,
        jobs=Jobs(study),
        logs=Path("logs") / study.name,
        benchmarks=paths.results / "benchmarks",
    )


def study_argument(config: Mapping[str, Any]) -> str:
    """The study as commands are given it: its name if it stands in ``config/``, else a path.

    One spelling for both keeps ``--config study=demo`` and ``study=config/demo.yaml`` from
    looking like two different studies to Snakemake.
    """
    wanted = Path(_study_named_by(config))
    in_config = wanted.suffix in {".yaml", ".yml"} and wanted.resolve().parent == ROOT / "config"
    return wanted.stem if in_config else str(wanted)


def _study_named_by(config: Mapping[str, Any]) -> str:
    unknown = sorted(set(config) - {"study"})
    if unknown:
        raise UsageError(f"--config {unknown[0]}: unknown key", "the only key is study=NAME|PATH")
    return str(config.get("study", DEFAULT))
