"""A new method from the template works as it is written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands import run
from installed import Installed

from pdbench.core.errors import UsageError
from pdbench.study import ROOT
from pdbench.study.loading import load_methods
from pdbench.testing.new_method import NewMethod


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one method."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config/methods.yaml").write_text(
        "# The methods.\n\npd: {name: PD, initialisation: pretrained, stages: [distill]}  # one\n"
    )
    return tmp_path


def test_it_is_added_to_the_project(project: Path) -> None:
    """Objective, test and entry are written; what stood in the file, comments too, stays."""
    before = (project / "config/methods.yaml").read_text()

    made = NewMethod.in_project("half-new", project)
    made.write()

    after = (project / "config/methods.yaml").read_text()
    assert after.startswith(before)
    assert load_methods(project)["half-new"].stages[0].objective == (
        "pdbench.methods.half_new:HalfNew"
    )
    assert made.module == project / "pdbench/methods/half_new.py"
    assert made.test == project / "tests/methods/test_half_new.py"
    assert "pdbench check --baseline pd --candidate half-new" in made.next_steps()
    assert "$" not in made.module.read_text() + made.test.read_text() + after


def test_what_it_writes_is_clean(project: Path) -> None:
    """Linter and formatter have nothing to say about the template."""
    made = NewMethod.in_project("half-new", project)
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


def test_in_another_package_it_keeps_the_contract(tmp_path: Path, installed: Installed) -> None:
    """Written into a package, offered by its entry point, its own test passes untouched.

    There is no checkout: pdbench is a package too.
    """
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
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{installed.site}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert found.returncode == 0, found.stdout
    assert "8 passed" in found.stdout


@pytest.mark.parametrize(
    "name", ["My", "2fast", "a b", "class", "../up", "-x", "x_", "", "true", "null", "on"]
)
def test_a_bad_name_is_refused(name: str, project: Path) -> None:
    """A name must be one of a module, of a method, and no other word of YAML."""
    with pytest.raises(UsageError, match="is no name of a method"):
        NewMethod.in_project(name, project)


@pytest.mark.parametrize("name", ["none", "exposed", "method-contract"])
def test_a_name_of_something_else_is_refused(name: str, project: Path) -> None:
    """Its class would be no class, or hide one that the written files import."""
    with pytest.raises(UsageError, match="which is something else"):
        NewMethod.in_project(name, project)


@pytest.mark.parametrize("name", ["minilm", "patient-kd"])
def test_a_taken_name_is_refused(name: str) -> None:
    """Neither a method nor a module is overwritten, and nothing is written beside it."""
    before = (ROOT / "config/methods.yaml").read_bytes()

    with pytest.raises(UsageError, match=r"is there already|is something else"):
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


def test_a_method_of_the_project_is_taken_in_packages_too(tmp_path: Path) -> None:
    """Installed beside the project's, a second "pd" would stop every study."""
    (tmp_path / "__init__.py").write_text("")

    with pytest.raises(UsageError, match=r"config/methods\.yaml: method 'pd' is there already"):
        NewMethod.in_package("pd", tmp_path).write()

    assert [path.name for path in tmp_path.iterdir()] == ["__init__.py"]


def test_a_package_is_named_as_it_is_imported(tmp_path: Path) -> None:
    """A part of a package has the whole name; below src, its tests stand beside src."""
    folder = tmp_path / "src" / "outer" / "inner"
    folder.mkdir(parents=True)
    for package in (folder, folder.parent):
        (package / "__init__.py").write_text("")

    made = NewMethod.in_package("closer", folder)
    made.write()

    assert 'inner = "outer.inner"' in made.next_steps()
    assert "from outer.inner.closer import Closer" in made.test.read_text()
    assert "outer.inner.closer:Closer" in made.methods.read_text()
    assert made.test == tmp_path / "tests" / "test_closer.py"


def test_a_folder_that_cannot_be_imported_is_refused(tmp_path: Path) -> None:
    """A hyphen is of projects: "my-package" is the name of a project; its folder has another."""
    folder = tmp_path / "my-package"
    folder.mkdir()
    (folder / "__init__.py").write_text("")

    with pytest.raises(UsageError, match="'my-package' cannot be imported; rename its folder"):
        NewMethod.in_package("closer", folder)


def test_a_folder_that_is_no_package_is_refused(tmp_path: Path) -> None:
    """There must be an __init__.py."""
    with pytest.raises(UsageError, match="no package"):
        NewMethod.in_package("closer", tmp_path)
