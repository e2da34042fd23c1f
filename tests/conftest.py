"""What tests of several rooms share: the demo study with invented results, drawn once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import synthetic
from installed import Installed, install
from study_files import write_study_file

from pdbench.study import Study, load_study
from pdbench.workflow import Paths


@pytest.fixture(scope="session")
def demo() -> Study:
    """The demo study as it is configured."""
    return load_study("demo")


@pytest.fixture(scope="session")
def _drawn_folder(demo: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from pdbench.artefacts import draw

    folder = tmp_path_factory.mktemp("drawn")
    with contextlib.chdir(folder):
        paths = synthetic.write_study(demo)
        for artefact in demo.artefacts:
            draw(demo, paths, artefact)
    return folder


@pytest.fixture
def drawn(demo: Study, _drawn_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """Invented results of the demo with every artefact drawn; the test runs in their folder.

    The folder is shared by all tests, which must not change it.
    """
    monkeypatch.chdir(_drawn_folder)
    return Paths(demo)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Pdbench as a wheel installs it."""
    return install(tmp_path_factory.mktemp("site"))


@pytest.fixture
def study_file(tmp_path: Path) -> Callable[..., Path]:
    """Write the small study with some keys changed, and return the file's path."""
    return partial(write_study_file, tmp_path / "small.yaml")


@pytest.fixture
def study(study_file: Callable[..., Path]) -> Study:
    """The small study."""
    return load_study(study_file())
