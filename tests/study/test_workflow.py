"""What the Snakefile is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pdbench.artefacts import ARTEFACTS
from pdbench.study import ROOT
from pdbench.study.workflow import open_workflow, study_argument


def test_the_demo_is_the_default() -> None:
    """Without a configuration the demo study is opened."""
    found = open_workflow({}, ARTEFACTS)

    assert (found.study.name, found.argument) == ("demo", "demo")
    assert found.logs == Path("logs/demo")


def test_one_study_has_one_spelling(monkeypatch: pytest.MonkeyPatch) -> None:
    """A study of config/ is called by its name even when its path was given."""
    monkeypatch.chdir(ROOT)

    assert study_argument({"study": "config/demo.yaml"}) == "demo"
    assert study_argument({"study": "elsewhere/demo.yaml"}) == "elsewhere/demo.yaml"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"study": "nothing"}, "config/nothing.yaml: no such study"),
        ({"stduy": "demo"}, "--config stduy: unknown key"),
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


def test_an_unknown_artefact_is_found_before_anything_runs(
    study_file, capsys: pytest.CaptureFixture[str]
) -> None:
    """A study that asks for an artefact that nobody draws is refused at once."""
    with pytest.raises(SystemExit):
        open_workflow({"study": str(study_file())}, {"figure6", "sizes"})

    assert "unknown artefact 'figure8'" in capsys.readouterr().err
