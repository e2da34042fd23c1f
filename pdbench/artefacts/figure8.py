"""Figure 8: accuracy against the size of the transfer set."""

from __future__ import annotations

from pdbench.artefacts.chart import Panel
from pdbench.artefacts.context import Context, short_count
from pdbench.artefacts.panels import (
    PAPER,
    Position,
    baselines,
    beside_paper,
    curves,
    own_title,
    published_curves,
    ticks_of,
)
from pdbench.artefacts.result import Drawing, draw_chart

CAPTION = (
    "Accuracy against the number of unlabelled items that the teacher labels for the student. "
    "Lines without marks are methods that need no transfer set. The paper's 100k is approximate."
)


def draw(context: Context) -> Drawing:
    """Draw this study's panel beside the paper's."""
    panels = (_own_panel(context), _published_panel(context))
    chart = beside_paper(
        context, "figure8", panels, "Items of the transfer set (logarithmic)", logarithmic=True
    )
    return draw_chart(chart, CAPTION)


def _own_panel(context: Context) -> Panel:
    cells = context.study.artefact_cells("figure8")
    sizes = {name: chosen.size for name, chosen in context.study.transfer_sets.items()}
    distilled = [cell for cell in cells if cell.transfer is not None]
    places = {name: _place(sizes[name]) for name in {cell.transfer or "" for cell in distilled}}
    return Panel(
        own_title(context, cells[0].task),
        curves(context, distilled, lambda cell: places[cell.transfer or ""]),
        (*context.bounds(cells[0].task), *baselines(context, cells)),
        ticks=ticks_of(sorted(places.values())),
    )


def _published_panel(context: Context) -> Panel:
    references = context.published_students("figure8")
    distilled = [reference for reference in references if reference.transfer_size]
    return Panel(
        f"{PAPER}: {references[0].task}",
        published_curves(context, distilled, lambda r: _place(r.transfer_size or 0)),
        context.published_levels("figure8", "basic", sized=True),
        ticks=ticks_of(_place(reference.transfer_size or 0) for reference in distilled),
        published=True,
    )


def _place(items: int) -> Position:
    return Position(items, short_count(items))
