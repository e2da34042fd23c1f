"""Tables and figures, drawn from stored results alone.

Importing this costs nothing; what draws an artefact, and matplotlib with it, is imported when
it is drawn.
"""

from __future__ import annotations

import logging

from pdbench.artefacts.catalogue import ARTEFACTS
from pdbench.study import Study
from pdbench.workflow import Paths

_log = logging.getLogger(__name__)


def draw(study: Study, paths: Paths, artefact: str) -> None:
    """Draw one artefact and write its files; nothing is trained.

    Raises:
        DataError: What it is drawn from is missing or not what it should be.
    """
    from pdbench.artefacts import datasets, methods, render, score_tables, sizes
    from pdbench.artefacts.context import Context

    drawing = {"sizes": sizes.draw, "datasets": datasets.draw}
    drawing |= {**methods.DRAWINGS, **score_tables.DRAWINGS}
    context, own = Context(study, paths), drawing.get(artefact)
    result = own(context) if own else render.draw(context, artefact)
    result.write(paths.artefact(artefact)[0].with_suffix(""))
    for cell in result.missing:
        _log.warning("%s: cell %s is missing", artefact, cell)


__all__ = ["ARTEFACTS", "draw"]
