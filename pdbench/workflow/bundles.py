"""Bundles: cells that one job trains one after the other.

A small cell takes no longer than its job takes to start, and a cluster queues every job. So
cells of one task and method that are estimated to be small share a job. Who shares one follows
from the cells themselves: another method changes no bundle, another size only those of its
task and methods.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pdbench.core.files import digest
from pdbench.study.cells import Cell
from pdbench.study.config import Study

BUNDLE = 60.0
"""Estimated seconds that a bundle may have if nothing else is asked for."""

MOST_CELLS = 200
"""Of one bundle: their names stand in its command."""


@dataclass(frozen=True)
class Bundle:
    """Cells that share a job.

    Attributes:
        name: The task, the method, the largest size among them and a digest of their keys.
        title: The same in words.
        cells: They, small sizes first.
    """

    name: str
    title: str
    cells: tuple[Cell, ...]

    @property
    def arguments(self) -> str:
        """The keys of its cells, as its command is told them."""
        return " ".join(cell.key for cell in self.cells)


class SeedOf(NamedTuple):
    """The runs of one seed of a cell."""

    cell: Cell
    seed: int

    def __str__(self) -> str:
        return f"{self.cell.key}.seed{self.seed}"


def partition(study: Study, seconds: Mapping[str, float], limit: float) -> list[Bundle]:
    """Put small cells into bundles; cells that are in none have a job of their own.

    Args:
        study: The study.
        seconds: The estimated seconds of every cell, by its key.
        limit: Estimated seconds of a bundle. A cell of as many or more is in none.
    """
    groups: dict[tuple[str, str], list[tuple[Cell, ...]]] = {}
    for unit in _units(study):
        if sum(seconds[cell.key] for cell in unit) < limit:
            groups.setdefault((unit[0].task, unit[0].method), []).append(unit)
    return [
        _bundle(cells)
        for units in groups.values()
        for cells in _filled(sorted(units, key=_size), seconds, limit)
        if len(cells) > 1
    ]


def _units(study: Study) -> list[tuple[Cell, ...]]:
    """Each trained cell, followed by those that only score its models."""
    units: dict[Cell, list[Cell]] = {}
    for cell in sorted(study.seeds, key=lambda cell: study.trained_by(cell) != cell):
        units.setdefault(study.trained_by(cell), []).append(cell)
    return [tuple(unit) for unit in units.values()]


def _size(unit: tuple[Cell, ...]) -> tuple[int, str]:
    return unit[0].architecture.encoder_parameters, unit[0].key


def _filled(
    units: list[tuple[Cell, ...]], seconds: Mapping[str, float], limit: float
) -> Iterator[list[Cell]]:
    """Cut a list of units where the next would exceed the limit."""
    cells: list[Cell] = []
    total = 0.0
    for unit in units:
        cost = sum(seconds[cell.key] for cell in unit)
        if cells and (total + cost > limit or len(cells) + len(unit) > MOST_CELLS):
            yield cells
            cells, total = [], 0.0
        cells += unit
        total += cost
    yield cells


def _bundle(cells: list[Cell]) -> Bundle:
    keys = tuple(cell.key for cell in cells)
    task, method, largest = cells[0].task, cells[0].method, cells[-1].architecture
    return Bundle(
        name=f"{task}.{method}.{largest.slug}.{digest(sorted(keys))[:8]}",
        title=f"{len(keys)} cells of {method} on {task}, up to {largest}",
        cells=tuple(cells),
    )
