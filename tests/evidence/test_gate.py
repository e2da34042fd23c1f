"""What the gate shows of differences: worse, not worse, better, or how much more would decide."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from pdbench.evidence.gate import RULES
from pdbench.evidence.judging import GateOutcome, judge, mean_terms, means_of
from pdbench.evidence.power import LEVEL, deciding, items_for, least_margin
from pdbench.evidence.significance import ALPHA, POWER, Difference

SPREADS = (2.75, *np.linspace(0.2, 0.5, 8))
"""Standard deviations over seeds as unequal as the demo's."""


def outcome(value: float, error: float, margin: float = 0.5) -> GateOutcome:
    """What becomes of a single difference."""
    found = judge({"cell": {"accuracy": Difference(value, error, 30.0)}}, {"cell": margin})
    return found["cell"].outcome


@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [
        (-3.0, 0.5, GateOutcome.WORSE),
        (-3.0, 2.0, GateOutcome.UNDECIDED),
        (-0.4, 0.01, GateOutcome.NOT_WORSE),
        (-0.6, 0.01, GateOutcome.WORSE),
        (0.0, 0.1, GateOutcome.NOT_WORSE),
        (0.0, 1.0, GateOutcome.UNDECIDED),
        (2.0, 1.2, GateOutcome.NOT_WORSE),
        (2.0, 0.5, GateOutcome.BETTER),
        (0.0, 0.0, GateOutcome.NOT_WORSE),
        (-9.0, math.nan, GateOutcome.MISSING),
        (math.nan, math.nan, GateOutcome.MISSING),
    ],
)
def test_whatever_is_said_must_be_shown(value: float, error: float, expected: GateOutcome) -> None:
    """Worse, not worse and better alike; what has no error shows nothing."""
    assert outcome(value, error) is expected


def test_each_difference_has_its_own_margin() -> None:
    """The same loss is too much for the one and allowed to the other."""
    cells = {key: {"accuracy": Difference(-1.0, 0.1, 30.0)} for key in "ab"}

    judged = judge(cells, {"a": 0.5, "b": 2.0})

    assert [judged[key].outcome for key in "ab"] == [GateOutcome.WORSE, GateOutcome.NOT_WORSE]


def test_nothing_changed_is_not_worse_at_any_margin() -> None:
    """No answer is another: nothing is lost even where nothing may be."""
    assert outcome(0.0, 0.0, margin=0.0) is GateOutcome.NOT_WORSE
    assert outcome(-0.1, 0.0, margin=0.0) is GateOutcome.WORSE


@pytest.mark.parametrize(
    ("f1", "expected", "metric"),
    [
        ((-5.0, 0.5), GateOutcome.WORSE, "f1"),
        ((-1.0, 2.0), GateOutcome.UNDECIDED, "f1"),
        ((0.0, 0.1), GateOutcome.NOT_WORSE, "f1"),
        ((3.0, 0.1), GateOutcome.BETTER, "f1"),
        ((0.0, math.nan), GateOutcome.MISSING, "f1"),
    ],
)
def test_every_metric_counts(f1: tuple[float, float], expected: GateOutcome, metric: str) -> None:
    """At equal accuracy the other metric decides, and it is named."""
    own = {"accuracy": Difference(0.0, 0.05, 30.0), "f1": Difference(*f1, 30.0)}

    found = judge({"cell": own}, {"cell": 0.5})["cell"]

    assert (found.outcome, found.metric, found.estimate) == (expected, metric, own[metric])


def test_better_in_one_metric_is_not_better_where_the_other_is_worse() -> None:
    """What is gained in one does not make good what is lost in the other."""
    own = {"accuracy": Difference(3.0, 0.1, 30.0), "f1": Difference(-5.0, 0.5, 30.0)}

    assert judge({"cell": own}, {"cell": 0.5})["cell"].outcome is GateOutcome.WORSE


def test_one_loss_among_many_is_found() -> None:
    """Exactly one is enough, and the others keep their own outcome."""
    cells = {f"c{i}": {"accuracy": Difference(0.0, 0.1, 30.0)} for i in range(20)}
    both = {**cells, "worse": {"accuracy": Difference(-3.0, 0.3, 30.0)}}

    judged = judge(both, dict.fromkeys(both, 0.5))

    assert {key for key, one in judged.items() if one.outcome is GateOutcome.WORSE} == {"worse"}
    assert {judged[key].outcome for key in cells} == {GateOutcome.NOT_WORSE}


