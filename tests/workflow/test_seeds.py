"""Large cells, of which each seed has a job, in the workflow."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace

import pytest
from workflow_project import Project


@pytest.fixture
def split(project: Project) -> Project:
    """A project in which every cell counts as large."""
    return replace(project, split=1e-6)


def trained(commands: list[str]) -> Counter[str]:
    """How many seeds of each cell were trained, and how often whole cells were."""
    found = [command.split() for command in commands if command.startswith("cell")]
    return Counter("seeds" if "--seed" in words else "cells" for words in found)


def test_each_seed_has_a_job_before_its_cell(split: Project) -> None:
    """Two seeds of eight cells and three of two; then nothing is left to do."""
    commands = split.run("study")

    assert trained(commands) == {"seeds": 7 * 2 + 2 * 3, "cells": 9}
    for place, command in enumerate(commands):
        if command.startswith("cell") and "--seed" not in command:
            key = command.split()[1]
            later = [c for c in commands[place:] if c.startswith(f"cell {key} --seed")]
            assert later == []
    assert split.planned("study") == {}


def test_one_more_seed_repeats_no_other(split: Project) -> None:
    """The cells are looked at again, and train what they lack, split or whole."""
    split.run("study")
    split.change({"artefacts.figure6.seeds": 3})
    assert split.planned("study")["seed"] == 7

    replace(split, split=0).run("study")

    assert {run.split("/")[1].split("_")[0] for run in split.trained} == {"seed2"}


def test_other_seeds_wait_for_the_first_where_it_selects(split: Project) -> None:
    """Each trains one run; nothing is left then, and a run that is lost is made again alone."""
    split.change({"training.select": "first-seed"})

    commands = [line.split() for line in split.run("study")]

    with split.opened() as paths:
        study = paths.study
        cells = [cell for cell in study.seed_counts if study.first_selects(cell)]
        lost = next(run for run in study.runs(cells[0]) if run.seed_number == 1)
        folder = split.folder / paths.run(lost)
    assert cells
    for cell in cells:
        own = [words for words in commands if cell.key in words and "--seed" in words]
        assert own[0][own[0].index("--seed") + 1] == "0"
        assert len(own) == study.seed_counts[cell]
    assert len(split.trained) == sum(map(study.number_of_runs, study.seed_counts))
    assert split.planned("study") == {}

    shutil.rmtree(folder)
    split.run("study")
    assert split.trained == [f"{lost.cell}/{lost.name}"]
