"""Figure 6: four training recipes over every depth and width of the student."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pdbench.artefacts.chart import Panel
from pdbench.artefacts.context import Context
from pdbench.artefacts.panels import (
    PAPER,
    Position,
    beside_paper,
    curves,
    own_title,
    published_curves,
    ticks_of,
)
from pdbench.artefacts.result import Drawing, draw_chart
from pdbench.evidence import Reference
from pdbench.study import PAPER_ARCHITECTURES, Architecture, Cell

CAPTION = (
    "Accuracy of four recipes on every size of the student: one panel a width (hidden size H), "
    "depth from left to right with the millions of parameters under it. "
    "Which number the figure has in the paper is inferred."
)


def draw(context: Context) -> Drawing:
    """Draw a row of panels of this study above a row of the paper's."""
    cells = context.study.artefact_cells("figure6")
    references = context.published_students("figure6")
    own = [
        _own_panel(context, [cell for cell in cells if cell.architecture.hidden == hidden])
        for hidden in dict.fromkeys(cell.architecture.hidden for cell in cells)
    ]
    widths = dict.fromkeys(size.hidden for size in PAPER_ARCHITECTURES)
    published = [_published_panel(context, references, hidden) for hidden in widths]
    chart = beside_paper(
        context,
        "figure6",
        (*own, *published),
        "Layers (million parameters)",
        layout=(len(own), len(published)),
    )
    return draw_chart(chart, CAPTION)


def _own_panel(context: Context, cells: Sequence[Cell]) -> Panel:
    place = _places(dict.fromkeys(cell.architecture for cell in cells))
    task, hidden = cells[0].task, cells[0].architecture.hidden
    return Panel(
        f"{own_title(context, task)}, H = {hidden}",
        curves(context, cells, lambda cell: place(cell.architecture), sized=False),
        context.bounds(task),
        ticks=ticks_of(place(cell.architecture) for cell in cells),
    )


def _published_panel(context: Context, references: Sequence[Reference], hidden: int) -> Panel:
    sizes = [size for size in PAPER_ARCHITECTURES if size.hidden == hidden]
    place = _places(sizes)
    own = {str(size): size for size in sizes}
    series = published_curves(
        context,
        [r for r in references if r.architecture in own],
        lambda reference: place(own[reference.architecture]),
        sized=False,
    )
    return Panel(
        f"{PAPER}: {references[0].task}, H = {hidden}",
        series,
        context.published_levels("figure6"),
        ticks=ticks_of(place(size) for size in sizes),
        published=True,
    )


def _places(sizes: Iterable[Architecture]) -> Callable[[Architecture], Position]:
    depths = sorted(size.layers for size in sizes)

    def place(size: Architecture) -> Position:
        millions = size.parameters() / 1e6
        short = f"{millions:.1f}" if millions < 10 else f"{millions:.0f}"
        return Position(depths.index(size.layers), f"{size.layers}\n{short}")

    return place
