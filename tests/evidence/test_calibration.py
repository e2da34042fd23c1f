"""Intervals contain the truth as often as they say, and tests err as rarely as they promise.

``python tests/simulation.py 1000`` prints the same with less Monte-Carlo error.
"""

from __future__ import annotations

import numpy as np
import pytest
import simulation
from simulation import ALIKE, MARGIN, UNLIKE, Claims, Methods

from pdbench.evidence.judging import GateOutcome
from pdbench.evidence.significance import ALPHA

STUDIES = 150
ERROR = 3 * (0.05 * 0.95 / STUDIES) ** 0.5
"""Three standard errors of a share of 5%, counted in so many studies."""

EVEN = (0.0,) * 9


@pytest.fixture(scope="module")
def claims() -> Claims:
    """The paper's claims about scores."""
    return Claims()


@pytest.mark.parametrize("spreads", [ALIKE, UNLIKE])
def test_intervals_contain_the_truth_however_cells_spread(spreads: tuple[float, ...]) -> None:
    """Three seeds, on such examples: also that of a cell that spreads ten times as the others."""
    covered = Methods(3, EVEN, spreads).covered(STUDIES)

    assert covered.min() >= 1 - ALPHA - 1.5 * ERROR  # the least of ten
    assert covered.mean() >= 1 - ALPHA - ERROR


@pytest.mark.parametrize("spreads", [ALIKE, UNLIKE])
def test_the_gate_rarely_gives_a_false_alarm(spreads: tuple[float, ...]) -> None:
    """Where all cells lose just what they may, any is called worse in at most 5% of checks."""
    said = Methods(3, (-MARGIN,) * 9, spreads).said(STUDIES, GateOutcome.WORSE)

    assert said["any"] <= ALPHA + ERROR


@pytest.mark.parametrize("spreads", [ALIKE, UNLIKE])
def test_the_gate_finds_what_is_better_and_what_is_worse(spreads: tuple[float, ...]) -> None:
    """Three seeds: two points in nine cells; and three in eight, whatever the ninth does."""
    better = Methods(3, (2.0,) * 9, spreads).said(40, GateOutcome.BETTER)
    worse = Methods(3, (0.0, *(-3.0,) * 8), spreads).said(40, GateOutcome.WORSE)

    assert better["mean"] > 0.8
    assert worse["any"] > 0.85


@pytest.mark.parametrize("best_of", [1, 5])
def test_numbers_of_one_distribution_rarely_deviate(best_of: int) -> None:
    """Any of 45 numbers, each one run or the best of five, does in at most 5% of artefacts."""
    assert simulation.deviating(45, 5, best_of, STUDIES) <= ALPHA + ERROR


def test_claims_can_be_shown_where_they_are_true(claims: Claims) -> None:
    """Where the paper's numbers are the truth, five seeds show most claims, each most times."""
    found = claims.holding(claims.truth, 5, 10)

    assert sum(share >= 0.8 for share in found.values()) >= 20


def test_false_claims_rarely_hold(claims: Claims) -> None:
    """Where all methods are equal, any false claim of an artefact holds in at most 5%."""
    found = claims.falsely(claims.all_methods_equal(), 5, 20)

    assert max(found.values()) <= 0.2  # binomial: four of twenty come once in 60 at 5%
    assert np.mean(list(found.values())) <= ALPHA


@pytest.mark.parametrize("name", ["C13", "C17", "C25", "C29"])
def test_one_exception_keeps_a_claim_from_holding(claims: Claims, name: str) -> None:
    """A claim of which one comparison is false by two points holds in at most 5% of studies."""
    claim = next(claim for claim in claims.claims if claim.id == name)

    assert claims.holding_falsely(claim, 5, 100) <= ALPHA + 3 * (0.05 * 0.95 / 100) ** 0.5
