"""Figure 5: four initialisations of the student, then distillation, at five sizes."""

from __future__ import annotations

from pdbench.artefacts.context import Context
from pdbench.artefacts.panels import size_chart
from pdbench.artefacts.result import Drawing, draw_chart

CAPTION = (
    "Accuracy after distillation against the size of the student, for four ways to begin: "
    "masked-LM pre-training at the student's own size, the first layers of a deeper pre-trained "
    "model, word embeddings of a pre-trained model, and random weights."
)


def draw(context: Context) -> Drawing:
    """Draw one panel a task beside the paper's."""
    return draw_chart(size_chart(context, "figure5"), CAPTION)
