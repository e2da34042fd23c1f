"""What it does to the choice of a grid point that the first seed number alone makes it.

Run ``python -m benchmarks.selection results.parquet [--json]`` on a table whose cells have every
grid point with every seed number. Each seed number is taken for the first one in turn.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from pdbench.core.errors import DataError
from pdbench.core.lines import say
from pdbench.data.columns import TEACHER
from pdbench.data.table import read_table
from pdbench.study.catalogue.metrics import METRICS
from pdbench.study.cells import point_of

_REDRAWN = 10_000
_LEVEL = 0.95


@dataclass(frozen=True)
class Grid:
    """A cell's scores in per cent on dev and test, (points, seed numbers), points by name."""

    cell: str
    dev: NDArray[np.float64]
    test: NDArray[np.float64]

    @property
    def chosen(self) -> int:
        """The point that is best in the mean over seed numbers; of equal ones the first."""
        return int(self.dev.mean(axis=1).argmax())

    @property
    def chosen_by_each(self) -> list[int]:
        """The point that each seed number chooses alone."""
        return [int(point) for point in self.dev.argmax(axis=0)]

    @property
    def losses(self) -> NDArray[np.float64]:
        """What the choice of each seed number costs, (seed numbers,), in points of the test score.

        Of the mean over all seed numbers: that of the point which their mean chooses, less that of
        the point which the one chooses.
        """
        means = self.test.mean(axis=1)
        return np.asarray(means[self.chosen] - means[self.chosen_by_each], dtype=np.float64)


@dataclass(frozen=True)
class Found:
    """What the first seed's choice does over all cells and all choices of the first.

    ``agrees`` is the share of choices that are those of the mean, ``loss`` the mean cost in points
    of the test score and ``spread`` its standard deviation over choices, each but the last with
    a 95% interval over cells, drawn anew: the seed numbers of one cell are not independent.
    """

    cells: int
    choices: int
    agrees: float
    agrees_within: tuple[float, float]
    loss: float
    loss_within: tuple[float, float]
    spread: float


def grids(frame: Any, metric: str | None = None) -> Iterator[Grid]:
    """The grids of a table of results; cells of one point or one seed number say nothing.

    ``metric`` is the one that both chooses and counts, by default the first that has a test score.

    Raises:
        DataError: A cell has not every grid point with every seed number.
    """
    for key, rows in frame[frame["method"] != TEACHER].groupby("cell"):
        names = (metric,) if metric else _metrics(frame)
        scored = next((m for m in names if rows[f"test_{m}"].notna().all()), names[0])
        point = rows["run"].map(point_of)
        tables = [
            rows.assign(point=point).pivot_table(
                index="point", columns="seed_index", values=f"{split}_{scored}"
            )
            for split in ("dev", "test")
        ]
        if min(tables[0].shape) < 2:
            continue
        if any(table.isna().to_numpy().any() for table in tables):
            what = f"cell {key}: not every grid point has every seed number"
            raise DataError(what, "train it with training.select: all-seeds")
        yield Grid(str(key), *(100 * table.to_numpy(float) for table in tables))


def _metrics(frame: Any) -> tuple[str, ...]:
    return tuple(name for name in METRICS if {f"dev_{name}", f"test_{name}"} <= set(frame))


def simulated(found: list[Grid]) -> Found:
    """What the first seed's choice does; each seed number is the first in turn."""
    agrees = [[point == grid.chosen for point in grid.chosen_by_each] for grid in found]
    losses = [grid.losses for grid in found]
    every = np.concatenate(losses)
    return Found(
        cells=len(found),
        choices=len(every),
        agrees=float(np.concatenate(agrees).mean()),
        agrees_within=_interval([np.asarray(own, float) for own in agrees]),
        loss=float(every.mean()),
        loss_within=_interval(losses),
        spread=float(every.std(ddof=1)),
    )


def _interval(by_cell: list[NDArray[np.float64]]) -> tuple[float, float]:
    """A 95% interval of the mean over choices: cells are drawn anew, whole."""
    if len(by_cell) < 2:
        return (math.nan, math.nan)
    sums = np.array([own.sum() for own in by_cell])
    counts = np.array([len(own) for own in by_cell])
    drawn = np.random.default_rng(0).integers(len(by_cell), size=(_REDRAWN, len(by_cell)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return float(low), float(high)


def _lines(found: Found) -> Iterator[str]:
    yield f"{found.cells} cells, {found.choices} choices of a first seed number"
    for words, value, (low, high), unit in (
        ("it chooses as the mean does", 100 * found.agrees, found.agrees_within, "%"),
        ("cost of its choice on test", found.loss, found.loss_within, "points"),
    ):
        scale = 100 if unit == "%" else 1
        within = f"[{scale * low:.2f}, {scale * high:.2f}]"
        yield f"{words}: {value:.2f} {unit} {within}, 95% over cells"
    yield f"spread of that cost over choices: {found.spread:.2f} points"


@click.command()
@click.argument("table", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--metric", help="Which chooses and counts.  [default: the first with a score]")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
def main(table: Path, metric: str | None, is_json: bool) -> None:
    """Say what it does to the choice of grid points in TABLE that one seed number makes it."""
    try:
        own = list(grids(read_table(table), metric))
        if not own:
            what = f"{table}: no cell has several grid points and several seed numbers"
            raise DataError(what, "name a table of a study that has them")
    except DataError as error:
        raise click.ClickException(str(error)) from error
    found = simulated(own)
    say(*([json.dumps(asdict(found), indent=2)] if is_json else _lines(found)))


if __name__ == "__main__":
    main()
