"""What drawing gives, and how its tables are written: Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from pdbench.artefacts.style import save
from pdbench.core.files import write_json, write_text
from pdbench.core.words import visible
from pdbench.evidence import Interval, Verdict

Row: TypeAlias = dict[str, str | float | int | None]

_LATEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "\N{EN DASH}": "--",
    "\N{MINUS SIGN}": "$-$",
}

_MARKDOWN = re.compile(r"[\\`*|<>~$#]|\](?=\()|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)|^:")
"""What Markdown reads as its own: marks, links, cells, HTML, formulas; and what a pipeline does."""

_FORMULA = re.compile(r"\s*[=+@-]\s*\S")  # a mark alone is none
_NUMBERS = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?( [+-]?[\d.]+)*", re.IGNORECASE)

ABSENT = "\N{EN DASH}"
"""What stands in a cell that has no number by its nature; a failed one says "missing"."""


@dataclass(frozen=True)
class Table:
    """One table of finished text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    align: str  # "l" or "r" for each column: words to the left, numbers to the right
    keys: tuple[tuple[str, ...], ...] = ()  # the cell behind each entry, "" for none

    @property
    def markdown(self) -> str:
        """The table in GitHub's Markdown, under its title in bold."""
        escaped = (map(escape_markdown, line) for line in (self.columns, *self.rows))
        head, *body = (f"| {' | '.join(line)} |" for line in escaped)
        rules = " | ".join("---" if side == "l" else "---:" for side in self.align)
        lines = "\n".join([head, f"| {rules} |", *body])
        return f"**{escape_markdown(self.title)}**\n\n{lines}\n"


@dataclass(frozen=True)
class Drawn:
    """A finished table of one or more parts, or a figure; and its numbers and words."""

    rows: Sequence[Row]
    caption: str
    tables: Sequence[Table] = ()  # the table itself, or the numbers of a figure
    missing: tuple[str, ...] = ()  # keys of the cells that have no result
    figure: Any = None  # the picture; None for a table
    alt: str = ""  # what the picture shows, in words, for readers who do not see it

    def write(self, stem: Path) -> None:
        """Write the picture or the table, the numbers as CSV, and ``<stem>.json`` last."""
        stem.parent.mkdir(parents=True, exist_ok=True)
        if self.figure is not None:
            save(self.figure, stem)
        else:
            markdown = "\n".join(table.markdown for table in self.tables)
            write_text(stem.with_suffix(".md"), markdown)
            write_text(stem.with_suffix(".tex"), _to_latex(self.tables, self.caption))
        write_text(stem.with_suffix(".csv"), _to_csv(self.rows))
        words = {"caption": self.caption, "alt": self.alt, "missing": list(self.missing)}
        tables = [asdict(table) for table in self.tables]
        write_json(stem.with_suffix(".json"), {**words, "tables": tables})


def escape_markdown(text: str) -> str:
    """A text as Markdown shows it, without any structure of its own."""
    return _MARKDOWN.sub(r"\\\g<0>", visible(text).strip())


def _to_latex(tables: Sequence[Table], caption: str) -> str:
    parts = "\n\\par\\medskip\n".join(map(_latex, tables))
    return (
        "% needs \\usepackage{booktabs}\n"
        "\\begin{table}\n\\centering\\small\n"
        f"{parts}\n\\caption{{{_escape_latex(caption)}}}\n\\end{{table}}\n"
    )


def _latex(table: Table) -> str:
    # The empty group keeps a first cell such as [x] or *x from being an option of the rule or the
    # line end before it.
    head, *body = (
        re.sub(r"^(?=[\[*])", "{}", " & ".join(map(_escape_latex, row))) + r" \\"
        for row in (table.columns, *table.rows)
    )
    lines = [
        f"\\textbf{{{_escape_latex(table.title)}}}\\par\\smallskip",
        f"\\begin{{tabular}}{{{table.align}}}",
        r"\toprule",
        head,
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines)


def _escape_latex(text: str) -> str:
    escaped = "".join(_LATEX.get(character, character) for character in visible(text))
    return re.sub(r"\bD\\_(LM|T|L)\b", r"$D_{\\mathrm{\1}}$", escaped)


def marks_in_words(marks: Iterable[str]) -> str:
    """Say what the marks after published numbers mean: "x is not-comparable"."""
    meaning = {sign: verdict for verdict in Verdict for sign in verdict.mark.split("/")}
    said = ", ".join(f"{mark} is {meaning[mark]}" for mark in dict.fromkeys(marks))
    return f"Beside the paper's numbers, {said}."


def seeds_in_words(counts: Iterable[int]) -> str:
    """Say a range of numbers of seeds: "2 to 3 seeds"; cells without any do not count."""
    found = sorted(set(counts) - {0})
    if not found:
        return "no seeds"
    span = str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"
    return f"{span} seed{'' if found[-1] == 1 else 's'}"


def numbers(interval: Interval) -> Row:
    """The columns that every CSV has of an interval; empty where there is no number."""
    values = {"mean": interval.mean, "low": interval.low, "high": interval.high}
    shown = {key: None if math.isnan(v) else round(v, 4) for key, v in values.items()}
    return {**shown, "n": interval.n}


def _to_csv(rows: Sequence[Row]) -> str:
    """Write rows as CSV; the columns are the keys in the order of their first appearance."""
    buffer = io.StringIO()
    columns = dict.fromkeys(key for row in rows for key in row)
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(map(_csv_cell, columns))
    writer.writerows([_csv_cell(row.get(column)) for column in columns] for row in rows)
    return buffer.getvalue()


def _csv_cell(value: object) -> object:
    """A cell with an apostrophe before what a spreadsheet would take for a formula."""
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBERS.fullmatch(text) else text
