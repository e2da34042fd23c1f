"""Charts of scores: panels of series of marks, each made from its figure's declaration.

The picture, the CSV beside it, its caption and its alternative text are all made from the
same marks, so none of them can say something that another does not.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from pdbench.artefacts.catalogue import ARTEFACTS, ScoreFigure
from pdbench.artefacts.context import Context
from pdbench.artefacts.tables import ABSENT, Row, Table, marks_in_words, numbers, seeds_in_words
from pdbench.core.words import short_count
from pdbench.data.columns import TEACHER
from pdbench.evidence import PAPER_SIZES, Interval, Reference
from pdbench.study import PAPER_ARCHITECTURES, Architecture, Cell
from pdbench.study.axes import Axes, Setting, settings_of

_QUOTED = "accuracy_points_or_percent"  # whether relative or not, the paper's text leaves open

_Place: TypeAlias = Architecture | float  # a size, a number of items, or a similarity
_Positions: TypeAlias = dict[_Place, tuple[float, str]]
"""Where each value stands on the horizontal axis, and what it is called there."""


@dataclass(frozen=True)
class Mark:
    """One point or bar: one of ours has its runs and its cell's key, a published one a verdict."""

    x: float
    label: str  # what stands at ``x``, in words ("Tiny 2/128")
    interval: Interval  # mean and interval in per cent; a published value has its reading tolerance
    runs: tuple[float, ...] = ()
    degenerate: int = 0  # how many of the runs predict one class only
    cell: str | None = None
    verdict: str = ""


@dataclass(frozen=True)
class Series:
    """Marks of one method that belong together."""

    name: str
    method: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Level:
    """A horizontal line across a panel: the teacher, the majority class, a baseline."""

    name: str
    method: str
    interval: Interval
    cell: str | None = None
    verdict: str = ""


@dataclass(frozen=True)
class Panel:
    """One pair of axes; ``published`` panels are drawn with hollow marks."""

    title: str
    series: tuple[Series, ...]
    levels: tuple[Level, ...] = ()
    ticks: tuple[tuple[float, str], ...] = ()
    published: bool = False
    notes: tuple[tuple[float, str], ...] = ()

    @property
    def marks(self) -> list[Mark]:
        """The marks of all series."""
        return [mark for series in self.series for mark in series.marks]

    @property
    def shown(self) -> list[Mark | Level]:
        """All marks and lines."""
        return [*self.marks, *self.levels]


