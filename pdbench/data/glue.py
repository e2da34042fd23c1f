"""The layout of GLUE's original files, one for each of its tasks.

No file of GLUE quotes its fields. Its test files have no labels: they are what its server asks
predictions for, in the order of the file.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """How a GLUE task is written.

    Attributes:
        texts: The column of the text, or the two of a pair.
        label: The column of the label.
        classes: Label names by what the label column says; empty for a regression.
        dev: File of the dev split; the diagnostic set has none.
        unlabelled: File of the test split, whose labels are hidden.
        header: Names of the columns, where the files do not begin with them.
        broken: Largest share of the lines of a file that are broken as it is published: cut
            short, or with an empty text. They are left out.
    """

    texts: tuple[str, ...]
    label: str
    classes: dict[str, str]
    dev: str = "dev.tsv"
    unlabelled: str = "test.tsv"
    header: tuple[str, ...] = ()
    broken: float = 0.0


def _zero_one(zero: str, one: str) -> dict[str, str]:
    return {"0": zero, "1": one}


def _themselves(*names: str) -> dict[str, str]:
    return {name: name for name in names}


_MNLI = _themselves("entailment", "neutral", "contradiction")
_ENTAILMENT = _themselves("entailment", "not_entailment")

GLUE: dict[str, Layout] = {
    "cola": Layout(
        ("sentence",),
        "label",
        _zero_one("unacceptable", "acceptable"),
        header=("source", "label", "star", "sentence"),
    ),
    "sst2": Layout(("sentence",), "label", _zero_one("negative", "positive")),
    "mrpc": Layout(
        ("#1 String", "#2 String"), "Quality", _zero_one("not_equivalent", "equivalent")
    ),
    "stsb": Layout(("sentence1", "sentence2"), "score", {}),
    "qqp": Layout(
        ("question1", "question2"),
        "is_duplicate",
        _zero_one("not_duplicate", "duplicate"),
        broken=1e-3,
    ),
    "mnli": Layout(
        ("sentence1", "sentence2"),
        "gold_label",
        _MNLI,
        dev="dev_matched.tsv",
        unlabelled="test_matched.tsv",
    ),
    "mnli-mismatched": Layout(
        ("sentence1", "sentence2"),
        "gold_label",
        _MNLI,
        dev="dev_mismatched.tsv",
        unlabelled="test_mismatched.tsv",
    ),
    "ax": Layout(("sentence1", "sentence2"), "label", _MNLI, dev="", unlabelled="diagnostic.tsv"),
    "qnli": Layout(("question", "sentence"), "label", _ENTAILMENT),
    "rte": Layout(("sentence1", "sentence2"), "label", _ENTAILMENT),
    "wnli": Layout(("sentence1", "sentence2"), "label", _zero_one("not_entailment", "entailment")),
}
"""The layouts by name; ``mnli-mismatched`` has MNLI's training split and its other dev."""
