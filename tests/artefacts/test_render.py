"""What is drawn is what was meant: hollow marks, broken lines, nothing hidden by limits."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import pytest
from hostile import TITLE
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.text import Text

from pdbench.artefacts import style
from pdbench.artefacts.charts import Chart, Level, Mark, Panel, Series
from pdbench.artefacts.render import _spread, render
from pdbench.evidence import Interval
from pdbench.study import Study

GONE = Interval(math.nan, math.nan, math.nan, 0)


def mark(x: float, mean: float, half: float = 1.0) -> Mark:
    """A mark over three runs."""
    runs = (mean - half / 4, mean, mean + half / 4)
    return Mark(x, f"x{x:g}", Interval(mean, mean - half, mean + half, 3), runs)


def panel(*marks: Mark, published: bool = False, levels: tuple[Level, ...] = ()) -> Panel:
    """A panel with one series."""
    ticks = tuple((one.x, one.label) for one in marks)
    return Panel("Panel", (Series("PD", "pd", marks),), levels, ticks, published)


def chart(*panels: Panel, **options: object) -> Chart:
    """A chart with all panels in one row."""
    return Chart(panels, (len(panels),), "x", ("Test accuracy (%)", "Accuracy (%)"), **options)  # type: ignore[arg-type]


def looks_of(*methods: str) -> list[style.Appearance]:
    """The looks of methods that stand in one figure."""
    return list(style.looks((method, method) for method in methods).values())


def line_of(axes: Axes) -> Line2D:
    """The line through the marks of the only series."""
    return next(line for line in axes.lines if line.get_label() == "PD")


def test_published_marks_are_hollow() -> None:
    """Ours are filled with the method's colour, the paper's with white."""
    own, paper = render(chart(panel(mark(0, 70)), panel(mark(0, 80), published=True))).axes

    assert line_of(own).get_markerfacecolor() == looks_of("pd")[0].colour
    assert line_of(paper).get_markerfacecolor() == "white"


def test_words_are_drawn_as_they_are_written() -> None:
    """No dollar sign, underscore or backslash in them begins a formula, or hides a name."""
    marks = (replace(mark(0, 70), label=TITLE), mark(1, 71))
    named = Panel(TITLE, (Series(f"_{TITLE}", "pd", marks),), (), ((0, "$a^$"), (1, "{_b}")))
    notes = replace(named, ticks=(), notes=((0, "$c^$"),))

    with style.applied():
        figure = render(replace(chart(named, notes), x_label=TITLE))
        figure.savefig(io.BytesIO(), format="pdf")
        figure.savefig(io.BytesIO(), format="png")

    first, second = figure.axes
    assert first.get_xlabel() == TITLE
    assert [text.get_text() for text in first.get_xticklabels()] == ["$a^$", "{_b}"]
    assert second.texts[0].get_text() == "$c^$"
    (name,) = (text.get_text() for text in figure.legends[0].get_texts())
    assert name.startswith("_=a $x^$ {")
    assert not any(text.get_parse_math() for text in figure.findobj(Text))


def test_long_words_are_drawn_short() -> None:
    """Beginning and end of a title are seen, so that panels can be told apart."""
    title = f"This study: {'long ' * 100}, H = 128"
    figure = render(chart(Panel(title, (Series("N" * 500, "pd", (mark(0, 70),)),))))

    drawn = figure.axes[0].get_title(loc="left")
    assert drawn.startswith("This study: long")
    assert drawn.endswith("H = 128")
    assert len(drawn) == 84
    assert len(figure.legends[0].get_texts()[0].get_text()) == 40


def test_line_breaks_at_a_missing_cell() -> None:
    """No line bridges a cell that has no result."""
    (axes,) = render(chart(panel(mark(0, 70), Mark(1, "x1", GONE), mark(2, 74)))).axes

    ys = list(line_of(axes).get_ydata())

    assert ys[::2] == [70, 74]
    assert math.isnan(ys[1])


def test_limits_show_every_mean_run_and_line() -> None:
    """A very wide interval does not squeeze the marks; nothing else is cut."""
    level = Level("Teacher", "teacher", Interval(84, math.nan, math.nan, 1))
    (axes,) = render(chart(panel(mark(0, 70), mark(1, 74, half=40), levels=(level,)))).axes

    low, high = axes.get_ylim()

    assert low < 64 < 84 < high
    assert (low, high) == pytest.approx((62.8, 85.2), abs=0.1)


def test_panels_of_one_source_share_their_limits() -> None:
    """Two own panels have one scale, the paper's has another."""
    panels = panel(mark(0, 60)), panel(mark(0, 80)), panel(mark(0, 95), published=True)

    first, second, paper = render(chart(*panels)).axes

    assert first.get_ylim() == second.get_ylim() != paper.get_ylim()


