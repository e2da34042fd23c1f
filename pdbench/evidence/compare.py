"""Every published number beside our own, joined by what both are numbers of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import fmean

from pdbench.data.columns import TEACHER
from pdbench.evidence.matching import (
    SIMILARITY_TOLERANCE,
    data_id,
    in_place_of,
    published_split,
    version_of,
)
from pdbench.evidence.references import Reference
from pdbench.evidence.registry import META_TASKS, TASKS, UNSTATED, VERSIONS
from pdbench.evidence.significance import NO_RUNS, Interval, t_interval
from pdbench.evidence.table import ResultsTable, Split
from pdbench.evidence.verdicts import MARKS, Measured, Verdict, judge
from pdbench.study import Architecture, Cell, Study
from pdbench.study.catalogue.metrics import METRICS

_PARAMETER_MARGIN = 0.05
"""Millions; with the rounding of the paper's one decimal, 0.1."""


@dataclass(frozen=True)
class Comparison:
    """A published number, our own counterpart and what it says.

    Attributes:
        reference: The published number.
        ours: Our number; ``n`` is 0 where there is none.
        verdict: The verdict.
        mark: Its mark.
        reason: Why, in words.
        cell: Key of the cell that is our counterpart; None without one.
    """

    reference: Reference
    ours: Interval
    verdict: Verdict
    mark: str
    reason: str
    cell: str | None = None


class _NoCounterpartError(Exception):
    """Says in its text why a study has nothing to put beside a reference.

    ``differs`` is true where there is a number of ours, but of another kind: another metric, size
    of student or transfer set.
    """

    def __init__(self, reason: str, *, differs: bool = False) -> None:
        super().__init__(reason)
        self.differs = differs


def compare(
    scores: ResultsTable,
    references: Iterable[Reference],
    similarity: Mapping[str, Mapping[str, float]] | None = None,
) -> tuple[Comparison, ...]:
    """Put every reference beside the study's own number, in the order given.

    Args:
        scores: The study's scores.
        references: The published numbers.
        similarity: S of each transfer set to each task, as the audit measured it; without it,
            numbers that depend on S have no counterpart.
    """
    return tuple(_compare(scores, reference, similarity or {}) for reference in references)


def _compare(
    scores: ResultsTable, reference: Reference, similarity: Mapping[str, Mapping[str, float]]
) -> Comparison:
    try:
        if reference.metric == "params_millions":
            return _compare_count(reference)
        if not reference.is_score:
            raise _NoCounterpartError(_why_no_score(reference), differs=True)
        if reference.metric == "meta_score":
            return _compare_mean(scores, reference)
        ours = _own(scores, reference, similarity)
    except _NoCounterpartError as error:
        verdict = Verdict.NOT_COMPARABLE if error.differs else Verdict.MISSING
        return Comparison(reference, NO_RUNS, verdict, MARKS[verdict], str(error))
    found, cell = ours.measured, ours.cell
    if ours.split == "dev" and cell and _has_grid(scores, cell):
        found = replace(found, differs=found.differs or "our dev chose the grid point")
    key = cell.key if cell else scores.teacher_key(ours.task)
    size = f"{cell.architecture}" if cell else "teacher"
    return _judged(reference, found, f"{ours.task} for {reference.task}, {size}", key)


def _compare_mean(scores: ResultsTable, reference: Reference) -> Comparison:
    """Compare a meta score with the mean over the same tasks, seed by seed."""
    tasks, parts = [], []
    for scored in META_TASKS:
        own = []
        for word, metric in scored:
            part = replace(reference, task=word, metric=metric, task_version=_version(word))
            own.append(_own(scores, part, {}).measured)
        tasks.append([fmean(seed) for seed in zip(*(one.runs for one in own), strict=False)])
        parts += own
    found = Measured(
        published=reference.value,
        uncertainty=reference.uncertainty,
        runs=tuple(fmean(seed) for seed in zip(*tasks, strict=False)),
        margin=scores.study.margin(reference.artefact),
        differs=next((part.differs for part in parts if part.differs), ""),
        unstated=_left_open(reference),
        constant=max(part.constant for part in parts),
    )
    return _judged(reference, found, "mean over six tasks")


def _version(word: str) -> str:
    """The version of a task that a mean over tasks is taken to have, where no source says it."""
    versions = VERSIONS.get(word, ("",))
    return UNSTATED if UNSTATED in versions else versions[0]


def _judged(
    reference: Reference, found: Measured, beside: str, key: str | None = None
) -> Comparison:
    judgement = judge(found)
    reason = f"{judgement.reason} ({beside})"
    ours = t_interval(found.runs)
    if found.exact:
        ours = Interval(ours.mean, ours.mean, ours.mean, 1)
    return Comparison(reference, ours, judgement.verdict, judgement.mark, reason, key)


def _compare_count(reference: Reference) -> Comparison:
    """Compare a number of parameters, which is counted and has no spread."""
    try:
        count = Architecture.parse(reference.architecture).parameters() / 1e6
    except ValueError:
        raise _NoCounterpartError("no size of pdbench") from None
    differs = _CONTEXT if reference.is_context else ""
    value, rounding = reference.value, reference.uncertainty
    found = Measured(value, rounding, (count,), _PARAMETER_MARGIN, differs=differs, exact=True)
    return _judged(reference, found, "counted")


_CONTEXT = "context, never a target: secondary, or another publication's"


def _why_no_score(reference: Reference) -> str:
    if reference.unit == "ratio":
        return "a ratio on the paper's own hardware and models"
    return "no score of a model that a study trains"