@dataclass(frozen=True)
class Chart:
    """A figure of several panels with a common legend."""

    panels: tuple[Panel, ...]
    layout: tuple[int, ...]  # how many panels each row has, from top to bottom
    x_label: str
    y_labels: tuple[str, str]  # label of the vertical axis of this study's and of published panels
    bars: bool = False
    logarithmic: bool = False
    share_y: bool = False  # whether this study and the paper are on one scale
    about: str = ""  # what it shows, the first words of its caption

    def row_length(self, panel: Panel) -> int:
        """How many panels stand in the same row as ``panel``."""
        index, ends = self.panels.index(panel), itertools.accumulate(self.layout)
        return next(n for n, end in zip(self.layout, ends, strict=True) if index < end)

    def rows(self) -> list[Row]:
        """Everything that is plotted, one dictionary a mark or line, in drawing order."""
        measures = self.y_labels
        return [{**r, "measure": measures[p.published]} for p in self.panels for r in _rows(p)]

    def tables(self) -> list[Table]:
        """The numbers of each panel as a table: series and lines down, positions across."""
        return [_table(panel) for panel in self.panels if panel.series]

    def missing(self) -> tuple[str, ...]:
        """The keys of the cells that have no mark because a run is missing."""
        shown = [one for panel in self.panels for one in panel.shown]
        return tuple(dict.fromkeys(s.cell for s in shown if s.cell and s.interval.n == 0))

    def legend(self) -> dict[tuple[str, str], tuple[Series | Level, Panel]]:
        """Every series and line once by method and name, those of this study first."""
        found: dict[tuple[str, str], tuple[Series | Level, Panel]] = {}
        for panel in sorted(self.panels, key=lambda panel: panel.published):
            both: tuple[Series | Level, ...] = (*panel.series, *panel.levels)
            for one in both:
                found.setdefault((one.method, one.name), (one, panel))
        return found

    def caption(self) -> str:
        """Say what it shows, how many seeds and which interval, and what is missing."""
        own = [mark for panel in self.panels if not panel.published for mark in panel.marks]
        published = [mark for panel in self.panels if panel.published for mark in panel.marks]
        verdicts = [one.verdict for panel in self.panels for one in panel.shown if one.verdict]
        words = [self.about]
        if seeds := {mark.interval.n for mark in own} - {0}:
            means = f"Marks are means over {seeds_in_words(seeds)} of a student"
            bars = (
                ", bars 95% t intervals over seeds on this test set, cut where they leave the panel"
            )
            words.append(f"{means}, short strokes single runs{bars if max(seeds) > 1 else ''}.")
        if error := round(max((mark.interval.half_width for mark in published), default=0.0), 4):
            read = f"Hollow marks are the paper's numbers, read off its figure within ±{error:g}"
            words.append(f"{read}, on {'the same' if self.share_y else 'its own'} scale.")
        if verdicts:
            words.append(marks_in_words(verdicts))
        if degenerate := sum(mark.degenerate for mark in own):
            words.append(f"{degenerate} of the runs predict one class only.")
        if self.missing():
            words.append(f"Missing cells (crosses): {', '.join(self.missing())}.")
        return " ".join(filter(None, words))

    def describe(self) -> str:
        """Say in words what the chart shows, for readers who do not see it."""
        return " ".join(_describe(panel) for panel in self.panels)


def _rows(panel: Panel) -> Iterator[Row]:
    place: Row = {"source": "paper" if panel.published else "this study", "panel": panel.title}
    for series in panel.series:
        for mark in series.marks:
            named: Row = {**place, "series": series.name, "x": mark.x, "label": mark.label}
            runs = " ".join(f"{run:.4f}" for run in mark.runs)
            behind: Row = {"runs": runs, "degenerate": mark.degenerate, "cell": mark.cell}
            yield {**named, **numbers(mark.interval), **behind, "verdict": mark.verdict}
    for level in panel.levels:
        named = {**place, "series": level.name, "label": "line", **numbers(level.interval)}
        yield {**named, "cell": level.cell, "verdict": level.verdict}


def _table(panel: Panel) -> Table:
    places = list(dict.fromkeys((mark.x, mark.label) for mark in panel.marks))
    rows, keys = [], []
    for series in panel.series:
        shown = {(mark.x, mark.label): mark for mark in series.marks}
        found = [shown.get(place) for place in places]
        rows.append((series.name, *map(_text, found)))
        keys.append(("", *((mark.cell or "") if mark else "" for mark in found)))
    for level in panel.levels:
        rows.append((level.name, *[_text(level)] * len(places)))
        keys.append(("", *[level.cell or ""] * len(places)))
    columns, align = ("", *(label for _, label in places)), "l" + "r" * len(places)
    return Table(panel.title, columns, tuple(rows), align, tuple(keys))


def _text(shown: Mark | Level | None) -> str:
    return ABSENT if shown is None else f"{shown.interval} {shown.verdict}".strip()


def _describe(panel: Panel) -> str:
    parts = []
    for series in panel.series:
        means = [f"{m.interval.mean:.1f} at {m.label}" for m in series.marks if m.interval.n]
        ends = f"from {means[0]} to {means[-1]}" if len(means) > 1 else "".join(means)
        parts.append(f"{series.name} {ends or 'missing'}")
    for level in panel.levels:
        mean = f"{level.interval.mean:.1f}" if level.interval.n else "missing"
        parts.append(f"{level.name} {mean}")
    return f"{panel.title}: {'; '.join(parts)}."


