"""Which grid point counts, and which results are still those that the study asks for."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pdbench.jobs.selection import best_point, is_outdated, point_of, selection_metric

from pdbench.core.errors import DataError
from pdbench.core.files import read_json, write_json
from pdbench.evidence.table import read_results
from pdbench.jobs import training as jobs
from pdbench.jobs.collect import collect
from pdbench.study import Study, load_study
from pdbench.workflow import Paths
from tests.glue_study import write_glue_study

BASIC = "films.basic.1-32.none.none"


def test_the_point_is_chosen_by_its_mean_over_seeds() -> None:
    """Not by its best run; a grid of rates and batch sizes has a point for each pair."""
    runs = {
        "seed0_lr0.001-b32": 0.9,
        "seed1_lr0.001-b32": 0.1,
        "seed0_lr0.001-b8": 0.6,
        "seed1_lr0.001-b8": 0.6,
        "seed0_lr0.0003-b8_lr0.001-b32": 0.5,
    }

    assert best_point((point_of(name), dev) for name, dev in runs.items()) == "lr0.001-b8"


def test_of_equal_points_the_first_by_name_counts() -> None:
    """On small dev splits points are often equal, and tables and submissions must agree."""
    runs = [("lr0.003-b8", 0.5), ("lr0.001-b8", 0.5), ("lr0.001-b32", 0.5)]

    assert best_point(runs) == best_point(runs[::-1]) == "lr0.001-b32"


def test_guests_are_chosen_by_the_metric_of_their_models(tmp_path: Path) -> None:
    """A task that only scores another's models has no dev scores of its own."""
    path = write_glue_study(tmp_path)
    raw = yaml.safe_load(path.read_text())
    guest = next(name for name, task in raw["tasks"].items() if "model_of" in task)
    raw["tasks"][guest]["metrics"] = ["matthews"]
    path.write_text(yaml.safe_dump(raw))

    assert selection_metric(load_study(path), guest) == "accuracy"


def test_results_of_other_settings_are_refused(project: tuple[Study, Paths]) -> None:
    """They stand where the new ones will; a partial table leaves them out until then."""
    study, paths = project
    jobs.cell(study, paths, BASIC)
    raw = yaml.safe_load(Path("small.yaml").read_text())
    raw["training"]["finetune"]["epochs"] += 1
    Path("small.yaml").write_text(yaml.safe_dump(raw))
    changed = load_study("small.yaml")

    with pytest.raises(DataError, match=rf"^1 cells .* other settings, first {BASIC}; .* --redo"):
        collect(changed, Paths(changed))

    partial = read_results(collect(changed, Paths(changed, partial=True)))
    assert set(partial["method"]) == {"teacher"}
    assert BASIC in set(read_results(collect(study, paths))["cell"])


def test_a_cell_that_lacks_a_run_is_outdated(project: tuple[Study, Paths]) -> None:
    """One more seed asks for more; one less is answered by what there is."""
    study, paths = project
    jobs.cell(study, paths, BASIC)
    file = paths.cell(BASIC) / "cell.json"
    said = read_json(file)

    outdated = []
    for runs in (said["runs"], said["runs"][:-1], [*said["runs"], "seed9_lr0.001-b32"]):
        write_json(file, {**said, "runs": runs})
        outdated.append(is_outdated(study, paths, study.cells[BASIC]))

    assert outdated == [False, True, False]
