"""Cells that share a job, in the workflow."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from workflow_project import Project

LARGE = 1000
CELL = r"[\w-]+(\.[\w-]+){4}"


@pytest.fixture
def bundled(project: Project) -> Project:
    """A project whose small cells share jobs."""
    return replace(project, bundle=LARGE)


def cells(commands: list[str]) -> list[list[str]]:
    """The cells of each command that trains some."""
    trained = [command.split() for command in commands if command.startswith("cell")]
    return [[word for word in words if re.fullmatch(CELL, word)] for words in trained]


def test_small_cells_share_jobs(bundled: Project) -> None:
    """There is a job for each method, all cells are trained once, and then nothing is left."""
    trained = cells(bundled.run("study"))

    assert sorted(len(keys) for keys in trained) == [2, 2, 2, 3]
    assert len({key for keys in trained for key in keys}) == 9
    with bundled.opened() as paths:
        assert all(paths.cell(cell).is_file() for cell in paths.study.seed_counts)
    assert bundled.planned("study") == {}
    assert cells(replace(bundled, bundle=0).run("study")) == []  # runs are found without bundles


def test_a_change_repeats_the_bundles_that_it_decides(bundled: Project) -> None:
    """A setting sends bundles back to work, another method has its own; no other runs again."""
    bundled.run("study")
    bundled.change(
        {
            "training.distill.epochs": 3,
            "artefacts.figure6.cells.0.method": ["pd", "pf", "d", "basic", "pd-f"],
        }
    )

    commands = bundled.run("study")

    again = [{key.split(".")[1] for key in keys} for keys in cells(commands)]
    assert sorted(again, key=min) == [{"d"}, {"pd"}, {"pd-f"}]
    assert not any(command.startswith(("teacher", "pretrain")) for command in commands)


def test_a_failure_still_gives_a_report(bundled: Project) -> None:
    """After a failure there is a report of what there is, and the exit code tells of it."""
    failed = bundled.snakemake(
        "study", "--keep-going", fails="sentiment.pd.1-64.films-300.general", check=False
    )
    page = bundled.folder / "reports/small/partial/index.html"

    assert failed.returncode == 1
    assert page.is_file()
    assert "The report of what there is: reports/small/partial/index.html" in failed.stderr
    assert len(cells(bundled.run("study"))) == 1
    assert (bundled.folder / "reports/small/index.html").is_file()
