"""Every published number beside our own, and the verdict: what ours says about it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import fmean
from typing import TypeVar

from pdbench.core.words import p_value, signed
from pdbench.data.columns import TEACHER
from pdbench.evidence.made_with import compared, made_of
from pdbench.evidence.references import (
    META_TASKS,
    PAPER_SIZES,
    TASKS,
    UNSTATED,
    Reference,
    Similarities,
    data_id,
    is_similar,
    published_split,
    transfer_of,
)
from pdbench.evidence.significance import ALPHA, Difference, Interval, holm
from pdbench.evidence.table import ResultsTable, Split
from pdbench.study import Architecture, Cell
from pdbench.study.catalogue.glue import published_task
from pdbench.study.catalogue.metrics import METRICS

_PARAMETER_MARGIN = 0.05  # millions; with the rounding of the paper's one decimal, 0.1

_CONTEXT = "context, never a target: secondary, or another publication's"

_OWN_VERSION = {"mnli": "matched", "mnli-mismatched": "mismatched"}
"""The version that a task's id implies."""

_K = TypeVar("_K")


class Verdict(StrEnum):
    """What the evidence says about a published number."""

    REPRODUCED = "reproduced"
    CONSISTENT = "consistent"
    INCONCLUSIVE = "inconclusive"
    DEVIATES = "deviates"
    DEGENERATE = "degenerate"
    NOT_COMPARABLE = "not-comparable"
    MISSING = "missing"

    @property
    def mark(self) -> str:
        """Its mark: never colour alone; that of a deviation is the one of its direction."""
        marks = ("=", "~", "?", "+/\N{MINUS SIGN}", "!", "x", ".")
        return dict(zip(Verdict, marks, strict=True))[self]


RULES = {
    Verdict.MISSING: "the study has no finished runs for it",
    Verdict.DEGENERATE: "one of our runs predicts one class only, all have one and the same "
    "trivial score, or the published score is trivial",
    Verdict.NOT_COMPARABLE: "task, version, split, metric or size differ, or the teacher, transfer "
    "set or corpus that the method uses: each difference is listed; also where the number is "
    "context",
    Verdict.REPRODUCED: "equivalence is shown: two one-sided t tests over seeds, each at 5%, "
    "within the margin that the study names beforehand plus the published number's uncertainty",
    Verdict.DEVIATES: "runs that spread as ours do would not give the published number, beyond its "
    "uncertainty: t tests over seeds, at 5% for all numbers of the artefact together (Holm), and "
    "equivalence is not shown: + ours is higher, \N{MINUS SIGN} lower",
    Verdict.INCONCLUSIVE: "no margin is named, our runs have no spread (one run, or the same score "
    "in all), or they are so few with such a spread that even equal means could not have shown "
    "equivalence; the smallest detectable difference is printed",
    Verdict.CONSISTENT: "neither: no difference is shown, and equivalence, which could have been "
    "shown, is not either; also what would be reproduced, but the source leaves the split, the "
    "task's version, or what the model was made with open",
}
"""The rules in the order in which they are tried: the first that applies is the verdict."""


