"""The official metrics: small numpy functions, and the same through ``evaluate``'s API.

Training jobs call :func:`compute`, because importing ``evaluate`` takes seconds. The classes
that :func:`as_evaluate` builds wrap the same functions, need no hub and run no script. All
scores are fractions in [0, 1] or correlations in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pdbench.core.errors import UsageError, suggestion
from pdbench.data.glue import GLUE
from pdbench.study.settings import Task

Metric: TypeAlias = Callable[[NDArray[Any], NDArray[Any]], float]

GLUE_METRICS: dict[str, tuple[str, ...]] = {
    "cola": ("matthews",),
    "sst2": ("accuracy",),
    "mrpc": ("f1", "accuracy"),
    "stsb": ("pearson", "spearman"),
    "qqp": ("f1", "accuracy"),
    "mnli": ("accuracy",),
    "mnli-mismatched": ("accuracy",),
    "qnli": ("accuracy",),
    "rte": ("accuracy",),
    "wnli": ("accuracy",),
    "ax": ("matthews",),
}
"""The metrics that GLUE reports for each of its tasks."""


def check_metrics(task: Task) -> None:
    """Refuse a GLUE task without its official metrics, or whose F1 would be of another class.

    Raises:
        UsageError: What is wrong, and what to write.
    """
    name = (task.configuration or task.name).replace("_", "-")
    missing = set(GLUE_METRICS.get(name, ())) - set(task.metrics)
    if missing:
        what = f"key metrics: {', '.join(task.metrics)}, for {name}"
        raise UsageError(what, f"write what GLUE reports, [{', '.join(GLUE_METRICS[name])}]")
    official = tuple(GLUE[name].classes.values()) if "f1" in GLUE_METRICS.get(name, ()) else ()
    if official and sorted(official) == sorted(task.labels) and task.labels != official:
        what = f"key labels: {', '.join(task.labels)}, and F1 is of the second"
        raise UsageError(what, f"write them as GLUE numbers them, [{', '.join(official)}]")


def compute(metrics: Sequence[str], predictions: ArrayLike, labels: ArrayLike) -> dict[str, float]:
    """Return the score of every metric by its id.

    Args:
        metrics: Ids, of :data:`METRICS`.
        predictions: N predicted classes, or N numbers for a regression, or the ranks of N items.
        labels: The N true ones.

    Raises:
        UsageError: A metric is unknown.
    """
    predicted, true = np.asarray(predictions), np.asarray(labels)
    if predicted.shape != true.shape:
        raise ValueError(f"{predicted.shape} predictions for {true.shape} labels")
    return {metric: float(_metric(metric)(predicted, true)) for metric in metrics}


def accuracy(predictions: NDArray[Any], labels: NDArray[Any]) -> float:
    """The share of predictions that are right."""
    return float(np.mean(predictions == labels))


def f1(predictions: NDArray[Any], labels: NDArray[Any]) -> float:
    """F1 of class 1; 0 where the class is neither predicted nor there."""
    both = np.sum((predictions == 1) & (labels == 1))
    either = np.sum(predictions == 1) + np.sum(labels == 1)
    return float(2 * both / either) if either else 0.0


def matthews(predictions: NDArray[Any], labels: NDArray[Any]) -> float:
    """Matthews' correlation of any number of classes; 0 where one side is constant."""
    classes = np.union1d(predictions, labels)
    predicted = (predictions[:, None] == classes).astype(np.float64)
    return pearson(predicted, (labels[:, None] == classes).astype(np.float64))


def pearson(predictions: NDArray[Any], labels: NDArray[Any]) -> float:
    """Pearson's correlation; 0 where one side is constant.

    Columns of one-hot classes, (N, C), are centred each on its own mean, which makes the
    result Matthews' correlation.
    """
    x = predictions - np.mean(predictions, axis=0, dtype=np.float64)
    y = labels - np.mean(labels, axis=0, dtype=np.float64)
    scale = np.sqrt(np.sum(x * x) * np.sum(y * y))
    return float(np.clip(np.sum(x * y) / scale, -1, 1)) if scale else 0.0


def spearman(predictions: NDArray[Any], labels: NDArray[Any]) -> float:
    """Spearman's rank correlation, ties by their average rank; 0 where one is constant."""
    return pearson(_ranks(predictions), _ranks(labels))


UNSEEN = -1
"""The label of an item that the labelled set does not have."""


def ranks(scores: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.int32]:
    """The rank of the true item among all, from 1; 0 where it is unseen, which no score finds.

    Items with the true one's score count as before it.

    Args:
        scores: Of C items for each of N examples, (N, C).
        labels: The number of the true item, (N,).
    """
    own = scores[np.arange(len(labels)), np.maximum(labels, 0)]
    found = np.sum(scores >= own[:, None], axis=1, dtype=np.int32)
    return np.where(labels == UNSEEN, 0, found).astype(np.int32)


def recall_at(most: int) -> Metric:
    """The share of true items among the first ``most``, from their ranks."""

    def recall(predictions: NDArray[Any], _: NDArray[Any]) -> float:
        """The share of true items that rank high enough; labels add nothing to their ranks."""
        return float(np.mean((predictions > 0) & (predictions <= most)))

    return recall


METRICS: dict[str, Metric] = {
    "accuracy": accuracy,
    "f1": f1,
    "matthews": matthews,
    "pearson": pearson,
    "spearman": spearman,
    "recall@1": recall_at(1),
    "recall@10": recall_at(10),
    "recall@50": recall_at(50),
}
"""Every metric by its id, but that of spans (:mod:`pdbench.data.answers`)."""


def as_evaluate(metric: str) -> Any:
    """Return a metric as an ``evaluate.Metric``, with its ``compute`` and ``add_batch``.

    Raises:
        UsageError: The metric is unknown.
    """
    import datasets
    import evaluate

    function = _metric(metric)
    kind = "float32" if metric in ("pearson", "spearman") else "int64"

    class InProcess(evaluate.Metric):  # type: ignore[misc]
        def _info(self) -> Any:
            columns = {name: datasets.Value(kind) for name in ("predictions", "references")}
            return evaluate.MetricInfo(
                description=str(function.__doc__),
                citation="",
                inputs_description="predictions and references, one of each an example",
                features=datasets.Features(columns),
            )

        def _compute(self, predictions: Any, references: Any) -> dict[str, float]:
            return compute([metric], predictions, references)

    return InProcess(config_name=metric)


def _metric(name: str) -> Metric:
    if name not in METRICS:
        raise UsageError(f"unknown metric {name!r}", suggestion(name, METRICS))
    return METRICS[name]


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Ranks from 1, ties by their average."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], np.float64)
