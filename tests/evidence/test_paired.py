"""Differences between cells: what cancels, what is pooled, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import synthetic
from scipy import stats

from pdbench.core.errors import DataError
from pdbench.evidence import ResultsTable
from pdbench.evidence.paired import Estimator, Question, RunGroup, Sample
from pdbench.evidence.significance import Difference
from pdbench.study import Study

A, B = ("a", "accuracy"), ("b", "accuracy")


def estimator(predictions: np.ndarray, groups: dict[str, RunGroup], seed: int = 0) -> Estimator:
    """Groups on examples that all have label 1."""
    labels = np.ones(predictions.shape[1], int)
    return Estimator({"task": Sample(predictions, labels, seed)}, groups)


def rows(start: int, stop: int) -> dict[int, int]:
    """Runs that stand in these rows, by seed number from 0."""
    return dict(enumerate(range(start, stop)))


def two_groups(n: int, *, fixed: bool = False) -> dict[str, RunGroup]:
    """Two cells of ``n`` runs each."""
    return {
        "a": RunGroup("task", rows(0, n), is_fixed=fixed),
        "b": RunGroup("task", rows(n, 2 * n), is_fixed=fixed),
    }


def on_examples(study: Estimator, terms: dict[tuple[str, str], float]) -> Difference:
    """What a difference is on such examples."""
    return study.estimate(terms, question=Question.EXAMPLES)


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

    one, other, difference = (
        on_examples(study, terms) for terms in ({A: 1}, {B: 1}, {A: 1, B: -1})
    )

    assert difference.examples < 0.5 * math.hypot(one.examples, other.examples)


def test_what_is_hard_for_one_does_not_cancel() -> None:
    """Examples that only one method fails on are a reason to doubt the difference."""
    together, apart = (
        on_examples(estimator(with_hard_examples(shared, own), two_groups(2)), {A: 1, B: -1})
        for shared, own in ((0.3, 0.0), (0.0, 0.3))
    )

    assert apart.examples > 2 * together.examples


def test_a_cell_against_itself_has_no_difference_and_no_error() -> None:
    """Terms that cancel leave nothing."""
    found = estimator(answers([0.8, 0.7]), {"a": RunGroup("task", rows(0, 2))}).estimate({})

    assert (found.value, found.error) == (0.0, 0.0)


def test_a_difference_is_a_t_test_over_seed_numbers() -> None:
    """On this test set it is scipy's paired test: what runs of one number share cancels."""
    predictions = answers([0.9, 0.7, 0.8, 0.85, 0.66, 0.77])
    rates = 100 * predictions.mean(axis=1)
    expected = stats.ttest_rel(rates[:3], rates[3:], alternative="greater")

    found = estimator(predictions, two_groups(3)).estimate({A: 1, B: -1})

    assert found.above(0) == pytest.approx(expected.pvalue)
    assert (found.freedom, found.examples, found.n) == (2, 0.0, 3)


def test_runs_are_paired_by_number_and_not_by_place() -> None:
    """Only numbers that both cells have count, in whatever order their rows stand."""
    predictions = answers([0.9, 0.7, 0.8, 0.6, 0.8, 0.75])
    groups = {
        "a": RunGroup("task", {0: 0, 1: 1, 2: 2}),
        "b": RunGroup("task", {3: 5, 2: 4, 1: 3}),
    }
    rates = 100 * predictions.mean(axis=1)

    found = estimator(predictions, groups).estimate({A: 1, B: -1})

    assert found.value == pytest.approx(((rates[1] - rates[3]) + (rates[2] - rates[4])) / 2)
    assert found.n == 2


def test_cells_without_a_common_number_are_not_compared() -> None:
    """Runs 0 of one and runs 1 of another share nothing, and show nothing."""
    groups = {"a": RunGroup("task", {0: 0}), "b": RunGroup("task", {1: 1})}

    found = estimator(answers([0.9, 0.7]), groups).estimate({A: 1, B: -1})

    assert math.isnan(found.value)
    assert found.above(0) == found.below(0) == 1.0


def test_a_model_taken_as_it_is_adds_no_spread_over_seeds() -> None:
    """A teacher has one run; its difference is uncertain by the examples, and known so well."""
    study = estimator(answers([0.9, 0.7]), two_groups(1, fixed=True))

    found = on_examples(study, {A: 1, B: -1})

    assert (found.seeds, found.freedom) == (0.0, math.inf)
    assert 0 < found.examples < 5


