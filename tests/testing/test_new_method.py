"""A new method from the template works as it is written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import run

from pdbench.errors import UsageError
from pdbench.study import ROOT
from pdbench.study.loading import load_methods
from pdbench.testing.new_method import NewMethod


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the methods of this one."""
    (tmp_path / "config").mkdir()
    shutil.copy(ROOT / "config/methods.yaml", tmp_path / "config")
    return tmp_path


def test_it_is_added_to_the_project(project: Path) -> None:
    """Objective, test and entry are written; what stood in the file, comments too, stays."""
    before = (project / "config/methods.yaml").read_text()

    made = NewMethod.in_project("my-method", project)
    made.write()

    after = (project / "config/methods.yaml").read_text()
    assert after.startswith(before)
    assert load_methods(project)["my-method"].stages[0].objective == (
        "pdbench.methods.my_method:MyMethod"
    )
    assert made.module == project / "pdbench/methods/my_method.py"
    assert made.test == project / "tests/methods/test_my_method.py"
    assert "pdbench check --baseline pd --candidate my-method" in made.next_steps()
    assert "$" not in made.module.read_text() + made.test.read_text() + after


def test_what_it_writes_is_clean(project: Path) -> None:
    """Linter and formatter have nothing to say about the template."""
    made = NewMethod.in_project("my-method", project)
    made.write()
    ruff = [sys.executable, "-m", "ruff"]
    own = 'lint.isort.known-first-party=["pdbench"]'  # the new file is not in its folder
    settings = ["--config", str(ROOT / "pyproject.toml"), "--no-cache"]

    for command in (["check"], ["format", "--check"]):
        found = subprocess.run(
            [*ruff, *command, *settings, "--config", own, str(made.module), str(made.test)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == 0, found.stdout


def test_in_another_package_it_keeps_the_contract(tmp_path: Path) -> None:
    """Written into a package, offered by its entry point, its own test passes untouched."""
    package = tmp_path / "src_of_mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    made = NewMethod.in_package("closer", package)
    made.write()
    info = tmp_path / "src_of_mine-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: src-of-mine\nVersion: 1\n")
    entry = '[project.entry-points."pdbench.methods"]'
    assert entry in made.next_steps()
    (info / "entry_points.txt").write_text("[pdbench.methods]\nsrc_of_mine = src_of_mine\n")

    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(made.test)],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert found.returncode == 0, found.stdout
    assert "6 passed" in found.stdout


@pytest.mark.parametrize("name", ["My", "2fast", "a b", "class", "../up", "-x", "x_", ""])
def test_a_bad_name_is_refused(name: str, project: Path) -> None:
    """A name must be one of a module and of a method."""
    with pytest.raises(UsageError, match="is no name of a method"):
        NewMethod.in_project(name, project)


@pytest.mark.parametrize("name", ["minilm", "students", "patient-kd"])
def test_a_taken_name_is_refused(name: str) -> None:
    """Neither a method nor a module is overwritten, and nothing is written beside it."""
    before = (ROOT / "config/methods.yaml").read_bytes()

    with pytest.raises(UsageError, match="is there already"):
        NewMethod.in_project(name).write()

    assert (ROOT / "config/methods.yaml").read_bytes() == before


def test_a_method_is_added_once(tmp_path: Path) -> None:
    """The second time is refused, in another package too."""
    (tmp_path / "__init__.py").write_text("")
    NewMethod.in_package("closer", tmp_path).write()
    (tmp_path / "closer.py").unlink()
    made = NewMethod.in_package("closer", tmp_path)
    made.test.unlink()

    with pytest.raises(UsageError, match=r"methods\.yaml: method 'closer' is there already"):
        made.write()


def test_the_command_says_what_comes_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the command line: files, study, gate; and one line with code 2 for a bad name."""
    (tmp_path / "__init__.py").write_text("")

    assert run("new-method", "closer", "--package", str(tmp_path)) == 0
    said = capsys.readouterr().out
    assert f"wrote {tmp_path / 'closer.py'}" in said
    assert "pdbench check --baseline pd --candidate closer" in said

    assert run("new-method", "Closer", "--package", str(tmp_path)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "is no name of a method" in line


def test_a_folder_that_is_no_package_is_refused(tmp_path: Path) -> None:
    """There must be an __init__.py."""
    with pytest.raises(UsageError, match="no package"):
        NewMethod.in_package("closer", tmp_path)
