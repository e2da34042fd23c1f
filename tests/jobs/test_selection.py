"""Which grid point counts."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pdbench.core.entries import RECORD, read_record, write_record
from pdbench.core.errors import DataError
from pdbench.jobs import students
from pdbench.jobs.collect import gathered
from pdbench.jobs.record import RunRecord, best_point, selection_metric
from pdbench.jobs.students import CellData, TrainedRun, attempt
from pdbench.ops.verify import verify
from pdbench.study import Cell, Run, Study, load_study
from pdbench.study.cells import SeedOf
from pdbench.testing.small_study import prepare_cells
from pdbench.workflow import Paths
from pdbench.workflow.graph import Graph
from pdbench.workflow.kinds import Job
from tests.glue_study import write_glue_study


def test_the_point_is_chosen_by_its_mean_over_seeds() -> None:
    """Not by its best run; a grid of rates and batch sizes has a point for each pair."""
    runs = {
        "seed0_lr0.001-b32": 0.9,
        "seed1_lr0.001-b32": 0.1,
        "seed0_lr0.001-b8": 0.6,
        "seed1_lr0.001-b8": 0.6,
        "seed0_lr0.0003-b8_lr0.001-b32": 0.5,
    }

    assert best_point(runs) == "lr0.001-b8"


def test_of_equal_points_the_first_by_name_counts() -> None:
    """On small dev splits points are often equal, and tables and submissions must agree."""
    runs = ["seed0_lr0.003-b8", "seed0_lr0.001-b8", "seed0_lr0.001-b32"]

    for order in (runs, runs[::-1]):
        assert best_point(dict.fromkeys(order, 0.5)) == "lr0.001-b32"


def test_guests_are_chosen_by_the_metric_of_their_models(tmp_path: Path) -> None:
    """A task that only scores another's models has no dev scores of its own."""
    path = write_glue_study(tmp_path)
    raw = yaml.safe_load(path.read_text())
    guest = next(name for name, task in raw["tasks"].items() if "model_of" in task)
    raw["tasks"][guest]["metrics"] = ["matthews"]
    path.write_text(yaml.safe_dump(raw))

    assert selection_metric(load_study(path), guest) == "accuracy"


PD = "films.pd.1-32.more-100.plain"


@pytest.fixture
def first(project: tuple[Study, Paths]) -> tuple[Study, Paths]:
    """The small study with three seeds and two rates, of which the first seed selects one."""
    return in_words(select="first-seed")


def in_words(select: str, seeds: int = 3) -> tuple[Study, Paths]:
    """The small study with a grid of two rates, some seeds, and whose runs select."""
    raw = yaml.safe_load(Path("small.yaml").read_text())
    raw["training"] |= {"select": select}
    raw["training"]["distill"]["learning_rate"] = [1e-5, 2e-3]
    for needs in raw["artefacts"].values():
        needs["seeds"] = {"value": seeds, "origin": "assumed"}
    Path("grid.yaml").write_text(yaml.safe_dump(raw))
    study = load_study("grid.yaml")
    return study, Paths(study)


def trained(paths: Paths, cell: Cell) -> set[str]:
    """The runs of a cell that are there."""
    return {run.name for run in paths.study.runs(cell) if (paths.run(run) / RECORD).exists()}


def prepared_cell(study: Study, paths: Paths) -> Cell:
    """The cell that the tests train, with all that it waits for."""
    prepare_cells(study, paths)
    return study.cells[PD]


def test_other_seeds_are_trained_at_the_point_of_the_first(first: tuple[Study, Paths]) -> None:
    """Its record says which that is, and what it scored; table and verify know the runs."""
    study, paths = first
    cell = prepared_cell(study, paths)

    attempt(study, paths, cell)

    record = read_record(paths.folder(Job("cell", cell)))
    dev = {
        run.point: RunRecord.read(paths.run(run)).metrics["dev"]["accuracy"]
        for run in study.runs(cell)
        if not run.seed_number
    }
    assert set(record["dev"].values()) == set(dev.values())
    assert record["selected"] == min(dev, key=lambda point: (-dev[point], point))
    expected = {f"seed0_{point}" for point in dev}
    expected |= {f"seed{number}_{record['selected']}" for number in (1, 2)}
    assert trained(paths, cell) == set(record["runs"]) == expected
    assert len(expected) == study.number_of_runs(cell) == 4
    rows = gathered(study, paths)
    assert set(rows.loc[rows["selected"] & (rows["cell"] == PD), "run"]) == {
        f"seed{number}_{record['selected']}" for number in range(3)
    }
    assert not [error for error in verify(study, paths) if error is not None]


def test_the_choice_reads_no_other_seed(first: tuple[Study, Paths]) -> None:
    """Runs that another selection left in the store change neither choice nor table."""
    study, paths = first
    cell = prepared_cell(study, paths)
    attempt(study, paths, cell)
    before = gathered(study, paths)

    every, its = in_words(select="all-seeds")
    attempt(every, its, every.cells[PD])

    assert len(trained(its, cell)) == 6
    assert gathered(study, paths).equals(before)
    assert not [error for error in verify(study, paths) if error is not None]


