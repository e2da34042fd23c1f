"""The gate's rules: what it calls a regression, and how rarely it errs."""

from __future__ import annotations

import math
import re

import pytest
import simulation
from simulation import Versions, World

from pdbench.evidence.gate import _LEVEL, RULES, GateOutcome, _judge, _mean_terms, _pools
from pdbench.evidence.significance import ALPHA, Difference

STUDIES = 400
ERROR = 3 * (ALPHA * (1 - ALPHA) / STUDIES) ** 0.5
"""Three standard errors of a share of 5%, counted in so many studies."""


def outcome(value: float, error: float, margin: float = 0.5) -> GateOutcome:
    """What becomes of a single difference."""
    return _judge({"cell": Difference(value, error, 30.0)}, {"cell": margin})["cell"].outcome


@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [
        (-3.0, 0.5, GateOutcome.REGRESSED),
        (-3.0, 2.0, GateOutcome.UNRESOLVED),
        (-0.4, 0.01, GateOutcome.PASSED),
        (-0.6, 0.01, GateOutcome.REGRESSED),
        (0.0, 0.1, GateOutcome.PASSED),
        (0.0, 1.0, GateOutcome.UNRESOLVED),
        (2.0, 1.0, GateOutcome.PASSED),
        (0.0, 0.0, GateOutcome.PASSED),
        (-9.0, math.nan, GateOutcome.MISSING),
        (math.nan, math.nan, GateOutcome.MISSING),
    ],
)
def test_a_difference_beyond_the_margin_must_be_shown(
    value: float, error: float, expected: GateOutcome
) -> None:
    """Regressed and passed are both shown; what has no error is never a pass."""
    assert outcome(value, error) is expected


def test_each_difference_has_its_own_margin() -> None:
    """The same loss is a regression for the one and allowed to the other."""
    cells = dict.fromkeys("ab", Difference(-1.0, 0.1, 30.0))

    judged = _judge(cells, {"a": 0.5, "b": 2.0})

    assert [judged[key].outcome for key in "ab"] == [GateOutcome.REGRESSED, GateOutcome.PASSED]


def test_nothing_changed_passes_at_any_margin() -> None:
    """No answer is another: that is no regression even where nothing may be lost."""
    assert outcome(0.0, 0.0, margin=0.0) is GateOutcome.PASSED
    assert outcome(-0.1, 0.0, margin=0.0) is GateOutcome.REGRESSED


def test_one_regression_among_many_is_found() -> None:
    """Exactly one is enough, and the others keep their own outcome."""
    cells = {f"c{i}": Difference(0.0, 0.1, 30.0) for i in range(20)}
    both = {**cells, "worse": Difference(-3.0, 0.3, 30.0)}

    judged = _judge(both, dict.fromkeys(both, 0.5))

    assert {key for key, one in judged.items() if one.outcome is GateOutcome.REGRESSED} == {"worse"}
    assert {judged[key].outcome for key in cells} == {GateOutcome.PASSED}


def test_many_cells_are_corrected() -> None:
    """A difference that one cell alone would show is not shown among twenty."""
    alone = Difference(-1.55, 0.5, 1e6)
    cells = {"cell": alone, **{f"c{i}": Difference(-0.5, 0.5, 1e6) for i in range(19)}}

    assert _judge({"cell": alone}, {"cell": 0.5})["cell"].outcome is GateOutcome.REGRESSED
    judged = _judge(cells, dict.fromkeys(cells, 0.5))["cell"]
    assert judged.outcome is GateOutcome.UNRESOLVED
    assert judged.p == pytest.approx(20 * alone.below(-0.5))


def detectable(cells: dict[str, Difference]) -> float:
    """The smallest regression, in points, that the first cell's row says would have been found."""
    row = next(iter(_judge(cells, dict.fromkeys(cells, 0.5)).values()))
    found = re.search(r"a regression of (\d+\.\d) would have been found", row.reason)
    assert found is not None
    return float(found[1])


def test_among_many_cells_only_larger_regressions_are_found() -> None:
    """That is the price of the correction, and it is said."""
    cells = {f"c{i}": Difference(-0.5, 0.5, 1e6) for i in range(20)}

    assert detectable(cells) > detectable({"c0": cells["c0"]})


def test_the_detectable_regression_is_found_four_times_of_five() -> None:
    """A true difference as large as that exceeds the critical one with 80%."""
    estimate = Difference(0.0, 1.0, math.inf)

    assert detectable({"cell": estimate}) == pytest.approx(0.5 + 1.96 + 0.8416, abs=0.05)


def test_a_regression_must_pass_the_exact_test_too() -> None:
    """Where few examples changed, the exact test decides."""
    cell = {"cell": Difference(-3.0, 0.5, math.inf)}

    assert _judge(cell, {"cell": 0.5}, {"cell": 0.01})["cell"].outcome is GateOutcome.REGRESSED
    assert _judge(cell, {"cell": 0.5}, {"cell": 0.3})["cell"].outcome is GateOutcome.UNRESOLVED


def test_means_are_over_tasks_with_several_cells_and_over_all() -> None:
    """A mean over one cell would only repeat it."""
    found = _pools({"a": "films", "b": "films", "c": "pairs"})

    assert found == {"pooled.films": ("a", "b"), "pooled.all": ("a", "b", "c")}
    assert _pools({"a": "films"}) == {}


def test_a_cell_that_stands_beside_two_counts_twice_in_the_mean() -> None:
    """Its share of a mean is that of both differences."""
    first, second = {("c", "f1"): 1.0, ("b", "f1"): -1.0}, {("c", "f1"): 1.0, ("a", "f1"): -1.0}

    assert _mean_terms([first, second]) == {("c", "f1"): 1.0, ("b", "f1"): -0.5, ("a", "f1"): -0.5}


def test_every_outcome_has_a_rule_and_a_mark_of_its_own() -> None:
    """Colour is never the only difference."""
    assert set(RULES) == set(GateOutcome)
    assert len({one.mark for one in GateOutcome}) == len(GateOutcome)


@pytest.mark.parametrize(
    "world",
    [
        World(2, cells=4),
        World(3, cells=6),
        Versions(2, cells=4, changed=0.05, drift=0.1),
        Versions(3, cells=6),
        Versions(3, cells=10, over_seeds=0.4, redone=1),
    ],
    ids=["methods-2", "methods-3", "versions-2", "versions-3", "one-cell-anew"],
)
def test_false_alarms_are_rare(world: World) -> None:
    """Where nothing is worse, at most 5% of all checks find a regression, in any cell or mean."""
    alarms = simulation.share(lambda study: bool(simulation.regressed(study)), world, STUDIES)

    assert alarms <= ALPHA + ERROR


@pytest.mark.parametrize(
    "world",
    [
        World(3, -0.8, cells=8, only=2),
        Versions(2, -0.8, only=2),
        Versions(3, -0.8, cells=8, only=2, redone=3),
    ],
)
def test_the_only_regression_is_found_and_no_other(world: World) -> None:
    """A planted loss of 22 points in one cell is found there, and elsewhere only by chance."""
    found = [simulation.regressed(study) for study in simulation.studies(world, 200)]

    assert sum("a2" in one for one in found) > 0.9 * 200
    others = sum(bool(one - {"a2", "pooled.task"}) for one in found)
    assert others / 200 <= _LEVEL + 3 * (_LEVEL * (1 - _LEVEL) / 200) ** 0.5
