"""Figure 7: pre-trained distillation against three baselines, by task and size."""

from __future__ import annotations

from pdbench.artefacts.chart import Chart
from pdbench.artefacts.context import Context
from pdbench.artefacts.panels import by_size, own_title, y_labels
from pdbench.artefacts.result import Drawing, draw_chart

CAPTION = (
    "Pre-trained distillation against its three baselines at five sizes. Bars rise from the "
    "majority class, so that their height is what was learnt. The numbers of the paper's "
    "Figure 7 stand in no stored source; its text says that pre-training with fine-tuning beats "
    "plain distillation by {gains} on average."
)

GAIN = "accuracy_points_or_percent"


def draw(context: Context) -> Drawing:
    """Draw one row of bars a task."""
    cells = context.study.artefact_cells("figure7")
    tasks = dict.fromkeys(cell.task for cell in cells)
    chart = Chart(
        panels=tuple(by_size(context, cells, task, own_title(context, task)) for task in tasks),
        layout=(1,) * len(tasks),
        x_label="Size of the student",
        y_labels=y_labels(context, cells),
        kind="bars",
    )
    return draw_chart(chart, CAPTION.format(gains=_gains(context)))


def _gains(context: Context) -> str:
    """What the paper's text says, whose unit (points or relative) it leaves open."""
    quoted = [r for r in context.published("figure7") if r.metric == GAIN]
    return " and ".join(f"{reference.value:g}% on {reference.task}" for reference in quoted)