def test_single_runs_have_no_error() -> None:
    """One run a cell: nothing can be said."""
    found = estimator(answers([0.9, 0.7]), two_groups(1)).estimate({A: 1, B: -1})

    assert math.isnan(found.error)
    assert found.above(0) == found.below(0) == 1.0


def test_few_examples_are_no_certainty() -> None:
    """Runs that all answer all of five examples right show nothing, on either question."""
    study = estimator(np.ones((6, 5), int), two_groups(3))

    for question in Question:
        found = study.estimate({A: 1, B: -1}, question=question)
        assert found.value == 0
        assert found.above(-0.5) > 0.3


def test_many_examples_that_all_agree_are_as_good_as_certain() -> None:
    """What one example counts is all that is left to doubt."""
    study = estimator(np.ones((6, 20_000), int), two_groups(3))

    assert on_examples(study, {A: 1, B: -1}).above(-0.5) < 0.001


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


def test_versions_are_compared_run_by_run() -> None:
    """A new version of the code that changes nothing differs by exactly nothing."""
    predictions = answers([0.8, 0.6, 0.8, 0.6])
    predictions[2:] = predictions[:2]
    paired = {"a": RunGroup("task", rows(2, 4), against=rows(0, 2))}

    found = estimator(predictions, paired).estimate({A: 1})

    assert (found.value, found.error) == (0.0, 0.0)


def test_changed_versions_have_the_spread_of_their_differences() -> None:
    """Each run less the stored one of its number."""
    predictions = answers([0.9, 0.6, 0.8, 0.7])
    rates = 100 * predictions.mean(axis=1)
    paired = {"a": RunGroup("task", rows(2, 4), against=rows(0, 2))}

    found = estimator(predictions, paired).estimate({A: 1})

    assert found.value == pytest.approx((rates[2] - rates[0] + rates[3] - rates[1]) / 2)
    assert found.seeds == pytest.approx(abs(rates[2] - rates[0] - rates[3] + rates[1]) / 2)


def test_the_seed_of_the_resampling_is_heard() -> None:
    """The same seed gives the same interval, another seed another one."""
    predictions = with_hard_examples(shared=0, own=0.3)

    first, again, other = (
        on_examples(estimator(predictions, two_groups(2), seed), {A: 1, B: -1}).interval
        for seed in (0, 0, 1)
    )

    assert first == again
    assert first != other


def test_a_study_is_read_whole(demo: Study) -> None:
    """Every whole cell and every teacher is a group; a cell with a missing run is not."""
    gone = next(iter(demo.cells))
    frame = synthetic.results(demo)
    frame = frame[(frame["cell"] != gone) | (frame["seed_index"] != 0)]

    found = Estimator.of(ResultsTable(demo, frame))

    assert set(found.groups) == set(frame["cell"]) - {gone}
    assert [key for key, group in found.groups.items() if group.is_fixed] == [
        key for key in found.groups if ".teacher." in key
    ]


def test_labels_of_other_examples_are_refused(demo: Study) -> None:
    """Labels that do not give the recorded scores were not those that were predicted."""
    frame = synthetic.results(demo)
    teacher = frame["test_labels"].notna()
    frame.loc[teacher, "test_labels"] = pd.Series(
        [labels[::-1] for labels in frame.loc[teacher, "test_labels"]], frame.index[teacher]
    )

    with pytest.raises(DataError, match="do not give the recorded accuracy"):
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
    groups = {"a": RunGroup("task", rows(0, 2), against=rows(2, 4))}

    found = on_examples(estimator(np.concatenate([here, stored]), groups), {A: 1})

    assert found.value == pytest.approx(-0.25)
    # As if one example more were won and one more lost: a difference of 100 / 400 of a point.
    assert found.error >= 0.25 / math.sqrt(2)


def test_a_mean_over_cells_is_a_t_test_of_the_means_by_number() -> None:
    """However unlike the cells spread, and however they hang together."""
    cells = "abcd"
    rates = np.random.default_rng(3).uniform(0.5, 0.9, 12).tolist()
    groups = {key: RunGroup("task", rows(3 * i, 3 * i + 3)) for i, key in enumerate(cells)}
    predictions = answers(rates, 2000)
    by_number = 100 * predictions.mean(axis=1).reshape(4, 3).mean(axis=0)

    mean = estimator(predictions, groups).estimate({(key, "accuracy"): 1 / 4 for key in cells})

    expected = Difference.of(list(by_number))
    assert (mean.value, mean.seeds) == pytest.approx((expected.value, expected.seeds))
    assert mean.freedom == expected.freedom
