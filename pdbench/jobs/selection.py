"""Which runs of a cell count, and whether they are still those that the study asks for."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

from pdbench.core.errors import DataError
from pdbench.core.files import read_json
from pdbench.study import Cell, Study
from pdbench.workflow import Paths


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


def is_outdated(study: Study, paths: Paths, cell: Cell) -> bool:
    """Whether a finished cell was trained with other settings, or lacks runs asked for since.

    Snakemake cannot tell where the cell has moved between a bundle and a job of its own.
    """
    try:
        said = read_json(paths.cell(cell.key) / "cell.json")
    except DataError:
        return True
    asked = {run.name for run in study.runs(cell)}
    spec = study.digest_of(study.cell_spec(cell))
    return bool(said.get("spec") != spec or not asked <= set(said.get("runs", ())))
