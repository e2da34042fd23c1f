"""How everything looks: one colour and marker for each method, in every figure.

The first colours are those of Okabe and Ito (2008), which readers with any common colour
vision tell apart, the others from Tol (2021); no two methods share a marker either, so figures
survive a grey printer.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

from pdbench.core.files import replacing

_INK = "#222222"
MUTED = "#6B6B6B"
_FAINT = "#DADADA"
DPI = 200

_RC: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": _INK,
    "axes.labelsize": 8,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlepad": 7,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same bytes on every machine
    "font.size": 8,
    "grid.color": _FAINT,
    "grid.linewidth": 0.6,
    "legend.fontsize": 7.8,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "lines.linewidth": 1.5,
    "lines.markersize": 6,
    "pdf.fonttype": 42,
    "svg.hashsalt": "pdbench",
    "text.color": _INK,
    "text.parse_math": False,  # a dollar sign in a title is one
    **dict.fromkeys(("xtick.color", "ytick.color"), MUTED),
    **dict.fromkeys(("xtick.labelcolor", "ytick.labelcolor"), _INK),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize"), 7.5),
    **dict.fromkeys(("xtick.major.width", "ytick.major.width"), 0.7),
}


@dataclass(frozen=True)
class Appearance:
    """How a curve, or a line across a panel, is drawn."""

    colour: str
    marker: Any
    line: Any
    dashes: tuple[float, ...]


_DASHES = (5, 2)
_OWN: dict[str, tuple[str, tuple[Any, ...], tuple[float, ...]]] = {
    "pd": ("#0072B2", ("o", "8"), _DASHES),
    "pf": ("#E69F00", ("s", "D"), (6, 2)),
    "d": ("#009E73", ("^", "v"), (4, 2)),
    "basic": ("#D55E00", ("D", "d"), (5, 2, 1, 2)),
    "pd-f": ("#CC79A7", ("P", "p"), _DASHES),
    "pd-truncated": ("#56B4E9", ("v", "<"), _DASHES),
    "pd-embeddings": ("#000000", ("X", "x"), _DASHES),
    "tf": ("#8C8C8C", ("<", ">"), _DASHES),
    "patient-kd": ("#882255", ("p", "P"), _DASHES),
    "patient-kd-unnormalised": ("#661100", ((5, 1, 0), (5, 0, 0)), _DASHES),
    "patient-kd-last": ("#999933", ("h", "H"), _DASHES),
    "tinybert": ("#AA4499", ("*", "8"), _DASHES),
    "minilm": ("#44AA99", (">", "<"), _DASHES),
    "distilbert": ("#332288", ("d", "D"), _DASHES),
    "teacher": (_INK, ("o",), (7, 2)),
    "majority": ("#9A9A9A", ("o",), (1, 1.6)),
}
"""Colour, markers of the first sizes, and dashes, the same in every figure."""

_OTHER_COLOURS = ("#117733", "#CC6677", "#6699CC", "#DDCC77")
_OTHER_MARKERS = ("H", (4, 1, 0), "8", (6, 1, 0), (5, 1, 180))
_LINES = ("-", "--", ":", "-.")
_OTHER_DASHES = ((1, 2), (3, 1, 1, 1), (8, 2, 2, 2))


@contextlib.contextmanager
def page_wide(height: float) -> Iterator[Figure]:
    """A figure across both columns of a page, and so many inches high, to be drawn in the block."""
    from matplotlib.figure import Figure

    with applied():
        yield Figure(figsize=(7.2, height), layout="constrained")


def looks(named: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Appearance]:
    """Give the curves of a figure, each a method and a name, looks that differ.

    A method of another package takes the next free pair of colour and marker; there are 20.
    The curves of one method, such as its sizes, share a colour.
    """
    found: dict[tuple[str, str], Appearance] = {}
    others: dict[str, int] = {}
    seen: Counter[str] = Counter()
    for method, name in dict.fromkeys(named):
        index = 0 if method in _OWN else others.setdefault(method, len(others))
        other = (_OTHER_COLOURS[index % len(_OTHER_COLOURS)], (), _DASHES)
        colour, markers, dashes = _OWN.get(method, other)
        first = index % len(_OTHER_MARKERS)
        markers = (*markers, *_OTHER_MARKERS[first:], *_OTHER_MARKERS[:first])
        size, line = seen[method] % len(markers), seen[method] % len(_LINES)
        dashes = (dashes, *_OTHER_DASHES)[line]
        found[method, name] = Appearance(colour, markers[size], _LINES[line], dashes)
        seen[method] += 1
    return found


def tint(colour: str, strength: float = 0.5) -> tuple[float, float, float]:
    """Mix a colour with white; opaque, so that no grid line shows through."""
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (1 - strength * (1 - channel) for channel in channels)
    return red, green, blue


@contextlib.contextmanager
def applied() -> Iterator[None]:
    """Draw and save in this style alone, whatever a user's matplotlibrc says."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_RC)
        yield


def save(figure: Any, stem: Path) -> None:
    """Write ``<stem>.png`` and ``<stem>.pdf``: the same bytes each time it is drawn."""
    nothing = {"Creator": None, "Producer": None, "CreationDate": None}
    for suffix, metadata in ((".png", {"Software": None}), (".pdf", nothing)):
        with replacing(stem.with_suffix(suffix)) as temporary, applied():
            figure.savefig(temporary, format=suffix[1:], dpi=DPI, metadata=metadata)
