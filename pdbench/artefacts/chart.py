"""What a chart shows, apart from how it is drawn: panels of series of marks.

The picture, the CSV beside it, its caption and its alternative text are all made from the
same marks, so none of them can say something that another does not.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from pdbench.artefacts.tables import ABSENT, Row, Table, marks_in_words, seeds_in_words
from pdbench.evidence import Interval


@dataclass(frozen=True)
class Mark:
    """One point or bar.

    Attributes:
        label: What stands at ``x``, in words ("Tiny 2/128").
        interval: Mean and interval in per cent; a published value has its reading tolerance.
        runs: The single runs behind the mean; empty for a published value.
        degenerate: How many of the runs predict one class only.
        cell: Key of the cell, or None for a published value.
        verdict: Mark of the verdict on a published value; empty for one of ours.
    """

    x: float
    label: str
    interval: Interval
    runs: tuple[float, ...] = ()
    degenerate: int = 0
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
    """A horizontal line across a panel: the teacher, the majority class, a baseline.

    ``interval.n`` is 0 where its runs are missing.
    """

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
    def marks(self) -> tuple[Mark, ...]:
        """The marks of all series."""
        return tuple(mark for series in self.series for mark in series.marks)

    @property
    def shown(self) -> tuple[Mark | Level, ...]:
        """All marks and lines."""
        return (*self.marks, *self.levels)


@dataclass(frozen=True)
class Chart:
    """A figure of several panels with a common legend.

    Attributes:
        layout: How many panels each row has, from top to bottom.
        y_labels: Label of the vertical axis of this study's and of published panels.
        bars: Whether it has bars instead of curves.
        share_y: Whether this study and the paper are on one scale.
    """

    panels: tuple[Panel, ...]
    layout: tuple[int, ...]
    x_label: str
    y_labels: tuple[str, str]
    bars: bool = False
    logarithmic: bool = False
    share_y: bool = False

    def row_length(self, panel: Panel) -> int:
        """How many panels stand in the same row as ``panel``."""
        index, ends = self.panels.index(panel), itertools.accumulate(self.layout)
        return next(n for n, end in zip(self.layout, ends, strict=True) if index < end)

    def rows(self) -> list[Row]:
        """Everything that is plotted, one dictionary a mark or line, in drawing order."""
        return [
            {**row, "measure": self.y_labels[panel.published]}
            for panel in self.panels
            for row in _rows(panel)
        ]

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

    def how_measured(self) -> str:
        """Say how many seeds and which interval, and what is missing or degenerate."""
        own = [mark for panel in self.panels if not panel.published for mark in panel.marks]
        published = [mark for panel in self.panels if panel.published for mark in panel.marks]
        verdicts = [one.verdict for panel in self.panels for one in panel.shown if one.verdict]
        seeds, words = {mark.interval.n for mark in own} - {0}, []
        if seeds:
            means = f"Marks are means over {seeds_in_words(seeds)} of a student"
            bars = ", bars 95% t intervals over seeds, cut where they leave the panel"
            words.append(f"{means}, short strokes single runs{bars if max(seeds) > 1 else ''}.")
        if error := round(max((mark.interval.half_width for mark in published), default=0.0), 4):
            scale = "the same scale" if self.share_y else "its own scale"
            words.append(
                f"Hollow marks are the paper's numbers, read off its figure within ±{error:g}, "
                f"on {scale}."
            )
        if verdicts:
            words.append(marks_in_words(verdicts))
        if degenerate := sum(mark.degenerate for mark in own):
            words.append(f"{degenerate} of the runs predict one class only.")
        if self.missing():
            words.append(f"Missing cells (crosses): {', '.join(self.missing())}.")
        return " ".join(words)

    def describe(self) -> str:
        """Say in words what the chart shows, for readers who do not see it."""
        return " ".join(_describe(panel) for panel in self.panels)


def _rows(panel: Panel) -> Iterator[Row]:
    place: Row = {"source": "paper" if panel.published else "this study", "panel": panel.title}
    for series in panel.series:
        for mark in series.marks:
            named: Row = {**place, "series": series.name, "x": mark.x, "label": mark.label}
            runs = " ".join(f"{run:.4f}" for run in mark.runs)
            behind: Row = {"runs": runs, "degenerate": mark.degenerate}
            yield {**named, **numbers(mark.interval), **behind, **_origin(mark)}
    for level in panel.levels:
        named = {**place, "series": level.name, "label": "line"}
        yield {**named, **numbers(level.interval), **_origin(level)}


def _origin(shown: Mark | Level) -> Row:
    return {"cell": shown.cell, "verdict": shown.verdict}


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


def numbers(interval: Interval) -> Row:
    """The columns that every CSV has of an interval; empty where there is no number."""
    values = {"mean": interval.mean, "low": interval.low, "high": interval.high}
    found: Row = {key: None if math.isnan(v) else round(v, 4) for key, v in values.items()}
    return {**found, "n": interval.n}


def _describe(panel: Panel) -> str:
    parts = [_describe_series(series) for series in panel.series]
    parts += [f"{level.name} {_mean(level.interval)}" for level in panel.levels]
    return f"{panel.title}: {'; '.join(parts)}."


def _describe_series(series: Series) -> str:
    shown = [mark for mark in series.marks if mark.interval.n]
    if not shown:
        return f"{series.name} missing"
    first, last = shown[0], shown[-1]
    start = f"{_mean(first.interval)} at {first.label}"
    if first is last:
        return f"{series.name} {start}"
    return f"{series.name} from {start} to {_mean(last.interval)} at {last.label}"


def _mean(interval: Interval) -> str:
    return f"{interval.mean:.1f}" if interval.n else "missing"
