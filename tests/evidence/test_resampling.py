"""Resampled examples: the metrics are the official ones, and randomness is what it is given."""

from __future__ import annotations

import numpy as np
import pytest

from pdbench.data.metrics import compute
from pdbench.evidence import paired
from pdbench.evidence.paired import Sample


def classes(count: int, seed: int = 0, examples: int = 300) -> Sample:
    """Four runs that are right more often than not."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, count, examples)
    wrong = rng.random((4, examples)) < 0.3
    return Sample(np.where(wrong, rng.integers(0, count, (4, examples)), labels), labels)


def numbers() -> Sample:
    """Three runs of a regression, with ties."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 10, 200) / 2
    return Sample(labels + rng.normal(0, 1, (3, 200)).round(1), labels)


@pytest.mark.parametrize(
    ("sample", "metric"),
    [
        (classes(2), "accuracy"),
        (classes(3), "accuracy"),
        (classes(2), "f1"),
        (classes(2), "matthews"),
        (classes(3), "matthews"),
        (numbers(), "pearson"),
        (numbers(), "spearman"),
    ],
)
def test_scores_are_the_official_ones(sample: Sample, metric: str) -> None:
    """Every metric, written over means of examples, is that of the data room."""
    expected = [compute([metric], p, sample.labels[0])[metric] for p in sample.predictions]

    assert sample.scores(metric) == pytest.approx(expected)


@pytest.mark.parametrize("metric", ["f1", "matthews"])
def test_constant_predictions_have_the_score_of_the_definition(metric: str) -> None:
    """Nothing is divided by zero, on no sample of the examples."""
    sample = Sample(np.zeros((2, 50), int), np.arange(50) % 2)

    assert sample.scores(metric) == pytest.approx([0, 0])
    assert np.isfinite(sample.replicates(metric)).all()


def test_spread_of_resampled_accuracies_is_the_binomial_one() -> None:
    """The standard deviation over samples is the standard error of an accuracy."""
    sample = classes(2, examples=1000)
    accuracy = sample.scores("accuracy")

    found = sample.replicates("accuracy").std(axis=0)

    assert found == pytest.approx(np.sqrt(accuracy * (1 - accuracy) / 1000), rel=0.1)


def test_examples_are_resampled_for_all_runs_at_once() -> None:
    """Two runs with the same answers never differ, on whatever examples."""
    sample = classes(2)
    twin = Sample(sample.predictions[[0, 0]], sample.labels[0])

    replicates = twin.replicates("accuracy")

    assert (replicates[:, 0] == replicates[:, 1]).all()


def test_the_same_seed_gives_the_same_samples_and_another_does_not() -> None:
    """The seed is heard: neither ignored nor the only thing that does not matter."""
    sample = classes(2)
    predictions, labels = sample.predictions, sample.labels[0]

    first, again, other = (
        Sample(predictions, labels, seed).replicates("accuracy") for seed in (3, 3, 4)
    )

    assert (first == again).all()
    assert not (first == other).all()


def test_global_random_state_is_neither_read_nor_moved() -> None:
    """Whatever stands in numpy's global state, the samples are the same and it stays there."""
    np.random.seed(1)  # noqa: NPY002 - the global state is what is tested
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first = classes(2).replicates("f1")
    after = np.random.get_state()[1]  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002

    assert (before == after).all()
    assert (classes(2).replicates("f1") == first).all()


def test_metrics_are_resampled_on_the_same_examples() -> None:
    """F1 and accuracy of one run move together, as they do on one sample."""
    sample = classes(2)

    accuracy, f1 = (sample.replicates(metric)[:, 0] for metric in ("accuracy", "f1"))

    assert np.corrcoef(accuracy, f1)[0, 1] > 0.8


def test_large_test_sets_are_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many examples are in memory at once changes nothing in the mean over samples."""
    whole = classes(2).replicates("accuracy").mean(axis=0)
    monkeypatch.setattr(paired, "_AT_ONCE", 64)

    assert classes(2).replicates("accuracy").mean(axis=0) == pytest.approx(whole, abs=0.005)
