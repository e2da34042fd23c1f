"""Many numbers as one: middles and wins."""

from __future__ import annotations

import numpy as np
import pytest
import synthetic
from scipy import stats

from pdbench.evidence import ResultsTable
from pdbench.evidence.aggregate import (
    _interquartile_mean,
    _probability_of_improvement,
    _stratified,
    standings,
)
from pdbench.study import Study


def strata(*runs: list[float]) -> dict[str, np.ndarray]:
    """Runs by task."""
    return {f"task{i}": np.asarray(some, float) for i, some in enumerate(runs)}


def test_interquartile_mean_leaves_out_both_ends() -> None:
    """One run that collapsed and one that was lucky do not move it."""
    assert _interquartile_mean(strata([0, 70, 71], [72, 73, 74, 75, 1000])) == 72.5


def test_probability_of_improvement_counts_pairs_within_tasks() -> None:
    """Three of four pairs are won on one task, ties count half on the other."""
    first, second = strata([1, 3], [5, 5]), strata([0, 2], [5, 5])

    assert _probability_of_improvement(first, second) == (3 / 4 + 1 / 2) / 2
    assert _probability_of_improvement(second, first) == (1 / 4 + 1 / 2) / 2


def test_probability_of_improvement_is_mann_whitneys() -> None:
    """On one task it is the U statistic over the number of pairs."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(0.3, 1, 7), rng.normal(0, 1, 5)

    found = _probability_of_improvement({"t": first}, {"t": second})

    assert found == pytest.approx(stats.mannwhitneyu(first, second).statistic / 35)


def test_intervals_depend_on_their_generator_alone() -> None:
    """The same seed gives the same interval, another one another, and no global state moves."""
    scores = strata(*np.random.default_rng(0).normal(70, 5, (5, 4)).tolist())
    np.random.seed(5)  # noqa: NPY002 - the global state is what is tested
    before = np.random.get_state()[1].copy()  # noqa: NPY002

    first, again, other = (
        _stratified(_interquartile_mean, scores, rng=np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )

    assert first == again
    assert first != other
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


@pytest.mark.parametrize("runs", [3, 5])
def test_intervals_over_tasks_are_not_too_narrow(runs: int) -> None:
    """Six tasks of few runs: the interval of the middle contains the truth nearly as said."""
    rng = np.random.default_rng(3)
    places = np.linspace(50, 52, 6)
    covered = []
    for _ in range(300):
        drawn = {str(i): place + rng.normal(0, 1, runs) for i, place in enumerate(places)}
        found = _stratified(_interquartile_mean, drawn, rng=rng)
        covered.append(found.low <= places.mean() <= found.high)

    assert np.mean(covered) == pytest.approx(0.95, abs=0.05)


def test_standings_of_a_figure(demo: Study) -> None:
    """Every method has a middle, and all but the one in question a share of runs it loses to."""
    found = standings(ResultsTable(demo, synthetic.results(demo)), "figure7", "pd")

    assert [one.method for one in found] == ["pd", "pf", "d", "basic"]
    assert found[0].beaten is None
    assert all(one.beaten and one.beaten.mean > 50 for one in found[1:])


def test_standings_need_every_cell(demo: Study) -> None:
    """With one cell missing, or another set of sizes, there is no fair mean."""
    key = demo.artefact_cells("figure7")[0].key

    assert standings(ResultsTable(demo, synthetic.results(demo, (key,))), "figure7", "pd") == ()
    assert standings(ResultsTable(demo, synthetic.results(demo)), "figure8", "pd") == ()
