"""Stands in for the pdbench command in tests of the workflow: trains nothing, writes everything.

It notes each command in ``commands.txt``, and each run that it trains in ``runs.txt``.
``WORKFLOW_FAILS`` names an argument whose job is to fail.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from pdbench.core.entries import RECORD, write_record
from pdbench.data.columns import predictions_file
from pdbench.study import load_study
from pdbench.study.catalogue import archives as catalogue
from pdbench.study.cells import SeedOf
from pdbench.workflow import Paths
from pdbench.workflow.graph import Graph
from pdbench.workflow.kinds import KINDS, SHOWN, Job, kind_of, runs_of
from pdbench.workflow.paths import ARCHIVES
from pdbench.workflow.shown import note_made


def main(command: str, words: list[str]) -> None:
    """Do what a command of a rule does, as far as files go."""
    study_at = 1 if command == "check" else 0
    named = "" if command == "archive" else words[study_at]
    words = words[study_at + 1 :] if named else words
    _note("commands.txt", " ".join([command, *words]))
    if os.environ.get("WORKFLOW_FAILS") in (command, *words):
        sys.exit("pdbench: error: made to fail; mend it")
    if command == "archive":
        _write([ARCHIVES / catalogue.ARCHIVES[words[0]].file])
        return
    study = load_study(named)
    paths = Paths(study, partial="--partial" in words)
    if command == "check" and "--exit-zero" not in words:
        sys.exit("worse (exit code 1)" if Path("worse").exists() else 0)
    elif command in ("cell", "cells"):
        seed = int(words[words.index("--seed") + 1]) if "--seed" in words else None
        for cell in (study.cells[word] for word in words if word in study.cells):
            _train(paths, Job("cell", cell) if seed is None else Job("seed", SeedOf(cell, seed)))
        if command == "cells":
            _write([Path(words[words.index("--then") + 1])])
    else:
        job = _job(Graph(study), command, words)
        _write(paths.outputs(job))
        if job.kind in SHOWN:
            note_made(paths, job)
        if "--partial" in words:
            sys.stdout.write(f"{paths.index}\n")


def _job(graph: Graph, command: str, words: list[str]) -> Job:
    """The job that a command and its arguments name."""
    kinds = {"artefact": kind_of(words[0]) if words else "", "check": "gate"}
    kind = kinds.get(command, command.replace("-", "_"))
    asked = " ".join(words)
    found = [job for job in graph.jobs if job.kind == kind]
    return next(
        job for job in found if job.key is None or asked.startswith(KINDS[kind].arguments(job.key))
    )


def _train(paths: Paths, job: Job) -> None:
    """Leave what a job's runs leave; a first seed that selects prefers the first point."""
    cell = getattr(job.key, "cell", job.key)
    runs, best = list(runs_of(paths.study, job)), paths.study.runs(cell)[0].point
    if paths.study.first_selects(cell):
        runs = [run for run in runs if not run.seed_number or run.point == best]
    for run in runs:
        record = paths.run(run) / RECORD
        if not record.exists():
            _note("runs.txt", f"{run.cell}/{run.name}")
            _write([record.with_name(predictions_file("test")), record])
    write_record(paths.folder(job), {"runs": {run.name: str(paths.run(run)) for run in runs}})


def _note(name: str, line: str) -> None:
    with Path(name).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def _write(files: Iterable[Path]) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.name == RECORD:
            write_record(file.parent, {"made": str(file)})
        else:
            file.write_text(f"{file}\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