def test_a_changed_selection_trains_what_is_missing_alone(
    project: tuple[Study, Paths], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From all seeds to the first it trains nothing, and back only the others' other points."""
    made: list[str] = []
    train = students.train_student

    def noted(study: Study, run: Run, data: CellData, *more: Any) -> TrainedRun:
        made.append(run.name)
        return train(study, run, data, *more)

    monkeypatch.setattr(students, "train_student", noted)
    study, paths = in_words(select="first-seed")
    cell = prepared_cell(study, paths)
    attempt(study, paths, cell)
    assert len(made) == 4

    made.clear()
    every, its = in_words(select="all-seeds")
    attempt(every, its, cell)
    assert len(made) == 2
    assert not any(name.startswith("seed0") for name in made)

    made.clear()
    shutil.rmtree(paths.folder(Job("cell", cell)))
    study, paths = in_words(select="first-seed")
    attempt(study, paths, cell)
    assert made == []

    more, its = in_words(select="first-seed", seeds=4)
    prepare_cells(more, its)
    attempt(more, its, cell)
    assert [name.partition("_")[0] for name in made] == ["seed3"]


def test_a_seed_of_its_own_waits_for_the_first(first: tuple[Study, Paths]) -> None:
    """By hand it is refused in a line whose advice works; then it trains its one run."""
    study, paths = first
    cell = prepared_cell(study, paths)
    with pytest.raises(DataError, match=r"2 runs of seed number 0 are missing.*--seed 0 first"):
        attempt(study, paths, cell, seed=1)
    assert trained(paths, cell) == set()

    attempt(study, paths, cell, seed=0)
    attempt(study, paths, cell, seed=1)
    assert len(trained(paths, cell)) == 3

    attempt(study, paths, cell)
    assert len(trained(paths, cell)) == 4


def test_an_interrupted_grid_selects_nothing(
    first: tuple[Study, Paths], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a run of the first seed fails no other is begun, and the next attempt goes on."""
    study, paths = first
    cell = prepared_cell(study, paths)
    train = students.train_student

    def failing(study: Study, run: Run, data: CellData, *more: Any) -> TrainedRun:
        if run.points[0].learning_rate > 1e-3:
            raise RuntimeError("no memory")
        return train(study, run, data, *more)

    with monkeypatch.context() as patch:
        patch.setattr(students, "train_student", failing)
        with pytest.raises(DataError, match=r"1 of 2 runs failed"):
            attempt(study, paths, cell)
    assert len(trained(paths, cell)) == 1
    rows = gathered(study, paths)
    assert list(rows.loc[rows["cell"] == PD, "seed_index"]) == [0]

    attempt(study, paths, cell)
    assert len(trained(paths, cell)) == 4


def test_a_record_that_names_other_runs_is_found(first: tuple[Study, Paths]) -> None:
    """Verify says so, and what to do."""
    study, paths = first
    cell = prepared_cell(study, paths)
    attempt(study, paths, cell)
    folder = paths.folder(Job("cell", cell))
    content = read_record(folder)
    content["runs"].pop(next(name for name in content["runs"] if name.startswith("seed2")))
    write_record(folder, content)

    found = [str(error) for error in verify(study, paths) if error is not None]

    assert any("names other runs than the scores on dev select" in line for line in found)


def test_the_first_seeds_job_is_the_same_whichever_selects(project: tuple[Study, Paths]) -> None:
    """Its runs are the whole grid; the others' wait for it, and only they and the cell change."""
    every, its = in_words(select="all-seeds")
    study, paths = in_words(select="first-seed")
    cell = study.cells[PD]
    zero, one = (Job("seed", SeedOf(cell, number)) for number in (0, 1))

    assert paths.digest(zero) == its.digest(zero)
    assert paths.digest(one) != its.digest(one)
    assert paths.digest(Job("cell", cell)) != its.digest(Job("cell", cell))
    assert [paths.run(run) for run in study.runs(cell)] == [its.run(r) for r in every.runs(cell)]
    needs = Graph(study, split=1e-9).needs
    assert zero in needs[one]
    assert one not in needs[zero]
    single, alone = in_words(select="first-seed", seeds=1)
    same, as_well = in_words(select="all-seeds", seeds=1)
    assert alone.digest(Job("cell", cell)) == as_well.digest(Job("cell", cell))
    assert single.number_of_runs(cell) == same.number_of_runs(cell) == 2


def test_a_first_stage_is_trained_once_for_all_points_of_the_last(
    project: tuple[Study, Paths], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two fine-tunings after one distillation are, to the last bit, what each would be alone."""
    study, paths = project
    prepare_cells(study, paths)
    cell = next(cell for cell in study.cells.values() if cell.method == "pd-f")
    runs = study.runs(cell)
    assert len({run.points[0] for run in runs}) == 1 < len(runs)
    trained: list[str] = []
    train = students.train_stage

    def train_stage(*given: Any, **named: Any) -> Any:
        trained.append(type(given[1]).__name__)
        return train(*given, **named)

    monkeypatch.setattr(students, "train_stage", train_stage)
    attempt(study, paths, cell)

    assert len(trained) == study.number_of_runs(cell, stages=1) + len(runs)
    data = CellData.open(study, paths, cell)
    for run in runs:
        alone = students.train_student(study, run, data)
        record = RunRecord.read(paths.run(run))
        assert record.metrics["dev"] == alone.dev.metrics
        assert [stage.loss for stage in record.stages] == [p.loss for p in alone.stages.values()]
        for name, said in alone.answers.items():
            assert (np.load(paths.run(run) / name) == said).all()
