"""Tests of one estimate, and of many at once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from pdbench.evidence.significance import ALPHA, Difference, holm, mcnemar


def test_interval_and_p_are_those_of_students_t() -> None:
    """The interval is scipy's, and so are both one-sided p-values."""
    values = [1.2, 0.4, 0.9, 1.7]
    expected = stats.ttest_1samp(values, 0.5)

    found = Difference.of(values)

    assert (found.interval.low, found.interval.high) == pytest.approx(
        stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    )
    assert found.above(0.5) == pytest.approx(
        stats.ttest_1samp(values, 0.5, alternative="greater").pvalue
    )
    assert 2 * min(found.above(0.5), found.below(0.5)) == pytest.approx(expected.pvalue)


def test_equivalence_is_two_one_sided_tests() -> None:
    """TOST is the larger of the two one-sided p-values, not the absence of a difference."""
    values = [0.1, -0.2, 0.05, 0.0, 0.1]
    low = stats.ttest_1samp(values, -0.5, alternative="greater").pvalue
    high = stats.ttest_1samp(values, 0.5, alternative="less").pvalue

    assert Difference.of(values).within(0.5) == pytest.approx(max(low, high))


def test_no_difference_is_no_equivalence() -> None:
    """Two wild runs show no difference and no equivalence either."""
    found = Difference.of([-3.0, 3.0])

    assert found.outside(0) > ALPHA
    assert found.within(0.5) > ALPHA


def test_equivalence_is_wrongly_shown_at_most_so_often() -> None:
    """At a true difference of exactly the margin, TOST says "equivalent" in 5% of cases."""
    rng = np.random.default_rng(0)
    found = [Difference.of(list(rng.normal(0.5, 0.3, 5))).within(0.5) <= ALPHA for _ in range(2000)]

    assert np.mean(found) == pytest.approx(0.05, abs=0.015)


def test_detectable_difference_is_detected_four_times_in_five() -> None:
    """A true difference of that size is found with the stated power."""
    rng = np.random.default_rng(1)
    size = Difference(0, 1 / math.sqrt(5), 4, 5).detectable()

    found = [Difference.of(list(rng.normal(size, 1, 5))).outside(0) <= ALPHA for _ in range(2000)]

    assert np.mean(found) == pytest.approx(0.8, abs=0.06)


@pytest.mark.parametrize("wild", [0.1, 1.0, 10.0])
def test_errors_of_two_kinds_contain_the_truth_as_often_as_they_say(wild: float) -> None:
    """Three runs of any spread, with a known error beside it: at least 95%, and p agrees."""
    rng = np.random.default_rng(4)
    covered, small = [], []
    for _ in range(4000):
        over_seeds = Difference.of(list(rng.normal(0, wild, 3)))
        off = over_seeds.value + rng.normal(0, 0.5)
        found = Difference(off, over_seeds.seeds, 2, 3, examples=0.5)
        covered.append(found.interval.low <= 0 <= found.interval.high)
        small.append(2 * min(found.above(0), found.below(0)) <= ALPHA)

    assert np.mean(covered) >= 0.95 - 0.01
    assert np.mean(small) == pytest.approx(1 - np.mean(covered), abs=0.002)


def test_a_single_run_shows_nothing() -> None:
    """Without a standard error no test is passed in any direction."""
    found = Difference(5.0, math.nan, 1, 1)

    assert found.above(0) == found.below(0) == found.within(100) == 1.0
    assert math.isnan(found.detectable())


def test_known_numbers_are_compared_exactly() -> None:
    """Without any error a difference is shown or it is not."""
    found = Difference(0.05, 0.0, math.inf)

    assert (found.within(0.1), found.within(0.01)) == (0.0, 1.0)
    assert (found.above(0), found.below(0)) == (0.0, 1.0)


def test_mcnemar_without_discordant_pairs_shows_nothing() -> None:
    """Two runs that are right on the same examples have p = 1, not an error and not 0."""
    assert mcnemar([True, False, True], [True, False, True]) == 1.0
    assert mcnemar([], []) == 1.0


@pytest.mark.parametrize(("gained", "lost"), [(1, 0), (6, 1), (3, 3), (15, 2)])
def test_mcnemar_is_the_exact_binomial_test(gained: int, lost: int) -> None:
    """Only discordant pairs count, and they are as likely on either side by chance."""
    first = [False] * gained + [True] * lost + [True] * 20
    second = [True] * gained + [False] * lost + [True] * 20

    expected = stats.binomtest(gained, gained + lost).pvalue

    assert mcnemar(first, second) == pytest.approx(expected)
    assert mcnemar(second, first) == pytest.approx(expected)


def test_mcnemar_needs_the_same_examples() -> None:
    """Runs on different test sets cannot be paired."""
    with pytest.raises(ValueError, match=r"shorter|longer"):
        mcnemar([True], [True, False])


def test_holm_is_a_step_down() -> None:
    """The smallest p is multiplied by all, the next by one less, and the order is kept."""
    found = holm({"c": 0.04, "a": 0.01, "b": 0.03, "d": 0.005})

    assert list(found) == ["c", "a", "b", "d"]
    assert found == pytest.approx({"d": 0.02, "a": 0.03, "b": 0.06, "c": 0.06})


def test_holm_never_exceeds_one_and_takes_nothing() -> None:
    """Probabilities stay probabilities; an empty family is empty."""
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}


def test_holm_keeps_the_error_of_the_family() -> None:
    """Of ten true null hypotheses, any is rejected in at most 5% of the families."""
    rng = np.random.default_rng(2)
    families = (dict(enumerate(rng.random(10))) for _ in range(2000))

    wrong = [min(holm(family).values()) <= ALPHA for family in families]

    assert np.mean(wrong) <= 0.05 + 0.015


@pytest.mark.parametrize("values", [[70.0, 72.5], [81.2, 80.9, 81.9], [1.0, 2, 3, 4, 10]])
def test_interval_is_scipys(values: list[float]) -> None:
    """Mean and ends agree with scipy.stats.t."""
    expected = stats.t.interval(
        0.95, len(values) - 1, loc=stats.tmean(values), scale=stats.sem(values)
    )

    found = Difference.of(values).interval

    assert found.mean == pytest.approx(stats.tmean(values))
    assert (found.low, found.high) == pytest.approx(expected)
    assert found.n == len(values)


def test_equal_runs_have_an_interval_of_no_width() -> None:
    """Seeds that agree exactly give mean, low and high in one place."""
    found = Difference.of([50.0, 50.0, 50.0]).interval

    assert (found.mean, found.low, found.high) == (50.0, 50.0, 50.0)


def test_one_run_has_a_mean_and_no_interval() -> None:
    """One seed says nothing about the spread."""
    found = Difference.of([83.0]).interval

    assert (found.mean, found.n) == (83.0, 1)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


@pytest.mark.parametrize(
    ("values", "text"),
    [([], "missing"), ([83.04], "83.0"), ([80.0, 82.0], "81.0 ± 12.7")],
)
def test_text(values: list[float], text: str) -> None:
    """An interval reads as mean and half width, and nothing at all as missing."""
    assert str(Difference.of(values).interval) == text
