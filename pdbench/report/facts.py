"""What was run and on what: all in numbers, and every run with the command that made it."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pdbench.data.columns import TEACHER
from pdbench.jobs.record import RunRecord
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


@dataclass(frozen=True)
class _TrainingKind:
    """A kind of training: how many runs it had, and their wall time.

    ``elapsed`` is from the first start to the last end, other stages included.
    """

    name: str
    runs: int
    seconds: float
    elapsed: float


@dataclass(frozen=True)
class _Facts:
    """The numbers at the head of a report."""

    runs: int
    cells: int
    missing: tuple[str, ...]
    degenerate: int
    seconds: float
    elapsed: float
    stages: tuple[_TrainingKind, ...]
    machine: dict[str, str]
    software: dict[str, str]


def gather(study: Study, paths: Paths, frame: Any) -> _Facts:
    """Collect the facts of a study from its runs and its pre-training records."""
    students = frame[frame["method"] != TEACHER]
    finished = set(students["cell"])
    stages = tuple(_stages(study, paths, frame))
    return _Facts(
        runs=len(students),
        cells=len(study.seed_counts),
        missing=tuple(cell.key for cell in study.seed_counts if cell.key not in finished),
        degenerate=int(frame["degenerate"].sum()),
        seconds=sum(stage.seconds for stage in stages),
        elapsed=_elapsed(frame["started"], frame["finished"]),
        stages=stages,
        machine={label: _values(frame[column]) for column, label in _MACHINE.items()},
        software={"Python": platform.python_version(), **{n: version(n) for n in _DRAWN_WITH}},
    )


def _stages(study: Study, paths: Paths, frame: Any) -> Iterator[_TrainingKind]:
    folders = map(paths.pretrained, study.pretrained)
    made = [folder for folder in folders if (folder / "record.json").is_file()]
    environments = [RunRecord.read(folder).environment for folder in made]
    if environments:
        yield _TrainingKind(
            "Pre-training of students",
            len(environments),
            sum(one.seconds for one in environments),
            _elapsed([e.started for e in environments], [e.finished for e in environments]),
        )
    names = {TEACHER: "Fine-tuning of teachers"}
    names |= {name: f"Students: {method.name}" for name, method in study.methods.items()}
    for method, name in names.items():
        rows = frame[frame["method"] == method]
        if len(rows):
            elapsed = _elapsed(rows["started"], rows["finished"])
            yield _TrainingKind(name, len(rows), float(rows["seconds"].sum()), elapsed)


def _elapsed(started: Iterable[str], finished: Iterable[str]) -> float:
    first = min(map(datetime.fromisoformat, started))
    return (max(map(datetime.fromisoformat, finished)) - first).total_seconds()


def _values(column: Any) -> str:
    return ", ".join(sorted({str(value) for value in column}))


@dataclass(frozen=True)
class _Trained:
    """The runs of one cell, or a teacher, with the command that trains them; none if missing."""

    key: str
    command: str
    metrics: tuple[str, ...]
    runs: list[dict[str, Any]]


def gather_runs(study: Study, paths: Paths, frame: Any) -> Iterator[_Trained]:
    """Collect the runs of every teacher and cell of a study, whole or not."""
    by_cell = {key: rows.to_dict("records") for key, rows in frame.groupby("cell", sort=False)}
    for task in study.taught:
        rows = frame[(frame["method"] == TEACHER) & (frame["task"] == task)].to_dict("records")
        metrics, folder = study.tasks[task].metrics, paths.teacher(task)
        if rows:
            command = f"pdbench teacher {study.argument} {task}"
            runs = [_run(row, paths, folder, metrics) for row in rows]
            yield _Trained(rows[0]["cell"], command, metrics, runs)
    for key, cell in study.cells.items():
        metrics = study.tasks[cell.task].metrics
        folders = {run.name: paths.run(run) for run in study.runs(cell)}
        rows = by_cell.get(key, [])
        runs = [_run(row, paths, folders[row["run"]], metrics) for row in rows]
        yield _Trained(key, f"pdbench cell {study.argument} {key}", metrics, runs)


def _run(
    row: dict[str, Any], paths: Paths, folder: Path, metrics: tuple[str, ...]
) -> dict[str, Any]:
    """A run's row with its (dev, test) scores in per cent and the place of its record."""
    record = folder / "record.json"
    scores = [(100 * row[f"dev_{m}"], 100 * row[f"test_{m}"]) for m in metrics]
    link = os.path.relpath(record, paths.reports)
    return {**row, "steps": int(row["steps"]), "scores": scores, "record": record, "link": link}
