"""Statements read as they are written, and are shown or refuted as a whole."""

from __future__ import annotations

import math

import pytest

from pdbench.evidence.significance import Difference
from pdbench.evidence.statements import (
    Quantity,
    Untestable,
    Weighing,
    across,
    descending,
    every,
    slack,
    some,
    without_same,
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
    """Three quantities have two comparisons, and a tie breaks the chain."""
    assert slack(descending(A, B, C), VALUES) < 0
    assert len(descending(A, B, C).comparisons) == 2


def test_nothing_to_compare_is_not_true() -> None:
    """A statement about no cells is untestable, not vacuously true."""
    with pytest.raises(Untestable):
        every(A > B for A in ())
    with pytest.raises(Untestable):
        some()


def weighing(
    margin: float | None = None, exception: float = 2.0, **estimates: tuple[float, float]
) -> Weighing:
    """Weighs statements on scores of these names, each known to be (value, standard error)."""

    def estimate(quantity: Quantity) -> Difference:
        found = [(factor, *estimates[name]) for (name, _), factor in quantity.terms.items()]
        value = quantity.constant + sum(factor * value for factor, value, _ in found)
        return Difference(value, math.hypot(*(f * error for f, _, error in found)), math.inf, 5)

    return Weighing(estimate, margin, exception)


def test_a_conjunction_needs_every_part_and_falls_with_one() -> None:
    """Shown at the p of its weakest part; refuted by its worst, times the number of parts."""
    found = weighing(a=(3, 1), b=(1, 1), c=(-2, 1))
    claim = every(A > 0, B > 0, C > 0)

    assert found.shown(claim) == (pytest.approx(0.97725, abs=1e-4), found.trial(claim.parts[2]))
    assert found.refuted(claim)[0] == pytest.approx(3 * 0.02275, abs=1e-4)


def test_a_disjunction_needs_one_part_and_falls_with_all() -> None:
    """The other way round."""
    found = weighing(a=(2, 1), b=(0, 1))

    assert found.shown(some(A > 0, B > 0))[0] == pytest.approx(2 * 0.02275, abs=1e-4)
    assert found.refuted(some(A > 0, B > 0))[0] == pytest.approx(0.97725, abs=1e-4)


def test_a_probability_stays_one() -> None:
    """Corrections do not exceed it."""
    assert weighing(a=(0, 1), b=(0, 1)).refuted(every(A > 0, B > 0, A > 0))[0] == 1.0


@pytest.mark.parametrize(
    ("value", "margin", "outcome"),
    [
        (0.0, 0.5, "holds"),
        (-0.4, 0.5, "holds"),
        (-0.6, 0.5, "fails"),
        (0.0, None, "open"),
        (-0.1, None, "fails"),
        (0.1, None, "holds"),
    ],
)
def test_as_good_allows_a_tie_within_the_margin(
    value: float, margin: float | None, outcome: str
) -> None:
    """Not being worse by more than the margin is as good; without a margin better is asked."""
    found = weighing(margin, a=(value, 0.01), b=(0, 0.01))

    assert found.trial(A >= B).outcome == outcome


def test_a_bound_that_is_said_is_kept() -> None:
    """Neither ``>`` nor a bound of the sentence's own is moved by the margin."""
    found = weighing(0.5, a=(1.8, 0.01), b=(0, 0.01))

    assert found.trial(A - B >= 2).outcome == "fails"
    assert found.trial(B > A - 1.7).outcome == "fails"


def over(values: list[float], error: float = 0.1, **rules: float) -> tuple[float, float]:
    """P of showing and of refuting that these are above 0 across cells."""
    names = [f"cell{i}" for i in range(len(values))]
    known = {name: (value, error) for name, value in zip(names, values, strict=True)}
    found, claim = weighing(**rules, **known), across(score(name) > 0 for name in names)
    return found.shown(claim)[0], found.refuted(claim)[0]


def test_many_cells_hold_by_their_mean_and_without_exception() -> None:
    """Cells that cannot be told from 0 do not keep it from holding."""
    shown, refuted = over([1.0, 0.05, -0.05, 0.8, 0.0])

    assert shown < 1e-6
    assert refuted > 0.5


def test_one_cell_on_the_other_side_fails_all() -> None:
    """However large the mean is."""
    shown, refuted = over([5.0] * 9 + [-1.0])

    assert shown == 1.0
    assert refuted < 1e-6


def test_a_cell_that_may_be_an_exception_keeps_it_open() -> None:
    """A noisy cell must be shown to be no more than two points on the other side."""
    names = {"a": (9.0, 0.1), "b": (0.5, 3.0)}
    claim = across([A > 0, B > 0])

    p, why = weighing(**names).shown(claim)
    assert (p > 0.05, why.text) == (True, "b > 0")
    assert weighing(exception=9.0, **names).shown(claim)[0] < 0.05


def test_a_mean_on_the_other_side_fails() -> None:
    """Many small shortfalls add up, though none is shown alone."""
    _, refuted = over([-0.12] * 24)

    assert refuted < 0.01


def test_cells_without_an_effect_are_shown_as_rarely_as_said() -> None:
    """Where the mean is 0, its p is uniform whatever the cells are."""
    assert over([0.5, -0.5, 0.0])[0] == 1.0
    assert over([0.1, -0.1, 0.0])[0] == pytest.approx(0.5)


def test_numbers_as_printed_need_every_cell() -> None:
    """On published numbers a claim across cells is exact."""
    assert slack(across([A > B, A > C]), VALUES) == pytest.approx(5)
    assert slack(across([A > B, B > C]), VALUES) < 0


def test_what_is_compared_with_itself_is_left_out() -> None:
    """Of one model nothing is shown, and a statement about nothing else is untestable."""
    assert without_same(every(A > A, across([A > B, B > B]))).comparisons == ((A > B),)
    for same in (A > A, every(A > A, abs(A - A) <= 1), across([A >= A]), some(A > A)):
        with pytest.raises(Untestable, match="the same model"):
            without_same(same)
