"""A chart's rows, words and tables all come from its marks."""

from __future__ import annotations

import math

import pytest

from pdbench.artefacts.charts import Chart, Level, Mark, Panel, Series
from pdbench.artefacts.tables import _to_csv, seeds_in_words
from pdbench.evidence import Interval

GONE = Interval(math.nan, math.nan, math.nan, 0)


def chart(*, missing: bool = False, degenerate: int = 0) -> Chart:
    """Two sizes of one method beside the paper's, with a teacher."""
    second = Mark(1, "Mini", GONE if missing else Interval(75, 74, 76, 3), cell="t.pd.2-64.x.y")
    first = Mark(
        0, "Tiny", Interval(70, 68, 72, 3), (69.0, 70.0, 71.0), degenerate, "t.pd.1-32.x.y"
    )
    own = Panel(
        "This study: T",
        (Series("PD", "pd", (first, second)),),
        (Level("Teacher", "teacher", Interval(84, math.nan, math.nan, 1)),),
        ticks=((0, "Tiny"), (1, "Mini")),
    )
    paper = Panel(
        "Paper: MNLI",
        (Series("PD", "pd", (Mark(0, "Tiny", Interval(72.16, 72.06, 72.26, 1)),)),),
        ticks=((0, "Tiny"),),
        published=True,
    )
    return Chart((own, paper), (2,), "Size", ("Test accuracy (%)", "Accuracy (%)"))


def test_marks_with_the_same_words_keep_columns_of_their_own() -> None:
    """Two transfer sets whose S rounds alike are two columns, each with its own cell."""
    marks = tuple(
        Mark(x, "S = 0.53", Interval(70 + x, 0, 99, 2), cell=f"{x}") for x in (0.53, 0.528)
    )

    (table,) = Chart((Panel("P", (Series("PD", "pd", marks),)),), (1,), "S", ("", "")).tables()

    assert table.columns == ("", "S = 0.53", "S = 0.53")
    assert table.keys == (("", "0.53", "0.528"),)


def test_published_marks_carry_their_verdict() -> None:
    """The mark stands after the number, in the rows, and in words below the figure."""
    mark = Mark(0, "Tiny", Interval(72.16, 72.06, 72.26, 1), verdict="x")
    level = Level("Teacher", "teacher", Interval(94, math.nan, math.nan, 1), verdict="=")
    panel = Panel("Paper", (Series("PD", "pd", (mark,)),), (level,), published=True)
    drawn = Chart((panel,), (1,), "Size", ("", ""))

    assert drawn.tables()[0].rows == (("PD", "72.2 ± 0.1 x"), ("Teacher", "94.0 ="))
    assert [row["verdict"] for row in drawn.rows()] == ["x", "="]
    assert "x is not-comparable, = is reproduced" in drawn.caption()


def test_rows_hold_every_mark_and_line() -> None:
    """Two own marks, the teacher, and the paper's mark, each with its measure."""
    rows = chart().rows()

    assert [(row["source"], row["series"], row["mean"]) for row in rows] == [
        ("this study", "PD", 70),
        ("this study", "PD", 75),
        ("this study", "Teacher", 84),
        ("paper", "PD", 72.16),
    ]
    assert [row["measure"] for row in rows][-1] == "Accuracy (%)"
    assert rows[0]["runs"] == "69.0000 70.0000 71.0000"


def test_csv_leaves_what_has_no_number_empty() -> None:
    """A missing cell stays a row, with n = 0 and no mean."""
    lines = _to_csv(chart(missing=True).rows()).splitlines()

    assert lines[0].startswith("source,panel,series,x,label,mean,low,high,n,runs")
    assert lines[2].startswith("this study,This study: T,PD,1,Mini,,,,0,")


def test_missing_cells_are_named() -> None:
    """A cell without runs is listed by its key, and the caption says so."""
    found = chart(missing=True)

    assert found.missing() == ("t.pd.2-64.x.y",)
    assert "Missing cells (crosses): t.pd.2-64.x.y." in found.caption()


def test_caption_says_seeds_interval_and_hollow_marks() -> None:
    """Whoever reads the caption knows what the bars are."""
    words = chart().caption()

    assert "means over 3 seeds" in words
    assert "95% t intervals over seeds on this test set" in words
    assert "the paper's numbers, read off its figure within ±0.1, on its own scale" in words
    assert "Missing" not in words


def test_caption_counts_degenerate_runs() -> None:
    """Constant predictors are in the caption."""
    assert "2 of the runs predict one class only." in chart(degenerate=2).caption()


def test_description_reads_the_ends_of_each_series() -> None:
    """The alternative text has the numbers that a reader would take from the picture."""
    words = chart().describe()

    assert "This study: T: PD from 70.0 at Tiny to 75.0 at Mini; Teacher 84.0." in words
    assert "Paper: MNLI: PD 72.2 at Tiny." in words


def test_tables_hold_the_numbers_of_each_panel() -> None:
    """One table a panel: series and lines down, positions across."""
    own, paper = chart(missing=True).tables()

    assert own.columns == ("", "Tiny", "Mini")
    assert own.rows == (("PD", "70.0 ± 2.0", "missing"), ("Teacher", "84.0", "84.0"))
    assert paper.rows == (("PD", "72.2 ± 0.1"),)


@pytest.mark.parametrize(
    ("counts", "words"),
    [((), "no seeds"), ((1,), "1 seed"), ((3, 0, 3), "3 seeds"), ((3, 2), "2 to 3 seeds")],
)
def test_seeds_in_words(counts: tuple[int, ...], words: str) -> None:
    """Numbers of seeds read as English."""
    assert seeds_in_words(counts) == words