def test_cells_and_metrics_are_corrected_for() -> None:
    """A difference that one cell alone would show is not shown among ten of two metrics."""
    alone = Difference(-1.55, 0.5, 1e6)
    cells = {f"c{i}": dict.fromkeys(("accuracy", "f1"), Difference(-0.5, 0.5, 1e6)) for i in "abc"}
    cells["cell"] = {"accuracy": alone, "f1": Difference(-0.5, 0.5, 1e6)}

    assert judge({"cell": {"accuracy": alone}}, {"cell": 0.5})["cell"].outcome is GateOutcome.WORSE
    judged = judge(cells, dict.fromkeys(cells, 0.5))["cell"]
    assert judged.outcome is GateOutcome.UNDECIDED
    lost = {n: f.below(-0.5) for n, f in cells["cell"].items()}
    assert 8 * lost["accuracy"] > LEVEL > lost["accuracy"]


def test_exact_tests_must_be_passed_too() -> None:
    """Where few examples changed, they decide of a loss and of a gain."""
    loss, gain = ({"accuracy": Difference(value, 0.5, math.inf)} for value in (-3.0, 3.0))

    def judged(own: dict[str, Difference], *exact: float) -> GateOutcome:
        given = {("cell", "accuracy"): (exact[0], exact[1])}
        return judge({"cell": own}, {"cell": 0.5}, given)["cell"].outcome

    assert judged(loss, 0.01, 1.0) is GateOutcome.WORSE
    assert judged(loss, 0.3, 1.0) is GateOutcome.UNDECIDED
    assert judged(gain, 1.0, 0.01) is GateOutcome.BETTER
    assert judged(gain, 1.0, 0.3) is GateOutcome.NOT_WORSE


def test_means_are_over_tasks_with_several_cells_and_over_all() -> None:
    """A mean over one cell would only repeat it."""
    tasks = {"a": "films", "b": "films", "c": "pairs"}
    alike = dict.fromkeys("abc", 1.0)

    found = means_of(tasks, alike, {"a": "1-32", "b": "2-32", "c": "1-32"})

    assert found == {"mean.films": ("a", "b"), "mean.all": ("a", "b", "c")}
    assert means_of({"a": "films"}, alike, {"a": "1-32"}) == {}


@pytest.mark.parametrize("unstable", [1, 2, 4])
def test_cells_whose_spread_would_hide_all_others_are_left_out_of_a_second_mean(
    unstable: int,
) -> None:
    """By their spread alone, whatever their value; beside the mean over all."""
    cells = [f"c{i}" for i in range(9)]
    spreads = {cell: 20.0 if i < unstable else 0.3 for i, cell in enumerate(cells)}
    sizes = {cell: f"{i + 1}-32" for i, cell in enumerate(cells)}

    found = means_of(dict.fromkeys(cells, "films"), spreads, sizes)

    left_out = "+".join(f"{i + 1}-32" for i in range(unstable))
    assert found["mean.films"] == tuple(cells)
    assert found[f"mean.films.without.{left_out}"] == tuple(cells[unstable:])


def test_a_cell_that_stands_beside_two_counts_twice_in_the_mean() -> None:
    """Its share of a mean is that of both differences."""
    first, second = {("c", "f1"): 1.0, ("b", "f1"): -1.0}, {("c", "f1"): 1.0, ("a", "f1"): -1.0}

    assert mean_terms([first, second]) == {("c", "f1"): 1.0, ("b", "f1"): -0.5, ("a", "f1"): -0.5}


def test_every_outcome_has_a_rule_and_a_mark_of_its_own() -> None:
    """Colour is never the only difference."""
    assert set(RULES) == set(GateOutcome)
    assert len({one.mark for one in GateOutcome}) == len(GateOutcome)


@pytest.mark.parametrize(
    ("seeds", "examples", "margin", "words"),
    [
        (0.5, 0.1, 1.0, "about 12 seeds would decide"),
        (0.0, 0.43, 0.5, "about 3 seeds and 13,000 examples would decide; seeds alone never would"),
        (9.0, 0.1, 0.5, "30 seeds would not decide, however many examples"),
    ],
)
def test_it_says_how_many_seeds_and_examples_would_decide(
    seeds: float, examples: float, margin: float, words: str
) -> None:
    """Where there are three seeds and 2,120 examples."""
    found = Difference(-0.3, seeds, 2.0 if seeds else math.inf, 3, examples)

    assert deciding(found, margin, 2120) == words


