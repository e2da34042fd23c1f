"""The record of one run: a typed, versioned JSON file that knows when it was edited."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationError

from pdbench.core.entries import RECORD, read_record, write_record
from pdbench.core.errors import DataError
from pdbench.data.columns import SCHEMA_VERSION
from pdbench.study import Cell, Run, Study
from pdbench.study.cells import point_of
from pdbench.study.settings import Strict
from pdbench.workflow import Paths

if TYPE_CHECKING:
    from pdbench.engine import Progress


PRETRAIN, FIT = "pretrain", "fit"
"""What the stage of a pre-training is called that trains by masked LM, or fits a larger model."""


class StageRecord(Strict):
    """What one training stage did."""

    objective: str = Field(description="pretrain, fit, distill, finetune, or a method's own class.")
    learning_rate: float
    steps: int = Field(description="Updates.")
    examples: int = Field(description="Items seen, counted with repetition.")
    pieces: int = Field(description="Word pieces seen, without padding.")
    padding: float = Field(description="Share of the processed positions that were padding.")
    loss: float = Field(
        description="Mean training loss of the last steps, in nats; of fit, squared error."
    )
    seconds: float = Field(description="Wall time.")
    teacher_seconds: float = Field(
        description="Of it, in forward passes of a teacher that is asked while the student trains; "
        "0 on a GPU, where they are not timed."
    )

    @classmethod
    def of(cls, objective: str, rate: float, progress: Progress) -> StageRecord:
        """What a stage did, as its record keeps it."""
        return cls(
            objective=objective,
            learning_rate=rate,
            steps=progress.steps,
            examples=progress.examples,
            pieces=progress.pieces,
            padding=round(progress.padding, 4),
            loss=progress.loss,
            seconds=round(progress.seconds, 3),
            teacher_seconds=round(progress.teacher_seconds, 3),
        )


class Environment(Strict):
    """The machine and the software of the job that ran it, not of the head node."""

    host: str
    device: str = Field(description="Name of the CPU or GPU.")
    threads: int
    precision: Literal["bf16", "fp32"] = Field(description="Precision of matrix products.")
    python: str
    platform: str
    pdbench: str
    torch: str
    commit: str = Field(
        description="Git commit, with '+changes' for a dirty tree; of an installed package its "
        "version; or 'unknown'."
    )
    slurm_job: str | None = None
    started: str = Field(description="UTC, ISO 8601.")
    finished: str = Field(description="UTC, ISO 8601.")
    seconds: float = Field(description="Wall time of all its starts, scoring included.")
    resumed: int = Field(default=0, description="Times that it was taken up after an interruption.")
    processes: int = Field(default=1, description="Processes that trained it together.")
    peak_memory_mb: float = Field(description="Largest resident size of the process so far, MiB.")


class RunRequest(Strict):
    """Which run it is, and what decides its result: known before it trains."""

    cell: str
    task: str | None = None
    method: str
    architecture: str
    transfer: str | None = None
    corpus: str | None = None
    run: str = "seed0"
    seed_index: int = 0
    seed: int
    spec: str = Field(description="Digest of all that decides the result.")
    engine: str = Field(description="Version of the code, with a digest where it is of none.")
    inputs: dict[str, str] = Field(description="Digests of the data read, by role.")


class RunRecord(RunRequest):
    """One trained model: what was asked, what it scored, and where."""

    schema_version: Literal[1] = SCHEMA_VERSION
    outputs: dict[str, str] = Field({}, description="Digests of the files beside the record.")
    stages: tuple[StageRecord, ...]
    metrics: dict[str, dict[str, float]] = Field(
        description="Fractions, by split and metric: of dev alone, since no job that trains opens "
        "the labels of test."
    )
    degenerate: bool = Field(description="All test predictions are the same class.")
    parameters: int = Field(description="Parameters of encoder, pooler and tied MLM head.")
    environment: Environment

    @classmethod
    def read(cls, folder: Path) -> RunRecord:
        """The record in a folder; one of another schema version, or that was edited, is refused."""
        path, content = folder / RECORD, read_record(folder)
        remedy = f"delete {folder} and run again; other runs are kept"
        if content.get("schema_version") != SCHEMA_VERSION:
            raise DataError(f"{path}: not a run record of schema version {SCHEMA_VERSION}", remedy)
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise DataError(f"{path}: key {key}: {first['msg']}", remedy) from error

    def write(self, folder: Path) -> RunRecord:
        """Write the record of all that is in a folder; return it."""
        return RunRecord.model_validate(write_record(folder, self.model_dump(mode="json")))


def selection_metric(study: Study, task: str) -> str:
    """The metric that chooses on dev: the first of the task whose models these are."""
    return study.tasks[study.tasks[task].model_of or task].metrics[0]


def best_point(dev: Mapping[str, float]) -> str:
    """The name of the grid point that is best on dev, in the mean over the runs, by name, at it.

    Of equal points it is the first by name.
    """
    points: dict[str, list[float]] = {}
    for run, score in dev.items():
        points.setdefault(point_of(run), []).append(score)
    return min(points, key=lambda point: (-fmean(points[point]), point))


def selecting_scores(study: Study, paths: Paths, cell: Cell) -> dict[str, float]:
    """The dev scores, by run, that select a cell's grid point: of the runs that are there."""
    runs = [run for run in study.runs(cell) if study.selects(cell, run.seed_number)]
    return {run.name: score for run, score in _dev_scores(study, paths, runs).items()}


def best_runs(study: Study, paths: Paths, cell: Cell) -> list[Run]:
    """Of the runs of a cell that are there, those that dev may choose; in the end it is one.

    That is the best on dev of the runs at the selected grid point, and of equal ones the first by
    seed number. While others are missing that select too, every point may be that, with its best.
    """
    runs = study.runs(cell)
    select = [run for run in runs if study.selects(cell, run.seed_number)]
    dev = _dev_scores(study, paths, runs)
    selecting = {run.name: dev[run] for run in select if run in dev}
    points = {point_of(name) for name in selecting}
    if selecting and (study.first_selects(cell) or len(selecting) == len(select)):
        points = {best_point(selecting)}
    found = ([run for run in dev if run.point == point] for point in sorted(points))
    return [max(runs, key=dev.__getitem__) for runs in found]


def _dev_scores(study: Study, paths: Paths, runs: Iterable[Run]) -> dict[Run, float]:
    """What those of some runs that are there score on dev, in the metric that chooses."""
    there = {run: paths.run(run) for run in runs if (paths.run(run) / RECORD).is_file()}
    return {
        run: RunRecord.read(folder).metrics["dev"][selection_metric(study, run.cell.task)]
        for run, folder in there.items()
    }


def own_runs(study: Study, paths: Paths, cell: Cell) -> list[Run]:
    """The runs that a cell has, as far as its first seed has been trained.

    All that the study may have; where the first seed selects, that seed's and, once they are all
    there, those of the others at the point that is its best.
    """
    runs = study.runs(cell)
    selecting = [run for run in runs if study.selects(cell, run.seed_number)]
    if len(selecting) == len(runs):
        return selecting
    dev = selecting_scores(study, paths, cell)
    if len(dev) < len(selecting):
        return selecting
    best = best_point(dev)
    return [run for run in runs if study.selects(cell, run.seed_number) or run.point == best]
