"""Which grid point counts."""

from __future__ import annotations

from pathlib import Path

import yaml

from pdbench.jobs.record import best_point, selection_metric
from pdbench.study import load_study
from tests.glue_study import write_glue_study


def test_the_point_is_chosen_by_its_mean_over_seeds() -> None:
    """Not by its best run; a grid of rates and batch sizes has a point for each pair."""
    runs = {
        "seed0_lr0.001-b32": 0.9,
        "seed1_lr0.001-b32": 0.1,
        "seed0_lr0.001-b8": 0.6,
        "seed1_lr0.001-b8": 0.6,
        "seed0_lr0.0003-b8_lr0.001-b32": 0.5,
    }

    assert best_point(runs) == "lr0.001-b8"


def test_of_equal_points_the_first_by_name_counts() -> None:
    """On small dev splits points are often equal, and tables and submissions must agree."""
    runs = ["seed0_lr0.003-b8", "seed0_lr0.001-b8", "seed0_lr0.001-b32"]

    for order in (runs, runs[::-1]):
        assert best_point(dict.fromkeys(order, 0.5)) == "lr0.001-b32"


def test_guests_are_chosen_by_the_metric_of_their_models(tmp_path: Path) -> None:
    """A task that only scores another's models has no dev scores of its own."""
    path = write_glue_study(tmp_path)
    raw = yaml.safe_load(path.read_text())
    guest = next(name for name, task in raw["tasks"].items() if "model_of" in task)
    raw["tasks"][guest]["metrics"] = ["matthews"]
    path.write_text(yaml.safe_dump(raw))

    assert selection_metric(load_study(path), guest) == "accuracy"
