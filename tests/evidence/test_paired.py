"""Differences between cells: what cancels, what is pooled, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import synthetic

from pdbench.core.errors import DataError
from pdbench.evidence import ResultsTable
from pdbench.evidence.paired import Estimator, RunGroup, Sample, _pooled_variance
from pdbench.evidence.significance import Difference
from pdbench.study import Study

A, B = ("a", "accuracy"), ("b", "accuracy")


def estimator(predictions: np.ndarray, groups: dict[str, RunGroup], seed: int = 0) -> Estimator:
    """Groups on examples that all have label 1."""
    labels = np.ones(predictions.shape[1], int)
    return Estimator({"task": Sample(predictions, labels, seed)}, groups)


def two_groups(n: int, pools: tuple[str | None, str | None] = ("a", "b")) -> dict[str, RunGroup]:
    """Two cells of ``n`` runs each."""
    return {
        "a": RunGroup("task", tuple(range(n)), pools[0]),
        "b": RunGroup("task", tuple(range(n, 2 * n)), pools[1]),
    }


def answers(rates: list[float], examples: int = 400, seed: int = 0) -> np.ndarray:
    """Runs that are right at these rates, each on examples of its own."""
    rng = np.random.default_rng(seed)
    return (rng.random((len(rates), examples)) < np.array(rates)[:, None]).astype(int)


def test_value_is_the_difference_of_the_means() -> None:
    """In points, with its constant."""
    predictions = answers([0.8, 0.8, 0.6, 0.6])
    rates = 100 * predictions.mean(axis=1)

    found = estimator(predictions, two_groups(2)).estimate({A: 1, B: -1}, constant=-5)

    assert found.value == pytest.approx(rates[:2].mean() - rates[2:].mean() - 5)
    assert found.n == 2


def with_hard_examples(shared: float, own: float, seed: int = 1) -> np.ndarray:
    """Two methods of two runs; a share of the examples is hard for both, another for each."""
    rng = np.random.default_rng(seed)
    both = rng.random(400) < shared
    hard = np.repeat([both | (rng.random(400) < own) for _ in range(2)], 2, axis=0)
    return (~hard ^ (rng.random((4, 400)) < 0.02)).astype(int)


def test_what_is_hard_for_both_cancels() -> None:
    """The difference of two methods is better known than either of them."""
    study = estimator(with_hard_examples(shared=0.3, own=0), two_groups(2))

    one, other, difference = (study.estimate(terms) for terms in ({A: 1}, {B: 1}, {A: 1, B: -1}))

    assert difference.error < 0.5 * math.hypot(one.error, other.error)


def test_what_is_hard_for_one_does_not_cancel() -> None:
    """Examples that only one method fails on are a reason to doubt the difference."""
    together, apart = (
        estimator(with_hard_examples(shared, own), two_groups(2)).estimate({A: 1, B: -1})
        for shared, own in ((0.3, 0.0), (0.0, 0.3))
    )

    assert apart.error > 2 * together.error


def test_a_cell_against_itself_has_no_difference_and_no_error() -> None:
    """Terms that cancel leave nothing."""
    found = estimator(answers([0.8, 0.7]), {"a": RunGroup("task", (0, 1), "a")}).estimate({})

    assert (found.value, found.error) == (0.0, 0.0)


def test_a_model_taken_as_it_is_adds_no_spread_over_seeds() -> None:
    """A teacher has one run; its difference is uncertain by the examples, and known so well."""
    groups = two_groups(1, pools=(None, None))

    found = estimator(answers([0.9, 0.7]), groups).estimate({A: 1, B: -1})

    assert math.isinf(found.freedom)
    assert 0 < found.error < 5


def test_single_runs_have_no_error() -> None:
    """One run a cell, and no other cell of its method: nothing can be said."""
    found = estimator(answers([0.9, 0.7]), two_groups(1)).estimate({A: 1, B: -1})

    assert math.isnan(found.error)
    assert found.above(0) == found.below(0) == 1.0


def test_spread_is_pooled_within_a_method_and_not_beyond() -> None:
    """Steady cells of another method do not make a wild method look steady."""
    wild = answers([0.9, 0.5, 0.9, 0.5, 0.7, 0.7, 0.7, 0.7], 2000)
    groups = {
        "a": RunGroup("task", (0, 1), "wild"),
        "c": RunGroup("task", (2, 3), "wild"),
        "b": RunGroup("task", (4, 5), "steady"),
        "d": RunGroup("task", (6, 7), "steady"),
    }

    wild_one = estimator(wild, groups).estimate({A: 1})
    steady_one = estimator(wild, groups).estimate({B: 1})

    assert wild_one.error > 5 * steady_one.error
    assert wild_one.freedom == pytest.approx(2, abs=0.1)


def test_factors_scale_the_error() -> None:
    """Half a difference has half its error, whatever its sign."""
    study = estimator(answers([0.8, 0.75, 0.6, 0.65]), two_groups(2))

    whole, half = study.estimate({A: 1, B: -1}), study.estimate({A: -0.5, B: 0.5})

    assert half.error == pytest.approx(whole.error / 2)
    assert half.value == pytest.approx(-whole.value / 2)
    assert half.freedom == pytest.approx(whole.freedom)


def test_two_metrics_of_one_run_are_no_two_runs() -> None:
    """F1 follows accuracy, so their mean is as uncertain as both, not as two separate runs."""
    study = estimator(answers([0.8, 0.7, 0.75, 0.65]), two_groups(2))

    accuracy, f1, both = (
        study.estimate({("a", metric): factor for metric, factor in terms.items()}).error
        for terms in ({"accuracy": 0.5}, {"f1": 0.5}, {"accuracy": 0.5, "f1": 0.5})
    )

    assert both == pytest.approx(accuracy + f1, rel=0.02)


def test_the_same_seeds_are_paired_run_by_run() -> None:
    """A new version of the code that changes nothing differs by exactly nothing."""
    predictions = answers([0.8, 0.6, 0.8, 0.6])
    predictions[2:] = predictions[:2]
    paired = {"a": RunGroup("task", (2, 3), "new", against=(0, 1))}

    found = estimator(predictions, paired).estimate({A: 1})
    unpaired = estimator(predictions, two_groups(2)).estimate({A: 1, B: -1})

    assert (found.value, found.error) == (0.0, 0.0)
    assert unpaired.error > 5


def test_unchanged_cells_say_how_runs_spread() -> None:
    """Retrained runs differ with twice the variance; an unchanged cell is not known to differ."""
    predictions = answers([0.9, 0.6, 0.8, 0.7, 0.9, 0.6, 0.8, 0.7])
    predictions[4:6] = predictions[:2]  # "b" answers as before; "a" by chance differs by nothing
    paired = {
        "b": RunGroup("task", (4, 5), "new", against=(0, 1)),
        "a": RunGroup("task", (6, 7), "new", against=(2, 3)),
    }

    study = estimator(predictions, paired)
    alone = estimator(predictions, {"a": paired["a"]})

    assert study.estimate({B: 1}) == Difference(0.0, 0.0, math.inf, 2)
    assert study.estimate({A: 1}).error > alone.estimate({A: 1}).error > 0


def test_the_seed_of_the_resampling_is_heard() -> None:
    """The same seed gives the same interval, another seed another one."""
    predictions = with_hard_examples(shared=0, own=0.3)

    first, again, other = (
        estimator(predictions, two_groups(2), seed).estimate({A: 1, B: -1}).interval
        for seed in (0, 0, 1)
    )

    assert first == again
    assert first != other


def test_pooled_variance_is_the_mean_within_groups() -> None:
    """Groups count by their degrees of freedom; their means do not matter."""
    groups = [np.array([1.0, 3.0]), np.array([10.0, 11.0, 12.0])]

    variance, freedom = _pooled_variance(groups)

    assert variance == pytest.approx((2 + 2 * 1) / 3)
    assert freedom <= 3


def test_unlike_groups_are_known_with_fewer_degrees_of_freedom() -> None:
    """One wild group among steady ones is worth little more than itself."""
    rng = np.random.default_rng(0)
    alike = [rng.normal(0, 1, 5) for _ in range(8)]
    unlike = [rng.normal(0, 10 if i == 0 else 0.1, 5) for i in range(8)]

    assert _pooled_variance(alike)[1] > 20
    assert _pooled_variance(unlike)[1] < 8


def test_no_group_and_equal_runs_are_no_error() -> None:
    """Nothing is known of nothing, and runs that agree have no spread."""
    assert math.isnan(_pooled_variance([])[0])
    assert _pooled_variance([np.array([2.0, 2.0])]) == (0.0, 1.0)


def test_a_study_is_read_whole(demo: Study) -> None:
    """Every whole cell and every teacher is a group; a cell with a missing run is not."""
    gone = next(iter(demo.cells))
    frame = synthetic.results(demo)
    frame = frame[(frame["cell"] != gone) | (frame["seed_index"] != 0)]

    found = Estimator.of(ResultsTable(demo, frame))

    assert set(found.groups) == set(frame["cell"]) - {gone}
    assert [key for key, group in found.groups.items() if group.pool is None] == [
        key for key in found.groups if ".teacher." in key
    ]


def test_labels_of_other_examples_are_refused(demo: Study) -> None:
    """Labels that do not give the recorded scores were not those that were predicted."""
    frame = synthetic.results(demo)
    teacher = frame["test_labels"].notna()
    frame.loc[teacher, "test_labels"] = pd.Series(
        [labels[::-1] for labels in frame.loc[teacher, "test_labels"]], frame.index[teacher]
    )

    with pytest.raises(DataError, match="do not give the recorded scores"):
        Estimator.of(ResultsTable(demo, frame))


def test_results_without_labels_are_one_line(demo: Study) -> None:
    """A table that lost them says what to do."""
    frame = synthetic.results(demo).assign(test_labels=None)

    with pytest.raises(DataError, match=r"no test labels of task .*; collect the results again"):
        Estimator.of(ResultsTable(demo, frame))


def test_equal_losses_on_other_examples_are_no_certainty() -> None:
    """Two runs that lose one example each, not the same, have no spread but are not exact."""
    stored = np.ones((2, 400), int)
    here = stored.copy()
    here[0, 0] = here[1, 1] = 0
    groups = {"a": RunGroup("task", (0, 1), "a", (2, 3))}

    found = estimator(np.concatenate([here, stored]), groups).estimate({A: 1})

    assert found.value == pytest.approx(-0.25)
    # The standard error of a rare loss, 100 / 400 of a point, for two runs.
    assert found.error == pytest.approx(0.25 / math.sqrt(2), rel=0.15)


def test_a_mean_over_cells_knows_the_spread_no_better_than_they() -> None:
    """All cells of a pool rest on one estimate of it: its degrees of freedom, not their sum."""
    cells = "abcd"
    rates = np.random.default_rng(3).uniform(0.5, 0.9, 8).tolist()
    groups = {key: RunGroup("task", (2 * i, 2 * i + 1), "p") for i, key in enumerate(cells)}
    found = estimator(answers(rates, 20_000), groups)

    mean = found.estimate({(key, "accuracy"): 1 / 4 for key in cells})

    assert mean.freedom == pytest.approx(found.estimate({A: 1}).freedom, rel=0.1)
    assert mean.freedom < 4.5
