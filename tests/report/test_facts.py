"""The head of a report adds up what the records say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import synthetic

from pdbench.evidence import ResultsTable
from pdbench.report.build import _facts
from pdbench.study import Study
from pdbench.workflow import Paths


@pytest.fixture
def paths(demo: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """The files of the demo in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Paths(demo)


def facts_of(paths: Paths, frame: pd.DataFrame) -> dict[str, Any]:
    """What the report says of these results."""
    return _facts(paths, ResultsTable(paths.study, frame))


def test_pretraining_is_a_stage(demo: Study, paths: Paths) -> None:
    """Checkpoints count with the wall time of their own records."""
    spans = [("10:00:00", "10:01:00", 60.0), ("10:00:30", "10:02:00", 90.0)]
    for start, (begun, ended, seconds) in zip(demo.pretrained, spans, strict=False):
        times = {"started": f"2026-11-21T{begun}+00:00", "finished": f"2026-11-21T{ended}+00:00"}
        environment = synthetic.environment(**times, seconds=seconds)
        synthetic.record(environment=environment).write(paths.pretrained(start))

    stage = facts_of(paths, synthetic.results(demo))["stages"][0]

    assert (stage["name"], stage["runs"]) == ("Pre-training of students", 2)
    assert (stage["seconds"], stage["elapsed"]) == (150.0, 120.0)


def test_stages_add_up_to_all_runs(demo: Study, paths: Paths) -> None:
    """Teachers and students are each counted once, in the order of the methods."""
    frame = synthetic.results(demo)

    found = facts_of(paths, frame)

    assert sum(stage["runs"] for stage in found["stages"]) == len(frame)
    assert found["runs"] == len(frame) - len(demo.tasks)
    assert found["seconds"] == pytest.approx(frame["seconds"].sum())
    assert found["elapsed"] == 480


def test_missing_and_degenerate_are_counted(demo: Study, paths: Paths) -> None:
    """A cell without runs is missing, a constant predictor is degenerate."""
    gone, constant = list(demo.cells)[:2]
    frame = synthetic.results(demo, missing=(gone,), degenerate=(constant,))

    found = facts_of(paths, frame)

    assert found["missing"] == [gone]
    assert found["degenerate"] == demo.seed_counts[demo.cells[constant]]


def test_a_cell_that_lacks_a_run_is_missing(demo: Study, paths: Paths) -> None:
    """Its other runs do not make it finished: no table or figure shows it."""
    frame = synthetic.results(demo)
    cell = next(cell for cell, seeds in demo.seed_counts.items() if seeds > 1)
    less = frame[(frame["cell"] != cell.key) | (frame["seed_index"] != 1)]

    assert facts_of(paths, frame)["missing"] == []
    assert facts_of(paths, less)["missing"] == [cell.key]


def test_several_machines_are_all_named(demo: Study, paths: Paths) -> None:
    """A study that ran on two devices says so, and on which hosts is nobody's business."""
    frame = synthetic.results(demo)
    frame.loc[frame.index[0], "device"] = "Another CPU"

    found = facts_of(paths, frame)

    assert found["machine"]["Device"] == "Another CPU, Invented CPU"
    assert "invented-host" not in str(found)
