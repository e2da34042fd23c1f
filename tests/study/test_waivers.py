"""The file of waivers: one line for everything that is wrong with it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from pdbench.core.errors import UsageError
from pdbench.study.waivers import Waiver, load_waivers

WHY = "too small to copy its teacher's relations"
GOOD = """
waivers:
  - study: demo
    baseline: pd
    cell: sentiment.minilm.1-32.films.reviews
    reason: too small to copy its teacher's relations
    expires: 2027-01-31
"""


def written(folder: Path, text: str) -> Path:
    """A file of waivers."""
    path = folder / "waivers.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_waiver_is_read_whole(tmp_path: Path) -> None:
    """Its day is the last on which it counts."""
    (waiver,) = load_waivers(written(tmp_path, GOOD))

    assert waiver.covers("demo", "pd", "sentiment.minilm.1-32.films.reviews")
    assert not waiver.covers("demo", "pd", "sentiment.pd.1-32.films.reviews")
    assert not waiver.is_expired(date(2027, 1, 31))
    assert waiver.is_expired(date(2027, 2, 1))


@pytest.mark.parametrize(
    ("today", "counts"),
    [("2026-11-01", False), ("2026-11-02", True), ("2027-01-31", True), ("2027-02-01", False)],
)
def test_a_waiver_counts_for_ninety_days(tmp_path: Path, today: str, counts: bool) -> None:
    """Neither after its last day, nor while that is farther off."""
    (waiver,) = load_waivers(written(tmp_path, GOOD))

    assert waiver.counts(date.fromisoformat(today)) == counts


def test_a_reason_is_one_line(tmp_path: Path) -> None:
    """It stands in tables and annotations; quotes about the day change nothing."""
    text = GOOD.replace("too small to", "|\n      too\n      small to").replace(
        "2027-01-31", "'2027-01-31'"
    )

    (waiver,) = load_waivers(written(tmp_path, text))

    assert waiver.reason == "too small to copy its teacher's relations"
    assert waiver.expires == date(2027, 1, 31)


def test_the_committed_file_is_valid_and_waives_nothing() -> None:
    """A fresh checkout accepts no regression."""
    assert load_waivers() == ()


def test_every_key_is_required() -> None:
    """No waiver without a reason or a last day."""
    assert all(field.is_required() for field in Waiver.model_fields.values())


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (WHY, "''", "key waivers.0.reason"),
        (WHY, "'  '", "key waivers.0.reason"),
        (WHY, "'.'", "'.' is no reason: say why in 20 letters or more, in several words"),
        (WHY, "known and accepted", "is no reason"),
        (WHY, "x" * 40, "is no reason"),
        (WHY, "yes yes yes yes yes yes yes yes", "is no reason"),
        ("sentiment.minilm.1-32.films.reviews", "sentiment.minilm.*", "names no cell"),
        ("sentiment.minilm.1-32.films.reviews", "'*'", "names no cell: a waiver is of one cell"),
        ("2027-01-31", "2027-02-31", "day is out of range for month"),
        ("2027-01-31", "2027-01-31T10:00:00+02:00", "key waivers.0.expires"),
        (
            "    reason: too small to copy its teacher's relations\n",
            "",
            "key waivers.0.reason: missing; add it",
        ),
        ("    expires: 2027-01-31\n", "", "key waivers.0.expires: missing"),
        ("2027-01-31", "some day", "key waivers.0.expires"),
        ("reason:", "raeson: x\n    reason:", "key waivers.0.raeson: unknown key"),
        ("waivers:", "waiver: 1\nwaivers:", "key waiver: unknown key"),
        ("  - study", "- : [", "not valid YAML"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    """The line names the file, the key and where the keys are described."""
    path = written(tmp_path, GOOD.replace(old, new))

    with pytest.raises(UsageError) as error:
        load_waivers(path)

    assert str(error.value).startswith(f"{path}: ")
    assert words in str(error.value)


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    """A slip in the path must not look like an empty file."""
    with pytest.raises(UsageError, match="cannot be read"):
        load_waivers(tmp_path / "none.yaml")
