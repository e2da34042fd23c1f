"""Projects in which the workflow can be run without training."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from workflow_project import Project, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project in which nothing was run yet."""
    return make_project(tmp_path)


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that was built whole, for tests to copy."""
    made = make_project(tmp_path_factory.mktemp("finished"))
    made.snakemake("study")
    return made


@pytest.fixture
def finished(finished_project: Project, tmp_path: Path) -> Project:
    """A copy, with all dates kept, of a project that was built whole."""
    folder = tmp_path / "project"
    shutil.copytree(finished_project.folder, folder, copy_function=shutil.copy2)
    return Project(folder)
