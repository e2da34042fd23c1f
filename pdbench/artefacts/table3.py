"""Table 3: truncation, pre-training and pre-trained distillation over the tasks."""

from __future__ import annotations

from pdbench.artefacts.context import Context
from pdbench.artefacts.result import Tabulation, marks_in_words, seeds_in_words
from pdbench.artefacts.score_tables import own_scores, own_splits, published_scores
from pdbench.evidence import Split

CAPTION = (
    "Three ways to make a student of one size, in per cent. Mean is the paper's meta score: the "
    "mean over tasks, where a task with two metrics counts their average."
)
SPLITS: tuple[Split, ...] = ("dev", "test")


def draw(context: Context) -> Tabulation:
    """Write this study's dev and test scores, and the paper's below them."""
    cells = context.study.artefact_cells("table3")
    references = context.published("table3")
    parts = [own_scores(context, cells, split) for split in own_splits(context, cells)]
    parts += [
        published_scores(context, references, f"Turc et al. (2019), Table 3, {split}", split)
        for split in SPLITS
    ]
    scores = [context.scores.of(cell) for cell in cells]
    sizes = ", ".join(dict.fromkeys(str(cell.architecture) for cell in cells))
    found = seeds_in_words(sorted({len(score.runs) for score in scores} - {0}))
    missing = tuple(c.key for c, score in zip(cells, scores, strict=True) if not score.runs)
    caption = (
        f"{CAPTION} Students here have size {sizes}, the paper's {references[0].architecture}. "
        "Ours are means over "
        f"{found}, ± half a 95% t interval over seeds; the teacher is one run."
    )
    caption += " " + marks_in_words(context.verdict(r) for r in references)
    rows = [row for _, plain in parts for row in plain]
    return Tabulation([table for table, _ in parts], rows, caption, missing)