@dataclass(frozen=True)
class Measured:
    """What a verdict is about, in the unit of the published number."""

    published: float
    uncertainty: float  # how far the true published number may be off: rounding or reading
    runs: tuple[float, ...]  # our scores, one a seed
    margin: float | None = None  # the margin of equivalence; None if none was named
    seeds: int = 1  # how many runs the published number is the mean of
    best_of: int = 1  # of how many such means it may be the best
    behind: str = "1 there"  # both in words
    differs: tuple[str, ...] = ()  # what is not the same on both sides
    unstated: tuple[str, ...] = ()  # what the source leaves open
    constant: int = 0  # how many of our runs predict one class only
    trivial: tuple[float, ...] = ()  # scores of constant predictors
    exact: bool = False  # whether the number is counted, not measured: one value is all there is

    @property
    def bound(self) -> float:
        """Within how much of the published number ours is the same."""
        return (self.margin or 0.0) + self.uncertainty

    @property
    def basis(self) -> str:
        """What a verdict rests on, in words; nothing for what is counted."""
        n = len(self.runs)
        here = f"{n} run{'s' if n > 1 else ''} here"
        return "" if self.exact else f"; on this test set, {here}, {self.behind}"

    @property
    def estimate(self) -> Difference:
        """Our mean less the published number, which is taken as it is."""
        found = Difference.of(self.runs, self.published)
        if self.exact:
            return replace(found, seeds=0.0)
        # Runs that tie by chance, as few runs on few examples do, do not show that all would.
        tied = max(self.runs) == min(self.runs)
        return replace(found, seeds=math.nan) if tied else found

    @property
    def apart(self) -> Difference:
        """The same where the published number is the mean of runs that spread as ours do."""
        found = self.estimate
        return replace(found, seeds=found.seeds * math.sqrt(1 + found.n / self.seeds))

    @property
    def deviation(self) -> float:
        """Two-sided p of the published number being drawn as our runs are.

        The best of k lies above a bound at most k times as often as one of them (Bonferroni), so
        the side on which ours is lower counts k times.
        """
        found = self.apart
        higher, lower = found.above(self.uncertainty), found.below(-self.uncertainty)
        return min(1.0, 2 * min(higher, self.best_of * lower))

    def detectable(self, numbers: int) -> float:
        """How much lower than published ours must be to be found among so many numbers."""
        return self.apart.detectable(ALPHA / 2 / self.best_of / numbers)


def deviations(cases: Mapping[_K, Measured]) -> dict[_K, float]:
    """P of each number of one artefact that it was not drawn as our runs are, after Holm.

    A number of at most 5% deviates. Where all were drawn as ours were, any does in at most 5% of
    studies. Each needs a run; where runs have no spread, p is 1.
    """
    return holm({key: case.deviation for key, case in cases.items()})


def _judged(cases: Mapping[_K, Measured]) -> dict[_K, tuple[Verdict, str]]:
    """The verdict and its reason for each number of one artefact."""
    tested = {key: case for key, case in cases.items() if _is_tested(case)}
    found = deviations(tested)
    return {key: _judge(case, found.get(key), len(tested)) for key, case in cases.items()}


def _is_tested(case: Measured) -> bool:
    return len(case.runs) > 1 and not (case.exact or case.differs or _degenerate(case))


def _judge(case: Measured, deviation: float | None, numbers: int) -> tuple[Verdict, str]:
    """The verdict, by the first of :data:`RULES` that applies, and its reason.

    ``deviation`` is its p among the ``numbers`` that are tested; None where it is not.
    """
    if not case.runs:
        return Verdict.MISSING, "no finished runs"
    if degenerate := _degenerate(case):
        return Verdict.DEGENERATE, degenerate
    if case.differs:
        return Verdict.NOT_COMPARABLE, "; ".join((*case.differs, *case.unstated))
    off, but = f"ours {signed(case.estimate.value)}", ", but ".join(("", *case.unstated))
    if case.margin is not None and case.estimate.within(case.bound) <= ALPHA:
        shown = Verdict.CONSISTENT if case.unstated else Verdict.REPRODUCED
        return shown, f"{off}, shown to be within ±{case.bound:.2g}{case.basis}{but}"
    if deviates := _deviates(case, deviation, numbers):
        return Verdict.DEVIATES, f"{off}, {deviates}{case.basis}{but}"
    if undecided := _inconclusive(case, numbers):
        return Verdict.INCONCLUSIVE, f"{off}; {undecided}{case.basis}{but}"
    neither = "neither a difference nor equivalence is shown"
    return Verdict.CONSISTENT, f"{off}; {neither}{case.basis}{but}"


def _deviates(case: Measured, deviation: float | None, numbers: int) -> str:
    if deviation is None:
        return "more than rounding explains" if case.deviation <= ALPHA else ""
    if deviation > ALPHA:
        return ""
    among = f"Holm over {numbers} number{'s' if numbers > 1 else ''}"
    return f"more than the spread over seeds explains (p {p_value(deviation)}, {among})"


def _inconclusive(case: Measured, numbers: int) -> str:
    found, n = case.estimate, len(case.runs)
    if math.isnan(found.error):
        runs = "one run has" if n == 1 else "runs with one and the same score have"
        return f"{runs} no spread"
    least = f"smallest detectable difference {case.detectable(numbers):.1f}"
    if case.margin is None:
        return f"no margin was named beforehand; {least}"
    if replace(found, value=0.0).within(case.bound) > ALPHA:
        return f"too few runs for ±{case.bound:.2g}; {least}"
    return ""


