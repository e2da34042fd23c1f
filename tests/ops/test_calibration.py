"""A device's constants from the times of finished runs."""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pdbench.ops.calibration import (
    Observation,
    _device_of,
    _is_gpu,
    _observations,
    fitted,
    machine_for,
)
from pdbench.planning.costs import COUNTED, Seen, Work, classifier, distinct_pieces
from pdbench.planning.machines import H100, LAPTOP, Machine
from pdbench.study import ROOT, Architecture, Study, load_study
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job

EXAMPLE = ROOT / "reports/example/results.parquet"


@pytest.fixture(scope="module")
def example() -> list[Observation]:
    """What the demo's committed runs took."""
    return [_observed(row) for row in pd.read_parquet(EXAMPLE).itertuples()]


def _observed(row) -> Observation:
    size = Architecture(row.layers, row.hidden)
    distinct = distinct_pieces(row.tokens / 4)  # seen two to five times each
    seen = Seen(row.steps, row.examples, row.tokens / (1 - row.padding_share), distinct)
    return Observation(f"{row.method} {size}", classifier(size, seen), row.train_seconds, "CPU")


def _errors(machine: Machine, seen: list[Observation]) -> np.ndarray:
    """Logarithms of what was measured over what the machine says, (N,)."""
    return np.array([math.log(o.seconds / machine.seconds(o.work)) for o in seen])


def test_half_of_the_demo_foretells_the_other(example: list[Observation]) -> None:
    """The middle run, single ones, and how much the intervals hold.

    The machine had other work too, which made some runs take several times as long: so their sum
    is not asked for.
    """
    machine = fitted(LAPTOP, example[::2])

    errors = _errors(machine, example[1::2])

    covered = np.mean(np.abs(errors) < 1.645 * machine.spread)
    found = f"runs {errors.std():.3f}, middle {np.median(errors):+.3f}, in {covered:.2f}"
    assert errors.std() < 0.5, found
    assert abs(np.median(errors)) < 0.15, found
    assert 0.8 < covered < 1, found


def test_narrow_models_foretell_wider_ones(example: list[Observation]) -> None:
    """Sizes that were not measured lie within their interval, which is wider for it."""
    narrow = [o for o in example if not o.group.endswith(("/128", "/384"))]
    wide = [o for o in example if o.group.endswith(("/128", "/384"))]
    machine = fitted(LAPTOP, narrow)

    found = machine.estimate(sum((o.work for o in wide), Work()))
    actual = sum(o.seconds for o in wide)

    assert found.low < actual < found.high
    inside = machine.estimate(sum((o.work for o in narrow), Work()))
    assert found.high / found.seconds > inside.high / inside.seconds


def test_a_device_is_recovered_from_its_times() -> None:
    """With runs of all kinds, the fit finds constants that are far from the stated ones."""
    truth = [constant.seconds * 3 for constant in LAPTOP.constants.values()]
    random.seed(1)
    seen = []
    for number in range(400):
        size = Architecture(random.choice([1, 2, 6, 12]), random.choice([64, 128, 256, 768]))
        positions = 10 ** random.uniform(4, 7)
        steps = positions / random.choice([200, 800, 3200])
        work = classifier(size, Seen(steps, positions / 30, positions)) + Work(starts=1)
        seconds = sum(c * t for c, t in zip(work.counts, truth, strict=True))
        noise = math.exp(random.gauss(0, 0.05))
        seen.append(Observation(str(number), work, seconds * noise, "CPU"))

    machine = fitted(LAPTOP, seen)

    for kind in ("products", "traffic", "updates", "launches"):
        ratio = machine.constants[kind].seconds / LAPTOP.constants[kind].seconds
        assert ratio == pytest.approx(3, rel=0.25), kind
    assert machine.spread == pytest.approx(0.05, abs=0.02)


def test_what_runs_say_nothing_about_stays_uncertain(example: list[Observation]) -> None:
    """The demo's stages have no start: its constant and its factor stay as they were stated."""
    machine = fitted(LAPTOP, example)

    before, after = LAPTOP.constants["starts"], machine.constants["starts"]
    assert after.seconds == pytest.approx(before.seconds)
    assert machine.deviation(Work(starts=1)) == pytest.approx(math.log(before.factor))
    assert machine.deviation(Work(launches=1)) < math.log(LAPTOP.constants["launches"].factor)


def test_many_runs_of_a_kind_are_one_opinion(example: list[Observation]) -> None:
    """Copies of the same runs make nothing surer."""
    once, often = fitted(LAPTOP, example), fitted(LAPTOP, example * 20)

    for kind in COUNTED:
        work = Work(**{kind: 1.0})
        assert often.deviation(work) == pytest.approx(once.deviation(work), rel=1e-3)


def test_a_few_runs_change_nothing(example: list[Observation]) -> None:
    """Below six timings the stated constants stand."""
    assert fitted(LAPTOP, example[:5]) is LAPTOP


def test_finished_cells_are_read(project: tuple[Study, Paths]) -> None:
    """Stages of every finished run count; a job's start is what its benchmark file has more."""
    from pdbench.jobs import students

    study, paths = project
    basic = study.cells["films.basic.1-32.none.none"]
    students.attempt(study, paths, basic)
    before = _observations(study)
    benchmark = paths.benchmarks / "cell" / f"{paths.label(Job('cell', basic))}.tsv"
    benchmark.parent.mkdir(parents=True)
    benchmark.write_text("s\th:m:s\tmax_rss\n99.5\t0:01:39\t300.0\n")

    after = _observations(study)

    cell = [o for o in before if o.group == "finetune 1/32"]
    assert len(cell) == study.number_of_runs(basic)
    assert {o.group for o in before} >= {"pretrain 1/32", "pretrain 2/32", "finetune 1/64"}
    (start,) = (o for o in after if o not in before)
    assert start.work == Work(starts=1)
    assert 90 < start.seconds < 99.5


def test_a_broken_record_is_passed_over(project: tuple[Study, Paths]) -> None:
    """A plan is no place to complain of it."""
    study, paths = project
    record = paths.teacher("films") / "record.json"
    record.write_text(record.read_text().replace("films", "songs"))

    assert "finetune 1/64" not in {o.group for o in _observations(study)}


@pytest.mark.parametrize(
    ("device", "measured", "name"),
    [
        (None, (), "cpu"),
        ("h100", (), "h100"),
        (None, ("NVIDIA H200", "NVIDIA H200", "AMD EPYC"), "h100"),
        (None, ("AMD EPYC",), "cpu"),
        ("cpu", ("NVIDIA H200",), "cpu"),
    ],
)
def test_the_device_is_what_runs_were_made_on(
    device: str | None, measured: tuple[str, ...], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless another is asked for, which then is fitted to runs of its own kind alone."""
    work = Work(launches=1000)
    seen = [Observation(str(i), work, 50.0, d) for d in measured for i in range(10)]
    monkeypatch.setattr("pdbench.ops.calibration._observations", lambda study: seen)
    study = load_study("demo")

    found = machine_for(study, device, [study])

    assert found.name == name
    own = any(_is_gpu(d) == (name == "h100") for d in measured)
    assert found.origin.startswith("fitted to" if own else "stated")


def test_the_paper_is_planned_for_a_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where nothing was measured, a study of the paper's scale is one for H100s."""
    monkeypatch.chdir(tmp_path)
    study = load_study("demo").model_copy(update={"scale": "paper"})

    assert machine_for(study, None, [study]) is H100
    assert _device_of([]) is None
