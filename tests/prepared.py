"""The small study, trained once up to its cells, and studies that are trained as a whole."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pdbench.core.entries import RECORD, write_record
from pdbench.jobs.collect import collect
from pdbench.jobs.students import attempt
from pdbench.study import Study, load_study
from pdbench.testing.small_study import prepare_cells, write_small_study
from pdbench.workflow import Paths
from tests.attempts import Server


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with data, teacher, soft labels and pre-trained students, but no cell."""
    folder = tmp_path_factory.mktemp("project")
    study = load_study(write_small_study(folder))
    with contextlib.chdir(folder):
        prepare_cells(study, Paths(study))
    return folder


@pytest.fixture
def project(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Study, Paths]:
    """A copy of the prepared project, as the working directory."""
    return copied(prepared, tmp_path, monkeypatch)


def copied(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Study, Paths]:
    """Make a copy of a project of the small study the working directory."""
    folder = tmp_path / "project"
    shutil.copytree(project, folder)
    monkeypatch.chdir(folder)
    study = load_study("small.yaml")
    return study, Paths(study)


def reseal(folder: Path) -> None:
    """Write an entry's record anew, as if its files had been made as they are now."""
    content = json.loads((folder / RECORD).read_text())
    write_record(folder, {key: said for key, said in content.items() if key != "digest"})


def trained(study: Study, folder: Path) -> Path:
    """A folder in which a study is trained as a whole; guests are scored after their hosts."""
    paths = Paths(study)
    with contextlib.chdir(folder):
        prepare_cells(study, paths)
        for cell in sorted(study.seed_counts, key=lambda cell: study.trained_by(cell) != cell):
            attempt(study, paths, cell)
        collect(study, paths)
    return folder


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Runs commands in processes of their own, without importing torch for each."""
    server = Server()
    yield server
    server.close()
