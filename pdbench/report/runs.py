"""Every run behind the numbers of a report, with its record and the command that made it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pdbench.data.columns import TEACHER
from pdbench.study import Study
from pdbench.workflow import Paths


@dataclass(frozen=True)
class _RunRow:
    """One trained model.

    Attributes:
        scores: Dev and test score of each metric of the task, in per cent.
        selected: Whether dev chose its grid point, so that numbers are made of it.
        degenerate: Whether it predicts one class only.
        link: The path of its record from the folder of the page.
    """

    name: str
    scores: tuple[tuple[float, float], ...]
    selected: bool
    degenerate: bool
    steps: int
    seconds: float
    commit: str
    record: Path
    link: str


@dataclass(frozen=True)
class Trained:
    """The runs of one cell, or a teacher.

    Attributes:
        command: What trains it.
        runs: Its runs; empty where the cell is missing.
    """

    key: str
    command: str
    metrics: tuple[str, ...]
    runs: tuple[_RunRow, ...]


def gather_runs(study: Study, paths: Paths, frame: Any) -> tuple[Trained, ...]:
    """Collect the runs of every teacher and cell of a study, whole or not."""
    by_cell = dict(iter(frame.groupby("cell", sort=False)))
    return tuple(_teachers(study, paths, frame)) + tuple(
        Trained(
            key,
            f"pdbench cell {study.argument} {key}",
            study.tasks[cell.task].metrics,
            _runs(
                by_cell.get(key),
                paths,
                {run.name: paths.run(run) for run in study.runs(cell)},
                study.tasks[cell.task].metrics,
            ),
        )
        for key, cell in study.cells.items()
    )


def _teachers(study: Study, paths: Paths, frame: Any) -> Iterator[Trained]:
    for task in study.taught:
        rows = frame[(frame["method"] == TEACHER) & (frame["task"] == task)]
        metrics = study.tasks[task].metrics
        if len(rows):
            key, command = str(rows["cell"].iloc[0]), f"pdbench teacher {study.argument} {task}"
            yield Trained(
                key, command, metrics, _runs(rows, paths, {"seed0": paths.teacher(task)}, metrics)
            )


def _runs(
    rows: Any, paths: Paths, folders: dict[str, Path], metrics: tuple[str, ...]
) -> tuple[_RunRow, ...]:
    found = rows.to_dict("records") if rows is not None else []
    return tuple(_run(row, paths, folders[row["run"]], metrics) for row in found)


def _run(row: dict[str, Any], paths: Paths, folder: Path, metrics: tuple[str, ...]) -> _RunRow:
    record = folder / "record.json"
    return _RunRow(
        name=row["run"],
        scores=tuple((100 * row[f"dev_{m}"], 100 * row[f"test_{m}"]) for m in metrics),
        selected=bool(row["selected"]),
        degenerate=bool(row["degenerate"]),
        steps=int(row["steps"]),
        seconds=float(row["seconds"]),
        commit=str(row["commit"]),
        record=record,
        link=os.path.relpath(record, paths.reports),
    )
