"""How everything looks: one colour and marker for each method, in every figure.

The colours are those of Okabe and Ito (2008), which readers with any common colour vision
tell apart; no two methods share a marker either, so figures survive a grey printer.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

INK = "#222222"
MUTED = "#6B6B6B"
FAINT = "#DADADA"
PAPER_WIDTH = 7.2
"""Inches of a figure across both columns of a page."""

DPI = 200

RC: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": INK,
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
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "legend.fontsize": 7.8,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "lines.linewidth": 1.5,
    "lines.markersize": 6,
    "pdf.fonttype": 42,
    "svg.hashsalt": "pdbench",
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 7.5,
    "xtick.major.width": 0.7,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 7.5,
    "ytick.major.width": 0.7,
}


@dataclass(frozen=True)
class Look:
    """Colour, markers of the first and second variant, and dashes of a horizontal line."""

    colour: str
    markers: tuple[str, str] = ("o", "8")
    dashes: tuple[float, ...] = (5, 2)


LOOKS = {
    "pd": Look("#0072B2", ("o", "8")),
    "pf": Look("#E69F00", ("s", "D"), (6, 2)),
    "d": Look("#009E73", ("^", "v"), (4, 2)),
    "basic": Look("#D55E00", ("D", "d"), (5, 2, 1, 2)),
    "pd-f": Look("#CC79A7", ("P", "p")),
    "pd-truncated": Look("#56B4E9", ("v", "<")),
    "pd-embeddings": Look("#000000", ("X", "x")),
    "tf": Look("#8C8C8C", ("<", ">")),
    "teacher": Look(INK, dashes=(7, 2)),
    "majority": Look("#9A9A9A", dashes=(1, 1.6)),
}
_OTHERS = (
    Look("#999933", ("h", "H")),
    Look("#882255", (">", "<")),
    Look("#44AA99", ("p", "P")),
    Look("#AA4499", ("*", "*")),
)


def look(method: str) -> Look:
    """Return a method's look; a method without one of its own gets one of four others."""
    return LOOKS.get(method) or _OTHERS[sum(method.encode()) % len(_OTHERS)]


def tint(colour: str, strength: float = 0.5) -> tuple[float, float, float]:
    """Mix a colour with white; opaque, so that no grid line shows through."""
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (1 - strength * (1 - channel) for channel in channels)
    return red, green, blue


def save(figure: Any, stem: Path) -> None:
    """Write ``<stem>.png`` and ``<stem>.pdf``: the same bytes each time it is drawn."""
    from pdbench.core.files import replacing

    nothing = {"Creator": None, "Producer": None, "CreationDate": None}
    for suffix, metadata in ((".png", {"Software": None}), (".pdf", nothing)):
        with replacing(stem.with_suffix(suffix)) as temporary:
            figure.savefig(temporary, format=suffix[1:], dpi=DPI, metadata=metadata)
