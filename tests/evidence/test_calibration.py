"""Intervals contain the truth as often as they say, and tests err as rarely as they promise.

``python tests/simulation.py 4000`` prints the same with less Monte-Carlo error.
"""

from __future__ import annotations

import pytest
import simulation
from simulation import PAIR, World

from pdbench.evidence.paired import Estimator
from pdbench.evidence.significance import ALPHA
from pdbench.evidence.statements import ClaimOutcome, Quantity, Weighing, every

STUDIES = 500
ERROR = 3 * (0.05 * 0.95 / STUDIES) ** 0.5
"""Three standard errors of a share of 5%, counted in so many studies."""

SEEDS = [2, 3, 5]


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("effect", [0.0, 0.4])
def test_intervals_contain_the_truth_as_often_as_they_say(seeds: int, effect: float) -> None:
    """95% of the intervals of a difference contain it, with and without an effect."""
    world = World(seeds, effect)

    covered = simulation.share(simulation.covers(world), world, STUDIES)

    assert covered == pytest.approx(0.95, abs=ERROR)


@pytest.mark.parametrize("seeds", SEEDS)
def test_cells_may_spread_a_little_unlike(seeds: int) -> None:
    """Pooling stays honest where the spread over seeds differs between a method's cells."""
    world = World(seeds, unlike=0.3)

    covered = simulation.share(simulation.covers(world), world, STUDIES)

    assert covered == pytest.approx(0.95, abs=ERROR)


def test_a_percentile_bootstrap_over_seeds_would_be_too_narrow() -> None:
    """What is not done: redrawing two runs misses the truth in a third of all studies."""
    world = World(2)

    covered = simulation.share(simulation.percentile_covers(world), world, STUDIES)

    assert covered < 0.8


@pytest.mark.parametrize("seeds", SEEDS)
def test_planted_effects_are_found(seeds: int) -> None:
    """An effect of nine points on 150 examples is found, and by more studies with more seeds."""
    world = World(seeds, effect=0.4)

    def found(study: Estimator) -> bool:
        return study.estimate(PAIR).above(0) <= ALPHA / 2

    assert simulation.share(found, world, STUDIES) > {2: 0.25, 3: 0.5, 5: 0.75}[seeds]


def test_no_effect_is_rarely_found() -> None:
    """Without an effect, 2.5% of the studies find one in either direction."""

    def found(study: Estimator) -> bool:
        estimate = study.estimate(PAIR)
        return min(estimate.above(0), estimate.below(0)) <= ALPHA / 2

    assert simulation.share(found, World(3), STUDIES) == pytest.approx(ALPHA, abs=ERROR)


def decided(study: Estimator) -> ClaimOutcome:
    """What a study says of "a is better than b in every cell"."""

    def score(key: str) -> Quantity:
        return Quantity({(key, "accuracy"): 1.0}, 0.0, key)

    claim = every(score(f"a{i}") > score(f"b{i}") for i in range(simulation.CELLS))
    weighing = Weighing(lambda own: study.estimate(own.terms, own.constant), None, exception=2.0)
    (shown, _), (refuted, _) = weighing.shown(claim), weighing.refuted(claim)
    if 2 * min(shown, refuted) > ALPHA:
        return ClaimOutcome.OPEN
    return ClaimOutcome.HOLDS if shown < refuted else ClaimOutcome.FAILS


@pytest.mark.parametrize(
    ("effect", "wrong"),
    [(0.0, ClaimOutcome.HOLDS), (0.0, ClaimOutcome.FAILS), (0.5, ClaimOutcome.FAILS)],
)
def test_claims_about_several_cells_are_rarely_decided_wrongly(
    effect: float, wrong: ClaimOutcome
) -> None:
    """Neither holding nor failing is shown by chance more often than in 2.5% of the studies."""
    world = World(3, effect)

    share = simulation.share(lambda study: decided(study) is wrong, world, STUDIES)

    assert share <= ALPHA / 2 + ERROR


def test_claims_about_several_cells_can_be_shown() -> None:
    """With a large effect in every cell, most studies show the claim."""
    world = World(5, effect=0.8)

    share = simulation.share(lambda study: decided(study) is ClaimOutcome.HOLDS, world, 100)

    assert share > 0.7
