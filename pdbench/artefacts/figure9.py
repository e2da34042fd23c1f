"""Figure 9: accuracy against the similarity of the transfer set to the labelled set."""

from __future__ import annotations

from pdbench.artefacts.chart import Panel
from pdbench.artefacts.context import Context
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
from pdbench.study import Cell

CAPTION = (
    "Accuracy against the similarity S of the transfer set to the labelled set: the Spearman "
    "correlation of their word-frequency ranks. All transfer sets of a panel have one size; "
    "lines without marks are methods that need none."
)


def draw(context: Context) -> Drawing:
    """Draw this study's panel beside the paper's."""
    panels = (_own_panel(context), _published_panel(context))
    chart = beside_paper(context, "figure9", panels, "Similarity S of the transfer set")
    return draw_chart(chart, CAPTION)


def _own_panel(context: Context) -> Panel:
    cells = context.study.artefact_cells("figure9")
    task = cells[0].task
    distilled = sorted(
        (cell for cell in cells if cell.transfer is not None),
        key=lambda cell: context.similarity(cell.transfer or "", task),
    )
    methods = list(dict.fromkeys(cell.method for cell in cells))
    distilled.sort(key=lambda cell: methods.index(cell.method))
    places = {cell.transfer or "": _place(context, cell) for cell in distilled}
    labels = {name: context.study.transfer_sets[name].label or name for name in places}
    notes = sorted((place.x, f"{labels[name]}, {place.x:.2f}") for name, place in places.items())
    return Panel(
        own_title(context, task),
        curves(context, distilled, lambda cell: places[cell.transfer or ""], sized=False),
        (*context.bounds(task), *baselines(context, cells, sized=False)),
        notes=tuple(notes),
    )


def _place(context: Context, cell: Cell) -> Position:
    similarity = context.similarity(cell.transfer or "", cell.task)
    return Position(similarity, f"S = {similarity:.2f}")


def _published_panel(context: Context) -> Panel:
    references = context.published_students("figure9")
    distilled = [reference for reference in references if reference.similarity is not None]

    def place(similarity: float | None) -> Position:
        return Position(similarity or 0.0, f"{similarity:.2f}")

    return Panel(
        f"{PAPER}: {references[0].task}",
        published_curves(context, distilled, lambda r: place(r.similarity), sized=False),
        context.published_levels("figure9", "pf", "basic"),
        ticks=ticks_of(place(reference.similarity) for reference in distilled),
        published=True,
    )
