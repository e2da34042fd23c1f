"""Removing what no study needs any more."""

from __future__ import annotations

from pathlib import Path

import pytest
from study_files import write_study_file

from pdbench.core.files import write_json
from pdbench.ops.clean import clean, of_study, superfluous
from pdbench.study import Study, load_study
from pdbench.study.cells import SeedOf
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job

BASIC, D = "sentiment.basic.1-64.none.none", "sentiment.d.1-64.films-300.none"


@pytest.fixture
def studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Study, Study]:
    """A study and another of other settings, of each of which two cells are done."""
    monkeypatch.chdir(tmp_path)
    first = load_study(write_study_file(tmp_path / "small.yaml"))
    changes = {"name": "other", "training.distill.epochs": 9}
    second = load_study(write_study_file(tmp_path / "other.yaml", changes))
    for study in (first, second):
        paths = Paths(study)
        for cell in (study.cells[BASIC], study.cells[D]):
            write_json(paths.cell(cell), {})
            write_json(paths.run(study.runs(cell)[0]) / "record.json", {})
        write_json(paths.index, {})
    return first, second


def entries(study: Study, key: str) -> set[Path]:
    """What a finished cell of a study has in the store."""
    paths, cell = Paths(study), study.cells[key]
    return {paths.folder(Job("cell", cell)), paths.run(study.runs(cell)[0])}


def traces(study: Study, key: str) -> set[Path]:
    """What an interrupted cell of a study has in the store: its word, its seed's, and a state."""
    paths, cell = Paths(study), study.cells[key]
    words = {paths.status(job) for job in (Job("cell", cell), Job("seed", SeedOf(cell, 0)))}
    return {*words, paths.state(paths.run(study.runs(cell)[0]))}


def test_what_no_study_needs_goes_after_it_was_listed(studies: tuple[Study, Study]) -> None:
    """What another study shares stays."""
    first, second = studies
    going = superfluous([first])
    assert superfluous(studies) == []
    assert set(going) == entries(second, D)

    *listed, last = clean(going, yes=False)
    assert set(listed) == set(map(str, going))
    assert last.startswith("nothing was removed: say --yes")
    assert all(path.is_dir() for path in going)

    assert clean(going, yes=True) == ["removed 2 files and folders"]
    assert not any(path.exists() for path in going)
    assert all(path.is_dir() for path in entries(first, D) | entries(first, BASIC))
    assert clean(superfluous([first]), yes=True) == ["there is nothing to remove"]


def test_one_study_goes_and_leaves_the_others_theirs(studies: tuple[Study, Study]) -> None:
    """Its report too; cells that both have stay."""
    first, second = studies

    going = of_study(second, studies)

    assert set(going) == entries(second, D) | {Paths(second).reports}
    assert entries(first, BASIC) == entries(second, BASIC)


def test_what_an_interrupted_run_left_goes_too(studies: tuple[Study, Study]) -> None:
    """Saved states are the largest of all, and a word of failure would be believed."""
    first, second = studies
    left = {study.name: traces(study, D) for study in studies}
    for path in (*left["small"], *left["other"]):
        path.mkdir(parents=True)

    assert left["other"] < set(superfluous([first]))
    assert left["other"] < set(of_study(second, studies))
    assert not left["small"] & set(of_study(second, studies))
