"""Panels that several figures share: a score against the size of the student."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pdbench.artefacts.chart import Chart, Level, Mark, Panel, Series
from pdbench.artefacts.context import Context
from pdbench.evidence import PAPER_SIZES, Reference
from pdbench.study import Architecture, Cell

PAPER = "Paper"


@dataclass(frozen=True, order=True)
class Position:
    """Where a size stands on the horizontal axis, and what it is called there."""

    x: float
    label: str


def size_chart(context: Context, artefact: str) -> Chart:
    """A panel of each task over the sizes of an artefact, and the paper's panel beside them."""
    cells = context.study.artefact_cells(artefact)
    tasks = dict.fromkeys(cell.task for cell in cells)
    own = [by_size(context, cells, task, own_title(context, task)) for task in tasks]
    panels = (*own, published_by_size(context, artefact))
    return beside_paper(context, artefact, panels, "Size of the student")


def beside_paper(
    context: Context,
    artefact: str,
    panels: tuple[Panel, ...],
    x_label: str,
    layout: tuple[int, ...] = (),
    *,
    logarithmic: bool = False,
) -> Chart:
    """Panels of an artefact and the paper's: on one scale only where they are of one scale.

    Args:
        context: What it is drawn from.
        artefact: Its id.
        panels: This study's panels, then the paper's.
        x_label: The label of the horizontal axis.
        layout: Panels of each row; all in one row if empty.
        logarithmic: Whether the horizontal axis is.
    """
    return Chart(
        panels=panels,
        layout=layout or (len(panels),),
        x_label=x_label,
        y_labels=y_labels(context, context.study.artefact_cells(artefact)),
        logarithmic=logarithmic,
        share_y=context.study.scale == "paper",
    )


def by_size(context: Context, cells: Sequence[Cell], task: str, title: str) -> Panel:
    """This study's scores on one task: a series a method, a mark a size, from small to large."""
    own = [cell for cell in cells if cell.task == task]
    sizes = list(dict.fromkeys(cell.architecture for cell in own))
    places = {size: _place(i, context.size_name(size), size) for i, size in enumerate(sizes)}
    return Panel(
        title,
        curves(context, own, lambda cell: places[cell.architecture], sized=False),
        context.bounds(task),
        ticks=ticks_of(places.values()),
    )


def curves(
    context: Context,
    cells: Iterable[Cell],
    place: Callable[[Cell], Position],
    *,
    sized: bool = True,
) -> tuple[Series, ...]:
    """One series for each method and, if ``sized``, size, in the order of the cells."""
    groups: dict[tuple[str, str], list[Mark]] = {}
    for cell in cells:
        size = context.size_name(cell.architecture) or str(cell.architecture)
        mark = context.mark(cell, place(cell).x, place(cell).label)
        groups.setdefault((cell.method, size if sized else ""), []).append(mark)
    return _series(context, groups)


def published_curves(
    context: Context,
    references: Iterable[Reference],
    place: Callable[[Reference], Position],
    *,
    sized: bool = True,
) -> tuple[Series, ...]:
    """One series for each method and, if ``sized``, size, named as in this study."""
    groups: dict[tuple[str, str], list[Mark]] = {}
    for reference in references:
        size = reference.name or reference.architecture
        mark = context.published_mark(reference, place(reference).x, place(reference).label)
        groups.setdefault((reference.method, size if sized else ""), []).append(mark)
    return _series(context, groups)


def _series(
    context: Context, groups: Mapping[tuple[str, str], Sequence[Mark]]
) -> tuple[Series, ...]:
    return tuple(
        Series(context.series_name(method, size), method, tuple(marks), variant)
        for ((method, size), marks), variant in zip(groups.items(), _variants(groups), strict=True)
    )


def baselines(context: Context, cells: Iterable[Cell], *, sized: bool = True) -> tuple[Level, ...]:
    """The cells that need no transfer set, as lines across a panel."""
    found = {
        (cell.method, context.size_name(cell.architecture) or str(cell.architecture)): cell
        for cell in cells
        if cell.transfer is None
    }
    return tuple(
        context.level(cell, context.series_name(method, size if sized else ""), variant)
        for ((method, size), cell), variant in zip(found.items(), _variants(found), strict=True)
    )


def _variants(groups: Iterable[tuple[str, str]]) -> list[int]:
    """For each (method, size), how many sizes of the same method come before it."""
    seen: dict[str, int] = {}
    variants = []
    for method, _ in groups:
        variants.append(seen.get(method, 0))
        seen[method] = variants[-1] + 1
    return variants


def published_by_size(context: Context, artefact: str) -> Panel:
    """The paper's curves of an artefact over its five named sizes."""
    references = context.published_students(artefact)
    places = {
        str(size): _place(i, name, size) for i, (name, size) in enumerate(PAPER_SIZES.items())
    }
    return Panel(
        f"{PAPER}: {references[0].task}",
        published_curves(context, references, lambda r: places[r.architecture], sized=False),
        context.published_levels(artefact),
        ticks=ticks_of(places.values()),
        published=True,
    )


def ticks_of(places: Iterable[Position]) -> tuple[tuple[float, str], ...]:
    """The ticks of an axis on which these positions stand."""
    return tuple(dict.fromkeys((place.x, place.label) for place in places))


def own_title(context: Context, task: str) -> str:
    """The title of a panel of this study."""
    return f"This study: {context.task_title(task)}"


def y_labels(context: Context, cells: Sequence[Cell]) -> tuple[str, str]:
    """The labels of the vertical axis: this study's metric and split, and the paper's."""
    return context.metric_label(cell.task for cell in cells), "Accuracy (%)"


def _place(index: int, name: str | None, size: Architecture) -> Position:
    return Position(index, f"{name}\n{size}" if name else str(size))
