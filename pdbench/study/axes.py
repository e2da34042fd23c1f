"""What an artefact shows of its cells, and whether the cells of a study fit it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pdbench.core.errors import UsageError
from pdbench.study.cells import Cell
from pdbench.study.checks import unknown
from pdbench.study.config import Study
from pdbench.study.settings import Released

Setting: TypeAlias = Literal["task", "method", "layers", "hidden", "text", "items", "corpus"]
"""What a cell is made of: ``text`` and ``items`` are those of its transfer set."""

_Settings: TypeAlias = dict[Setting, str | int | None]

_WORDS: dict[Setting, str] = {
    "task": "task",
    "method": "method",
    "layers": "number of layers",
    "hidden": "hidden size",
    "text": "text of the transfer set",
    "items": "size of the transfer set",
    "corpus": "corpus",
}
_OF_TASK: tuple[Setting, ...] = ("text", "items", "corpus")  # each task may have its own


@dataclass(frozen=True)
class Axes:
    """Along which settings the cells of an artefact may differ; each place shows one cell.

    A panel, or a table, has one value of its settings; x are those along the horizontal axis, or
    across a table, and a series is a curve or a row. A cell without a value of x, such as one
    that has no transfer set, is a line across its panel. ``optional`` artefacts need no cells.
    """

    panel: tuple[Setting, ...]
    x: tuple[Setting, ...]
    series: tuple[Setting, ...]
    optional: bool = False

    def __str__(self) -> str:
        parts = {"panel": self.panel, "x": self.x, "series": self.series}
        words = {part: " and ".join(_WORDS[one] for one in own) for part, own in parts.items()}
        return ", ".join(f"{part} by {own}" for part, own in words.items() if own)


@dataclass(frozen=True)
class Artefact:
    """A table or figure by its title, with the axes along which it shows cells, if any."""

    title: str
    axes: Axes | None = None


def settings_of(study: Study, cell: Cell) -> _Settings:
    """The settings of a cell; None for what its method does not use, or has of its own."""
    transfer = study.transfer_sets[cell.transfer] if cell.transfer else None
    corpus = study.corpora[cell.corpus] if cell.corpus else None
    is_own = isinstance(corpus, Released) and corpus.by is not None
    return {
        "task": cell.task,
        "method": cell.method,
        "layers": cell.architecture.layers,
        "hidden": cell.architecture.hidden,
        "text": transfer.text if transfer else None,
        "items": transfer.size if transfer else None,
        "corpus": None if is_own else cell.corpus,
    }


def check_artefacts(study: Study, known: Mapping[str, Artefact]) -> None:
    """Refuse a study that names an artefact nobody can draw, or cells that one cannot show."""
    for name in study.artefacts:
        problems = [*unknown("artefacts", name, known, "artefact")]
        for problem, remedy in problems or _misfits(study, name, known[name].axes):
            raise UsageError(f"study {study.name}: {problem}", remedy)


def _misfits(study: Study, name: str, axes: Axes | None) -> Iterator[tuple[str, str]]:
    """What an artefact cannot show of the cells that a study gives it, each with its remedy."""
    cells = study.artefact_cells(name)
    key = f"key artefacts.{name}.cells"
    if axes is None and cells:
        yield f"{key}: {name} shows no cells", "remove them"
    elif axes is not None and not cells and not axes.optional:
        yield f"{key}: missing, and {name} shows nothing else", "name cells"
    elif axes is not None:
        found = {cell: settings_of(study, cell) for cell in cells}
        for problem in (*_undeclared(found.values(), axes), *_at_one_place(found, axes)):
            yield f"{key}: {problem}, and {name} has {axes}", "keep one of them"


def _undeclared(cells: Iterable[_Settings], axes: Axes) -> Iterator[str]:
    """Settings that differ where none of the axes says that they may."""
    for setting, words in _WORDS.items():
        if setting in (*axes.panel, *axes.x, *axes.series):
            continue
        fixed: tuple[Setting, ...] = ("task",) if setting in _OF_TASK else ()
        values: dict[tuple[object, ...], set[str]] = {}
        for cell in cells:
            if cell[setting] is not None:
                place = tuple(cell[one] for one in (*axes.panel, *fixed))
                values.setdefault(place, set()).add(str(cell[setting]))
        for several in values.values():
            if len(several) > 1:
                yield f"the {words} varies ({', '.join(sorted(several))})"


def _at_one_place(cells: dict[Cell, _Settings], axes: Axes) -> Iterator[str]:
    places: dict[tuple[object, ...], Cell] = {}
    for cell, settings in cells.items():
        place = tuple(settings[one] for one in (*axes.panel, *axes.x, *axes.series))
        other = places.setdefault(place, cell)
        if other != cell:
            yield f"{other} and {cell} would stand at one place"
