"""Without a checkout: pdbench works from its package in any folder, whose own files come first."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from commands import run
from installed import Installed

from pdbench.core.errors import UsageError
from pdbench.study import ROOT, load_study
from pdbench.study.loading import load_methods, studies_in

MINE = "extends: smoke\nname: {name}\ntitle: Mine\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder, where the test runs."""
    (tmp_path / "config").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_study_of_the_package_is_planned_and_would_run(
    installed: Installed, tmp_path: Path
) -> None:
    """From an empty folder, with the workflow of the package, and nothing is trained."""
    lines = installed.run("run", "smoke", "--cores", "1", "-n", folder=tmp_path)

    assert any(re.fullmatch(r"cell +\d+", line) for line in lines)
    assert any(re.fullmatch(r"report +1", line) for line in lines)
    assert not (tmp_path / "results/store").exists()
    assert not (tmp_path / "config").exists()


def test_its_profile_is_found(installed: Installed, tmp_path: Path) -> None:
    """A profile that the working folder has not is the package's; its own comes first."""
    lines = installed.run("plan", "smoke", "--profile", "slurm", folder=tmp_path)
    assert lines[0].startswith("Study smoke: ")
    (tmp_path / "slurm").mkdir()
    (tmp_path / "slurm/config.yaml").write_text("configfile: study.yaml\n")
    (tmp_path / "slurm/study.yaml").write_text("bundle: often\n")

    (line,) = installed.run("plan", "smoke", "--profile", "slurm", folder=tmp_path, code=2)
    assert "bundle=often: not a number of seconds" in line


@pytest.mark.parametrize("command", [["new-method", "mine"], ["schema"], ["lock"]])
def test_what_changes_a_checkout_needs_one(
    command: list[str], installed: Installed, tmp_path: Path
) -> None:
    """It is refused in a line, and nothing is written into the package."""
    (line,) = installed.run(*command, folder=tmp_path, code=2)

    assert line.startswith(f"pdbench: error: pdbench {command[0]}")
    assert "changes a checkout of pdbench, and this one is installed; clone" in line


def test_it_is_refused_in_a_checkout(installed: Installed) -> None:
    """There another pdbench stands, whose code and studies it would not use."""
    (line,) = installed.run("plan", "smoke", folder=ROOT, code=2)

    assert line.startswith(f"pdbench: error: {ROOT}: another checkout than that of the pdbench")


def test_a_deployed_workflow_reads_its_own_studies(installed: Installed, folder: Path) -> None:
    """With a module statement, as snakedeploy writes it, in a folder that has a config/."""
    snakefile = installed.site / "pdbench/shipped/workflow/Snakefile"
    (folder / "workflow").mkdir()
    (folder / "workflow/Snakefile").write_text(
        f"module pdbench:\n    snakefile: '{snakefile}'\n    config: config\n\n"
        "use rule * from pdbench\n"
    )
    (folder / "config/demo.yaml").write_text(MINE.format(name="demo"))

    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--cores", "1"],
        env=installed.environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "Study: demo\n" in done.stdout
    assert re.search(r"^cell +2$", done.stdout, re.MULTILINE)  # as smoke has, not the demo


def test_the_working_folder_comes_first(folder: Path) -> None:
    """A study there stands in the place of pdbench's own of its name; the others stay."""
    (folder / "config/demo.yaml").write_text(MINE.format(name="demo"))
    (folder / "config/mine.yaml").write_text(MINE.format(name="mine"))

    assert load_study("demo").title == "Mine"
    assert load_study("config/demo.yaml").argument == "demo"
    assert {"mine", "demo", "paper"} <= set(studies_in())
    assert (load_study("demo").whose, load_study("paper").whose) == ("", ", pdbench's own")


def test_methods_are_added_in_the_working_folder(folder: Path) -> None:
    """Those of its methods.yaml stand beside pdbench's own, or in their place."""
    ours = load_methods()
    (folder / "config/methods.yaml").write_text(
        "mine: {name: Mine, initialisation: truncated, stages: [distill, finetune]}\n"
        "pf: {name: PF of mine, initialisation: pretrained, stages: [finetune]}\n"
    )

    methods = load_methods()

    assert set(methods) == {*ours, "mine"}
    assert methods["pf"].name == "PF of mine"
    assert methods["pd"] == ours["pd"]


def test_a_mistake_names_the_file_that_was_read(folder: Path) -> None:
    """The working folder's, and the schema where it stands."""
    (folder / "config/demo.yaml").write_text(MINE.format(name="demo") + "titel: x\n")

    schema = re.escape(str(ROOT / "workflow/schemas/overlay.schema.json"))
    with pytest.raises(UsageError, match=rf"^config/demo.yaml: key titel: .*; {schema} lists"):
        load_study("demo")


def test_settings_after_the_dashes_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Snakemake would take the last --config alone, and make the demo."""
    assert run("run", "smoke", "--", "--config", "bundle=0") == 2
    assert "write it before --: pdbench run STUDY --config KEY=VALUE" in capsys.readouterr().err
