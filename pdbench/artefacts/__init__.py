"""Tables and figures, drawn from stored results alone.

Importing this costs nothing; what draws an artefact, and matplotlib with it, is imported when
it is drawn.
"""

from __future__ import annotations

import logging

from pdbench.artefacts.catalogue import ARTEFACTS
from pdbench.study import Study
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job, kind_of
from pdbench.workflow.shown import note_made

_log = logging.getLogger(__name__)


def draw(study: Study, paths: Paths, artefact: str) -> None:
    """Draw one artefact and write its files; nothing is trained.

    Raises:
        DataError: What it is drawn from is missing or not what it should be.
    """
    from pdbench.artefacts import datasets, methods, score_tables, sizes
    from pdbench.artefacts.charts import chart_of
    from pdbench.artefacts.context import Context
    from pdbench.artefacts.render import render
    from pdbench.artefacts.tables import Drawn

    drawing = {"sizes": sizes.draw, "datasets": datasets.draw}
    drawing |= {**methods.DRAWINGS, **score_tables.DRAWINGS}
    context = Context(study, paths)
    if own := drawing.get(artefact):
        result = own(context)
    else:
        chart = chart_of(context, artefact)
        words, alt = chart.caption(), chart.describe()
        result = Drawn(chart.rows(), words, chart.tables(), chart.missing(), render(chart), alt)
    result.write(paths.artefact(artefact)[0].with_suffix(""))
    note_made(paths, Job(kind_of(artefact), artefact))
    for cell in result.missing:
        _log.warning("%s: cell %s is missing", artefact, cell)


__all__ = ["ARTEFACTS", "draw"]
