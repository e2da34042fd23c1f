"""Numbers, durations and sizes read the same wherever they are written."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from pdbench.core.words import (
    aligned,
    byte_size,
    clock,
    duration,
    estimated_duration,
    for_json,
    p_value,
    short_count,
    shown,
    signed,
    time_left,
)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (signed(1.25), "+1.2"),
        (signed(-3), "\N{MINUS SIGN}3.0"),
        (p_value(0.0004), "< 0.001"),
        (p_value(0.0512), "0.051"),
        (p_value(math.nan), ""),
        (short_count(300), "300"),
        (short_count(1_700_000), "1.7m"),
        (byte_size(999), "999 B"),
        (byte_size(1_340_000_000), "1.3 GB"),
        (byte_size(2e18), "2,000 PB"),
    ],
)
def test_numbers_are_short(said: str, words: str) -> None:
    """Signs, p values, counts and sizes have the digits that are read."""
    assert said == words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (estimated_duration(30), "0.5 min"),
        (estimated_duration(119 * 60), "119 min"),
        (estimated_duration(3 * 3600), "3.0 h"),
        (estimated_duration(1e7), "2,778 h"),
        (duration(2.34), "2.3 s"),
        (duration(41.6), "42 s"),
        (duration(250), "4 min 10 s"),
        (duration(3 * 3600 + 59), "3 h 0 min"),
        (clock(5), "0:05"),
        (clock(65), "1:05"),
        (clock(3665), "1:01:05"),
        (time_left(5), "less than a minute left"),
        (time_left(5, overdue=True), "longer than expected"),
        (time_left(100, overdue=True), "about 2 min left"),
        (time_left(100), "about 2 min left"),
        (time_left(3600), "about 60 min left"),
        (time_left(9000), "about 2.5 h left"),
    ],
)
def test_durations_are_as_exact_as_they_are_known(said: str, words: str) -> None:
    """An estimate has two digits, a measured time its two largest units, or a clock's."""
    assert said == words


def test_json_has_null_for_what_is_no_number() -> None:
    """JSON knows neither NaN nor infinity."""
    assert (for_json(math.nan), for_json(1 / 3)) == (None, 0.333333)


def test_columns_are_aligned() -> None:
    """Words stand to the left, numbers to the right."""
    assert aligned([("name", "runs"), ("a", "12")]) == ["name  runs", "a       12"]


def test_a_path_names_nobodys_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the working folder it can be followed; elsewhere its last name says what it is."""
    work = tmp_path / "home/alice/work"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)

    assert shown(work / "data/films") == shown("./data/films") == "data/films"
    assert shown(tmp_path / "home/alice/films") == shown("../films") == "films"
