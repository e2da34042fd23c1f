"""What stands below ``reports/``: whose it is, and what it was made from.

Its place says neither, as it does in the store; and what Snakemake remembers, and the dates of
files, decide nothing.
"""

from __future__ import annotations

import os
import secrets
import time

from pdbench.core.errors import DataError, UsageError
from pdbench.core.files import digest, mended, read_json, write_json, write_text
from pdbench.study import Study
from pdbench.workflow.graph import Graph
from pdbench.workflow.kinds import SHOWN, Job
from pdbench.workflow.paths import Paths


def outdate(paths: Paths, graph: Graph) -> None:
    """Let Snakemake make anew what was made from something else; clocks may say anything."""
    for job in (job for job in graph.jobs if job.kind in SHOWN):
        asked, mark = paths.asked(job), paths.mark(job)
        is_made = mark.is_file() and mark.read_bytes() == paths.digest(job).encode()
        there = (path.stat().st_mtime for path in paths.outputs(job) if path.exists())
        when = 1.0 if is_made else max([time.time(), *(date + 1 for date in there)])
        if not (is_made and asked.exists()):
            write_text(asked, secrets.token_hex())  # Snakemake also compares its content
        os.utime(asked, (when, when))


def note_made(paths: Paths, job: Job) -> None:
    """Leave word of what a product was made from."""
    if not paths.partial:
        write_text(paths.mark(job), paths.digest(job))


def claim(paths: Paths) -> None:
    """Let what stands under the study's name be this study's."""
    refuse_others(paths)
    write_json(paths.owner, _identity(paths.study))


def refuse_others(paths: Paths) -> None:
    """Refuse a study under whose name another one's results stand.

    Raises:
        UsageError: They are those of another study file, which says something else.
    """
    if not (paths.owner.is_file() and paths.reports.exists()):
        return
    known, own = read_json(paths.owner), _identity(paths.study)
    if not isinstance(known, dict) or not known.keys() >= own.keys():
        what = f"{paths.owner}: does not say whose results these are"
        raise DataError(what, mended(paths.owner))
    if not any(known.get(key) == value for key, value in own.items()):
        study = paths.study
        what = f"{study.argument}: its name, {study.name}, is that of {known['file']}"
        remedy = f"give it another name, or delete {paths.owner} if it took its place"
        raise UsageError(f"{what}, whose results are in {paths.reports}", remedy)


def _identity(study: Study) -> dict[str, str]:
    """Which study it is: its file, as seen from here, and what that says."""
    return {"file": study.file, "content": digest(study.model_dump(mode="json"))}
