"""What of a study stands in the place of what: the data and models behind its compared numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pdbench.evidence.compare import Comparison
from pdbench.evidence.made_with import PARTS, compared, made_of
from pdbench.study import Cell, Study

_TASK = "task"


@dataclass(frozen=True)
class StandIn:
    """Things of one kind that a study has, and those that the publications have in their place."""

    what: str  # task, teacher, transfer set or corpus
    here: tuple[str, ...]
    there: tuple[str, ...]


def stand_ins(study: Study, comparisons: Iterable[Comparison]) -> list[StandIn]:
    """What stands for what in the cells of a study that have a published number beside them."""
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for one in comparisons:
        cell = study.cells.get(one.cell or "")
        if cell is None or not one.ours.n or one.comparable:
            continue
        for what, here, there in _of(study, cell, one):
            ours, theirs = found.setdefault(what, ({}, {}))
            ours[here] = None
            theirs |= dict.fromkeys(there)
    order = (_TASK, *PARTS)
    return [StandIn(what, *map(tuple, found[what])) for what in order if what in found]


def _of(study: Study, cell: Cell, one: Comparison) -> Iterator[tuple[str, str, list[str]]]:
    task, reference = study.tasks[cell.task], one.reference
    if (task.title or cell.task) != reference.task:
        yield _TASK, f"{task.title or cell.task} ({task.name or task.path})", [reference.task]
    for own in made_of(study, cell.task, cell):
        published = reference.made_with(own.part)
        if published and compared(own, published):
            yield own.part, " + ".join(sorted(own.sources)), [made.shown for made in published]
