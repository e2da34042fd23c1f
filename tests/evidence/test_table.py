"""Scores of a cell are its selected runs, all of them or none."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import synthetic

from pdbench.core.errors import DataError
from pdbench.evidence import ResultsTable
from pdbench.evidence.table import read_results
from pdbench.jobs.collect import _selected
from pdbench.study import ROOT, Cell, Study


@pytest.fixture
def frame(demo: Study) -> pd.DataFrame:
    """Invented runs of the demo."""
    return synthetic.results(demo)


@pytest.fixture
def cell(demo: Study) -> Cell:
    """A cell with three seeds."""
    return next(cell for cell, seeds in demo.seed_counts.items() if seeds == 3)


def test_runs_are_in_per_cent_and_in_order_of_the_seeds(
    demo: Study, frame: pd.DataFrame, cell: Cell
) -> None:
    """The table may have any order; the scores follow the seeds."""
    rows = frame[frame["cell"] == cell.key].sort_values("seed_index")
    shuffled = frame.sample(frac=1, random_state=1)

    found = ResultsTable(demo, shuffled).of(cell, "dev", "accuracy")

    assert found.runs == pytest.approx(tuple(100 * rows["dev_accuracy"]))
    assert found.interval.n == 3


def test_only_the_selected_grid_point_counts(demo: Study, frame: pd.DataFrame, cell: Cell) -> None:
    """Runs at other learning rates, which dev did not choose, are left out."""
    worse = frame[frame["cell"] == cell.key].assign(selected=False, test_accuracy=0.0)

    found = ResultsTable(demo, pd.concat([worse, frame])).of(cell)

    assert found.interval.n == 3
    assert min(found.runs) > 0


def test_the_grid_point_is_chosen_on_dev_and_reported_on_test(
    demo: Study, frame: pd.DataFrame, cell: Cell
) -> None:
    """A grid point that is better on test alone is not what is reported."""
    own = frame[frame["cell"] == cell.key]
    other = own["run"].str.replace("-b32", "-b64")
    lucky = own.assign(run=other, dev_accuracy=0.5, test_accuracy=0.99)
    both = pd.concat([own.assign(dev_accuracy=0.6, test_accuracy=0.7), lucky], ignore_index=True)
    both["selected"] = _selected(both, demo)

    found = ResultsTable(demo, both).of(cell, "test")

    assert found.runs == pytest.approx((70.0, 70.0, 70.0))


def test_cell_with_a_missing_run_is_missing(demo: Study, frame: pd.DataFrame, cell: Cell) -> None:
    """Two of three seeds are no result."""
    kept = frame[(frame["cell"] != cell.key) | (frame["seed_index"] != 1)]

    assert ResultsTable(demo, kept).of(cell).runs == ()


def test_cell_that_was_never_run_is_missing(demo: Study, frame: pd.DataFrame, cell: Cell) -> None:
    """No rows, no score, no error."""
    found = ResultsTable(demo, frame[frame["cell"] != cell.key]).of(cell)

    assert found.interval.n == 0


def test_degenerate_runs_are_counted(demo: Study, frame: pd.DataFrame, cell: Cell) -> None:
    """Constant predictors stay in the mean and are reported."""
    constant = frame.assign(degenerate=frame["cell"] == cell.key)

    assert ResultsTable(demo, constant).of(cell).degenerate == 3


def test_teacher_is_no_student(demo: Study, frame: pd.DataFrame) -> None:
    """The teacher of a task is found among the rows of method teacher."""
    task = next(iter(demo.tasks))

    found = ResultsTable(demo, frame).teacher(task)

    assert found.runs == pytest.approx((84.2,), abs=2)


def test_unknown_metric_is_one_line(demo: Study, frame: pd.DataFrame, cell: Cell) -> None:
    """A metric that no run has names the column that is not there."""
    with pytest.raises(DataError, match="no column 'test_bleu'"):
        ResultsTable(demo, frame).of(cell, "test", "bleu")


def test_labels_stand_once_with_the_teacher(demo: Study, frame: pd.DataFrame) -> None:
    """Every task's true labels are in its teacher's row, one for each test example."""
    for task in demo.tasks:
        assert tuple(ResultsTable(demo, frame).labels(task)) == synthetic.LABELS


@pytest.mark.parametrize(
    ("column", "value"), [("degenerate", "False"), ("selected", 1), ("seed", "1")]
)
def test_a_column_of_something_else_is_refused(tmp_path: Path, column: str, value: object) -> None:
    """The text False would count as true, and break sums."""
    frame = pd.read_parquet(ROOT / "reports/example/results.parquet")
    frame[column] = value
    frame.to_parquet(tmp_path / "given.parquet")

    with pytest.raises(DataError, match=f"given.parquet: column '{column}' holds something else"):
        read_results(tmp_path / "given.parquet")
