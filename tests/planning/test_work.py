"""What jobs compute, counted, and what the counts take on a device."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peak import training_flops
from pdbench.core.errors import UsageError
from pdbench.planning.costs import (
    COUNTED,
    Seen,
    Work,
    _prediction,
    classifier,
    distinct_pieces,
    masked_lm,
)
from pdbench.planning.machines import H100, LAPTOP, Machine, machine_of
from pdbench.study import Architecture

SIZES = [Architecture(layers, hidden) for layers in (1, 2, 12) for hidden in (64, 128, 768)]
SEEN = Seen(steps=10, items=320, positions=320 * 27)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_products_of_training_are_those_of_the_formula(size: Architecture) -> None:
    """For items of one length, the count is the operations that the benchmarks count too."""
    expected = training_flops(size, np.full(320, 27))

    assert classifier(size, SEEN).products == pytest.approx(expected)


def test_a_backward_pass_costs_twice_a_forward_one() -> None:
    """Prediction computes a third of what training does, and updates nothing."""
    trained, asked = classifier(SIZES[-1], SEEN), _prediction(SIZES[-1], SEEN)

    assert asked.products == pytest.approx(trained.products / 3)
    assert asked.updates == 0 < trained.updates


def test_masked_lm_scores_the_vocabulary_at_masked_positions() -> None:
    """Each scored piece costs its share, and no position is left out of the last layer."""
    size = Architecture(2, 128)
    few, many = masked_lm(size, SEEN, 0.15, 1000), masked_lm(size, SEEN, 0.15, 3000)

    assert many.products - few.products == pytest.approx(3 * 0.15 * SEEN.positions * 2 * 128 * 2000)
    assert few.products > classifier(size, SEEN).products


def test_work_adds_up() -> None:
    """Sums and multiples go field by field, seconds included."""
    one = Work(1, 2, 3, 4, 5, 6)

    assert one + one == one * 2 == Work(2, 4, 6, 8, 10, 12)
    assert len(one.counts) == len(COUNTED)


def test_distinct_pieces_grow_slower_than_text() -> None:
    """Four times the text has twice the pieces, and never more than the vocabulary."""
    assert distinct_pieces(40_000) == pytest.approx(2 * distinct_pieces(10_000))
    assert distinct_pieces(10**9) == 30_522


@pytest.mark.parametrize("machine", [H100, LAPTOP], ids=lambda m: m.name)
def test_wide_models_come_nearer_to_the_peak(machine: Machine) -> None:
    """The share of the peak grows with the width and stays below one."""
    shares = []
    for hidden in (128, 256, 512, 768, 1024):
        work = classifier(Architecture(12, hidden), Seen(100, 100 * 128, 100 * 128 * 64))
        peak = 1 / machine.constants["products"].seconds
        shares.append(work.products / machine.seconds(work) / peak)

    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] < 1


@pytest.mark.parametrize("machine", [H100, LAPTOP], ids=lambda m: m.name)
def test_a_sum_is_no_surer_than_its_parts(machine: Machine) -> None:
    """A thousand equal jobs have the relative error of one: they share what is not known."""
    work = classifier(SIZES[-1], SEEN)
    one, many = machine.estimate(work), machine.estimate(work * 1000)

    assert many.seconds == pytest.approx(1000 * one.seconds)
    assert many.high / many.seconds == pytest.approx(one.high / one.seconds)
    deviation = math.log(one.high / one.seconds) / 1.645
    assert deviation == pytest.approx(math.hypot(machine.deviation(work), machine.spread))


def test_assumed_sizes_widen_the_interval() -> None:
    """What is not known of the data is not known of the cost."""
    work = classifier(SIZES[0], SEEN)

    assert H100.estimate(work, data=0.4).high > H100.estimate(work).high


def test_a_device_can_be_described_in_a_file(tmp_path: Path) -> None:
    """Its constants are read, and used."""
    constants = {kind: {"seconds": 1e-9, "factor": 2, "source": "ours"} for kind in COUNTED}
    about = {"name": "mine", "title": "My GPU", "kind": "gpu", "spread": 0.2}
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({**about, "constants": constants}))

    machine = machine_of(str(path))

    assert machine.title == "My GPU"
    assert machine.seconds(Work(products=1e9)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("h200", "unknown device; did you mean 'h100'"),
        ("none.json", "none.json: cannot be read"),
        ("broken.json", "broken.json: not a device"),
        ("poor.json", r"poor.json: not a device \(KeyError: 'traffic'\)"),
        ("sure.json", r"sure.json: not a device \(ValueError: factor 0 is not a number above 1\)"),
        ("nan.json", r"nan.json: not a device \(ValueError: seconds nan is not a number above 0\)"),
        ("huge.json", r"huge.json: not a device \(OverflowError"),
        ("deep.json", r"deep.json: not a device \(RecursionError"),
    ],
)
def test_an_unknown_device_is_one_line(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name or the file stands in it."""
    monkeypatch.chdir(tmp_path)
    Path("broken.json").write_text("{")
    Path("deep.json").write_text("[" * 100_000)
    constant = {"seconds": 1.0, "factor": 2.0, "source": "x"}
    Path("poor.json").write_text(json.dumps({"constants": {"products": constant}}))
    changes = {"sure": {"factor": 0}, "nan": {"seconds": math.nan}, "huge": {"seconds": 10**400}}
    for name, change in changes.items():
        content = {"constants": dict.fromkeys(COUNTED, constant | change)}
        Path(f"{name}.json").write_text(json.dumps(content))

    with pytest.raises(UsageError, match=message):
        machine_of(text)
