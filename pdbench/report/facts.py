"""What was run and on what, from the records of the runs themselves."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any

from pdbench.data.columns import TEACHER
from pdbench.jobs.record import RunRecord, read_record
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
    """A kind of training: how many runs it had, and how long they took.

    Attributes:
        seconds: Wall time of all of them, added up.
        elapsed: Wall time from the first start to the last end, other stages included.
    """

    name: str
    runs: int
    seconds: float
    elapsed: float


@dataclass(frozen=True)
class Facts:
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


def gather(study: Study, paths: Paths, frame: Any) -> Facts:
    """Collect the facts of a study from its runs and its pre-training records."""
    students = frame[frame["method"] != TEACHER]
    finished = set(students["cell"])
    stages = tuple(_stages(study, paths, frame))
    return Facts(
        runs=len(students),
        cells=len(study.seeds),
        missing=tuple(cell.key for cell in study.seeds if cell.key not in finished),
        degenerate=int(frame["degenerate"].sum()),
        seconds=sum(stage.seconds for stage in stages),
        elapsed=_elapsed(frame["started"], frame["finished"]),
        stages=stages,
        machine={label: _values(frame[column]) for column, label in _MACHINE.items()},
        software={"Python": platform.python_version(), **{n: version(n) for n in _DRAWN_WITH}},
    )


def _stages(study: Study, paths: Paths, frame: Any) -> Iterator[_TrainingKind]:
    pretrained = list(_pretraining_records(study, paths))
    if pretrained:
        environments = [record.environment for record in pretrained]
        yield _TrainingKind(
            "Pre-training of students",
            len(pretrained),
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


def _pretraining_records(study: Study, paths: Paths) -> Iterator[RunRecord]:
    for start in study.pretrained:
        path = paths.pretrained(start) / "record.json"
        if path.is_file():
            yield read_record(path)


def _elapsed(started: Iterable[str], finished: Iterable[str]) -> float:
    first = min(map(datetime.fromisoformat, started))
    return (max(map(datetime.fromisoformat, finished)) - first).total_seconds()


def _values(column: Any) -> str:
    return ", ".join(sorted({str(value) for value in column}))
