"""Tables survive the characters that Markdown and LaTeX read as commands."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from pdbench.artefacts.tables import Drawn, Table, _escape_latex, _to_csv, _to_latex
from pdbench.core.words import visible

TABLE = Table("Scores (%)", ("Method", "A|B"), (("D_T & more", "71.0 ± 0.3"),), align="lr")


def test_markdown_is_a_table_with_numbers_to_the_right() -> None:
    """Title, head, rule and body, with the bar escaped."""
    assert TABLE.markdown == (
        "**Scores (%)**\n\n| Method | A\\|B |\n| --- | ---: |\n| D_T & more | 71.0 ± 0.3 |\n"
    )


def test_two_tables_are_apart(tmp_path: Path) -> None:
    """A blank line stands between two tables, or Markdown would join them."""
    Drawn([{"a": 1}], "Two tables.", (TABLE, TABLE)).write(tmp_path / "tables")

    assert "0.3 |\n\n**Scores" in (tmp_path / "tables.md").read_text(encoding="utf-8")


def test_latex_is_a_booktabs_table() -> None:
    """The float has the alignment, the rules and the caption."""
    text = _to_latex([TABLE], "50% of D_L")

    assert r"\begin{tabular}{lr}" in text
    assert r"$D_{\mathrm{T}}$ \& more & 71.0 $\pm$ 0.3 \\" in text
    assert r"\caption{50\% of $D_{\mathrm{L}}$}" in text
    assert text.count(r"\begin{") == text.count(r"\end{")


def test_latex_escapes_every_special_character() -> None:
    """Nothing that LaTeX would read as a command is left."""
    assert _escape_latex(r"a_b #1 {x} ~^\$") == (
        r"a\_b \#1 \{x\} \textasciitilde{}\textasciicircum{}\textbackslash{}\$"
    )


def test_a_first_cell_is_no_option_of_latex() -> None:
    """What stands in brackets after a rule or the end of a row would be one, and a star too."""
    text = _to_latex([Table("t", ("[a]", "b"), (("*c", "d"), ("e", "[f]")), align="ll")], "x")

    assert "\\toprule\n{}[a] & b" in text
    assert "\\midrule\n{}*c & d" in text
    assert "e & [f]" in text


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1+1",
        "-1+1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        " =1",
        "-x",
        "--1",
        "-1,=2",
        "= 1",
        "+1 @a",
    ],
)
def test_a_spreadsheet_takes_no_words_for_a_formula(text: str) -> None:
    """In a cell or a head; an apostrophe shows that it is text."""
    (head, row) = csv.reader(io.StringIO(_to_csv([{text: text}])))

    assert head == row == [f"'{visible(text)}"]


@pytest.mark.parametrize(
    "text", ["-1.2", "+3", "-1e-5", "-1.2 -3.4 5", "\N{MINUS SIGN}1.2", "a=b", "=", "+"]
)
def test_numbers_of_a_spreadsheet_stay_numbers(text: str) -> None:
    """Also those that are written as text already, and several in a cell."""
    (_, row) = csv.reader(io.StringIO(_to_csv([{"a": text, "b": -1.5}])))

    assert row == [text, "-1.5"]


def test_csv_has_the_union_of_the_columns_in_order() -> None:
    """Rows with different keys share one head, and absent values are empty."""
    rows = list(csv.reader(io.StringIO(_to_csv([{"a": 1, "b": "x,y"}, {"c": None, "a": 2.5}]))))

    assert rows == [["a", "b", "c"], ["1", "x,y", ""], ["2.5", "", ""]]
