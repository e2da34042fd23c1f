"""The kinds of tasks: how each is read, what stands on the encoder, its loss and its scores.

A kind is a class (:mod:`pdbench.kinds.kind` says what it may define), a line here, and a line in
:mod:`pdbench.study.kinds`, which says what a study may ask of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pdbench.kinds.classes import Classes, Rankings, Regression
from pdbench.kinds.kind import Asked, Kind, Labelled, Scores, majority
from pdbench.kinds.spans import Spans
from pdbench.study.settings import Source, Task

if TYPE_CHECKING:
    from pdbench.data.sources import Reader

_KINDS: dict[str, type[Kind]] = {
    "classification": Classes,
    "regression": Regression,
    "span": Spans,
    "ranking": Rankings,
}
"""Every kind by the name that a study gives it; a classification without labels is a regression."""


def kind_of(task: Task) -> Kind:
    """A task, seen as what its kind makes of it."""
    regresses = task.kind == "classification" and not task.labels
    return _KINDS["regression" if regresses else task.kind](task)


def reader_of_text(source: Source) -> Reader | None:
    """What reads a text that is published in the layout of some kind's tasks, if any does."""
    readers = (kind.reader() for kind in _KINDS.values())
    return next((reader for reader in readers if reader and reader.reads(source)), None)


__all__ = [
    "Asked",
    "Kind",
    "Labelled",
    "Scores",
    "kind_of",
    "majority",
    "reader_of_text",
]
