"""Intervals are Student's t, and a single run has none."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from pdbench.evidence import t_interval


@pytest.mark.parametrize("values", [[70.0, 72.5], [81.2, 80.9, 81.9], [1.0, 2, 3, 4, 10]])
def test_interval_is_scipys(values: list[float]) -> None:
    """Mean and ends agree with scipy.stats.t."""
    expected = stats.t.interval(
        0.95, len(values) - 1, loc=stats.tmean(values), scale=stats.sem(values)
    )

    found = t_interval(values)

    assert found.mean == pytest.approx(stats.tmean(values))
    assert (found.low, found.high) == pytest.approx(expected)
    assert found.n == len(values)


def test_level_widens_the_interval() -> None:
    """A 99% interval contains a 95% one."""
    assert t_interval([1.0, 2.0, 4.0], 0.99).half_width > t_interval([1.0, 2.0, 4.0]).half_width


def test_equal_runs_have_an_interval_of_no_width() -> None:
    """Seeds that agree exactly give mean, low and high in one place."""
    found = t_interval([50.0, 50.0, 50.0])

    assert (found.mean, found.low, found.high) == (50.0, 50.0, 50.0)


def test_one_run_has_a_mean_and_no_interval() -> None:
    """One seed says nothing about the spread."""
    found = t_interval([83.0])

    assert (found.mean, found.n) == (83.0, 1)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


@pytest.mark.parametrize(
    ("values", "text"),
    [([], "missing"), ([83.04], "83.0"), ([80.0, 82.0], "81.0 ± 12.7")],
)
def test_text(values: list[float], text: str) -> None:
    """An interval reads as mean and half width, and nothing at all as missing."""
    assert str(t_interval(values)) == text
