"""Table of the released checkpoints: GLUE of Tiny, Mini, Small and Medium."""

from __future__ import annotations

from pdbench.artefacts.context import Context
from pdbench.artefacts.result import Tabulation, marks_in_words
from pdbench.artefacts.score_tables import own_scores, own_splits, published_scores

CAPTION = (
    "GLUE test scores of four released checkpoints after plain fine-tuning, in per cent, as "
    "printed in the README of google-research/bert."
)
NOT_RUN = (
    " Not run in this study: it needs the released checkpoints, which only the hub holds, so "
    "every number stands without one of ours beside it."
)


def draw(context: Context) -> Tabulation:
    """Write the published scores beside this study's, or say that there are none of ours."""
    cells = context.study.artefact_cells("released_models")
    references = context.published("released_models")
    title = "README of google-research/bert, test"
    parts = [published_scores(context, references, title, "test", head="Model")]
    for size in dict.fromkeys(cell.architecture for cell in cells):
        own = [cell for cell in cells if cell.architecture == size]
        name = context.size_name(size) or str(size)
        parts += [own_scores(context, own, split, name) for split in own_splits(context, own)]
    rows = [row for _, plain in parts for row in plain]
    marks = marks_in_words(context.verdict(r) for r in references)
    caption = f"{CAPTION if cells else CAPTION + NOT_RUN} {marks}"
    return Tabulation([table for table, _ in parts], rows, caption)
