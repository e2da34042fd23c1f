"""Jobs that train never open the labels of test, whatever an objective tries."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pdbench.core.errors import DataError, GuardError
from pdbench.core.files import read_json
from pdbench.jobs import students
from pdbench.jobs.collect import collect
from pdbench.jobs.record import RunRecord
from pdbench.jobs.unseen import closed_labels
from pdbench.methods.objective import TaskLoss
from pdbench.study import Study
from pdbench.workflow import Paths

BASIC = "films.basic.1-32.none.none"
Project = tuple[Study, Paths]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Python opens while the test runs."""
    found: list[str] = []
    is_on = [True]

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and is_on and isinstance(arguments[0], str):
            found.append(os.path.realpath(arguments[0]))

    sys.addaudithook(note)
    yield found
    is_on.clear()


def test_a_training_job_opens_no_labels_of_test(project: Project, opened: list[str]) -> None:
    """It reads their texts' pieces, and leaves predictions; the table has the scores."""
    study, paths = project
    test = Path(os.path.realpath(paths.task("films") / "test"))

    students.attempt(study, paths, study.cells[BASIC])

    assert str(test / "pieces.npy") in opened
    assert not {str(test / name) for name in ("labels.npy", "text.parquet")} & set(opened)
    for run in study.runs(study.cells[BASIC]):
        record = RunRecord.read(paths.run(run))
        assert set(record.metrics) == {"dev"}
        assert not {"labels.npy", "text.parquet"} & set(record.outputs)


@pytest.mark.parametrize("file", ["store", "published", "hidden in a link"])
@pytest.mark.parametrize("is_caught", [False, True])
def test_an_objective_that_opens_them_is_refused(
    file: str, is_caught: bool, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its run fails in one line, also where it catches what it is told, and scores nothing."""
    study, paths = project
    labels = paths.task("films") / "test" / "labels.npy"
    Path("link.npy").symlink_to(labels.absolute())
    asked = {"store": labels, "published": Path("data/task/test.csv")}.get(file, Path("link.npy"))
    forward = TaskLoss.forward

    def cheats(self, student, teacher, targets):
        try:
            asked.read_bytes()
        except GuardError:
            if not is_caught:
                raise
        return forward(self, student, teacher, targets)

    monkeypatch.setattr(TaskLoss, "forward", cheats)

    with pytest.raises(DataError, match=r"4 of 4 runs failed.* labels of test or dev") as caught:
        students.attempt(study, paths, study.cells[BASIC])

    assert "\n" not in str(caught.value)
    assert not any(paths.run(run).exists() for run in study.runs(study.cells[BASIC]))
    assert asked.read_bytes(), "they are closed while a student trains, and no longer"


def test_what_chooses_is_closed_too_and_the_rest_stays_open(project: Project) -> None:
    """Labels of dev, scored runs and other programs; what a teacher left is there to be read."""
    study, paths = project
    labels = paths.task("films") / "dev" / "labels.npy"
    attempts = (
        lambda: np.load(labels),
        lambda: Path("reports/small/results.parquet").read_bytes(),
        lambda: os.link(labels, "mine.npy"),
        lambda: subprocess.run(["cat", labels], check=True),
    )

    for attempt in attempts:
        with pytest.raises(GuardError, match="could be read"), closed_labels(study):
            attempt()
    with closed_labels(study):
        read_json(paths.teacher("films") / "record.json")


def test_broken_labels_of_test_are_not_scored(project: Project) -> None:
    """The job that opens them compares them with their record."""
    study, paths = project
    students.attempt(study, paths, study.cells[BASIC])
    labels = paths.task("films") / "test" / "labels.npy"
    np.save(labels, 1 - np.load(labels))

    with pytest.raises(DataError, match=r"test/labels\.npy: not what its record says"):
        collect(study, paths)
