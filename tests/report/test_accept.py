"""`pdbench accept`: stored results are renewed whole, with a reason, or not at all."""

from __future__ import annotations

from pathlib import Path

import gate_results
import pandas as pd
import pytest
from commands import run

from pdbench.evidence import paired

ONE = "sentiment.pd.2-128.films-300.general"
WHY = "the new order of batches costs this size a few points"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study whose results are worse in a cell, and of other code, than the stored ones."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paired, "_RESAMPLES", 200)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    study = gate_results.small_study(tmp_path)
    (tmp_path / "reports/small").mkdir(parents=True)
    worse = gate_results.table(study, {"pd": 0.3, ONE: -1.2})
    worse.assign(engine="2").to_parquet("reports/small/results.parquet")
    stored = gate_results.table(study, {"pd": 0.3}).assign(engine="1")
    stored.to_parquet("stored.parquet")
    return tmp_path


def check() -> int:
    """The exit code of a check against the stored results."""
    return run("check", "--study", "small.yaml", "--against", "stored.parquet")


def accepted(*more: str, reason: str = WHY) -> int:
    """The exit code of accepting the study's results."""
    asked = ("--study", "small.yaml", "--against", "stored.parquet", "--reason", reason)
    return run("accept", *asked, *more)


def test_a_check_fails_until_the_results_are_accepted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what has changed, keeps the reason, and then the same results pass."""
    assert check() == 1
    capsys.readouterr()

    assert accepted() == 0

    line = capsys.readouterr().out
    assert line.startswith("stored.parquet: 1 worse, ")
    assert line.rstrip().endswith(f"in {ONE}")
    kept = (folder / "ACCEPTED.md").read_text(encoding="utf-8")
    assert kept.startswith("# Why stored results were renewed\n\n- 20")
    assert f"{WHY} (1 worse, " in kept
    assert "stored.parquet, commit " in kept
    assert check() == 0


def test_reasons_are_appended(folder: Path) -> None:
    """The next one does not hide the last."""
    accepted()
    frame = pd.read_parquet("reports/small/results.parquet")
    frame.assign(engine="3").to_parquet("reports/small/results.parquet")
    assert check() == 2

    assert accepted(reason="another engine, of the same scores in all cells") == 0

    lines = (folder / "ACCEPTED.md").read_text(encoding="utf-8").splitlines()
    assert [WHY in line for line in lines[2:]] == [True, False]
    assert check() == 0


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda frame: frame.assign(study="other"), "those of study 'other', not 'small'"),
        (lambda frame: gate_results.without(frame, cell=ONE, seed_index=1), "runs missing"),
        (lambda frame: gate_results.change(frame, {"cell": ONE}, seed=7), "and the study's is"),
        (lambda frame: gate_results.change(frame, {"cell": ONE}, spec="0" * 16), "other settings"),
        (lambda frame: gate_results.change(frame, {"cell": ONE}, tokens=float("nan")), "tokens"),
        (lambda frame: frame.drop(columns="cell"), "no column 'cell'"),
    ],
)
def test_what_is_not_the_studys_is_not_accepted(
    folder: Path, harm: object, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, and the stored results and their reasons stay as they were."""
    before = (folder / "stored.parquet").read_bytes()
    frame = pd.read_parquet("reports/small/results.parquet")
    harm(frame).to_parquet("harmed.parquet")  # type: ignore[operator]

    assert accepted("--results", "harmed.parquet") != 0

    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert (folder / "stored.parquet").read_bytes() == before
    assert not (folder / "ACCEPTED.md").exists()


@pytest.mark.parametrize("reason", ["", ".", "ok", "x" * 30, "new new new new new new new"])
def test_a_reason_is_asked_for(
    folder: Path, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same as of a waiver."""
    before = (folder / "stored.parquet").read_bytes()

    assert accepted(reason=reason) == 2

    assert "is no reason: say why in 20 letters" in capsys.readouterr().err
    assert (folder / "stored.parquet").read_bytes() == before


def test_the_same_results_need_no_acceptance(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is written."""
    (folder / "stored.parquet").write_bytes((folder / "reports/small/results.parquet").read_bytes())

    assert accepted() == 2
    assert "there is nothing to accept" in capsys.readouterr().err


def test_without_its_reason_nothing_is_accepted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the reason cannot be kept the results stay, and nothing is left beside them."""
    before = (folder / "stored.parquet").read_bytes()
    (folder / "ACCEPTED.md").mkdir()

    assert accepted() != 0

    assert len(capsys.readouterr().err.splitlines()) == 1
    assert (folder / "stored.parquet").read_bytes() == before
    assert sorted(path.name for path in folder.glob(".*")) == []
