"""Reports know whose they are, and what they were made from."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pdbench.core.errors import UsageError
from pdbench.core.files import write_text
from pdbench.study import load_study
from pdbench.workflow import Paths
from pdbench.workflow.graph import Graph
from pdbench.workflow.kinds import Job
from pdbench.workflow.shown import claim, note_made, outdate, refuse_others
from tests.study_files import write_study_file


def test_what_was_made_from_something_else_is_outdated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever dates the files have; what is up to date never is."""
    monkeypatch.chdir(tmp_path)
    study = load_study(write_study_file(Path("small.yaml")))
    paths = Paths(study)
    job, graph = Job("figure", "figure6"), Graph(study)
    for path in paths.outputs(job):
        write_text(path, "drawn")
        os.utime(path, (1e10, 1e10))  # by a clock that was three centuries ahead
    newest = paths.outputs(job)[0].stat().st_mtime

    outdate(paths, graph)
    assert paths.asked(job).stat().st_mtime > newest
    note_made(paths, job)
    outdate(paths, graph)
    assert paths.asked(job).stat().st_mtime < 2
    note_made(Paths(study, partial=True), job)
    assert not (paths.reports / "partial").exists()


def test_results_know_their_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another file may not take the name over; the same one may change, and move as it is."""
    monkeypatch.chdir(tmp_path)
    write_study_file(Path("small.yaml"), {})
    claim(Paths(load_study("small.yaml")))
    Path("reports/small").mkdir(parents=True)
    write_study_file(Path("small.yaml"), {"title": "Changed"})
    claim(Paths(load_study(tmp_path / "small.yaml")))
    Path("moved").mkdir()
    shutil.copy("small.yaml", "moved/mine.yaml")
    claim(Paths(load_study("moved/mine.yaml")))

    write_study_file(Path("small.yaml"), {"title": "Of somebody else"})
    other = Paths(load_study("small.yaml"))
    named = r"^small\.yaml: its name, small, is that of moved/mine\.yaml, .* reports/small; give it"
    with pytest.raises(UsageError, match=named):
        claim(other)
    Path("results/small/study.json").unlink()  # as the remedy says
    claim(other)
    refuse_others(other)
