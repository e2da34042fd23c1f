"""How Snakemake is started on a study."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from pdbench.core.errors import UsageError
from pdbench.study import Study
from pdbench.study.discovery import configured

SNAKEFILE = Path("workflow/Snakefile")


def command_of(
    study: Study,
    cores: str | None = None,
    profile: Path | None = None,
    settings: Iterable[str] = (),
    others: Sequence[str] = (),
) -> list[str]:
    """The command that makes a study in the working folder; its first word is this Python.

    The workflow is the folder's own, or pdbench's. A ``profile`` says where jobs run, and how many
    at once; without one they take all cores of this machine, or so many ``cores``. ``settings``
    are further ones of the workflow, KEY=VALUE, and ``others`` what Snakemake is asked for besides.
    """
    for word in others:
        if word == "-C" or word.partition("=")[0] == "--config":
            remedy = "write it before --: pdbench run STUDY --config KEY=VALUE"
            raise UsageError(f"{word} after --: it would hide the study from Snakemake", remedy)
    where = (
        ["--profile", str(profile)] if profile else ["--rerun-incomplete", "--logger", "pdbench"]
    )
    shared = ["--cores", cores or "all"] if cores or not profile else []
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(configured(SNAKEFILE))]
    config = ["--config", *settings, f"study={study.argument}"]
    return [*snakemake, *where, *shared, *others, *config]
