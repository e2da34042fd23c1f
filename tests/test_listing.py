"""What may be named is listed, and completed in a shell."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.shell_completion import BashComplete
from commands import run

from pdbench.artefacts import ARTEFACTS
from pdbench.cli import cli
from pdbench.study import Study
from pdbench.study.loading import load_methods, studies_in


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, str]:
    """What ``pdbench list`` says of each name."""
    assert run("list", *arguments) == 0
    return dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())


def test_all_that_there_is_has_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Studies of the working folder too, and one that cannot be read hides no other."""
    monkeypatch.chdir(tmp_path)
    Path("config").mkdir()
    Path("config/mine.yaml").write_text("extends: smoke\nname: mine\ntitle: Mine\n")
    Path("config/broken.yaml").write_text("name: broken\n")

    studies = listed(capsys, "studies")
    assert list(studies) == studies_in()
    assert studies["mine"] == "smoke, 22 cells: Mine"
    assert studies["smoke"].endswith("The whole path, once, pdbench's own")
    assert "key title: missing" in studies["broken"]
    assert set(listed(capsys, "methods")) == set(load_methods())
    assert set(listed(capsys, "artefacts")) == set(ARTEFACTS)


def test_of_a_study_what_it_trains_and_shows(
    demo: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its cells with their seeds and artefacts, its methods and its artefacts."""
    cells = listed(capsys, "cells", "demo")
    assert set(cells) == set(demo.cells)
    (block, *_) = demo.artefact_cells("figure10")
    assert cells[block.key].startswith(f"{demo.seed_counts[block]} seeds, ")
    assert "figure10" in cells[block.key]
    methods = listed(capsys, "methods", "demo")
    assert set(methods) == {cell.method for cell in demo.seed_counts}
    assert methods["pd"] == "Pre-trained distillation: pretrained + distill"
    assert list(listed(capsys, "artefacts", "demo")) == list(demo.artefacts)


def test_cells_are_those_of_a_study(capsys: pytest.CaptureFixture[str]) -> None:
    """Without one it is asked for."""
    assert run("list", "cells") == 2
    assert "which study's?; pdbench list cells STUDY" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["plan", "smo"], ["smoke"]),
        (["cell", "smoke", "sentiment.tf"], ["sentiment.tf.2-32.none.films"]),
        (["task", "smoke", ""], ["sentiment"]),
        (["artefact", "smoke", "table"], ["table3"]),
        (["pretrain", "smoke", "s"], ["snippets"]),
        (["check", "--study", "smoke", "--candidate", "mini"], ["minilm"]),
        (["list", "me"], ["methods"]),
        (["cell", "nothing", "s"], []),
    ],
)
def test_a_shell_completes_names(words: list[str], names: list[str]) -> None:
    """Of studies, and of what the study before them has."""
    *before, incomplete = words

    found = BashComplete(cli, {}, "pdbench", "_PDBENCH_COMPLETE").get_completions(
        before, incomplete
    )

    assert [item.value for item in found] == names
