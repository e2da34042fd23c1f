"""Figure 10: pre-training and distillation on the same text, at five sizes."""

from __future__ import annotations

from pdbench.artefacts.context import Context
from pdbench.artefacts.panels import size_chart
from pdbench.artefacts.result import Drawing, draw_chart

CAPTION = (
    "Pre-training and distillation on one and the same text (D_LM = D_T): what each gives alone "
    "and what both give in sequence."
)


def draw(context: Context) -> Drawing:
    """Draw one panel a task beside the paper's."""
    return draw_chart(size_chart(context, "figure10"), CAPTION)
