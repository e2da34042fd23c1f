"""The small study, trained once up to its cells."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pdbench.data.audit import audit
from pdbench.data.prepare import prepare_task, prepare_text
from pdbench.results import jobs
from pdbench.study import Paths, Study, load_study
from pdbench.testing.small_study import write_small_study
from pdbench.training import prepare_process
from tests.attempts import Server

PD = "films.pd.1-32.more-100.plain"


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with data, teacher, soft labels and pre-trained students, but no cell."""
    folder = tmp_path_factory.mktemp("project")
    study = load_study(write_small_study(folder))
    paths = Paths(study)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prepare_process(1)
        prepare_task(study, "films", paths)
        prepare_text(study, "more", paths)
        audit(study, paths)
        jobs.teacher(study, paths, "films")
        jobs.soft_labels(study, paths, "films", "more")
        for start in study.pretrained:
            jobs.pretrain(study, paths, start)
    return folder


@pytest.fixture
def project(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Study, Paths]:
    """A copy of the prepared project, as the working directory."""
    folder = tmp_path / "project"
    shutil.copytree(prepared, folder)
    monkeypatch.chdir(folder)
    study = load_study("small.yaml")
    return study, Paths(study)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Runs commands in processes of their own, without importing torch for each."""
    server = Server()
    yield server
    server.close()