def test_bars_rise_from_the_majority_class() -> None:
    """The height of a bar is what was learnt beyond the largest class."""
    level = Level("Majority class", "majority", Interval(51, 51, 51, 1))
    bars = chart(panel(mark(0, 70), mark(1, 74), levels=(level,)), bars=True)

    (axes,) = render(bars).axes

    assert [(bar.get_y(), bar.get_height()) for bar in axes.patches] == [(51, 19), (51, 23)]


def test_series_at_one_position_stand_beside_one_another() -> None:
    """Error bars of two series do not cover each other, on a logarithmic axis either."""
    both = Panel(
        "Panel",
        (
            Series("PD", "pd", (mark(100, 70), mark(10_000, 75))),
            Series("D", "d", (mark(100, 60), mark(10_000, 65))),
        ),
        ticks=((100, "100"), (10_000, "10k")),
    )

    (axes,) = render(chart(both, logarithmic=True)).axes
    pd, d = (line for line in axes.lines if line.get_label() in ("PD", "D"))

    assert pd.get_xdata()[0] < 100 < d.get_xdata()[0]


def test_legend_names_each_series_and_line_once() -> None:
    """Ours and the paper's share an entry; a missing cell adds one."""
    level = Level("Teacher", "teacher", Interval(84, math.nan, math.nan, 1))
    own = panel(mark(0, 70), Mark(1, "x1", GONE, cell="c"), levels=(level,))

    figure = render(chart(own, panel(mark(0, 80), published=True)))

    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["PD", "Teacher", "Missing"]


def test_spread_keeps_labels_apart_and_in_place() -> None:
    """Labels that would meet move by the same amount; others stay."""
    assert _spread([0.1, 0.5, 0.52], 0.1) == pytest.approx([0.1, 0.46, 0.56])


@pytest.mark.parametrize("others", [(), ("mine", "theirs", "hers", "ours")])
def test_methods_of_one_figure_have_looks_of_their_own(
    demo: Study, others: tuple[str, ...]
) -> None:
    """No two methods share a colour or a marker, those of other packages included."""
    found = looks_of(*demo.methods, *others)

    assert len({look.colour for look in found}) == len(found)
    assert len({look.marker for look in found}) == len(found)


def test_twenty_methods_of_other_packages_differ() -> None:
    """A pair of colour and marker serves one of them alone."""
    found = looks_of(*(f"method{i}" for i in range(20)))

    assert len({(look.colour, look.marker) for look in found}) == 20


@pytest.mark.parametrize("method", ["d", "mine"])
def test_sizes_of_one_method_share_a_colour(method: str) -> None:
    """Their markers, lines and dashes differ."""
    sizes = style.looks((method, size) for size in ("Tiny", "Mini", "Base"))

    assert len({look.colour for look in sizes.values()}) == 1
    for parts in zip(*((one.marker, one.line, one.dashes) for one in sizes.values()), strict=True):
        assert len(set(parts)) == 3


def test_tint_is_between_the_colour_and_white() -> None:
    """A bar's fill is the method's colour, lighter."""
    colour = looks_of("pd")[0].colour

    assert style.tint(colour, 1) == pytest.approx(to_rgb(colour))
    assert style.tint(colour, 0) == (1, 1, 1)
