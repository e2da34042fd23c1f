"""Table of the released checkpoints: GLUE of Tiny, Mini, Small and Medium."""

from __future__ import annotations

from pdbench.artefacts.context import Context
from pdbench.artefacts.score_tables import captioned, own_scores, published_scores
from pdbench.artefacts.tables import Drawn

_CAPTION = (
    "GLUE test scores of four released checkpoints after plain fine-tuning, in per cent, as "
    "printed in the README of google-research/bert."
)
_NOT_RUN = (
    " Not run in this study: it needs the released checkpoints, which only the hub holds, so "
    "every number stands without one of ours beside it."
)


def draw(context: Context) -> Drawn:
    """Write the published scores beside this study's, or say that there are none of ours."""
    cells = context.study.artefact_cells("released_models")
    references = context.published("released_models")
    title = "README of google-research/bert, test"
    parts = [published_scores(context, references, title, "test", head="Model")]
    for size in dict.fromkeys(cell.architecture for cell in cells):
        own = [cell for cell in cells if cell.architecture == size]
        parts += own_scores(context, own, context.size_name(size))
    return captioned(context, parts, _CAPTION if cells else _CAPTION + _NOT_RUN, references)
