"""Which runs of a cell count."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

from pdbench.study import Study


def selection_metric(study: Study, task: str) -> str:
    """The metric that chooses on dev: the first of the task whose models these are."""
    return study.tasks[study.tasks[task].model_of or task].metrics[0]


def point_of(run: str) -> str:
    """The grid point in a run's name, the same for all its seeds."""
    return run.partition("_")[2]


def best_point(dev: Iterable[tuple[str, float]]) -> str:
    """The grid point of a cell that is best on dev, averaged over seeds.

    Args:
        dev: Grid point and dev score of every run. Of equal points the first by name counts.
    """
    scores: dict[str, list[float]] = {}
    for point, score in dev:
        scores.setdefault(point, []).append(score)
    return min(scores, key=lambda point: (-fmean(scores[point]), point))
