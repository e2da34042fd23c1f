"""Every published number beside our own, with what the evidence says about the two."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from pdbench.evidence.intervals import Interval
from pdbench.evidence.references import SPLITS, Reference
from pdbench.evidence.scores import TEACHER, Scores, Split
from pdbench.study import Architecture, Cell, Study

PARAMETER_TOLERANCE = 0.1
"""Millions; the paper prints one decimal."""

NONE = Interval(float("nan"), float("nan"), float("nan"), 0)


class Verdict(StrEnum):
    """What the evidence says about a published number or statement."""

    REPRODUCED = "reproduced"
    CONSISTENT = "consistent"
    INCONCLUSIVE = "inconclusive"
    DEVIATES = "deviates"
    DEGENERATE = "degenerate"
    NOT_COMPARABLE = "not-comparable"
    MISSING = "missing"


@dataclass(frozen=True)
class Comparison:
    """A published number, our own counterpart (``ours.n`` is 0 without one) and the verdict."""

    reference: Reference
    ours: Interval
    verdict: Verdict
    reason: str


class _NoCounterpartError(Exception):
    """Says in its text why a study has nothing to put beside a reference.

    ``scale`` is true where the study runs the same method on the same task, but at other
    sizes of student or transfer set.
    """

    def __init__(self, reason: str, *, scale: bool = False) -> None:
        super().__init__(reason)
        self.scale = scale


def compare(scores: Scores, references: Iterable[Reference]) -> tuple[Comparison, ...]:
    """Put every reference beside the study's own number, in the order given."""
    return tuple(_compare(scores, reference) for reference in references)


def _compare(scores: Scores, reference: Reference) -> Comparison:
    if reference.artefact == "sizes":
        return _compare_size(reference)
    try:
        ours, degenerate, note = _counterpart(scores, reference)
    except _NoCounterpartError as error:
        other_scale = error.scale and scores.study.scale == "demo"
        verdict = Verdict.NOT_COMPARABLE if other_scale else Verdict.MISSING
        return Comparison(reference, NONE, verdict, str(error))
    if ours.n == 0:
        return Comparison(reference, ours, Verdict.MISSING, f"no finished runs: {note}")
    if degenerate:
        reason = f"{degenerate} of {ours.n} runs predict one class only: {note}"
        return Comparison(reference, ours, Verdict.DEGENERATE, reason)
    if scores.study.scale == "demo":
        return Comparison(reference, ours, Verdict.NOT_COMPARABLE, f"demo scale: {note}")
    reason = "no equivalence margin was named beforehand"
    return Comparison(reference, ours, Verdict.INCONCLUSIVE, reason)


def _compare_size(reference: Reference) -> Comparison:
    if reference.metric != "params_millions":
        reason = "a speed-up over BERT_LARGE on a TPU v2; ours is over this study's largest size"
        return Comparison(reference, NONE, Verdict.NOT_COMPARABLE, reason)
    count = Architecture.parse(reference.architecture).parameters() / 1e6
    ours = Interval(count, count, count, 1)
    off = abs(count - reference.value)
    reason = f"counted; {off:.2f} million from the printed value"
    within = off <= PARAMETER_TOLERANCE
    return Comparison(reference, ours, Verdict.REPRODUCED if within else Verdict.DEVIATES, reason)


def _counterpart(scores: Scores, reference: Reference) -> tuple[Interval, int, str]:
    study = scores.study
    if reference.artefact not in study.artefacts:
        raise _NoCounterpartError(f"{reference.artefact} is no artefact of this study")
    if reference.split not in SPLITS:
        raise _NoCounterpartError("a statement about several numbers, not a score")
    cells = study.artefact_cells(reference.artefact)
    task = _task(study, cells, reference)
    metric = reference.metric
    if metric not in study.tasks[task].metrics:
        raise _NoCounterpartError(f"{metric} is no metric of task {task}")
    split: Split = "dev" if reference.split == "dev" else "test"
    if reference.method == TEACHER:
        score = scores.teacher(task, split, metric)
        return score.interval, score.degenerate, f"{task} for {reference.task}, own teacher"
    cell = _cell(study, [cell for cell in cells if cell.task == task], reference)
    score = scores.of(cell, split, metric)
    note = f"{task} for {reference.task}, {cell.architecture} for {reference.architecture}"
    return score.interval, score.degenerate, note


def _task(study: Study, cells: tuple[Cell, ...], reference: Reference) -> str:
    tasks = {cell.task for cell in cells}
    if not tasks:
        raise _NoCounterpartError("needs the released checkpoints, or cells that this study lacks")
    named = study.artefacts[reference.artefact].stands_for
    chosen = named.get(reference.task, reference.task.lower().replace(" ", "-"))
    if chosen in tasks:
        return chosen
    if len(tasks) == 1 and not named:
        return next(iter(tasks))
    raise _NoCounterpartError(f"no task of this study stands for {reference.task}")


def _cell(study: Study, cells: list[Cell], reference: Reference) -> Cell:
    found = [cell for cell in cells if cell.method == reference.method]
    if not found:
        raise _NoCounterpartError(f"{reference.method_word} is not run in this study")
    architecture = _architecture(study, {cell.architecture for cell in found}, reference)
    found = [cell for cell in found if cell.architecture == architecture]
    if reference.transfer_size is not None and len(found) > 1:
        found = [cell for cell in found if _transfer_size(study, cell) == reference.transfer_size]
    if len(found) != 1:
        reason = "no transfer set of this study has the same size and similarity"
        raise _NoCounterpartError(reason, scale=True)
    return found[0]


def _architecture(study: Study, drawn: set[Architecture], reference: Reference) -> Architecture:
    """The study's size in place of the paper's: of the same name, the same, or the only one."""
    named = study.named_architectures.get(reference.name or "")
    if named is not None and named in drawn:
        return named
    same = [size for size in drawn if str(size) == reference.architecture]
    if same or len(drawn) == 1:
        return next(iter(same or drawn))
    reason = f"no size of this study stands for {reference.architecture}"
    raise _NoCounterpartError(reason, scale=True)


def _transfer_size(study: Study, cell: Cell) -> int | None:
    return None if cell.transfer is None else study.transfer_sets[cell.transfer].size
