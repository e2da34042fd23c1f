"""The paper's study, cut down, from the hub to its report on a real SLURM."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pdbench.study import ROOT, Architecture, load_study
from pdbench.study.loading import read_pins
from tests.hub.conftest import Project as Online
from tests.hub.cut_paper import LAYERS, WIDTHS, write_cut_paper
from tests.hub.repositories import write_all
from tests.hub.server import Hub, serving
from tests.slurm.conftest import Project, make_project

pytestmark = [pytest.mark.slurm, pytest.mark.usefixtures("cluster")]

PATIENCE = 2400.0
"""Seconds that all of it may take where others work; two cores of its own need five minutes."""

COMPARED = ("table3", "figure5", "figure6", "figure8", "figure9", "figure10", "released_models")
"""Artefacts whose scores stand beside the paper's, each with a mark."""


def _gather(folder: Path, hub: Hub) -> None:
    """Pin and fetch into data, as on a machine with internet."""
    hub.commits = read_pins()
    online = Online(folder, hub)
    for arguments in (("pin", "small.yaml"), ("fetch", "small.yaml", "--to", "data")):
        done = online.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project of its own package, with all that the study reads, and no hub any more."""
    root = tmp_path / "hub"
    write_all(root, [Architecture(layers, hidden) for layers in LAYERS for hidden in WIDTHS])
    config = yaml.safe_load(write_cut_paper(tmp_path / "paper.yaml").read_text())
    project = make_project(tmp_path / "project", config)
    shutil.copytree(ROOT / "pdbench", project.folder / "pdbench")
    monkeypatch.setenv("PYTHONPATH", str(project.folder))
    monkeypatch.setenv("PDBENCH_DEVICE", "cpu")  # which this scale is not meant for
    shutil.rmtree(project.folder / "data")
    with serving(root) as hub:
        _gather(project.folder, hub)
    return project


def test_the_papers_study_is_trained_and_drawn(paper: Project) -> None:
    """Every cell, artefact, reference and verdict of config/paper.yaml; and then nothing more."""
    paper.start("data=data", bundle=3600)
    assert paper.finish(PATIENCE) == 0, paper.output

    with paper.opened() as paths:
        study, table = paths.study, paths.table.absolute()
        drawn = {path: path.stat().st_size for path in paths.artefacts()}
        claims = json.loads((paths.reports / "claims.json").read_text())
    assert set(study.artefacts) == set(load_study("paper").artefacts)
    assert [str(path) for path, size in drawn.items() if not size] == []
    assert set(pd.read_parquet(table)["cell"]) >= set(study.cells)
    assert sum(claims["outcomes"].values()) == len(claims["claims"]) > 0
    for name in COMPARED:
        (file,) = paper.folder.glob(f"reports/cut-paper/*/{name}.csv")
        rows = list(csv.DictReader(file.open(encoding="utf-8")))
        own = {row["source"] == "this study" for row in rows}
        assert own == {True, False}, name
        assert any(row["verdict"] for row in rows), name
    assert {job.state for job in paper.jobs()} == {"COMPLETED"}

    assert "Nothing to be done" in paper.run("data=data", bundle=3600)
