"""Tables as Markdown and LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "→": r"$\rightarrow$",
    "–": "--",
    "−": "$-$",
    "‖": r"$\Vert$",
    "·": r"$\cdot$",
    "Σ": r"$\Sigma$",
}


@dataclass(frozen=True)
class Table:
    """One table of finished text.

    Attributes:
        title: What stands above it.
        columns: The column heads.
        rows: The cells, as many as there are columns.
        words: How many of the first columns hold words; the others hold numbers and are
            aligned to the right.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1


def to_markdown(tables: Sequence[Table]) -> str:
    """Write tables as GitHub Markdown, each under its title in bold."""
    return "\n".join(_markdown(table) for table in tables)


def _markdown(table: Table) -> str:
    rules = ["---" if i < table.words else "---:" for i in range(len(table.columns))]
    lines = [table.columns, tuple(rules), *table.rows]
    body = "\n".join(f"| {' | '.join(_escape_markdown(c) for c in line)} |" for line in lines)
    return f"**{table.title}**\n\n{body}\n"


def _escape_markdown(text: str) -> str:
    return re.sub(r"([|<>*_`])", r"\\\1", text)


def to_latex(tables: Sequence[Table], caption: str) -> str:
    """Write tables as one LaTeX float with booktabs rules."""
    parts = "\n\\par\\medskip\n".join(_latex(table) for table in tables)
    return (
        "% needs \\usepackage{booktabs}\n"
        "\\begin{table}\n\\centering\\small\n"
        f"{parts}\n\\caption{{{escape_latex(caption)}}}\n\\end{{table}}\n"
    )


def _latex(table: Table) -> str:
    alignment = "l" * table.words + "r" * (len(table.columns) - table.words)
    head, *body = (
        " & ".join(escape_latex(cell) for cell in row) + r" \\"
        for row in (table.columns, *table.rows)
    )
    lines = [
        f"\\textbf{{{escape_latex(table.title)}}}\\par\\smallskip",
        f"\\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        head,
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines)


def escape_latex(text: str) -> str:
    """Escape what LaTeX reads as commands, and write the signs that tables use."""
    return "".join(_LATEX.get(character, character) for character in text)
