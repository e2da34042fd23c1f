"""What an error advises is done here, to the letter: the study then runs to its end."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from commands import run

from pdbench.study import Start, Study
from pdbench.workflow import Paths
from pdbench.workflow.graph import Graph
from pdbench.workflow.kinds import KINDS, Job

PD = "films.pd.1-32.more-100.plain"


def start_of(study: Study) -> Start:
    """The pre-trained student that the cell begins with."""
    return study.starts(study.cells[PD])[0]


BROKEN: dict[str, Callable[[Paths, Study], Path]] = {
    "task": lambda paths, _: paths.task("films") / "train" / "pieces.npy",
    "labels": lambda paths, _: paths.task("films") / "dev" / "labels.npy",
    "task record": lambda paths, _: paths.task("films") / "record.json",
    "text": lambda paths, _: paths.text("more") / "offsets.npy",
    "tokens.json": lambda paths, _: paths.text("more") / "tokens.json",
    "soft labels": lambda paths, _: paths.soft_labels("films", "more") / "soft_labels.npy",
    "soft labels' record": lambda paths, _: paths.soft_labels("films", "more") / "record.json",
    "weights": lambda paths, study: paths.pretrained(start_of(study)) / "model.safetensors",
    "configuration": lambda paths, study: paths.pretrained(start_of(study)) / "config.json",
}
"""A file of each kind that a job left and another reads."""


def missing(study: Study, paths: Paths) -> list[list[str]]:
    """The commands that Snakemake would run: those of the store whose last file is not there."""
    jobs = [job for job in Graph(study).jobs if KINDS[job.kind].is_stored and job.kind != "latency"]
    return [
        [job.kind.replace("_", "-"), "small.yaml", *KINDS[job.kind].arguments(job.key).split()]
        for job in jobs
        if not paths.output(job).exists() and job.kind != "seed"
    ]


@pytest.mark.parametrize("what", BROKEN)
def test_the_advice_about_a_broken_file_mends_it(
    what: str, project: tuple[Study, Paths], capsys: pytest.CaptureFixture[str]
) -> None:
    """Half of it is lost; what is advised removes it, and what is missing then is made again."""
    study, paths = project
    broken = BROKEN[what](paths, study)
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size // 2])
    shutil.rmtree(paths.cell(study.cells[PD]).parent, ignore_errors=True)
    for own in study.runs(study.cells[PD]):
        shutil.rmtree(paths.run(own), ignore_errors=True)

    assert run("cell", "small.yaml", PD) != 0
    said = capsys.readouterr().err.splitlines()[-1]
    advised = re.search(r"delete (\S+) and run again", said)
    assert advised, said
    path = Path(advised[1])
    shutil.rmtree(path) if path.is_dir() else path.unlink()

    for command in missing(study, paths):
        assert run(*command) == 0, f"{command} after: {said}"
    assert missing(study, paths) == []


SLOW: dict[str, Callable[[Paths, Study], tuple[Path, list[str]]]] = {
    "teacher": lambda paths, _: (paths.teacher("films"), ["films"]),
    "soft-labels": lambda paths, _: (paths.soft_labels("films", "more"), ["films", "more"]),
    "pretrain": lambda paths, study: (paths.pretrained(start_of(study)), ["plain", "1/32"]),
    "cell": lambda paths, study: (paths.folder(Job("cell", study.cells[PD])), [PD]),
    "cells": lambda paths, study: (paths.folder(Job("cell", study.cells[PD])), [PD]),
}
"""The commands that compute for long: where each writes, and what it is asked for."""


@pytest.mark.parametrize("command", SLOW)
def test_the_papers_scale_is_trained_on_a_cpu_only_where_that_is_asked_for(
    command: str,
    project: tuple[Study, Paths],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a GPU it ends in one line and makes nothing; with what that advises it trains."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("PDBENCH_DEVICE", raising=False)
    study, paths = project
    file = Path("small.yaml")
    file.write_text(file.read_text().replace("scale: demo", "scale: paper"))
    made, asked = SLOW[command](paths, study)
    shutil.rmtree(made, ignore_errors=True)

    assert run(command, "small.yaml", *asked) in (1, 2)
    said = capsys.readouterr().err
    assert "study 'small' has the paper's scale, and torch" in said
    assert not list(made.glob("*"))

    advised = re.search(r"set (PDBENCH_DEVICE)=(cpu) to train on the CPU", said)
    assert advised
    monkeypatch.setenv(advised[1], advised[2])
    assert run(command, "small.yaml", *asked) == 0
    assert list(made.glob("*"))
