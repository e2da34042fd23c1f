"""What was run and on what: all in numbers, and every run with the command that made it."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from pdbench.data.columns import TEACHER
from pdbench.evidence import ResultsTable
from pdbench.jobs.record import read_record
from pdbench.study import Study
from pdbench.workflow import Paths

_DRAWN_WITH = ("numpy", "scipy", "pandas", "pyarrow", "matplotlib", "jinja2")
_MACHINE = {
    "host": "Host",
    "device": "Device",
    "threads": "Threads a job",
    "precision": "Precision",
    "torch_version": "PyTorch",
    "pdbench_version": "pdbench",
    "commit": "Commit",
}


def gather(paths: Paths, scores: ResultsTable) -> dict[str, Any]:
    """The numbers at the head of a report, from its runs and its pre-training records.

    ``stages`` has for each kind of training its ``name``, its number of ``runs``, the ``seconds``
    of all added up and those ``elapsed`` from the first start to the last end.
    """
    study, frame = scores.study, scores.frame
    stages = list(_stages(study, paths, frame))
    return {
        "runs": int((frame["method"] != TEACHER).sum()),
        "cells": len(study.seed_counts),
        "missing": [cell.key for cell in study.seed_counts if not scores.is_whole(cell)],
        "degenerate": int(frame["degenerate"].sum()),
        "seconds": sum(stage["seconds"] for stage in stages),
        "elapsed": _elapsed(frame["started"], frame["finished"]),
        "stages": stages,
        "machine": {
            label: ", ".join(sorted(set(map(str, frame[column]))))
            for column, label in _MACHINE.items()
        },
        "software": {"Python": platform.python_version(), **{n: version(n) for n in _DRAWN_WITH}},
    }


def _stages(study: Study, paths: Paths, frame: Any) -> Iterator[dict[str, Any]]:
    records = (paths.pretrained(start) / "record.json" for start in study.pretrained)
    environments = [dict(read_record(path).environment) for path in records if path.is_file()]
    parts = {"Pre-training of students": pd.DataFrame(environments)}
    parts["Fine-tuning of teachers"] = frame[frame["method"] == TEACHER]
    for name, method in study.methods.items():
        parts[f"Students: {method.name}"] = frame[frame["method"] == name]
    for name, rows in parts.items():
        if len(rows):
            elapsed, seconds = _elapsed(rows["started"], rows["finished"]), rows["seconds"].sum()
            yield {"name": name, "runs": len(rows), "seconds": float(seconds), "elapsed": elapsed}


def _elapsed(started: Iterable[str], finished: Iterable[str]) -> float:
    first = min(map(datetime.fromisoformat, started))
    return (max(map(datetime.fromisoformat, finished)) - first).total_seconds()


def gather_runs(paths: Paths, scores: ResultsTable) -> Iterator[dict[str, Any]]:
    """The ``key``, ``metrics``, ``command`` and ``runs`` of every teacher and cell, whole or not.

    A cell without any run is there too.
    """
    study, frame = scores.study, scores.frame
    for task in study.taught:
        rows = frame[(frame["method"] == TEACHER) & (frame["task"] == task)].to_dict("records")
        if rows:
            about = {"key": rows[0]["cell"], "metrics": study.tasks[task].metrics}
            runs = [_run(row, paths, paths.teacher(task), about["metrics"]) for row in rows]
            yield {**about, "command": f"pdbench teacher {study.argument} {task}", "runs": runs}
    by_cell = {key: rows.to_dict("records") for key, rows in frame.groupby("cell", sort=False)}
    for key, cell in study.cells.items():
        about = {"key": key, "metrics": study.tasks[cell.task].metrics}
        folders = {run.name: paths.run(run) for run in study.runs(cell)}
        rows = by_cell.get(key, [])
        runs = [_run(row, paths, folders[row["run"]], about["metrics"]) for row in rows]
        yield {**about, "command": f"pdbench cell {study.argument} {key}", "runs": runs}


def _run(
    row: dict[str, Any], paths: Paths, folder: Path, metrics: tuple[str, ...]
) -> dict[str, Any]:
    """A run's row with its (dev, test) scores in per cent and the place of its record."""
    record = folder / "record.json"
    scores = [(100 * row[f"dev_{m}"], 100 * row[f"test_{m}"]) for m in metrics]
    link = os.path.relpath(record, paths.reports)
    return {**row, "steps": int(row["steps"]), "scores": scores, "record": record, "link": link}