def _degenerate(case: Measured) -> str:
    n = len(case.runs)
    if case.constant:
        return f"{case.constant} of {n} runs predict one class only"
    if any(abs(case.published - score) <= case.uncertainty for score in case.trivial):
        return f"the published {case.published:g} is the score of a constant prediction"
    same = n > 1 and max(case.runs) == min(case.runs)
    if same and any(math.isclose(case.runs[0], score, abs_tol=1e-6) for score in case.trivial):
        return f"all {n} runs score {case.runs[0]:.1f}, as a constant prediction does"
    return ""


@dataclass(frozen=True)
class Comparison:
    """A published number, our own, with the key of its cell if there is one, and the verdict."""

    reference: Reference
    ours: Interval
    verdict: Verdict
    reason: str
    cell: str | None = None
    comparable: bool = False  # whether both are numbers of the same thing; no finished run, no

    @property
    def mark(self) -> str:
        """The verdict's mark; of a deviation, its direction."""
        if self.verdict is Verdict.DEVIATES:
            return "+" if self.ours.mean > self.reference.value else "\N{MINUS SIGN}"
        return self.verdict.mark


class _MissingError(Exception):
    """Says why a study has no number to put beside a reference."""


class _OtherKindError(Exception):
    """Says why its number is of another kind: another metric, size or transfer set."""


def compare(
    scores: ResultsTable,
    references: Iterable[Reference],
    similarity: Similarities | None = None,
) -> tuple[Comparison, ...]:
    """Put every reference beside the study's own number, in the order given.

    Without ``similarity``, numbers that depend on S have no counterpart.
    """
    own = _Own(scores, similarity or {})
    found = [own.beside(reference) for reference in references]
    judged: dict[int, Comparison] = {}
    for artefact in {one.reference.artefact for one in found}:
        joined = {
            i: one
            for i, one in enumerate(found)
            if isinstance(one, _Beside) and one.reference.artefact == artefact
        }
        verdicts = _judged({i: one.measured for i, one in joined.items()})
        judged |= {i: one.judged(*verdicts[i]) for i, one in joined.items()}
    return tuple(one if isinstance(one, Comparison) else judged[i] for i, one in enumerate(found))


@dataclass(frozen=True)
class _Beside:
    """A published number with our own, before the verdict."""

    reference: Reference
    measured: Measured
    what: str  # what ours is
    cell: str | None = None

    def judged(self, verdict: Verdict, reason: str) -> Comparison:
        """The same with its verdict."""
        ours = Difference.of(self.measured.runs).interval
        if self.measured.exact:
            ours = Interval(ours.mean, ours.mean, ours.mean, 1)
        reason, same = f"{reason} ({self.what})", not self.measured.differs
        comparable = same and bool(self.measured.runs)
        return Comparison(self.reference, ours, verdict, reason, self.cell, comparable)


def _counted(reference: Reference) -> _Beside:
    """A number of parameters beside ours, which is counted and has no spread."""
    if reference.size is None:
        raise _MissingError("no size of pdbench")
    found = Measured(
        published=reference.value,
        uncertainty=reference.uncertainty,
        runs=(reference.size.parameters() / 1e6,),
        margin=_PARAMETER_MARGIN,
        differs=(_CONTEXT,) if reference.is_context else (),
        exact=True,
    )
    return _Beside(reference, found, "counted")


def _left_open(reference: Reference) -> tuple[str, ...]:
    stated = {"split": reference.split, "task version": reference.task_version}
    open_ = [word for word, value in stated.items() if value == UNSTATED]
    return (f"the source states no {' and no '.join(open_)}",) if open_ else ()


def _each_once(several: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words for found in several for words in found))


