"""Figures of scores, each from its declaration: this study's panels, then the paper's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from pdbench.artefacts.catalogue import ARTEFACTS, SIZE, ScoreFigure
from pdbench.artefacts.chart import Chart, Level, Mark, Panel, Series
from pdbench.artefacts.context import Context
from pdbench.artefacts.tables import Drawn
from pdbench.core.words import short_count
from pdbench.data.columns import TEACHER
from pdbench.evidence import PAPER_SIZES, Interval, Reference
from pdbench.study import PAPER_ARCHITECTURES, Architecture, Cell
from pdbench.study.axes import Axes, Setting, settings_of

_Place: TypeAlias = Architecture | float
"""A value along the horizontal axis: a size, a number of items, or a similarity."""

_Positions: TypeAlias = dict[_Place, tuple[float, str]]
"""Where each value stands on the horizontal axis, and what it is called there."""


_QUOTED = "accuracy_points_or_percent"
"""A difference in the paper's text, whose unit (points or relative) it leaves open."""


@dataclass(frozen=True)
class _Shown:
    """The mark of a score that has no position yet; without a place it becomes a line."""

    method: str
    name: str
    place: _Place | None
    mark: Mark


def draw(context: Context, artefact: str) -> Drawn:
    """Draw a figure of scores, and complete its caption with what all of them must say."""
    from pdbench.artefacts.render import render

    chart = chart_of(context, artefact)
    said = [r for r in context.published(artefact) if r.metric == _QUOTED]
    quoted = " and ".join(f"{reference.value:g}% on {reference.task}" for reference in said)
    caption = _declared(artefact).caption.format(quoted=quoted)
    return Drawn(
        chart.rows(),
        f"{caption} {chart.how_measured()}",
        chart.tables(),
        chart.missing(),
        figure=render(chart),
        alt=chart.describe(),
    )


def chart_of(context: Context, artefact: str) -> Chart:
    """The chart of a figure: both sources are on one scale where the study has the paper's."""
    figure, cells = _declared(artefact), context.study.artefact_cells(artefact)
    rows: dict[object, list[Panel]] = {}
    for own in _grouped(context, cells, figure.axes.panel):
        (row,) = {tuple(settings_of(context.study, c)[one] for one in figure.row) for c in own}
        rows.setdefault(row, []).append(_own_panel(context, figure.axes, own))
    published = list(_published_panels(context, artefact, figure.axes))
    if published:
        rows.setdefault("paper" if figure.row else (), []).extend(published)
    metrics = dict.fromkeys(context.study.tasks[cell.task].metrics[0] for cell in cells)
    return Chart(
        panels=tuple(panel for row in rows.values() for panel in row),
        layout=tuple(map(len, rows.values())),
        x_label=figure.x_label,
        y_labels=(f"Test {' / '.join(metrics)} (%)", "Accuracy (%)"),
        bars=figure.bars,
        logarithmic=figure.logarithmic,
        share_y=context.study.scale == "paper",
    )


def _declared(artefact: str) -> ScoreFigure:
    figure = ARTEFACTS[artefact]
    assert isinstance(figure, ScoreFigure)
    return figure


def _grouped(
    context: Context, cells: Iterable[Cell], settings: Iterable[Setting]
) -> Iterable[list[Cell]]:
    groups: dict[tuple[object, ...], list[Cell]] = {}
    for cell in cells:
        found = settings_of(context.study, cell)
        groups.setdefault(tuple(found[one] for one in settings), []).append(cell)
    return groups.values()


def _own_panel(context: Context, axes: Axes, cells: list[Cell]) -> Panel:
    task, hidden = cells[0].task, cells[0].architecture.hidden
    width = f", H = {hidden}" if "hidden" in axes.panel else ""
    shown = [_of_cell(context, axes, cell) for cell in cells]
    positions = _positions(axes, _places(shown), context.size_name, "S = {:.2f}")
    panel = _panel(f"This study: {context.task_title(task)}{width}", shown, positions)
    panel = replace(panel, levels=(*_bounds(context, task), *panel.levels))
    if axes.x == ("text",):
        panel = replace(panel, ticks=(), notes=tuple(sorted(set(_notes(context, cells)))))
    return panel


def _published_panels(context: Context, artefact: str, axes: Axes) -> Iterator[Panel]:
    """The paper's scores of a figure: a panel for each width where this study has one."""
    scores = [r for r in context.published(artefact) if r.is_score]
    tasks = [r.task for r in scores if r.method != TEACHER]
    if not tasks:
        return
    names = {size: name for name, size in PAPER_SIZES.items()}
    by_width = "hidden" in axes.panel
    widths = dict.fromkeys(size.hidden for size in PAPER_ARCHITECTURES) if by_width else (None,)
    for hidden in widths:
        own = [size for size in PAPER_ARCHITECTURES if size.hidden == hidden]
        shown = [_of_reference(context, axes, r) for r in scores]
        if by_width:
            shown = [one for one in shown if one.place is None or one.place in own]
        places = {SIZE: PAPER_SIZES.values(), ("layers",): own}.get(axes.x) or _places(shown)
        positions = _positions(axes, places, lambda size: names.get(size, str(size)), "{:.2f}")
        width = f", H = {hidden}" if by_width else ""
        yield replace(_panel(f"Paper: {tasks[0]}{width}", shown, positions), published=True)


