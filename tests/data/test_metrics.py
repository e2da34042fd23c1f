"""The metrics agree with scikit-learn and scipy, and stand in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from pdbench.data.metrics import compute
from pdbench.evidence.paired import Sample
from pdbench.kinds.spans import _SCORES
from pdbench.study.catalogue.glue import GLUE
from pdbench.study.catalogue.metrics import METRICS, _TaskMetric, metrics_for
from pdbench.study.settings import Task, Teacher

RANDOM = np.random.default_rng(7)
REFERENCES: dict[str, Callable[[Any, Any], float]] = {
    "accuracy": lambda p, t: sk.accuracy_score(t, p),
    "f1": lambda p, t: sk.f1_score(t, p, zero_division=0),
    "matthews": lambda p, t: sk.matthews_corrcoef(t, p),
    "pearson": lambda p, t: stats.pearsonr(p, t).statistic,
    "spearman": lambda p, t: stats.spearmanr(p, t).statistic,
    "recall@1": lambda p, t: sum(rank == 1 for rank in p) / len(t),
    "recall@10": lambda p, t: sum(rank in range(1, 11) for rank in p) / len(t),
    "recall@50": lambda p, t: sum(rank in range(1, 51) for rank in p) / len(t),
}


def _example(metric: str, size: int) -> tuple[Any, Any]:
    if metric in ("pearson", "spearman"):
        labels = RANDOM.integers(0, 11, size) / 2  # ties, as in STS-B
        return labels + RANDOM.normal(size=size).round(1), labels
    if metric in metrics_for("ranking"):
        return RANDOM.integers(0, 70, size), RANDOM.integers(-1, 100, size)  # 0 is no rank
    labels = RANDOM.integers(0, 2, size)
    return np.where(RANDOM.random(size) < 0.7, labels, 1 - labels), labels


@pytest.mark.parametrize("metric", REFERENCES)
@pytest.mark.parametrize("size", [5, 100, 1001])
def test_metrics_agree_with_the_references(metric: str, size: int) -> None:
    """Our numbers are scikit-learn's and scipy's."""
    predictions, labels = _example(metric, size)

    ours = compute([metric], predictions, labels)

    assert ours[metric] == pytest.approx(REFERENCES[metric](predictions, labels), abs=1e-12)


@pytest.mark.parametrize("metric", ["accuracy", "matthews"])
def test_three_classes_agree_too(metric: str) -> None:
    """MNLI has three classes."""
    labels = RANDOM.integers(0, 3, 300)
    predictions = np.where(RANDOM.random(300) < 0.6, labels, RANDOM.integers(0, 3, 300))

    assert compute([metric], predictions, labels)[metric] == pytest.approx(
        REFERENCES[metric](predictions, labels)
    )


@pytest.mark.parametrize("metric", metrics_for("classification"))
def test_a_perfect_prediction_scores_one(metric: str) -> None:
    """Every metric has its maximum at one."""
    labels = np.array([0, 1, 1, 0, 1])

    assert compute([metric], labels, labels)[metric] == pytest.approx(1)


@pytest.mark.parametrize("metric", ["f1", "matthews", "pearson", "spearman"])
def test_a_constant_prediction_scores_nothing(metric: str) -> None:
    """A constant predictor has a score, zero, and not a missing number."""
    assert compute([metric], np.zeros(4), np.array([0, 1, 1, 0])) == {metric: 0.0}


def test_glue_asks_for_every_metric_of_classes() -> None:
    """Each of its tasks has metrics that its kind may have."""
    asked = {metric for task in GLUE.values() for metric in task.metrics}
    assert asked == set(metrics_for("classification"))


def _task(**settings: Any) -> Task:
    teacher = Teacher(source="directory", path="teacher")
    return Task(source="directory", path="x", labels=("a", "b"), teacher=teacher, **settings)


def test_answers_are_scored_by_the_metrics_of_spans() -> None:
    """What a study may ask of spans can be computed."""
    assert set(metrics_for("span")) == set(_SCORES)


def test_a_new_metric_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A study may ask for it, runs are scored by it, and its spread over samples is known."""
    error = _TaskMetric("error rate", formula=lambda p, t, items: items.share(p != t))
    monkeypatch.setitem(METRICS, "error", error)
    predictions, labels = np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0])

    assert _task(metrics=("error",)).metrics == ("error",)
    assert metrics_for("classification")[-1] == "error"
    assert compute(["error"], predictions, labels) == {"error": 0.25}
    sample = Sample(predictions[None], labels)
    assert sample.scores("error") == pytest.approx([0.25])
    assert sample.replicates("error").mean() == pytest.approx(0.25, abs=0.02)


def test_shapes_must_agree() -> None:
    """A missing prediction is a fault of the program, never a score."""
    with pytest.raises(ValueError, match=r"\(2,\) predictions for \(3,\) labels"):
        compute(["accuracy"], np.zeros(2), np.zeros(3))
