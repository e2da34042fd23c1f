"""The metrics: one entry each, with its formula. A new metric is a new entry here, and no more.

A formula says what to add up over the items. :class:`pdbench.data.metrics.Items` adds up, once
for each item to score a run, or on samples of the items to say how sure the score is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

_Formula: TypeAlias = Callable[[Any, Any, Any], Any]
"""From the predictions of R runs, (R, N), the labels, (1, N), and the items to R scores."""


@dataclass(frozen=True)
class _TaskMetric:
    """A metric that a task may have; scores are fractions or correlations."""

    title: str  # in tables
    kinds: tuple[str, ...] = ("classification",)  # of tasks that it is for
    # By default the mean of what each item scores by itself.
    formula: _Formula = lambda scores, _, items: items.share(scores)
    is_correlation: bool = False  # lies between -1 and 1, and is 0 for a constant prediction
    of_scores: bool = False  # compares numbers, as of a task without labels, and not classes
    unit: str = "%"  # of published scores

    @property
    def least(self) -> float:
        """The lowest score there can be; the highest is 1."""
        return -1.0 if self.is_correlation else 0.0


def _f1(predictions: Any, labels: Any, items: Any) -> Any:
    """F1 of class 1; 0 where the class is neither predicted nor there."""
    predicted, true = predictions == 1, labels == 1
    either = items.total(predicted) + items.total(true)
    return items.divide(2 * items.total(predicted & true), either)


def _matthews(predictions: Any, labels: Any, items: Any) -> Any:
    """Matthews' correlation of any number of classes: that of their indicators."""
    return items.correlation(*items.indicators(predictions, labels))


def _spearman(predictions: Any, labels: Any, items: Any) -> Any:
    """The correlation of ranks, those among all items: a sample of them keeps its order."""
    return items.correlation(items.ranks(predictions), items.ranks(labels))


def _recall_at(most: int) -> _TaskMetric:
    """The share of true items that rank high enough, from their ranks; 0 is no rank."""
    return _TaskMetric(
        f"recall at {most}",
        ("ranking",),
        lambda ranks, _, items: items.share((ranks > 0) & (ranks <= most)),
    )


_RECALLED = (1, 10, 50)

RANKED = max(_RECALLED)
"""The ranks that any metric asks for: what a model ranks further down, none counts."""

METRICS: dict[str, _TaskMetric] = {
    "accuracy": _TaskMetric("accuracy", formula=lambda p, true, items: items.share(p == true)),
    "f1": _TaskMetric("F1", ("classification", "span"), _f1),
    "matthews": _TaskMetric("Matthews", formula=_matthews, is_correlation=True),
    "pearson": _TaskMetric(
        "Pearson",
        formula=lambda p, true, items: items.correlation(p, true),
        is_correlation=True,
        of_scores=True,
    ),
    "spearman": _TaskMetric("Spearman", formula=_spearman, is_correlation=True, of_scores=True),
    "exact_match": _TaskMetric("exact match", ("span",)),
    **{f"recall@{most}": _recall_at(most) for most in _RECALLED},
}
"""Every metric by its id."""


def metrics_for(kind: str) -> tuple[str, ...]:
    """The ids of the metrics that a kind of task may have."""
    return tuple(name for name, metric in METRICS.items() if kind in metric.kinds)
