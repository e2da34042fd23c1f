"""All runs of a study as one Parquet file, scored on test: jobs that train only predict for it."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from pdbench.core.entries import RECORD, read_record, verified
from pdbench.core.errors import DataError
from pdbench.data.columns import (
    IMPORTED,
    TEACHER,
    TEST_LABELS,
    TEST_PREDICTIONS,
    examples_column,
    predictions_file,
)
from pdbench.data.table import write_table
from pdbench.data.tokens import read_array
from pdbench.jobs.imports import imported_rows
from pdbench.jobs.record import RunRecord, best_point, own_runs, selection_metric
from pdbench.jobs.submission import imported_scores
from pdbench.kinds import Labelled, kind_of, majority
from pdbench.study import Architecture, Cell, Study
from pdbench.study.cells import point_of
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job
from pdbench.workflow.shown import note_made

if TYPE_CHECKING:
    import pandas as pd

_LEFT_OUT = {"stages", "metrics", "environment", "inputs", "outputs"}
"""Of a record; each has columns of its own, or stands beside it."""

_NOT_OF_ENVIRONMENT = {"host", "python", "platform", "slurm_job", "pdbench", "torch"}
"""Of a record's environment: left out of the table, which others read, or under other names."""


def collect(study: Study, paths: Paths) -> Path:
    """Gather every finished run, imported ones too, into ``results.parquet``."""
    write_table(paths.table, gathered(study, paths))
    note_made(paths, Job("collect"))
    return paths.table


def gathered(study: Study, paths: Paths, cells: Collection[Cell] = ()) -> pd.DataFrame:
    """What records of finished runs say, one row a run: of some cells, or of all and imported."""
    import pandas as pd

    whose, chosen = {"study": study.name, "scale": study.scale}, cells or study.seed_counts
    used = {cell.task for cell in chosen}
    folders = [(task, paths.teacher(task)) for task in study.taught if task in used]
    runs = (run for cell in chosen for run in own_runs(study, paths, cell))
    folders += [(run.cell.task, paths.run(run)) for run in runs]
    tests = {task: _Test(study, paths, task) for task in study.tasks}
    found = ((tests[task], own) for task, own in folders if (own / RECORD).is_file())
    rows = [{**whose, **_row(test, own)} for test, own in found]
    known = {row["cell"] for row in rows} & {cell.key for cell in chosen}
    labelled = {key: _labelled_items(study, paths, study.cells[key]) for key in known}
    for row in rows:
        row |= {IMPORTED: False, "labelled_items": labelled.get(row["cell"])}
    for task, said, row in () if cells else imported_rows(study, paths):
        rows.append({**whose, **row, **tests[task].score(row["method"], said)})
    answered = imported_scores(study, paths)
    rows = [{**row, **answered.get((row["cell"], row["run"]), {})} for row in rows]
    if not rows:
        raise DataError(f"study {study.name}: no finished run", "run it first")
    frame = pd.DataFrame(rows)
    frame["selected"] = _selected(frame, study)
    frame[TEST_LABELS] = _labels(frame, paths)
    frame = frame.sort_values(["task", "method", "hidden", "layers", "cell", "run"])
    return frame.reset_index(drop=True)


def _labelled_items(study: Study, paths: Paths, cell: Cell) -> int:
    """How many labelled items the runs of a cell train on; 0 where no stage reads any."""
    if all(stage.data != "labelled" for stage in study.methods[cell.method].stages):
        return 0
    counted = read_record(paths.task(study.trained_by(cell).task))["splits"]["train"]["items"]
    return int(counted)


class _Test:
    """The labelled test split of a task: jobs that train do not open it."""

    def __init__(self, study: Study, paths: Paths, task: str) -> None:
        self._kind, self._folder = kind_of(study.tasks[task]), paths.task(task)

    @cached_property
    def _data(self) -> Labelled:
        return self._kind.open_split(self._folder / "test")

    @cached_property
    def majority(self) -> dict[str, float]:
        """The share of the largest class, by the column that says it."""
        return {f"majority_{s}": majority(self._folder, s) for s in ("dev", "test")}

    def score(self, method: str, said: NDArray[Any]) -> dict[str, Any]:
        """What a model that said this scores, and what is compared with the labels, by column."""
        is_teacher = method == TEACHER
        metrics = self._kind.teacher_metrics if is_teacher else self._kind.task.metrics
        scores = self._kind.judge(said, self._data, metrics)
        return {
            **{f"test_{metric}": value for metric, value in scores.metrics.items()},
            **self.majority,
            TEST_PREDICTIONS: scores.predictions.tolist(),
            **{examples_column(m): each.tolist() for m, each in scores.examples.items()},
        }


def _row(test: _Test, folder: Path) -> dict[str, Any]:
    record = RunRecord.read(folder)
    said = read_array(verified(folder / predictions_file("test")))
    architecture = Architecture.parse(record.architecture)
    return {
        **record.model_dump(mode="json", exclude=_LEFT_OUT),
        "layers": architecture.layers,
        "hidden": architecture.hidden,
        **{
            f"{split}_{metric}": value
            for split, found in record.metrics.items()
            for metric, value in found.items()
        },
        **{f"{role}_digest": found for role, found in record.inputs.items()},
        **_training(record),
        **record.environment.model_dump(exclude=_NOT_OF_ENVIRONMENT),
        "pdbench_version": record.environment.pdbench,
        "torch_version": record.environment.torch,
        **test.score(record.method, said),
    }


def _training(record: RunRecord) -> dict[str, Any]:
    stages = record.stages
    pieces = sum(stage.pieces for stage in stages)
    positions = sum(stage.pieces / (1 - stage.padding) for stage in stages)
    return {
        "learning_rates": "/".join(f"{stage.learning_rate:g}" for stage in stages),
        "train_loss": stages[-1].loss,
        "steps": sum(stage.steps for stage in stages),
        "examples": sum(stage.examples for stage in stages),
        "tokens": pieces,
        "padding_share": round(1 - pieces / positions, 4),
        "train_seconds": sum(stage.seconds for stage in stages),
        "teacher_seconds": sum(stage.teacher_seconds for stage in stages),
    }


def _labels(frame: pd.DataFrame, paths: Paths) -> list[list[float] | None]:
    """The true labels of a task's test examples in its first row, where they stand once."""
    found = {
        task: read_array(verified(paths.task(task) / "test" / "labels.npy")).tolist()
        for task in frame["task"].unique()
    }
    return [
        None if later else found[task]
        for task, later in zip(frame["task"], frame["task"].duplicated(), strict=True)
    ]


def _selected(frame: pd.DataFrame, study: Study) -> list[bool]:
    """True for the runs of each cell at the grid point that is best on dev."""
    column = {task: f"dev_{selection_metric(study, task)}" for task in study.tasks}
    scores = frame.apply(lambda row: row[column[row["task"]]], axis=1)
    named = zip(frame["cell"], frame["seed_index"], strict=True)
    # A teacher is no cell of the study, and has one run.
    selecting = [key not in study.cells or study.selects(study.cells[key], n) for key, n in named]
    cells = frame.assign(score=scores)[selecting].set_index("run").groupby("cell")["score"]
    best = {cell: best_point(own.to_dict()) for cell, own in cells}
    named = zip(frame["cell"], frame["run"], strict=True)
    return [point_of(run) == best[cell] for cell, run in named]
