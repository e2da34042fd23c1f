"""Figures of scores: their charts, drawn with matplotlib."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator

from pdbench.artefacts import style
from pdbench.artefacts.charts import Chart, Level, Mark, Panel, Series
from pdbench.core.words import shortened

_ROW_HEIGHT = 2.5
_LEGEND_HEIGHT = 0.55
_LEGEND_ROWS = 2
_DODGE = 0.008
_BARS_WIDTH = 0.8
_NOTE_GAP = 0.07
_NOTE_HEIGHT = 56.0

# Characters that are drawn of other people's words, which tables have whole.
_TITLES = 84  # of the titles of panels in a row together
_TITLE, _NAME, _TICK, _NOTE = 36, 40, 24, 36  # of one

_Looks: TypeAlias = dict[tuple[str, str], style.Appearance]


@dataclass(frozen=True)
class _Place:
    """Where the marks of one series stand beside those of the others at the same ``x``."""

    index: int
    count: int
    chart: Chart
    panel: Panel
    look: style.Appearance

    @property
    def step(self) -> float:
        """Distance of neighbouring series: a bar's width, or the same few points everywhere."""
        if self.chart.bars:
            return _BARS_WIDTH / self.count
        xs = [self._linear(mark.x) for mark in self.panel.marks]
        return _DODGE * self.chart.row_length(self.panel) * (max(xs) - min(xs))

    def x(self, mark: Mark) -> float:
        """Where a mark of this series is drawn."""
        x = self._linear(mark.x) + (self.index - (self.count - 1) / 2) * self.step
        return 10**x if self.chart.logarithmic else x

    def _linear(self, x: float) -> float:
        return math.log10(x) if self.chart.logarithmic else x


def render(chart: Chart) -> Figure:
    """Draw every panel, with one legend above them."""
    notes = _NOTE_HEIGHT / 72 if any(panel.notes for panel in chart.panels) else 0.0
    height = _ROW_HEIGHT * len(chart.layout) + _LEGEND_HEIGHT + notes
    with style.page_wide(height) as figure:
        looks = style.looks(chart.legend())
        for panel, axes in zip(chart.panels, _axes(figure, chart), strict=True):
            _draw(axes, panel, chart, looks)
        _legend(figure, chart, looks)
        return figure


def _axes(figure: Figure, chart: Chart) -> Iterable[Axes]:
    """One pair of axes a panel; rows of different length share the width of the figure."""
    width = math.lcm(*chart.layout)
    grid = figure.add_gridspec(len(chart.layout), width)
    panels = iter(chart.panels)
    first: dict[bool, Axes] = {}
    for row, count in enumerate(chart.layout):
        span = width // count
        for column in range(count):
            published = next(panels).published and not chart.share_y
            axes = figure.add_subplot(
                grid[row, column * span : (column + 1) * span], sharey=first.get(published)
            )
            first.setdefault(published, axes)
            if column and first[published] is not axes:
                axes.tick_params(labelleft=False, left=False)
            else:
                axes.set_ylabel(chart.y_labels[published])
            yield axes


def _draw(axes: Axes, panel: Panel, chart: Chart, looks: _Looks) -> None:
    axes.set_title(shortened(panel.title, max(_TITLE, _TITLES // chart.row_length(panel))))
    axes.set_xlabel(chart.x_label)
    if chart.logarithmic:
        axes.set_xscale("log")
    ticks = ["\n".join(shortened(w, _TICK) for w in label.split("\n")) for _, label in panel.ticks]
    axes.set_xticks([x for x, _ in panel.ticks], ticks)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10]))
    for level in panel.levels:
        if level.interval.n:
            axes.add_line(_level_line(level, looks[level.method, level.name], axes))
    for index, series in enumerate(panel.series):
        look = looks[series.method, series.name]
        _draw_series(axes, series, _Place(index, len(panel.series), chart, panel, look))
    _limit(axes, chart, panel)
    _draw_notes(axes, panel)


def _level_line(level: Level, look: style.Appearance, axes: Axes | None = None) -> Line2D:
    y = level.interval.mean
    line = Line2D([0, 1], [y, y], color=look.colour, linewidth=1.1, zorder=2, label=level.name)
    line.set_dashes(look.dashes)
    if axes is not None:
        line.set_transform(axes.get_yaxis_transform())
    return line


