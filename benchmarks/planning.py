"""Time and memory of `snakemake -n` on studies of a thousand to thirty thousand cells."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import yaml

from benchmarks.options import Options, with_options
from benchmarks.rows import Row, row
from pdbench.core.errors import DataError
from pdbench.study import ROOT, load_study
from pdbench.workflow.graph import Graph
from pdbench.workflow.snakefile import sizes_of_jobs

JOBS = (1_000, 10_000, 30_000)
SECONDS, MEGABYTES = 30.0, 1000.0
"""What planning may take."""

ALONE, PROFILE = (
    "planning {:,} cells that nobody bundles, nothing done yet",
    "planning {:,} small cells as --profile slurm does",
)
"""Cells that share jobs only where they are too many; and as many, of which small ones do."""
_METHODS = ("pd", "d")
_SEEDS = 5
_GRID = {"layers": [2, 4, 6, 8, 10, 12], "hidden": [128, 256, 512, 768]}


@click.command()
@with_options
def main(options: Options) -> list[Row]:
    """Plan studies of the paper's 24 sizes and of many transfer sets, without and with bundles."""
    bundled, _ = sizes_of_jobs(ROOT / "slurm")
    return [
        found
        for work, bundle in ((ALONE, 0.0), (PROFILE, bundled))
        for count in (JOBS[:1] if options.quick else JOBS)
        for found in _rows(options, count, work.format(count), bundle)
    ]


def _rows(options: Options, count: int, work: str, bundle: float) -> list[Row]:
    found = []
    for number in range(options.pairs):
        found.append(_measure(count, bundle))
        cpu, peak = found[-1]
        options.report(f"{work}, {number + 1}: {cpu:.1f} CPU s, {peak:.0f} MB")
    time_taken = [(cpu, SECONDS) for cpu, _ in found]
    memory = [(peak, MEGABYTES) for _, peak in found]
    limits = f"the limit of {SECONDS:.0f} s", f"the limit of {MEGABYTES:,.0f} MB"
    return [
        row(work, "24 sizes", limits[0], time_taken, "our CPU seconds / the limit"),
        row(work, "24 sizes", limits[1], memory, "our peak memory (MB) / the limit"),
    ]


def study_of(jobs: int) -> dict[str, Any]:
    """A study with about so many jobs: the demo's data, 24 sizes and many transfer sets."""
    raw = copy.deepcopy(yaml.safe_load((ROOT / "config/demo.yaml").read_text(encoding="utf-8")))
    # Pre-trainings, teachers and the like are there whatever the number of sets.
    starts = _SEEDS * len(_GRID["layers"]) * len(_GRID["hidden"])
    a_set = len(_METHODS) * len(raw["tasks"]) * len(_GRID["layers"]) * len(_GRID["hidden"])
    sets = {
        f"first-{i}": {"text": "snippets", "size": 10 + i}
        for i in range(max(1, (jobs - starts) // a_set))
    }
    block = {"task": [*raw["tasks"]], "method": [*_METHODS], "architecture": "all"}
    cells = [{**block, "transfer": [*sets], "corpus": "film-sentences"}]
    return {
        **{key: value for key, value in raw.items() if key != "gate"},
        "name": f"planning-{jobs}",
        "scale": "paper",  # bundled by the seconds of a GPU, as on a cluster
        "architectures": {"grid": _GRID, "named": {"Base": "12/768"}},
        "transfer_sets": sets,
        "artefacts": {"figure8": {"seeds": _SEEDS, "cells": cells}},
    }


def _measure(jobs: int, bundle: float) -> tuple[float, float]:
    """CPU seconds and peak memory (MB) of one dry run in an empty folder.

    Snakemake plans on one core, so that its wall time is the same where the core is free.
    """
    with tempfile.TemporaryDirectory(prefix="pdbench-") as name:
        folder = Path(name)
        path = folder / "study.yaml"
        path.write_text(yaml.safe_dump(study_of(jobs)), encoding="utf-8")
        _check(path, jobs)
        command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "all"]
        command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", name]
        command += ["--config", f"study={path}", f"bundle={bundle}"]
        with (folder / "log").open("w", encoding="utf-8") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            last = (folder / "log").read_text(encoding="utf-8").splitlines()[-1:]
            raise DataError(f"snakemake --dry-run: failed ({' '.join(last)})", "run it by hand")
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def _check(path: Path, wanted: int) -> None:
    found = len(Graph(load_study(path)).jobs)
    if not 0.9 < found / wanted < 1.2:
        raise DataError(f"{path}: {found} jobs, not {wanted}", "mend study_of")


if __name__ == "__main__":
    main()