def test_what_it_says_decides_four_times_of_five() -> None:
    """Equal methods, of so many seeds and examples as were said, are shown not to be worse."""
    rng, seeds, examples, margin = np.random.default_rng(0), 0.4, 0.43, 1.0
    found = Difference(0.0, seeds, 2.0, 3, examples)
    words = deciding(found, margin, 2120)
    assert words == "about 12 seeds and 5,000 examples would decide; seeds alone never would"
    spread, smaller = seeds * math.sqrt(3), examples * math.sqrt(2120 / 5000)

    def shown() -> bool:
        runs = rng.normal(0.0, spread, 12)
        value = runs.mean() + rng.normal(0.0, smaller)
        own = Difference(value, runs.std(ddof=1) / math.sqrt(12), 11, 12, smaller)
        return own.above(-margin) <= LEVEL

    share = np.mean([shown() for _ in range(400)])
    assert POWER - 0.07 < share < 0.95


def test_a_margin_below_the_least_is_decided_by_no_number_of_seeds() -> None:
    """One test set of 2,120 examples cannot decide of half a point, and 32,000 can."""
    assert least_margin(2120) == pytest.approx(0.61, abs=0.01)
    assert least_margin(items_for(0.5)) <= 0.5 < least_margin(int(0.95 * items_for(0.5)))


def drawn(
    rng: np.random.Generator, effect: float, seeds: int, first: float
) -> dict[str, Difference]:
    """Differences of nine cells of unequal spread, and their means, over so many seeds."""
    runs = {f"c{i}": rng.normal(effect, s, seeds) for i, s in enumerate((first, *SPREADS[1:]))}
    spreads = {key: float(own.std()) for key, own in runs.items()}
    means = means_of(dict.fromkeys(runs, "films"), spreads, {key: key for key in runs})
    runs |= {name: np.mean([runs[key] for key in own], axis=0) for name, own in means.items()}
    return {key: Difference.of(own.tolist()) for key, own in runs.items()}


def outcomes(
    effect: float, margin: float, seeds: int = 3, first: float = SPREADS[0]
) -> list[dict[str, GateOutcome]]:
    """What becomes of cells and means in 400 studies; ``first`` is the first cell's spread."""
    rng, found = np.random.default_rng(5), []
    for _ in range(400):
        study = {key: {"accuracy": own} for key, own in drawn(rng, effect, seeds, first).items()}
        families = [
            {k: v for k, v in study.items() if ("mean" in k) == mean} for mean in (False, True)
        ]
        judged = [judge(own, dict.fromkeys(own, margin)) for own in families]
        found.append({key: one.outcome for own in judged for key, one in own.items()})
    return found


@pytest.mark.parametrize("seeds", [3, 5])
def test_false_alarms_are_rare_where_spreads_are_unequal(seeds: int) -> None:
    """At the margin itself 5% of checks call anything worse, or, of equal methods, better."""
    error = 3 * math.sqrt(ALPHA * (1 - ALPHA) / 400)
    at_margin, equal = outcomes(-0.5, 0.5, seeds), outcomes(0.0, 0.5, seeds)

    assert np.mean([GateOutcome.WORSE in one.values() for one in at_margin]) <= ALPHA + error
    assert np.mean([GateOutcome.BETTER in one.values() for one in equal]) <= ALPHA + error


def test_a_loss_in_all_cells_is_found_beside_an_unstable_one() -> None:
    """The mean without it shows 3 points at once, where that over all cells seldom does."""
    found = outcomes(-3.0, 0.5, first=20.0)

    def share(*names: str) -> float:
        return float(
            np.mean([any(one.get(name) is GateOutcome.WORSE for name in names) for one in found])
        )

    assert share("mean.films.without.c0", "mean.films") > 0.85
    assert share("mean.films") < 0.3


def test_a_better_candidate_is_called_better() -> None:
    """Two points on nine cells, of three seeds, on average."""
    found = outcomes(2.0, 0.5)

    names = ("mean.films", "mean.films.without.c0")
    assert np.mean([any(one.get(n) is GateOutcome.BETTER for n in names) for one in found]) > 0.8


def test_an_unknown_spread_is_no_certainty() -> None:
    """A mean with a single run behind it is missing, not shown."""
    cell = replace(Difference(5.0, 0.1, 2.0, 3), seeds=math.nan)

    assert judge({"c": {"f1": cell}}, {"c": 0.5})["c"].outcome is GateOutcome.MISSING
