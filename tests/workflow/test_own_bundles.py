"""Which cells share a job."""

from __future__ import annotations

import pytest

from pdbench.study import Study, load_study
from pdbench.workflow.graph import _MOST_CELLS, _partition


def seconds(study: Study, each: float = 1.0) -> dict[str, float]:
    """A cost for every cell: its width in hundredths, times ``each``."""
    return {key: each * cell.architecture.hidden / 100 for key, cell in study.cells.items()}


@pytest.mark.parametrize("limit", [0.0, 0.5, 1.5, 2.0, 1000.0])
def test_every_cell_has_one_job(study: Study, limit: float) -> None:
    """Cells are in one bundle or in none; no bundle exceeds the limit or has one cell only."""
    costs = seconds(study)

    bundles = _partition(study, costs, limit)

    keys = [cell.key for bundle in bundles for cell in bundle.cells]
    assert len(keys) == len(set(keys))
    assert set(keys) <= set(study.cells)
    for bundle in bundles:
        assert len(bundle.cells) > 1
        assert sum(costs[cell.key] for cell in bundle.cells) <= limit


def test_a_large_cell_is_alone(study: Study) -> None:
    """A cell that would fill a bundle is in none."""
    bundles = _partition(study, seconds(study), 1.28)

    assert {cell.architecture.hidden for bundle in bundles for cell in bundle.cells} == {64}


def test_no_limit_bundles_by_task_and_method(study: Study) -> None:
    """However large bundles may be, cells of two methods never share one."""
    bundles = _partition(study, seconds(study), 1e9)

    kinds = [{(cell.task, cell.method) for cell in bundle.cells} for bundle in bundles]
    assert all(len(found) == 1 for found in kinds)
    assert len(kinds) == len({found.pop() for found in kinds}) == 4


def test_another_method_changes_no_bundle(study_file, study: Study) -> None:
    """Bundles are named after their cells, so those of other methods keep their names."""
    change = {"artefacts.figure6.cells.0.method": ["tf", "pd", "pf", "d", "basic"]}
    more = load_study(study_file(change))

    before = set(_partition(study, seconds(study), 1000))
    after = set(_partition(more, seconds(more), 1000))

    assert before < after
    assert {cell.method for bundle in after - before for cell in bundle.cells} == {"tf"}


def test_a_bundle_has_few_enough_cells_to_name(study_file) -> None:
    """A bundle's command names its cells, so that there cannot be any number of them."""
    sizes = {"layers": list(range(1, _MOST_CELLS + 11)), "hidden": [64]}
    change = {"architectures.grid": sizes, "artefacts.figure6.cells.0.architecture": "all"}
    study = load_study(study_file(change))

    bundles = _partition(study, seconds(study, 1e-6), 1000)

    assert max(len(bundle.cells) for bundle in bundles) == _MOST_CELLS
