"""Whether two cells were trained with the same budget: what must be equal to compare them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pdbench.evidence.sides import Side
from pdbench.study import Cell

ITEMS_APART = 0.01
"""Share by which items seen may differ: where the last pass is not a whole one, it depends on the
seed whether the shorter batch of the pass was in it."""

DATA = ("train", "dev", "test")
SHARED = "soft_labels"


def same_budget(
    baseline: tuple[Side, Cell], candidate: tuple[Side, Cell], *, by_seed: bool
) -> Iterator[str]:
    """Every quantity in which two whole cells differ: "updates 250 v 200", the baseline first.

    Updates, items seen, grid points, the transfer set and, where both tables have their digests,
    the data themselves. The number of seeds is no part of it: more seeds are no better a
    score, only a better known one. Neither is where the weights begin, which is what a method is.

    Args:
        baseline: The table and the cell of the measure.
        candidate: Those of what is measured.
        by_seed: Compare run by run, with the same seeds and the same test examples, as two
            versions of the code are: their teachers and so their soft labels may differ.
    """
    (one, first), (other, second) = baseline, candidate
    ours, theirs = one.runs(first.key), other.runs(second.key)
    if first.transfer != second.transfer:
        yield _differ("transfer set", first.transfer or "none", second.transfer or "none")
    for name, column, apart in (("updates", "steps", 0.0), ("items seen", "examples", ITEMS_APART)):
        mean, its = float(ours[column].mean()), float(theirs[column].mean())
        if not abs(mean - its) <= apart * mean:  # nor where one was not recorded
            yield _differ(name, f"{mean:,.0f}", f"{its:,.0f}")
    points = one.grid_points(first.key), other.grid_points(second.key)
    if points[0] != points[1]:
        yield _differ("grid points", *points)
    for role in DATA if by_seed else (*DATA, SHARED):
        if _digests(ours, role) and _digests(theirs, role) not in ([], _digests(ours, role)):
            yield f"data of {role} not the same"
    if by_seed:
        yield from _same_runs(one, other, first, second)


def _same_runs(one: Side, other: Side, first: Cell, second: Cell) -> Iterator[str]:
    seeds = [list(side.chosen(cell.key)["seed"]) for side, cell in ((one, first), (other, second))]
    if seeds[0] != seeds[1]:
        yield _differ("seeds", *(", ".join(map(str, found)) for found in seeds))
    if list(one.labels(first.task)) != list(other.labels(second.task)):
        yield "labels of the test examples not the same"


def _digests(rows: Any, role: str) -> list[str]:
    """The digests of one kind of data that a cell's runs have read."""
    column = f"{role}_digest"
    return sorted(set(rows[column].dropna())) if column in rows else []


def _differ(what: str, baseline: object, candidate: object) -> str:
    return f"{what} {baseline} v {candidate}"
