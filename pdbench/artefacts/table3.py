"""Table 3: truncation, pre-training and pre-trained distillation over the tasks."""

from __future__ import annotations

from pdbench.artefacts.context import Context
from pdbench.artefacts.score_tables import captioned, own_scores, published_scores
from pdbench.artefacts.tables import Drawn

_CAPTION = (
    "Three ways to make a student of one size, in per cent. Mean is the paper's meta score: the "
    "mean over tasks, where a task with two metrics counts their average. Students here have size "
    "{}, the paper's {}. Ours are means over {{seeds}}, ± half a 95% t interval over seeds; the "
    "teacher is one run."
)


def draw(context: Context) -> Drawn:
    """Write this study's dev and test scores, and the paper's below them."""
    cells, references = context.study.artefact_cells("table3"), context.published("table3")
    published = [
        published_scores(context, references, f"Turc et al. (2019), Table 3, {split}", split)
        for split in ("dev", "test")
    ]
    caption = _CAPTION.format(cells[0].architecture, references[0].architecture)
    return captioned(context, [*own_scores(context, cells), *published], caption, references, cells)