@dataclass(frozen=True)
class _Shown:
    """The mark of a score that has no position yet; without a place it becomes a line."""

    method: str
    name: str
    place: _Place | None
    mark: Mark


def chart_of(context: Context, artefact: str) -> Chart:
    """The chart of a figure: both sources are on one scale where they can be compared."""
    figure, cells = ARTEFACTS[artefact], context.scores.study.artefact_cells(artefact)
    assert isinstance(figure, ScoreFigure)
    rows: dict[object, list[Panel]] = {}
    for own in _grouped(context, cells, figure.axes.panel):
        (row,) = {tuple(settings_of(context.study, c)[one] for one in figure.row) for c in own}
        rows.setdefault(row, []).append(_own_panel(context, figure.axes, own))
    published = list(_published_panels(context, artefact, figure.axes))
    if published:
        rows.setdefault("paper" if figure.row else (), []).extend(published)
    said = [r for r in context.published(artefact) if r.metric == _QUOTED]
    quoted = " and ".join(f"{reference.value:g}% on {reference.task}" for reference in said)
    metrics = dict.fromkeys(context.study.tasks[cell.task].metrics[0] for cell in cells)
    return Chart(
        panels=tuple(panel for row in rows.values() for panel in row),
        layout=tuple(map(len, rows.values())),
        x_label=figure.x_label,
        y_labels=(f"Test {' / '.join(metrics)} (%)", "Accuracy (%)"),
        bars=figure.bars,
        logarithmic=figure.logarithmic,
        share_y=context.is_comparable(artefact),
        about=figure.caption.format(quoted=quoted),
    )


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
        sets = {cell.transfer for cell in cells if cell.transfer}
        similar = {name: context.similarities[name][task] for name in sets}
        labels = {name: context.study.transfer_sets[name].label or name for name in sets}
        notes = sorted({(s, f"{labels[name]}, {s:.2f}") for name, s in similar.items()})
        panel = replace(panel, ticks=(), notes=tuple(notes))
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
        of_size: Iterable[_Place] = PAPER_SIZES.values() if "hidden" in axes.x else own
        places = of_size if "layers" in axes.x else _places(shown)
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
        place = reference.size
    return _Shown(reference.method, _name(context, axes, reference.method, size), place, mark)


def _name(context: Context, axes: Axes, method: str, size: str) -> str:
    sized = "layers" in axes.series and method != TEACHER
    return f"{context.method_name(method)}, {size}" if sized else context.method_name(method)


def _places(shown: Iterable[_Shown]) -> list[_Place]:
    return list(dict.fromkeys(one.place for one in shown if one.place is not None))


def _positions(
    axes: Axes, places: Iterable[_Place], size_name: Callable[[Architecture], str], similarity: str
) -> _Positions:
    """Sizes stand in their order and depths in ascending order; numbers stand where they are."""
    sizes = [place for place in places if isinstance(place, Architecture)]
    if "hidden" in axes.x:
        names = [f"{size_name(size)}\n{size}".removeprefix(f"{size}\n") for size in sizes]
        return dict(zip(sizes, enumerate(names), strict=True))
    if axes.x == ("layers",):
        millions = {size: size.parameters() / 1e6 for size in sorted(sizes)}
        depths = [f"{s.layers}\n{m:.{int(m < 10)}f}" for s, m in millions.items()]
        return dict(zip(millions, enumerate(depths), strict=True))
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
    """The lines between which students stand; the majority class has one for accuracy only."""
    scores = context.scores
    yield Level("Teacher", "teacher", scores.teacher(task).interval, scores.teacher_key(task))
    if context.study.tasks[task].metrics[0] == "accuracy":
        share = 100 * context.audit["tasks"][task]["majority"]["test"]
        yield Level("Majority class", "majority", Interval(share, share, share, 1))