def _of_cell(context: Context, axes: Axes, cell: Cell) -> _Shown:
    place: _Place | None = cell.architecture
    if axes.x == ("items",):
        place = context.study.transfer_sets[cell.transfer].size if cell.transfer else None
    elif axes.x == ("text",):
        place = context.similarities[cell.transfer][cell.task] if cell.transfer else None
    score, size = context.scores.of(cell), context.size_name(cell.architecture)
    mark = Mark(0, "", score.interval, score.runs, score.degenerate, cell.key)
    return _Shown(cell.method, _name(context, axes, cell.method, size), place, mark)


def _of_reference(context: Context, axes: Axes, reference: Reference) -> _Shown:
    value, off = reference.value, reference.tolerance
    interval = Interval(value, value - off, value + off, 1)
    mark = Mark(0, "", interval, verdict=context.verdict(reference))
    size = reference.name or reference.architecture
    place: _Place | None = None
    if axes.x == ("items",):
        place = reference.transfer_size
    elif axes.x == ("text",):
        place = reference.similarity
    elif reference.method != TEACHER:
        place = Architecture.parse(reference.architecture)
    return _Shown(reference.method, _name(context, axes, reference.method, size), place, mark)


def _name(context: Context, axes: Axes, method: str, size: str) -> str:
    """What a curve or line is called: its method, and its size where several are drawn."""
    sized = "layers" in axes.series and method != TEACHER
    return f"{context.method_name(method)}, {size}" if sized else context.method_name(method)


def _places(shown: Iterable[_Shown]) -> list[_Place]:
    return list(dict.fromkeys(one.place for one in shown if one.place is not None))


def _positions(
    axes: Axes, places: Iterable[_Place], size_name: Callable[[Architecture], str], similarity: str
) -> _Positions:
    """Sizes stand in their order and depths in ascending order; numbers stand where they are."""
    sizes = [place for place in places if isinstance(place, Architecture)]
    if axes.x == SIZE:
        names = [f"{size_name(size)}\n{size}".removeprefix(f"{size}\n") for size in sizes]
        return dict(zip(sizes, enumerate(names), strict=True))
    if axes.x == ("layers",):
        return dict(zip(sorted(sizes), enumerate(map(_depth, sorted(sizes))), strict=True))
    write = short_count if axes.x == ("items",) else similarity.format
    return {place: (place, write(place)) for place in places if isinstance(place, int | float)}


def _panel(title: str, shown: Iterable[_Shown], positions: _Positions) -> Panel:
    """A panel of curves from left to right, and of lines for what has no place."""
    curves: dict[tuple[str, str], list[Mark]] = {}
    levels = []
    for one in shown:
        mark = one.mark
        if one.place is None:
            levels.append(Level(one.name, one.method, mark.interval, mark.cell, mark.verdict))
        else:
            x, label = positions[one.place]
            found = replace(mark, x=x, label=label.replace("\n", " "))
            curves.setdefault((one.method, one.name), []).append(found)
    series = tuple(
        Series(name, method, tuple(sorted(marks, key=lambda mark: mark.x)))
        for (method, name), marks in curves.items()
    )
    return Panel(title, series, tuple(levels), tuple(sorted(positions.values())))


def _bounds(context: Context, task: str) -> Iterator[Level]:
    """The lines between which students stand: the teacher, and the majority class.

    The majority class has a line only where the metric shown is accuracy.
    """
    scores = context.scores
    yield Level("Teacher", "teacher", scores.teacher(task).interval, scores.teacher_key(task))
    if context.study.tasks[task].metrics[0] == "accuracy":
        share = 100 * context.audit["tasks"][task]["majority"]["test"]
        yield Level("Majority class", "majority", Interval(share, share, share, 1))


def _notes(context: Context, cells: Iterable[Cell]) -> Iterator[tuple[float, str]]:
    """Each transfer set's similarity, with its name."""
    for cell in cells:
        if cell.transfer is not None:
            similarity = context.similarities[cell.transfer][cell.task]
            name = context.study.transfer_sets[cell.transfer].label or cell.transfer
            yield similarity, f"{name}, {similarity:.2f}"


def _depth(size: Architecture) -> str:
    millions = size.parameters() / 1e6
    return f"{size.layers}\n{millions:.1f}" if millions < 10 else f"{size.layers}\n{millions:.0f}"