def _draw_series(axes: Axes, series: Series, place: _Place) -> None:
    shown = [mark for mark in series.marks if mark.interval.n]
    zorder = 4 + (place.count - place.index) / 10
    colour = place.look.colour
    if place.chart.bars:
        _draw_bars(axes, shown, place)
    xs = [place.x(mark) for mark in shown for _ in mark.runs]
    runs = [run for mark in shown for run in mark.runs]
    axes.scatter(xs, runs, s=20, marker="_", color=colour, linewidths=0.9, zorder=3.5)
    for mark in shown:
        ends = mark.interval.low, mark.interval.high
        axes.plot([place.x(mark)] * 2, ends, color=colour, linewidth=1, zorder=zorder)
    line = _series_line(series, place.look, place.panel.published, joined=not place.chart.bars)
    # The mean of a missing cell is NaN, so the line breaks there instead of bridging it.
    ys = [mark.interval.mean for mark in series.marks]
    line.set_data([place.x(mark) for mark in series.marks], ys)
    line.set_zorder(zorder)
    axes.add_line(line)
    xs = [place.x(mark) for mark in series.marks if not mark.interval.n]
    across = axes.get_xaxis_transform()
    axes.scatter(xs, [0.03] * len(xs), s=22, marker="x", color=colour, transform=across, zorder=5)


def _series_line(
    series: Series, look: style.Appearance, hollow: bool, joined: bool = True
) -> Line2D:
    return Line2D(
        [],
        [],
        color=look.colour,
        marker=look.marker,
        markerfacecolor="white" if hollow else look.colour,
        markeredgecolor=look.colour if hollow else "white",
        markeredgewidth=1.1 if hollow else 0.6,
        linestyle=look.line if joined else "none",
        linewidth=1.1 if hollow else 1.5,
        label=series.name,
    )


def _draw_bars(axes: Axes, marks: Sequence[Mark], place: _Place) -> None:
    # Bars begin at the majority class, so that their height is what was learnt.
    majority = (level for level in place.panel.levels if level.method == "majority")
    base = next((level.interval.mean for level in majority), 0.0)
    heights = [mark.interval.mean - base for mark in marks]
    xs = [place.x(mark) for mark in marks]
    tint = style.tint(place.look.colour)
    axes.bar(xs, heights, place.step * 0.92, bottom=base, color=tint, zorder=3)


def _limit(axes: Axes, chart: Chart, panel: Panel) -> None:
    """Set limits that show every mean, run and line; very wide intervals may leave them."""
    values: list[float] = []
    for other in chart.panels:
        if other.published == panel.published or chart.share_y:
            values += [one.interval.mean for one in other.shown if one.interval.n]
            values += [run for mark in other.marks if mark.interval.n for run in mark.runs]
    if values:
        margin = 0.06 * (max(values) - min(values) or 1)
        axes.set_ylim(min(values) - margin, min(max(values) + margin, 100.5))
    if chart.bars:
        positions = [x for x, _ in panel.ticks]
        axes.set_xlim(min(positions) - 0.6, max(positions) + 0.6)
    else:
        axes.margins(x=0.07)


def _draw_notes(axes: Axes, panel: Panel) -> None:
    """Write words below the axis at their positions, moved apart where they would meet."""
    if not panel.notes:
        return
    low, high = axes.get_xlim()
    wanted = [(x - low) / (high - low) for x, _ in panel.notes]
    axes.set_xticks([x for x, _ in panel.notes], [""] * len(panel.notes))
    line: dict[str, Any] = {"color": style.MUTED, "linewidth": 0.6, "clip_on": False}
    words: dict[str, Any] = {"fontsize": 7, "rotation": 35, "rotation_mode": "anchor"}
    across = axes.transAxes
    for own, place, (_, text) in zip(wanted, _spread(wanted, _NOTE_GAP), panel.notes, strict=True):
        axes.plot([own, place], [-0.02, -0.06], transform=across, **line)
        text = shortened(text, _NOTE)
        axes.text(place + 0.01, -0.08, text, transform=across, ha="right", va="center", **words)
    axes.xaxis.labelpad = _NOTE_HEIGHT


def _spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Move sorted positions apart until neighbours are ``gap`` away, as little as possible."""
    placed = list(wanted)
    for _ in range(200):
        for i in range(len(placed) - 1):
            short = gap - (placed[i + 1] - placed[i])
            if short > 1e-9:
                placed[i] -= short / 2
                placed[i + 1] += short / 2
    return placed


def _legend(figure: Figure, chart: Chart, looks: _Looks) -> None:
    handles = [
        _series_line(one, looks[key], panel.published)
        if isinstance(one, Series)
        else _level_line(one, looks[key])
        for key, (one, panel) in chart.legend().items()
    ]
    if chart.missing():
        cross = Line2D([], [], linestyle="none", marker="x", color=style.MUTED, label="Missing")
        handles.append(cross)
    names = [shortened(str(handle.get_label()), _NAME) for handle in handles]
    columns = math.ceil(len(handles) / _LEGEND_ROWS)
    figure.legend(handles, names, loc="outside upper center", ncols=columns)
