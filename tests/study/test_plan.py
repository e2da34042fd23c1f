"""What a study would make."""

from __future__ import annotations

import json

import pytest

from pdbench.study import Study, load_study
from pdbench.study.plan import Plan


@pytest.fixture
def plan(study: Study) -> Plan:
    """The small study's plan."""
    return Plan.of(study)


def test_cells_and_runs_are_counted_once(plan: Plan) -> None:
    """A cell that two artefacts share counts once, with its most seeds."""
    # figure6: 2 sizes x 4 methods; figure8: 2 transfer sets, one cell of which figure6 has.
    assert len(plan.cells) == 8 + 1
    assert plan.runs_of("figure8") == 2 * 3 * 2
    # Distilling cells have two learning rates; two seeds each, but figure8's cells three.
    assert plan.runs == 4 * 2 * 1 + 3 * 2 * 2 + 2 * 3 * 2


def test_jobs_are_counted_by_rule(plan: Plan) -> None:
    """There is one job for each archive, task, text, size, teacher, cell and artefact."""
    assert plan.jobs == {
        "latency": 1,
        "archive": 3,
        "task": 1,
        "text": 2,
        "audit": 1,
        "pretrain": 2,
        "teacher": 1,
        "soft_labels": 1,
        "cell": 9,
        "collect": 1,
        "figure": 2,
        "table": 1,
        "report": 1,
    }


def test_the_json_plan_has_names_and_totals(plan: Plan) -> None:
    """The JSON form names every cell and run, and its totals agree with them."""
    found = json.loads(json.dumps(plan.as_json()))

    assert found["totals"]["cells"] == len(found["cells"]) == 9
    assert found["totals"]["runs"] == sum(map(len, found["cells"].values()))
    assert found["totals"]["jobs"] == sum(found["jobs"].values())
    assert found["core_minutes"].keys() == found["jobs"].keys()
    assert set(found["artefacts"]["figure8"]["cells"]) <= set(found["cells"])


def test_the_text_plan_is_aligned(plan: Plan) -> None:
    """Every artefact and rule has its line, with the numbers below one another."""
    lines = plan.as_text().splitlines()

    figure = next(line for line in lines if line.startswith("figure6"))
    together = next(line for line in lines if line.startswith("together"))
    assert figure.split() == ["figure6", "8", "26"]
    assert len(figure) == len(together)


def test_the_demo_is_planned_as_it_is_meant() -> None:
    """The demo has at least nine sizes, five of them named, and no fewer than two seeds."""
    study = load_study("demo")

    assert len(study.all_architectures) >= 9
    assert len(study.named_architectures) == 5
    assert max(a.hidden for a in study.all_architectures) <= 128
    assert min(study.seeds.values()) >= 2
    assert {cell.method for cell in study.seeds} >= {"basic", "pf", "d", "pd", "pd-f", "tf"}