class _Own:
    """The numbers of a study, found by what published ones are numbers of."""

    def __init__(self, scores: ResultsTable, similarity: Similarities) -> None:
        self._scores, self._study, self._similarity = scores, scores.study, similarity

    def beside(self, reference: Reference) -> _Beside | Comparison:
        """A published number with the study's own; where there is none, the verdict says why."""
        try:
            if reference.metric == "params_millions":
                return _counted(reference)
            if not reference.is_score:
                ratio = "a ratio on the paper's own hardware and models"
                other = "no score of a model that a study trains"
                raise _OtherKindError(ratio if reference.unit == "ratio" else other)
            if reference.metric == "meta_score":
                return self._mean(reference)
            return self._measured(reference)
        except _OtherKindError as error:
            return Comparison(reference, Interval(), Verdict.NOT_COMPARABLE, str(error))
        except _MissingError as error:
            return Comparison(reference, Interval(), Verdict.MISSING, str(error))

    def _mean(self, reference: Reference) -> _Beside:
        """A meta score beside the mean over the same tasks, seed by seed."""
        tasks: list[list[float]] = []
        parts: list[Measured] = []
        for scored in META_TASKS:
            own = [self._measured(reference.part(*column)).measured for column in scored]
            tasks.append([fmean(seed) for seed in zip(*(one.runs for one in own), strict=False)])
            parts += own
        found = replace(
            parts[0],
            runs=tuple(fmean(seed) for seed in zip(*tasks, strict=False)),
            differs=_each_once(part.differs for part in parts),
            unstated=_each_once(part.unstated for part in parts),
            constant=max(part.constant for part in parts),
            trivial=(),
            # The best of k runs of each task make the mean one of k to the power of the tasks.
            best_of=parts[0].best_of ** len(tasks),
        )
        return _Beside(reference, found, "mean over six tasks")

    def _measured(self, reference: Reference) -> _Beside:
        """A published score beside ours."""
        study, scores, metric = self._study, self._scores, reference.metric
        task, cell = self._counterpart(reference)
        identity, metrics = data_id(study, task), study.tasks[task].metrics
        split = self._split(reference, identity, cell)
        if metric not in metrics:
            raise _OtherKindError(f"{metric} there; {task} has {', '.join(metrics)}")
        score = scores.of(cell, split, metric) if cell else scores.teacher(task, split, metric)
        trivial = (0.0,) if METRICS[metric].is_correlation else ()
        if metric == "accuracy" and score.majority is not None:
            trivial = (score.majority,)
        made = made_of(study, task, cell, scores.teacher_size(task))
        parts = [compared(own, reference.made_with(own.part)) for own in made]
        said = {one.words: one.kind for one in parts if one is not None}
        differs = [*self._differences(reference, task, split, cell)]
        differs += [words for words, kind in said.items() if kind == "differs"]
        if split == "dev" and cell and len(study.runs(cell)) > study.seed_counts[cell]:
            differs.append("our dev chose the grid point")
        open_ = (words for words, kind in said.items() if kind == "open")
        found = Measured(
            published=reference.value,
            uncertainty=reference.uncertainty,
            runs=score.runs,
            margin=study.margin(reference.artefact),
            differs=(_CONTEXT,) if reference.is_context else tuple(differs),
            seeds=reference.seeds,
            best_of=reference.best_of,
            behind=reference.behind,
            unstated=(*_left_open(reference), *open_),
            constant=score.degenerate,
            trivial=trivial,
        )
        what = [f"{task} for {reference.task}, {cell.architecture if cell else 'teacher'}"]
        what += [words for words, kind in said.items() if kind == "assumed"]
        return _Beside(
            reference, found, "; ".join(what), cell.key if cell else scores.teacher_key(task)
        )

    def _differences(
        self, reference: Reference, task: str, own: Split, cell: Cell | None
    ) -> Iterator[str]:
        """What makes the two numbers different in kind, what they were made with apart."""
        identity, settings = data_id(self._study, task), self._study.tasks[task]
        if identity != TASKS[reference.task]:
            yield f"task {task}, there {reference.task}"
        else:
            version = settings.version or _OWN_VERSION.get(identity, "")
            if reference.task_version not in ("", UNSTATED, version):
                stated = version or "not stated (name tasks.*.version)"
                yield f"version {stated}, there {reference.task_version}"
            yield from self._cut(task, own)
        split = published_split(own, identity)
        if reference.split not in (UNSTATED, split):
            yield f"split {split}, there {reference.split}"
        if cell is not None and reference.size not in (None, cell.architecture):
            yield f"size {cell.architecture}, there {reference.architecture}"

    def _cut(self, task: str, split: Split) -> Iterator[str]:
        """Which of GLUE's examples the study leaves out, other than those that it holds out."""
        study, settings = self._study, self._study.tasks[task]
        of_labels = study.tasks[settings.model_of or task]
        glue = published_task(of_labels.source, of_labels.name, of_labels.configuration)
        if glue is None:
            return
        whole = glue.items["train"] - (of_labels.dev or 0)
        if of_labels.train is not None and of_labels.train < whole:
            yield f"labelled set of {of_labels.train:,} examples, there all"
        if split == "test" and settings.test is not None and settings.test < glue.items["dev"]:
            yield f"{settings.test:,} examples scored, there all {glue.items['dev']:,}"

    def _split(self, reference: Reference, identity: str, cell: Cell | None) -> Split:
        """Our split that is the published one; our test split where none is."""
        splits: tuple[Split, ...] = ("test", "dev")
        if cell is not None and self._scores.of(cell, "submission", reference.metric).runs:
            splits = (*splits, "submission")
        same = (split for split in splits if published_split(split, identity) == reference.split)
        return next(same, "test")

    def _counterpart(self, reference: Reference) -> tuple[str, Cell | None]:
        """The task and cell of the same number; no cell for the teacher."""
        artefact = reference.artefact
        if artefact not in self._study.artefacts:
            if reference.is_context:
                raise _OtherKindError(f"{artefact}: {_CONTEXT}")
            raise _MissingError(f"{artefact}: no artefact of this study")
        cells = self._study.artefact_cells(artefact)
        if not cells:
            raise _MissingError("needs the released checkpoints, or cells this study lacks")
        task = self._in_place_of(reference.task, artefact, dict.fromkeys(c.task for c in cells))
        if reference.method == TEACHER:
            return task, None
        found = [cell for cell in cells if (cell.task, cell.method) == (task, reference.method)]
        if not found:
            raise _MissingError(f"{reference.method_word} is not run in this study")
        return task, self._cell(found, reference)

    def _in_place_of(self, word: str, artefact: str, tasks: Iterable[str]) -> str:
        """The task of an artefact that is shown in the place of a published one.

        It is the one that the artefact names, or the same, or the artefact's only task.
        """
        own, named = list(tasks), self._study.artefacts[artefact].stands_for
        found: list[str] = []
        if word in named:
            found = [task for task in own if task == named[word]]
        elif TASKS[word]:
            found = [task for task in own if data_id(self._study, task) == TASKS[word]]
            found = found or (own if len(own) == 1 and not named else [])
        if not found:
            raise _MissingError(f"no task of this study stands for {word}")
        return found[0]

    def _cell(self, cells: list[Cell], reference: Reference) -> Cell:
        architecture = self._architecture({cell.architecture for cell in cells}, reference)
        found = [cell for cell in cells if cell.architecture == architecture]
        found = [cell for cell in found if self._same_transfer(cell, reference)]
        if len(found) != 1:
            items, similarity = reference.transfer_size, reference.similarity
            named = [] if items is None else [f"{items:,} items"]
            named += [] if similarity is None else [f"S = {similarity:g}"]
            place = " and ".join(named) or "its place"
            raise _OtherKindError(f"no transfer set of this study has {place}")
        return found[0]

    def _same_transfer(self, cell: Cell, reference: Reference) -> bool:
        size, similarity = transfer_of(self._study, cell, self._similarity)
        if size is None:
            return True
        if reference.transfer_size not in (None, size):
            return False
        return reference.similarity is None or is_similar(similarity, reference.similarity)

    def _architecture(self, drawn: set[Architecture], reference: Reference) -> Architecture:
        """The study's size in place of the paper's: the same, of the same name, or its only one.

        A size that the study calls by another of the paper's names stands for that one.
        """
        named = self._study.named_architectures
        taken = {
            size for name, size in named.items() if name in PAPER_SIZES.keys() - {reference.name}
        }
        same = [size for size in drawn - taken if size == reference.size]
        like = [size for size in drawn if size == named.get(reference.name or "")]
        found = same or like or (list(drawn) if len(drawn) == 1 else [])
        if not found:
            raise _OtherKindError(f"no size of this study stands for {reference.architecture}")
        return found[0]
