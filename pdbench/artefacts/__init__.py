"""Tables and figures, drawn from stored results alone.

Importing this costs nothing; what draws an artefact, and matplotlib with it, is imported when
it is drawn.
"""

from __future__ import annotations

import importlib
import logging

from pdbench.artefacts.catalogue import ARTEFACTS, ScoreFigure
from pdbench.core.errors import UsageError, suggestion
from pdbench.study import Study
from pdbench.workflow import Paths

_log = logging.getLogger(__name__)


def draw(study: Study, paths: Paths, artefact: str) -> None:
    """Draw one artefact and write its files; nothing is trained.

    Raises:
        UsageError: There is no such artefact.
        DataError: What it is drawn from is missing or not what it should be.
    """
    from pdbench.artefacts import charts
    from pdbench.artefacts.context import Context

    if artefact not in ARTEFACTS:
        raise UsageError(f"unknown artefact {artefact!r}", suggestion(artefact, ARTEFACTS))
    context = Context(study, paths)
    if isinstance(ARTEFACTS[artefact], ScoreFigure):
        result = charts.draw(context, artefact)
    else:
        result = importlib.import_module(f"{__name__}.{artefact}").draw(context)
    result.write(paths.artefact(artefact)[0].with_suffix(""))
    for cell in result.missing:
        _log.warning("%s: cell %s is missing", artefact, cell)


__all__ = ["ARTEFACTS", "draw"]
