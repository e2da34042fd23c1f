"""The report of an unfinished study: the same page from the cells that there are.

It has a folder of its own, so that nobody, Snakemake included, takes it for the whole report.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from pdbench.artefacts import draw
from pdbench.core.errors import PdbenchError
from pdbench.jobs.collect import collect
from pdbench.report.build import build
from pdbench.study import Study
from pdbench.workflow import Paths

_log = logging.getLogger(__name__)


def build_partial(study: Study) -> Path:
    """Collect what is finished and report on it; what cannot be drawn from it is left out.

    Raises:
        DataError: No run is finished, or a record or its predictions were edited.
    """
    paths = Paths(study, partial=True)
    collect(study, paths)
    drawn = {}
    for artefact, needs in study.artefacts.items():
        try:
            draw(study, paths, artefact)
        except (PdbenchError, OSError) as error:
            _log.warning("%s cannot be drawn yet: %s", artefact, error)
        else:
            drawn[artefact] = needs
    build(study.model_copy(update={"artefacts": drawn, "gate": ()}), paths)
    return paths.index


def remove_partial(study: Study) -> None:
    """Remove the partial report: the whole one is there."""
    paths = Paths(study, partial=True)
    shutil.rmtree(paths.reports, ignore_errors=True)
    paths.table.unlink(missing_ok=True)
