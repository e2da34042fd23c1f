"""What a study would make and cost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pdbench.core.words import byte_size
from pdbench.planning.costs import Sizes, Work
from pdbench.planning.machines import H100, LAPTOP
from pdbench.study import Start, Study, load_study
from pdbench.workflow.graph import Graph
from pdbench.workflow.kinds import Job
from pdbench.workflow.plan import Plan, Rates

LONGEST = "sentiment.d.1-64.films-1k.none"


@pytest.fixture
def plan(study: Study) -> Plan:
    """The small study's plan on a GPU."""
    return Plan(study, H100)


def test_cells_and_runs_are_counted_once(plan: Plan) -> None:
    """A cell that two artefacts share counts once, with its most seeds."""
    # figure6: 2 sizes x 4 methods; figure8: 2 transfer sets, one cell of which figure6 has.
    assert len(plan.runs) == 8 + 1
    assert plan.runs_of("figure8") == 2 * 3 * 2
    # Distilling cells have two learning rates; two seeds each, but figure8's cells three.
    assert sum(plan.runs.values()) == 4 * 2 * 1 + 3 * 2 * 2 + 2 * 3 * 2


def test_what_is_left_to_do_is_counted_by_rule(plan: Plan) -> None:
    """There is one step for each archive, task, text, size and seed, teacher, cell and artefact."""
    counts = {rule: cost.steps for rule, cost in plan.rules.items()}

    assert {rule: counts[rule] for rule in ("archive", "task", "text", "pretrain", "cell")} == {
        "archive": 3,
        "task": 1,
        "text": 2,
        "pretrain": 2 * 2,
        "cell": 9,
    }


def test_jobs_are_counted_as_the_workflow_bundles_them(study: Study) -> None:
    """Cells share as many jobs as `--config bundle=SECONDS` lets them."""
    alone, together = (Plan(study, H100, bundle=seconds).jobs for seconds in (0, 3600))

    assert alone["cell"] == 9
    assert "bundle" not in alone
    assert together.get("cell", 0) + together["bundle"] < 9


def test_split_cells_end_sooner_on_many_devices(study_file: Callable[..., Path]) -> None:
    """The work stays the same, but for a start each, and a seed is shorter than its cell."""
    study = load_study(study_file({"training.distill.epochs": 10**5}))
    plan, split = (Plan(study, H100, bundle=0, split=seconds) for seconds in (0, 1e-9))

    assert plan.longest is not None
    assert split.longest is not None
    assert split.jobs["seed"] == sum(study.seed_counts.values())
    assert split.whole == plan.whole
    starts = H100.seconds(Work(starts=sum(study.seed_counts.values())))
    assert split.wall(1).seconds == pytest.approx(plan.wall(1).seconds + starts)
    assert split.wall(64).seconds < plan.wall(64).seconds
    assert split.peak_disk(64) > plan.peak_disk(64)


def test_a_bill_follows_from_the_hours(plan: Plan) -> None:
    """Price and energy of all time on the device; nothing is said of a rate that is not given."""
    hours = plan.whole.device.as_json(3600)

    bill = plan.as_json(rates=Rates(price=2.5, watts=700))["bill"]

    for name in ("value", "low", "high"):
        assert bill["price"][name] == pytest.approx(2.5 * hours[name], abs=2e-3)
        assert bill["kwh"][name] == pytest.approx(0.7 * hours[name], abs=2e-3)
    assert plan.as_json()["bill"] == {}
    assert plan.as_text(rates=Rates(price=0.0))[-1].startswith("All GPU time: 0 (0 to 0)")
    assert len(plan.as_text(rates=Rates(watts=1))) == len(plan.as_text()) + 1


def test_own_and_shared_costs_make_the_whole(plan: Plan) -> None:
    """What artefacts have for themselves is disjoint; with what they share it is everything."""
    costs = [plan.own_and_shared(artefact) for artefact in plan.study.artefacts]
    own = [cost for cost, _ in costs]
    shared = [cost for _, cost in costs]

    seconds = sum(cost.device.seconds for cost in own)
    assert seconds < plan.whole.device.seconds
    assert shared[0].device.seconds == pytest.approx(shared[1].device.seconds) != 0
    assert seconds + shared[0].device.seconds == pytest.approx(plan.whole.device.seconds)
    assert shared[2].steps == own[2].steps == 0  # `sizes` needs no cell


def test_an_artefact_of_its_own_shares_nothing(study_file) -> None:
    """Without the other artefacts its whole cost is its own."""
    alone = Plan(load_study(study_file(without="artefacts.figure8")), H100)

    assert alone.own_and_shared("figure6")[1].steps == 0
    assert alone.own_and_shared("figure6")[0].device.seconds == pytest.approx(
        alone.whole.device.seconds
    )


def test_done_jobs_cost_nothing_more(study: Study, plan: Plan) -> None:
    """What is left shrinks, and the rest stays as it was."""
    key = Job("cell", study.cells[LONGEST])
    left = Plan(study, H100, done={key})

    assert left.whole.steps == plan.whole.steps - 1
    difference = plan.whole.device.seconds - left.whole.device.seconds
    assert difference == pytest.approx(H100.seconds(plan.work[key]))


