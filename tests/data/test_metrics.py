"""The metrics agree with scikit-learn, scipy and the ``evaluate`` API."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from pdbench.core.errors import UsageError
from pdbench.data.glue import GLUE
from pdbench.data.metrics import GLUE_METRICS, METRICS, as_evaluate, check_metrics, compute
from pdbench.kinds.answers import SCORES
from pdbench.study.settings import KIND_METRICS, Metric, Task, Teacher

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
    if metric in KIND_METRICS["ranking"]:
        return RANDOM.integers(0, 70, size), RANDOM.integers(-1, 100, size)  # 0 is no rank
    labels = RANDOM.integers(0, 2, size)
    return np.where(RANDOM.random(size) < 0.7, labels, 1 - labels), labels


@pytest.mark.parametrize("metric", METRICS)
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


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_evaluate_gives_the_same(metric: str, tmp_path: Path, monkeypatch: Any) -> None:
    """The API's compute and add_batch wrap the same functions, without a hub."""
    monkeypatch.setattr("evaluate.config.HF_METRICS_CACHE", tmp_path)
    predictions, labels = _example(metric, 64)
    expected = compute([metric], predictions.astype(np.float32), labels.astype(np.float32))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = as_evaluate(metric).compute(predictions=predictions, references=labels)
        batched = as_evaluate(metric)
        for rows in (slice(0, 40), slice(40, 64)):
            batched.add_batch(predictions=predictions[rows], references=labels[rows])

    assert found == pytest.approx(expected, abs=1e-6)
    assert batched.compute() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("metric", KIND_METRICS["classification"])
def test_a_perfect_prediction_scores_one(metric: str) -> None:
    """Every metric has its maximum at one."""
    labels = np.array([0, 1, 1, 0, 1])

    assert compute([metric], labels, labels)[metric] == pytest.approx(1)


@pytest.mark.parametrize("metric", ["f1", "matthews", "pearson", "spearman"])
def test_a_constant_prediction_scores_nothing(metric: str) -> None:
    """A constant predictor has a score, zero, and not a missing number."""
    assert compute([metric], np.zeros(4), np.array([0, 1, 1, 0])) == {metric: 0.0}


def test_glue_has_metrics_for_every_task() -> None:
    """Each layout has its official metrics, all of them known."""
    assert set(GLUE_METRICS) == set(GLUE)
    assert {metric for metrics in GLUE_METRICS.values() for metric in metrics} == set(
        KIND_METRICS["classification"]
    )


def _task(**settings: Any) -> Task:
    teacher = Teacher(source="directory", path="teacher")
    return Task(source="directory", path="x", labels=("a", "b"), teacher=teacher, **settings)


def test_glue_tasks_report_what_glue_reports() -> None:
    """More metrics may be asked for, the official ones must be."""
    check_metrics(_task(name="mrpc", metrics=("accuracy", "f1")))
    check_metrics(_task(metrics=("accuracy",)))
    with pytest.raises(UsageError, match=r"accuracy, for mrpc; .*\[f1, accuracy\]"):
        check_metrics(_task(name="mrpc", metrics=("accuracy",)))


@pytest.mark.parametrize("configuration", ["mrpc", "qqp"])
def test_f1_is_that_of_glues_second_class(configuration: str) -> None:
    """In another order it would be the F1 of the pairs that do not mean the same."""
    official = tuple(GLUE[configuration].classes.values())
    task = _task(name="nyu-mll/glue", configuration=configuration, metrics=("f1", "accuracy"))

    check_metrics(task.model_copy(update={"labels": official}))
    with pytest.raises(UsageError, match=rf"F1 is of the second; .*\[{', '.join(official)}\]"):
        check_metrics(task.model_copy(update={"labels": official[::-1]}))


def test_an_unknown_metric_is_misuse() -> None:
    """The nearest known one is offered."""
    with pytest.raises(UsageError, match="unknown metric 'acuracy'; did you mean 'accuracy'"):
        compute(["acuracy"], np.zeros(2), np.zeros(2))
    with pytest.raises(UsageError, match="unknown metric 'acuracy'"):
        as_evaluate("acuracy")


def test_studies_and_metrics_know_the_same_ids() -> None:
    """What a study file may ask for can be computed, and belongs to a kind of task."""
    assert set(get_args(Metric)) == {*METRICS, *SCORES}
    assert {m for metrics in KIND_METRICS.values() for m in metrics} == {*METRICS, *SCORES}
    assert set(KIND_METRICS["span"]) == set(SCORES)


def test_shapes_must_agree() -> None:
    """A missing prediction is a fault of the program, never a score."""
    with pytest.raises(ValueError, match=r"\(2,\) predictions for \(3,\) labels"):
        compute(["accuracy"], np.zeros(2), np.zeros(3))
