"""What it does to the choice that the first seed makes it: a table whose answer is known."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from benchmarks.selection import grids, main, simulated
from pdbench.core.errors import DataError
from pdbench.data.table import write_table

DEV = {"a": (0.80, 0.70, 0.75), "b": (0.70, 0.76, 0.74)}
"""Of two points with three seeds: a is best in the mean, and seed 1 alone prefers b."""

TEST = {"a": (0.80, 0.82, 0.84), "b": (0.80, 0.80, 0.80)}


def table(cells: int = 2) -> pd.DataFrame:
    """Cells of the same scores, and a teacher."""
    rows = [
        {
            "cell": f"cell{number}",
            "method": "basic",
            "run": f"seed{seed}_{point}",
            "seed_index": seed,
            "dev_accuracy": DEV[point][seed],
            "test_accuracy": TEST[point][seed],
            "dev_digest": "1",
            "test_digest": "2",
        }
        for number in range(cells)
        for point in DEV
        for seed in range(3)
    ]
    teacher = {"cell": "t", "method": "teacher", "run": "seed0", "seed_index": 0}
    return pd.DataFrame([*rows, {**teacher, "dev_accuracy": 0.9, "test_accuracy": 0.9}])


def test_one_seed_in_three_chooses_otherwise_and_costs_two_points() -> None:
    """The point that it prefers is 80 on test in the mean, and the other 82."""
    found = simulated(list(grids(table())))

    assert (found.cells, found.choices) == (2, 6)
    assert found.agrees == pytest.approx(2 / 3)
    assert found.loss == pytest.approx(2 / 3)
    assert found.spread == pytest.approx((6 * (2 / 9) * 4 / 5) ** 0.5)
    assert found.loss_within == pytest.approx((2 / 3, 2 / 3)), "both cells are the same"


def test_a_grid_with_a_hole_is_refused() -> None:
    """Where only the first seed has every point, nothing can be said of the others' choice."""
    frame = table()
    lost = frame[~((frame["run"] == "seed2_b") & (frame["cell"] == "cell1"))]

    with pytest.raises(DataError, match="cell1: not every grid point has every seed number"):
        list(grids(lost))


def test_it_prints_what_it_found(tmp_path: Path) -> None:
    """As lines, as JSON, and of a table without grids one line."""
    path = tmp_path / "results.parquet"
    write_table(path, table())

    assert "66.67 %" in CliRunner().invoke(main, [str(path)]).output
    as_json = CliRunner().invoke(main, [str(path), "--json"]).output
    assert json.loads(as_json)["agrees"] == pytest.approx(2 / 3)

    write_table(path, table()[lambda rows: rows["run"].str.endswith(("_a", "seed0"))])
    refused = CliRunner().invoke(main, [str(path)])
    assert refused.exit_code == 1
    assert "no cell has several grid points" in refused.output
