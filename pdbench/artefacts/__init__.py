"""Tables and figures: one file each, drawn from stored results alone.

Importing this costs nothing; an artefact's module, and matplotlib with it, is imported when
it is drawn. To add an artefact, write its file with a function ``draw(context)`` that
returns a :class:`~pdbench.artefacts.result.Result`, and name it in :data:`ARTEFACTS`.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Protocol, cast

from pdbench.core.errors import UsageError, suggestion
from pdbench.study import Study
from pdbench.workflow import Paths

if TYPE_CHECKING:
    from pdbench.artefacts.context import Context
    from pdbench.artefacts.result import Result

ARTEFACTS = {
    "figure1": "Pre-trained distillation",
    "methods": "Methods side by side",
    "sizes": "Student sizes and their cost",
    "datasets": "Data",
    "table3": "Truncation, pre-training and distillation",
    "figure5": "Where a student should begin",
    "figure6": "Depth, width and the training recipe",
    "figure7": "Pre-trained distillation against three baselines",
    "figure8": "Size of the transfer set",
    "figure9": "Domain of the transfer set",
    "figure10": "Pre-training and distillation on the same text",
    "released_models": "The released checkpoints",
    "scores": "Scores of other tasks",
}
"""Every artefact with its title; its module has the same name."""

log = logging.getLogger(__name__)


class _Module(Protocol):
    def draw(self, context: Context) -> Result: ...


def draw(study: Study, paths: Paths, artefact: str) -> None:
    """Draw one artefact and write its files; nothing is trained.

    Raises:
        UsageError: There is no such artefact.
        DataError: What it is drawn from is missing or not what it should be.
    """
    from pdbench.artefacts.context import Context

    if artefact not in ARTEFACTS:
        raise UsageError(f"unknown artefact {artefact!r}", suggestion(artefact, ARTEFACTS))
    module = cast("_Module", importlib.import_module(f"{__name__}.{artefact}"))
    result = module.draw(Context(study, paths))
    result.write(paths.artefact(artefact)[0].with_suffix(""))
    for cell in result.missing:
        log.warning("%s: cell %s is missing", artefact, cell)


__all__ = ["ARTEFACTS", "draw"]
