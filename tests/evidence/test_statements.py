"""Statements read as they are written, and are shown or refuted as a whole."""

from __future__ import annotations

import math

import pytest

from pdbench.evidence.significance import Difference
from pdbench.evidence.statements import (
    Quantity,
    Trial,
    Untestable,
    descending,
    every,
    slack,
    some,
    weigh,
)

VALUES = {("a", "accuracy"): 80.0, ("b", "accuracy"): 75.0, ("c", "accuracy"): 75.0}


def score(name: str) -> Quantity:
    """A single score."""
    return Quantity({(name, "accuracy"): 1.0}, 0.0, name)


A, B, C = map(score, "abc")


@pytest.mark.parametrize(
    ("statement", "holds", "text"),
    [
        (A > B, True, "a > b"),
        (B > A, False, "b > a"),
        (B > C, False, "b > c"),
        (B >= C, True, "b ≥ c"),
        (B < A, True, "b < a"),
        (A <= B, False, "a ≤ b"),
        (A - B >= 5, True, "a \N{MINUS SIGN} b ≥ 5"),
        (A - B > 5, False, "a \N{MINUS SIGN} b > 5"),
        (A - B <= 4.9, False, "a \N{MINUS SIGN} b ≤ 4.9"),
        (abs(A - B) <= 5, True, "|a \N{MINUS SIGN} b| ≤ 5"),
        (abs(B - A) <= 4.9, False, "|b \N{MINUS SIGN} a| ≤ 4.9"),
        (A * 0.5 < B, True, "0.5 · a < b"),
        (A - (B - C) > 79, True, "a \N{MINUS SIGN} (b \N{MINUS SIGN} c) > 79"),
    ],
)
def test_comparisons_say_what_is_written(statement, holds: bool, text: str) -> None:
    """The sign, the bound and the words are those of the expression."""
    assert (slack(statement, VALUES) >= 0) is holds
    assert statement.comparisons[0].text == text


def test_terms_that_cancel_are_gone() -> None:
    """The difference of a score and itself compares nothing."""
    assert (A - A).terms == {}
    assert (A + B - A).terms == {("b", "accuracy"): 1.0}


def test_the_mean_of_scores_is_their_mean() -> None:
    """Under its own name."""
    found = Quantity.mean([A, B], "both")

    assert slack(found >= 77, VALUES) == pytest.approx(0.5)
    assert found.name == "both"


def test_slack_is_that_of_the_weakest_part() -> None:
    """A conjunction may move as far as its nearest part; a disjunction as its farthest."""
    assert slack(every(A > B, A - B >= 4), VALUES) == pytest.approx(1)
    assert slack(some(A > B, A - B >= 4), VALUES) == pytest.approx(5)
    assert slack(every(A > B, B > A), VALUES) == pytest.approx(-5)


def test_chains_compare_neighbours() -> None:
    """Three quantities have two comparisons; a tie breaks only the strict chain."""
    assert slack(descending(A, B, C), VALUES) < 0
    assert slack(descending(A, B, C, ties=True), VALUES) >= 0
    assert len(descending(A, B, C).comparisons) == 2


def test_nothing_to_compare_is_not_true() -> None:
    """A statement about no cells is untestable, not vacuously true."""
    with pytest.raises(Untestable):
        every(A > B for A in ())
    with pytest.raises(Untestable):
        some()


def part(shown: float, refuted: float) -> Trial:
    """A comparison with these p-values."""
    return Trial("", Difference(0, 1, math.inf), shown, refuted, ())


def weighed(make, *parts: Trial):
    """A joined statement weighed on parts with these p-values."""
    statement = make(A > B for _ in parts)
    by_id = {id(one): found for one, found in zip(statement.parts, parts, strict=True)}
    return [weigh(statement, lambda one: by_id[id(one)], holds=holds) for holds in (True, False)]


def test_a_conjunction_needs_every_part_and_falls_with_one() -> None:
    """Shown at the p of its weakest part; refuted by its worst, times the number of parts."""
    weak, strong, against = part(0.2, 0.8), part(0.001, 0.99), part(0.99, 0.004)

    shown, refuted = weighed(every, weak, strong, against)

    assert shown == (0.99, against)
    assert refuted == (pytest.approx(0.012), against)


def test_a_disjunction_needs_one_part_and_falls_with_all() -> None:
    """The other way round."""
    shown, refuted = weighed(some, part(0.01, 0.9), part(0.5, 0.5))

    assert shown[0] == pytest.approx(0.02)
    assert refuted[0] == 0.9


def test_a_probability_stays_one() -> None:
    """Corrections do not exceed it."""
    assert weighed(every, part(0.5, 0.6), part(0.5, 0.7))[1][0] == 1.0
