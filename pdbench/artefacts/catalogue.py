"""Every table and figure: its title, its axes, and for figures of scores their whole look.

To add a figure of scores, declare it here. To add another artefact, declare it here too, and
name the function that draws it in :func:`pdbench.artefacts.draw`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pdbench.study.axes import Artefact, Axes, Setting

_SIZE: tuple[Setting, ...] = ("layers", "hidden")
_BY_SIZE = Axes(panel=("task",), x=_SIZE, series=("method",))


@dataclass(frozen=True, kw_only=True)
class ScoreFigure(Artefact):
    """A figure of scores, drawn from this declaration alone."""

    axes: Axes  # what it shows of its cells, and where
    x_label: str
    caption: str  # what it shows, in words; ``{quoted}`` is what the paper's text says
    bars: bool = False  # whether it has bars instead of curves
    logarithmic: bool = False
    row: tuple[Setting, ...] = ()  # panels alike in these share a row, the paper's have their own


ARTEFACTS: dict[str, Artefact] = {
    "figure1": Artefact("Pre-trained distillation"),
    "methods": Artefact("Methods side by side"),
    "sizes": Artefact("Student sizes and their cost"),
    "datasets": Artefact("Data"),
    "table3": Artefact(
        "Truncation, pre-training and distillation", Axes(panel=(), x=("task",), series=("method",))
    ),
    "figure5": ScoreFigure(
        title="Where a student should begin",
        axes=_BY_SIZE,
        x_label="Size of the student",
        caption="Accuracy after distillation against the size of the student, for four ways to "
        "begin: pre-training at the student's own size, the first layers of a deeper "
        "pre-trained model, word embeddings of a pre-trained model, and random weights.",
    ),
    "figure6": ScoreFigure(
        title="Depth, width and the training recipe",
        axes=Axes(panel=("task", "hidden"), x=("layers",), series=("method",)),
        x_label="Layers (million parameters)",
        caption="Accuracy of four recipes on every size of the student: one panel a width "
        "(hidden size H), depth from left to right with the millions of parameters under it. "
        "Which number the figure has in the paper is inferred.",
        row=("task",),
    ),
    "figure7": ScoreFigure(
        title="Pre-trained distillation against three baselines",
        axes=_BY_SIZE,
        x_label="Size of the student",
        caption="Pre-trained distillation against its three baselines at five sizes. Bars rise "
        "from the majority class, so that their height is what was learnt. The numbers of the "
        "paper's Figure 7 stand in no stored source; its text says that pre-training with "
        "fine-tuning beats plain distillation by {quoted} on average.",
        bars=True,
        row=("task",),
    ),
    "figure8": ScoreFigure(
        title="Size of the transfer set",
        axes=Axes(panel=("task",), x=("items",), series=("method", *_SIZE)),
        x_label="Items of the transfer set (logarithmic)",
        caption="Accuracy against the number of unlabelled items that the teacher labels for the "
        "student. Lines without marks are methods that need no transfer set. The paper's 100k "
        "is approximate.",
        logarithmic=True,
    ),
    "figure9": ScoreFigure(
        title="Domain of the transfer set",
        axes=Axes(panel=("task",), x=("text",), series=("method",)),
        x_label="Similarity S of the transfer set",
        caption="Accuracy against the similarity S of the transfer set to the labelled set: the "
        "Spearman correlation of their word-frequency ranks. All transfer sets of a panel have "
        "one size; lines without marks are methods that need none.",
    ),
    "figure10": ScoreFigure(
        title="Pre-training and distillation on the same text",
        axes=_BY_SIZE,
        x_label="Size of the student",
        caption="Pre-training and distillation on one and the same text (D_LM = D_T): what each "
        "gives alone and what both give in sequence.",
    ),
    "released_models": Artefact(
        "The released checkpoints",
        Axes(panel=_SIZE, x=("task",), series=("method",), optional=True),
    ),
    "scores": Artefact(
        "Scores of other tasks", Axes(panel=("task",), x=(), series=("method", *_SIZE))
    ),
}
