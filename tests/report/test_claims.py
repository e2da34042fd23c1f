"""Claims on the command line: as text, as JSON, on the paper's numbers and on a study's."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import synthetic
from commands import run

from pdbench.core.errors import DataError
from pdbench.evidence.outcomes import load_claims, on_reference
from pdbench.evidence.significance import Difference
from pdbench.evidence.statements import ClaimOutcome, Quantity, Trial
from pdbench.report import claims
from pdbench.study import Study


@pytest.fixture
def folder(demo: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with invented results of the demo."""
    monkeypatch.chdir(tmp_path)
    synthetic.write_study(demo)
    return tmp_path


def test_claims_on_the_papers_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """41 hold and three cannot be tested, in words and in JSON."""
    file = tmp_path / "claims.json"

    assert run("claims", "--on", "reference", "--json", str(file)) == 0

    found = json.loads(file.read_text(encoding="utf-8"))
    assert capsys.readouterr().out.splitlines()[-1] == "41 holds, 3 untestable"
    assert found["outcomes"] == {"holds": 41, "fails": 0, "open": 0, "untestable": 3}
    assert all(one["outcome"] == one["on_reference"] for one in found["claims"])


def test_claims_on_a_study(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every claim is printed with its mark, and what decides it with its interval."""
    assert run("claims", "--on", "demo", "--json", "c.json") == 0

    out = capsys.readouterr().out
    found = json.loads((folder / "c.json").read_text(encoding="utf-8"))
    assert all(f"{claim.id}  " in out for claim in load_claims())
    c13 = next(one for one in found["claims"] if one["id"] == "C13")
    assert len(c13["comparisons"]) == 6
    assert c13["family"] > 1
    assert {"by", "low", "high", "detectable", "cells"} <= set(c13["comparisons"][0])


def test_results_of_another_study_are_misuse(
    folder: Path, demo: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cells of the same name in another study are not the same."""
    synthetic.results(demo).assign(study="other").to_parquet(folder / "other.parquet")

    assert run("claims", "--on", "demo", "--results", "other.parquet") == 2
    assert "those of study 'other', not 'demo'" in capsys.readouterr().err


def test_claims_on_other_results_of_the_study(
    folder: Path, demo: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another table of the same study is tested when it is named."""
    synthetic.results(demo).to_parquet(folder / "other.parquet")
    (folder / "reports/demo/results.parquet").unlink()

    assert run("claims", "--on", "demo", "--results", "other.parquet") == 0
    assert "C44" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--on", "nothing"], 2, "config/nothing.yaml: no such study"),
        (["--on", "demo"], 1, "results.parquet: no such file"),
        (["--on", "demo", "--results", "no.parquet"], 1, "no.parquet: no such file"),
        (["--on", "reference", "--results", "x.parquet"], 2, "--results needs a study"),
    ],
)
def test_what_is_not_there_is_one_line(
    arguments: list[str],
    code: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An unknown study and missing results end with one line."""
    monkeypatch.chdir(tmp_path)

    assert run("claims", *arguments) == code

    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_an_outcome_that_is_not_the_recorded_one_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A published number that was changed by mistake is noticed."""
    changed = replace(load_claims()[0], on_reference=ClaimOutcome.FAILS)
    monkeypatch.setattr(claims, "load_claims", lambda: (changed,))

    with pytest.raises(DataError, match="C01 is recorded as fails, but holds on the published"):
        claims.check(None)


def test_text_fits_a_terminal() -> None:
    """No line is longer than a hundred characters."""
    assert max(map(len, claims.as_text(on_reference(load_claims())))) <= 100


def test_effects_read_as_a_comparison_with_its_intervals() -> None:
    """By how much, and from where to where: on this test set first, then on such examples."""
    about, found = Quantity({}, 2.0, "PD"), Difference(2.0, 0.5, math.inf)
    part = Trial("PD > PF", about, found, 0.01, 0.99)
    wider = replace(part, on_examples=replace(found, examples=1.2))
    single = replace(part, estimate=replace(found, seeds=math.nan))

    assert claims.effect(part) == "PD > PF: by +2.0 on this test set [+1.0, +3.0]"
    assert claims.effect(wider).endswith("[+1.0, +3.0], on such examples [\N{MINUS SIGN}0.5, +4.5]")
    assert claims.effect(single) == "PD > PF: by +2.0 on this test set without an interval"
    assert claims.effect(None) == ""


def test_cells_are_named_once_whatever_scored_them() -> None:
    """The runs page has a cell under its own key, also where GLUE's server scored it."""
    terms = {("a@server", "f1"): 1.0, ("a@server", "accuracy"): 1.0, ("b", "f1"): -1.0}
    part = Trial("", Quantity(terms, 0.0, ""), Difference(2.0, 0.5, math.inf), 0.01, 0.99)

    assert claims.cells(part) == ["a", "b"]
