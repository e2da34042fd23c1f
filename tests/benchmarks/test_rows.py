"""A row is the median of its pairs' ratios, and can be measured again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks import rows
from benchmarks.harness import Cost, Pair
from benchmarks.rows import OWN_SECONDS, SECONDS, row, seconds_row
from benchmarks.table import KEYS


@pytest.fixture(autouse=True)
def _known_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/benchmarks/mlm.py", "--quick", "--json", "x.json"])


def make(values: list[tuple[float, float]], measure: str = SECONDS, **more: Any) -> rows.Row:
    """A row of these values."""
    return row("training", "2/128", "a peer", values, measure, **more)


def test_ratio_is_the_median_of_the_pairs_ratios() -> None:
    """Not the ratio of the medians: a slow moment hits both sides of its pair."""
    found = make([(1, 4), (10, 10), (2, 6)])

    assert (found.ratio, found.ratio_min, found.ratio_max) == (3, 1, 4)
    assert (found.ours, found.theirs) == (2, 6)
    assert found.pairs == 3


def test_a_measure_of_ours_is_the_other_way_round() -> None:
    """Soft labels are measured by how much longer they take than the bare forward pass."""
    assert make([(3, 2)], OWN_SECONDS).ratio == 1.5


def test_cpu_seconds_have_a_ratio_of_their_own() -> None:
    """It is the median over the pairs, in the direction of the measure."""
    pairs = [
        Pair(Cost(1, 2), Cost(4, 6)),
        Pair(Cost(1, 2), Cost(4, 4)),
        Pair(Cost(1, 1), Cost(4, 8)),
    ]

    forward = seconds_row("training", "2/128", "a peer", pairs).as_json()
    inverse = seconds_row("training", "2/128", "a peer", pairs, OWN_SECONDS).as_json()

    assert (forward["ratio"], forward["cpu_ratio"]) == (4, 3)
    assert (inverse["ratio"], inverse["cpu_ratio"]) == (1 / 4, 1 / 3)


def test_json_has_the_keys_of_a_row() -> None:
    """The required keys, what was added, and the machine; nothing that JSON cannot hold."""
    found = json.loads(json.dumps(make([(1, 2)], threads=2).as_json()))

    assert set(KEYS) | {"threads", "machine"} == set(found)
    assert {"work", "arch", "peer", "ratio", "ratio_min", "ratio_max", "pairs", "command"} < set(
        found
    )
    assert {"device", "cores", "torch", "commit"} <= set(found["machine"])


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["--quick", "--json", "x.json"], "--quick"),
        (["--json=x.json", "--threads", "2"], "--threads 2"),
        ([], ""),
    ],
)
def test_the_command_can_be_typed_again(
    arguments: list[str], shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the module and every option but the file."""
    monkeypatch.setattr("sys.argv", ["/somewhere/benchmarks/mlm.py", *arguments])

    assert make([(1, 2)]).command == f"python -m benchmarks.mlm {shown}".strip()
