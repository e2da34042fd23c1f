"""What the Snakefile is given."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from hostile import assert_nothing_obeys
from snakemake.shell import shell
from study_files import write_study_file

from pdbench.artefacts import ARTEFACTS
from pdbench.study import ROOT
from pdbench.study.loading import load_study
from pdbench.workflow.snakefile import open_workflow, set_up


def test_programs_are_found_in_a_folder_with_braces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snakemake fills the prefix in: what it makes of it is the folder's own name."""
    monkeypatch.setattr(sys, "executable", "/opt/{y}/bin/python")
    monkeypatch.setattr(shell, "_process_prefix", None)
    before = gc.get_threshold()

    set_up(type("Workflow", (), {})(), shell)

    gc.set_threshold(*before)
    assert shell._get_process_prefix() == "PATH='/opt/{y}/bin':$PATH; "


def test_the_demo_is_the_default() -> None:
    """Without a configuration the demo study is opened."""
    found = open_workflow({}, ARTEFACTS)

    assert (found.study.name, found.argument) == ("demo", "demo")
    assert found.logs == Path("logs/demo")


def test_the_display_is_told_costs_by_wildcard() -> None:
    """Rules without one have a single job, whose cost must be found too."""
    plan = open_workflow({}, ARTEFACTS).announced["pdbench_plan"]

    names: dict[str, set[str]] = {}
    for rule, name in plan:
        names.setdefault(rule, set()).add(name)
    alone = {rule for rule, own in names.items() if own == {""}}
    assert alone == {"audit", "latency", "collect", "gate", "report"}
    assert all("" not in own for rule, own in names.items() if rule not in alone)
    assert all(need in plan for job in plan.values() for need in job.needs)
    assert ("collect", "") in plan["report", ""].needs


def test_one_study_has_one_spelling(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A study of config/ is called by its name even when its path was given."""
    elsewhere = shutil.copy(ROOT / "config/demo.yaml", tmp_path)
    monkeypatch.chdir(ROOT)

    assert load_study("config/demo.yaml").argument == load_study("demo").argument == "demo"
    assert load_study(elsewhere).argument == str(elsewhere)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"study": "nothing"}, "config/nothing.yaml: no such study"),
        ({"stduy": "demo"}, "--config stduy: unknown key"),
        ({"split": "often"}, "--config split=often: not a number of seconds; give"),
        ({"bundle": -1}, "--config bundle=-1: not a number of seconds; give"),
    ],
)
def test_a_mistake_ends_with_one_line(
    config: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong configuration is one line on stderr and exit code 2."""
    with pytest.raises(SystemExit) as caught:
        open_workflow(config, ARTEFACTS)

    error = capsys.readouterr().err
    assert caught.value.code == 2
    assert error.startswith("pdbench: error: ")
    assert words in error
    assert error.count("\n") == 1


def test_all_jobs_read_the_folder_that_data_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its absolute path stands in the environment of this process and its children."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PDBENCH_DATA", "")
    (tmp_path / "DIR").mkdir()

    with pytest.raises(SystemExit):
        open_workflow({"data": "DIR"}, ARTEFACTS)
    assert "no manifest.json there; run pdbench fetch STUDY" in capsys.readouterr().err

    (tmp_path / "DIR/manifest.json").touch()
    open_workflow({"data": "DIR"}, ARTEFACTS)
    assert os.environ["PDBENCH_DATA"] == str(tmp_path / "DIR")


def test_a_folder_that_cannot_be_written_is_found_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A read-only folder of results is one line before anything runs."""
    monkeypatch.chdir(tmp_path)
    Path("results/store").mkdir(parents=True)
    # Root may write anywhere, so that permissions alone would not show it in every container.
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path.name != "store" and may(path, mode))

    with pytest.raises(SystemExit) as caught:
        open_workflow({}, ARTEFACTS)

    error = capsys.readouterr().err
    assert caught.value.code == 1
    assert f"{tmp_path}/results/store: this folder is read-only; change" in error
    assert error.count("\n") == 1


def test_a_full_disk_is_found_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where not even Snakemake could write its files, that is said in one line."""
    full = shutil.disk_usage("/")._replace(free=3 * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)

    with pytest.raises(SystemExit):
        open_workflow({}, ARTEFACTS)

    assert "the disk is full, 3 MB are left; free some space" in capsys.readouterr().err


def test_an_unknown_artefact_is_found_before_anything_runs(
    study_file, capsys: pytest.CaptureFixture[str]
) -> None:
    """A study that asks for an artefact that nobody draws is refused at once."""
    with pytest.raises(SystemExit):
        open_workflow(
            {"study": str(study_file())}, {name: ARTEFACTS[name] for name in ("figure6", "sizes")}
        )

    assert "unknown artefact 'figure8'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a\n::error::b", "a\x1b[2J", "a\u202eb", "##[error]a"])
def test_a_path_that_cannot_be_shown_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Snakemake prints it as it is."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SystemExit) as caught:
        open_workflow({"study": str(write_study_file(Path(f"{name}.yaml")))}, ARTEFACTS)

    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert "a path that cannot be shown; rename or move it" in said
    assert_nothing_obeys(said)


@pytest.mark.parametrize("place", ["study", "folder"])
def test_braces_in_a_path_are_found_at_once(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Snakemake would take them for names of wildcards, in each command that has them."""
    folder = tmp_path / ("{x}" if place == "folder" else "x")
    folder.mkdir()
    monkeypatch.chdir(folder)
    file = write_study_file(folder / ("{y}.yaml" if place == "study" else "y.yaml"))

    with pytest.raises(SystemExit) as caught:
        open_workflow({"study": str(file)}, ARTEFACTS)

    assert caught.value.code == 2
    assert "braces in a path" in capsys.readouterr().err
