"""What drawing gives, and how it is written: files first, the description of them last."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from pdbench.artefacts.chart import Chart, Row
from pdbench.artefacts.tables import Table, to_latex, to_markdown
from pdbench.core.files import write_json, write_text
from pdbench.evidence.verdicts import MARKS


@dataclass(frozen=True)
class Drawing:
    """A finished figure: the picture, what is plotted in it, and its words."""

    figure: Any
    rows: Sequence[Row]
    caption: str
    alt: str
    missing: tuple[str, ...] = ()
    tables: Sequence[Table] = ()

    def write(self, stem: Path) -> None:
        """Write ``<stem>.png``, ``.pdf`` and ``.csv``, and ``<stem>.json`` last."""
        from pdbench.artefacts.style import save

        stem.parent.mkdir(parents=True, exist_ok=True)
        save(self.figure, stem)
        write_text(stem.with_suffix(".csv"), to_csv(self.rows))
        words = {"caption": self.caption, "alt": self.alt, "missing": list(self.missing)}
        write_json(stem.with_suffix(".json"), {**words, "tables": _plain(self.tables)})


@dataclass(frozen=True)
class Tabulation:
    """A finished table of one or more parts, and the same numbers as plain rows."""

    tables: Sequence[Table]
    rows: Sequence[Row]
    caption: str
    missing: tuple[str, ...] = field(default=())

    def write(self, stem: Path) -> None:
        """Write ``<stem>.csv``, ``.md`` and ``.tex``, and ``<stem>.json`` last."""
        stem.parent.mkdir(parents=True, exist_ok=True)
        write_text(stem.with_suffix(".csv"), to_csv(self.rows))
        write_text(stem.with_suffix(".md"), to_markdown(self.tables))
        write_text(stem.with_suffix(".tex"), to_latex(self.tables, self.caption))
        words = {"caption": self.caption, "alt": "", "missing": list(self.missing)}
        write_json(stem.with_suffix(".json"), {**words, "tables": _plain(self.tables)})


Result: TypeAlias = Drawing | Tabulation


def draw_chart(chart: Chart, caption: str) -> Drawing:
    """Render a chart and complete its caption with what all charts must say."""
    from pdbench.artefacts.render import render

    return Drawing(
        figure=render(chart),
        rows=chart.rows(),
        caption=f"{caption} {how_measured(chart)}",
        alt=chart.describe(),
        missing=chart.missing(),
        tables=chart.tables(),
    )


def _plain(tables: Sequence[Table]) -> list[dict[str, Any]]:
    return [asdict(table) for table in tables]


def how_measured(chart: Chart) -> str:
    """Say how many seeds and which interval, and what is missing or degenerate."""
    seeds, parts = chart.seeds(), []
    if seeds:
        counted = seeds_in_words(seeds)
        parts.append(f"Marks are means over {counted} of a student, short strokes single runs")
        if seeds[-1] > 1:
            parts.append("bars 95% t intervals over seeds, cut where they leave the panel")
    words = [", ".join(parts) + "."] if parts else []
    if chart.reading_error():
        scale = "the same scale" if chart.share_y else "its own scale"
        words.append(
            "Hollow marks are the paper's numbers, read off its figure within "
            f"±{chart.reading_error():g}, on {scale}."
        )
    if chart.verdicts():
        words.append(marks_in_words(chart.verdicts()))
    if chart.degenerate():
        words.append(f"{chart.degenerate()} of the runs predict one class only.")
    if chart.missing():
        words.append(f"Missing cells (crosses): {', '.join(chart.missing())}.")
    return " ".join(words)


def marks_in_words(marks: Iterable[str]) -> str:
    """Say what the marks after published numbers mean: "x is not-comparable"."""
    meaning = {sign: verdict for verdict, mark in MARKS.items() for sign in mark.split("/")}
    said = ", ".join(f"{mark} is {meaning[mark]}" for mark in dict.fromkeys(marks))
    return f"Beside the paper's numbers, {said}."


def seeds_in_words(counts: Sequence[int]) -> str:
    """Say a range of numbers of seeds, given in ascending order: "2 to 3 seeds"."""
    if not counts:
        return "no seeds"
    span = str(counts[0]) if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"
    return f"{span} seed{'' if counts[-1] == 1 else 's'}"


def to_csv(rows: Sequence[Row]) -> str:
    """Write rows as CSV; the columns are the keys in the order of their first appearance."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