@dataclass(frozen=True)
class _Own:
    """Our counterpart of a published score, and where it was found; no cell for the teacher."""

    measured: Measured
    task: str
    cell: Cell | None
    split: Split


def _own(
    scores: ResultsTable, reference: Reference, similarity: Mapping[str, Mapping[str, float]]
) -> _Own:
    study, metric = scores.study, reference.metric
    task, cell = _counterpart(study, reference, similarity)
    identity, metrics = data_id(study, reference.artefact, task), study.tasks[task].metrics
    split = _own_split(scores, reference, identity, cell)
    if metric not in metrics:
        what = f"{metric} there; {task} has {', '.join(metrics)}"
        raise _NoCounterpartError(what, differs=True)
    score = scores.of(cell, split, metric) if cell else scores.teacher(task, split, metric)
    known = METRICS.get(metric)
    trivial = (0.0,) if known is not None and known.is_correlation else ()
    if metric == "accuracy" and score.majority is not None:
        trivial = (score.majority,)
    measured = Measured(
        published=reference.value,
        uncertainty=reference.uncertainty,
        runs=score.runs,
        margin=study.margin(reference.artefact),
        differs=_difference(study, reference, task, identity, split),
        unstated=_left_open(reference),
        constant=score.degenerate,
        trivial=trivial,
    )
    return _Own(measured, task, cell, split)


def _difference(study: Study, reference: Reference, task: str, identity: str, own: Split) -> str:
    """What makes the two numbers different in kind; empty if nothing does."""
    if reference.is_context:
        return _CONTEXT
    if study.scale == "demo":
        return "demo scale"
    if identity != TASKS[reference.task]:
        return f"{task} is not {reference.task}"
    version = version_of(study, task, identity)
    if reference.task_version not in ("", UNSTATED, version):
        stated = version or "not stated: name tasks.*.version"
        return f"{reference.task} is {reference.task_version} there, here {stated}"
    split = published_split(own, identity)
    if reference.split not in (UNSTATED, split):
        return f"split {reference.split} there, here {split}"
    return ""


def _left_open(reference: Reference) -> str:
    open_ = [
        word
        for word, value in (("split", reference.split), ("task version", reference.task_version))
        if value == UNSTATED
    ]
    return f"the source states no {' and no '.join(open_)}" if open_ else ""


def _own_split(
    scores: ResultsTable, reference: Reference, identity: str, cell: Cell | None
) -> Split:
    """Our split that is the published one; our test split where none is."""
    splits: tuple[Split, ...] = ("test", "dev")
    if cell is not None and scores.of(cell, "submission", reference.metric).runs:
        splits = (*splits, "submission")
    same = (split for split in splits if published_split(split, identity) == reference.split)
    return next(same, "test")


def _has_grid(scores: ResultsTable, cell: Cell) -> bool:
    """Whether dev chose among several grid points."""
    return len(scores.study.runs(cell)) > scores.study.seeds[cell]


def _counterpart(
    study: Study, reference: Reference, similarity: Mapping[str, Mapping[str, float]]
) -> tuple[str, Cell | None]:
    """The task and cell of the same number; no cell for the teacher."""
    if reference.artefact not in study.artefacts:
        reason = _CONTEXT if reference.is_context else "no artefact of this study"
        raise _NoCounterpartError(f"{reference.artefact}: {reason}", differs=reference.is_context)
    cells = study.artefact_cells(reference.artefact)
    if not cells:
        raise _NoCounterpartError("needs the released checkpoints, or cells this study lacks")
    task = in_place_of(study, reference.artefact, reference.task)
    if task is None:
        raise _NoCounterpartError(f"no task of this study stands for {reference.task}")
    if reference.method == TEACHER:
        return task, None
    found = [cell for cell in cells if (cell.task, cell.method) == (task, reference.method)]
    if not found:
        raise _NoCounterpartError(f"{reference.method_word} is not run in this study")
    return task, _cell(study, found, reference, similarity)


def _cell(
    study: Study,
    cells: list[Cell],
    reference: Reference,
    similarity: Mapping[str, Mapping[str, float]],
) -> Cell:
    architecture = _architecture(study, {cell.architecture for cell in cells}, reference)
    found = [cell for cell in cells if cell.architecture == architecture]
    found = [cell for cell in found if _same_transfer(study, cell, reference, similarity)]
    if len(found) != 1:
        named = [] if reference.transfer_size is None else [f"{reference.transfer_size:,} items"]
        named += [] if reference.similarity is None else [f"S = {reference.similarity:g}"]
        reason = f"no transfer set of this study has {' and '.join(named) or 'its place'}"
        raise _NoCounterpartError(reason, differs=True)
    return found[0]


def _same_transfer(
    study: Study,
    cell: Cell,
    reference: Reference,
    similarity: Mapping[str, Mapping[str, float]],
) -> bool:
    if cell.transfer is None:
        return True
    size = study.transfer_sets[cell.transfer].size
    if reference.transfer_size not in (None, size):
        return False
    if reference.similarity is None:
        return True
    found = similarity.get(cell.transfer, {}).get(cell.task)
    return found is not None and abs(found - reference.similarity) <= SIMILARITY_TOLERANCE


def _architecture(study: Study, drawn: set[Architecture], reference: Reference) -> Architecture:
    """The study's size in place of the paper's: the same, or at the demo's scale its like."""
    same = [size for size in drawn if str(size) == reference.architecture]
    if study.scale == "demo":
        named = study.named_architectures.get(reference.name or "")
        only = list(drawn) if len(drawn) == 1 else []
        same = [size for size in drawn if size == named] or same or only
    if same:
        return same[0]
    reason = f"no size of this study stands for {reference.architecture}"
    raise _NoCounterpartError(reason, differs=True)
