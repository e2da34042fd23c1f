"""What drawing gives, and how it is written: files first, the description of them last."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pdbench.artefacts.chart import Chart, Row
from pdbench.artefacts.style import save
from pdbench.artefacts.tables import Table, to_latex, to_markdown
from pdbench.core.files import write_json, write_text
from pdbench.evidence.verdicts import MARKS


@dataclass(frozen=True)
class Result:
    """A finished table of one or more parts, or a figure; and its numbers and words.

    Attributes:
        rows: Everything that is shown, as plain rows.
        caption: Its caption.
        tables: The table itself, or the numbers of a figure.
        missing: Keys of the cells that have no result.
        figure: The picture; None for a table.
        alt: What the picture shows, in words.
    """

    rows: Sequence[Row]
    caption: str
    tables: Sequence[Table] = ()
    missing: tuple[str, ...] = ()
    figure: Any = None
    alt: str = ""

    def write(self, stem: Path) -> None:
        """Write the picture or the table, the numbers as CSV, and ``<stem>.json`` last."""
        stem.parent.mkdir(parents=True, exist_ok=True)
        if self.figure is not None:
            save(self.figure, stem)
        else:
            write_text(stem.with_suffix(".md"), to_markdown(self.tables))
            write_text(stem.with_suffix(".tex"), to_latex(self.tables, self.caption))
        write_text(stem.with_suffix(".csv"), to_csv(self.rows))
        words = {"caption": self.caption, "alt": self.alt, "missing": list(self.missing)}
        tables = [asdict(table) for table in self.tables]
        write_json(stem.with_suffix(".json"), {**words, "tables": tables})


def how_measured(chart: Chart) -> str:
    """Say how many seeds and which interval, and what is missing or degenerate."""
    seeds, words = chart.seeds(), []
    if seeds:
        means = f"Marks are means over {seeds_in_words(seeds)} of a student"
        bars = ", bars 95% t intervals over seeds, cut where they leave the panel"
        words.append(f"{means}, short strokes single runs{bars if max(seeds) > 1 else ''}.")
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


def seeds_in_words(counts: Iterable[int]) -> str:
    """Say a range of numbers of seeds: "2 to 3 seeds"; cells without any do not count."""
    found = sorted(set(counts) - {0})
    if not found:
        return "no seeds"
    span = str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"
    return f"{span} seed{'' if found[-1] == 1 else 's'}"


def to_csv(rows: Sequence[Row]) -> str:
    """Write rows as CSV; the columns are the keys in the order of their first appearance."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