@pytest.mark.parametrize("machine", [H100, LAPTOP], ids=lambda m: m.name)
def test_devices_shorten_the_wall_time_up_to_the_longest_chain(study: Study, machine) -> None:
    """One does all work; more never take longer, and never less than what cannot overlap."""
    plan = Plan(study, machine)
    walls = [plan.wall(devices).seconds for devices in (1, 2, 64)]

    assert walls == sorted(walls, reverse=True)
    assert walls[0] >= plan.whole.device.seconds
    assert plan.longest is not None
    chain = {job for job in plan.seconds if job.name in ("sentiment.films", LONGEST)}
    chain.add(Job("teacher", "sentiment"))
    assert {job.kind for job in chain} == {"teacher", "soft_labels", "cell"}
    assert walls[-1] >= max(plan.longest[1], sum(plan.seconds[job] for job in chain))
    assert plan.wall(2).low < walls[1] < plan.wall(2).high


def test_disk_counts_models_and_states(study: Study, plan: Plan) -> None:
    """A checkpoint has four bytes a parameter; states are six times as large, and come on top."""
    base = study.named_architectures["Base"]

    weights = 4 * base.parameters()
    assert weights < plan.disk[Job("pretrain", Start("general", base, 0))] < weights + 2e6
    assert plan.peak_disk(1) > plan.whole.disk + 6 * weights


def test_each_job_that_trains_saves_a_state(study: Study, plan: Plan) -> None:
    """Two at once need the disk for two; what is done saves none."""
    states = [plan.peak_disk(n) - plan.whole.disk for n in (1, 2, 3, 1000)]
    assert states[0] < states[1] < states[2] < states[3]
    teacher, *others = (states[0], states[1] - states[0], states[2] - states[1])
    assert teacher > others[0] == others[1]  # 6/384, then of 2/128

    trained = set(Graph(study).jobs) - {Job("report")}
    left = Plan(study, H100, done=trained)
    assert left.peak_disk(64) == left.whole.disk


def test_counted_sizes_narrow_the_interval(study: Study, plan: Plan) -> None:
    """Once the audit has counted the data, the interval is the device's alone."""
    audit = {"texts": {"films": {"items": 1000, "pieces": 53_760}}}  # as it was assumed
    counted = Plan(study, H100, Sizes(study, audit)).whole.device
    assumed = plan.whole.device

    assert counted.seconds == pytest.approx(assumed.seconds)
    assert counted.high < assumed.high


def test_the_json_plan_has_names_and_totals(plan: Plan) -> None:
    """The JSON form names every cell, and its totals agree with the parts."""
    found = json.loads(json.dumps(plan.as_json((1, 8))))

    assert found["totals"]["cells"] == len(found["cells"]) == 9
    assert found["totals"]["runs"] == sum(found["cells"].values())
    assert found["totals"]["jobs"] == sum(found["jobs"].values())
    hours = sum(rule["device_hours"]["value"] for rule in found["rules"].values())
    assert hours == pytest.approx(found["totals"]["device_hours"]["value"], abs=0.01)
    assert set(found["wall_hours"]) == {"1", "8"}
    assert set(found["artefacts"]["figure8"]["cells"]) <= set(found["cells"])
    assert all(found["device"]["constants"][kind]["source"] for kind in ("products", "starts"))


def test_the_text_plan_is_aligned(plan: Plan) -> None:
    """Every artefact, rule and number of devices has its line; constants name their source."""
    lines = plan.as_text((1, 8))
    text = "\n".join(lines)

    figure = next(line for line in lines if line.startswith("figure6"))
    together = next(line for line in lines if line.startswith("together"))
    assert figure.split()[:3] == ["figure6", "8", "26"]
    assert len(figure) == len(together)
    assert "data sheet's 989 TFLOP/s" in text
    assert "assumed from the study" in text
    assert [line.split()[0] for line in lines if " min (" in line and line[0].isdigit()] == [
        "1",
        "8",
    ]
    assert max(map(len, lines)) <= 120


def test_a_study_without_cells_costs_nothing(study_file) -> None:
    """Nothing trains, so nothing is said of it."""
    plan = Plan(load_study(study_file({"artefacts": {"sizes": {}}})), H100)

    assert plan.whole.device.seconds == 0
    assert any(line.startswith("sizes") for line in plan.as_text())


def test_the_demo_is_planned_as_it_is_meant() -> None:
    """The demo has at least six sizes, five of them named, and no fewer than three seeds."""
    study = load_study("demo")

    assert len(study.all_architectures) >= 6
    assert len(study.named_architectures) == 5
    assert max(a.hidden for a in study.all_architectures) <= 128
    assert min(study.seed_counts.values()) >= 3
    assert {cell.method for cell in study.seed_counts} >= {"basic", "pf", "d", "pd", "pd-f", "tf"}


def test_kept_students_are_on_the_disk(study_file: Callable[..., Path]) -> None:
    """None, one of each cell or one of each run: so many weights, which a line says."""
    keys = ("none", "chosen", "all")
    plans = {
        key: Plan(load_study(study_file({"training.keep_students": key})), H100) for key in keys
    }
    cells = list(plans["chosen"].study.seed_counts)
    weights = sum(4 * cell.architecture.parameters() for cell in cells)

    number, size = plans["chosen"].kept

    assert [plan.kept[0] for plan in plans.values()] == [0, 9, sum(plans["all"].runs.values())]
    assert number == len(cells)
    assert weights < size < weights + number * 2e6
    assert plans["chosen"].whole.disk == pytest.approx(plans["none"].whole.disk + size)
    (line,) = [line for line in plans["chosen"].as_text() if line.startswith("Kept students")]
    assert line == f"Kept students (chosen): 9, {byte_size(size)} of that disk"
    # Those of each rate wait as long as a seed is missing.
    assert plans["chosen"].peak_disk(1000) > plans["none"].peak_disk(1000) + size
