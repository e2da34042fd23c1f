"""Published and measured numbers under one roof, so that a statement reads the same on both.

The paper's sizes, transfer sets and tasks are found in a study by what they are:

- a named size (Tiny ... Base) is the study's size of that name;
- a size L/H that a statement is about for its depth and width (``like``) is the study's size as
  many times as deep and as wide as its smallest, as L/H is of the paper's smallest, 2/128;
- "every size", "every transfer set" and "every similarity" are all that the figure has;
- anything else must be the same: a transfer set of 8m items, S = 0.43, QNLI.

Whatever is asked for and is not there raises ``Untestable``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from pdbench.data.columns import TEACHER
from pdbench.evidence.paired import Estimator, RunGroup, Scored
from pdbench.evidence.references import (
    META_TASKS,
    PAPER_SIZES,
    TASKS,
    Reference,
    Similarities,
    as_run,
    data_id,
    is_similar,
    published_split,
    transfer_of,
)
from pdbench.evidence.statements import Quantity, Term, Untestable
from pdbench.evidence.table import ResultsTable, Split
from pdbench.study import PAPER_ARCHITECTURES, Architecture, Cell, Study

_PAPER_TASKS = {
    "figure5": "mnli",
    "figure6": "sst2",
    "figure8": "book-reviews",
    "figure9": "book-reviews",
    "figure10": "mnli",
}
"""The task of each of the paper's figures that has one."""

SERVER = "@server"
"""Ends the key of a cell's scores on GLUE's own test split."""

_ANSWERED = 1000
"""As many examples as one counts a tenth of a point: the last digit that GLUE's server prints."""

_NO_DEV = "dev chooses among the runs of a study, and only its test is compared"


@dataclass(frozen=True)
class _Number:
    """One number with what it is a number of, in the paper's words where it has them."""

    artefact: str
    task: str
    method: str
    size: Architecture | None = None  # size of the student; None for the teacher
    transfer: int | None = None  # items of the transfer set, where the number depends on it
    similarity: float | None = None
    split: str = ""
    metric: str = ""
    term: Term = ("", "")
    shown: bool = False  # whether figures show it: scores, in a study those of its test split
    lacking: str = ""  # why it cannot be used; empty if it can
    distilled_on: str = ""  # task and transfer set of a study's own; a published one's is its task


def _only(numbers: Iterable[_Number], name: str, **wanted: object) -> Quantity:
    """The one number with these attributes, of those that are not None, under a name."""
    asked = {attribute: value for attribute, value in wanted.items() if value is not None}
    found = [n for n in numbers if all(getattr(n, a) == value for a, value in asked.items())]
    if len(found) != 1:
        raise Untestable(f"{'several numbers' if found else 'no number'} for {name}")
    if found[0].lacking:
        raise Untestable(found[0].lacking)
    return Quantity({found[0].term: 1.0}, 0.0, name)


@dataclass(frozen=True)
class Numbers:
    """All numbers of one origin, by what they are."""

    entries: tuple[_Number, ...]
    named: Mapping[str, Architecture]  # the named sizes, from small to large
    own_magnitudes: bool  # whether the paper's magnitudes hold here: at its own scale

    @classmethod
    def published(cls, references: Iterable[Reference]) -> Numbers:
        """The paper's own numbers, each by its own term; those of one and the same model share it.

        A model that is truncated to the depth that it has is the pre-trained one itself.
        """
        found = [_published(r) for r in references if not r.is_context]
        place = {(n.artefact, n.method, n.task, n.size): n.term for n in found}
        deepest = {size.hidden: size for size in PAPER_ARCHITECTURES}
        entries = (
            replace(n, term=place.get((n.artefact, "pd", n.task, n.size), n.term))
            if n.method == "pd-truncated" and n.size in deepest.values()
            else n
            for n in found
        )
        return cls(tuple(entries), PAPER_SIZES, True)

    @classmethod
    def measured(cls, scores: ResultsTable, similarity: Similarities) -> Numbers:
        """The numbers of a study; terms are the key of a cell and the metric.

        It is the key of the cell whose models are the very same, so that what is compared with
        itself cancels; a score on GLUE's own test split is one of :func:`with_answers`.
        """
        study = scores.study
        entries = tuple(_measured(scores, similarity))
        return cls(entries, study.named_architectures, study.scale == "paper")

    def points(self, magnitude: float) -> float:
        """A magnitude of the paper's numbers that the statement does not claim.

        At the paper's scale it stands; at another scale only the direction is asked, so it is 0.
        """
        return magnitude if self.own_magnitudes else 0.0

    def figure(self, artefact: str, task: str | None = None, tag: str = "") -> Figure:
        """The numbers of a figure, of one task; a tag tells its numbers from another's."""
        tasks = self.tasks(artefact)
        own = _PAPER_TASKS.get(artefact)
        if task is None and len(tasks) > 1 and own not in tasks:
            raise Untestable(f"{artefact} has several tasks here: {', '.join(tasks)}")
        chosen = task or (own if own in tasks else tasks[0])
        found = [e for e in self.entries if (e.artefact, e.task) == (artefact, chosen)]
        if not found:
            raise Untestable(f"{artefact} has no task {chosen} here")
        return Figure(self, found, tag)

    def tasks(self, artefact: str) -> tuple[str, ...]:
        """The tasks of a figure."""
        shown = (e for e in self.entries if e.artefact == artefact and e.shown)
        if not (found := tuple(dict.fromkeys(entry.task for entry in shown))):
            raise Untestable(f"{artefact} has no scores here")
        return found

    def columns(self, split: str) -> tuple[tuple[str, str], ...]:
        """The (task, metric) columns of a split in table3, without means over tasks."""
        own = (e for e in self.entries if (e.artefact, e.split) == ("table3", split))
        return tuple(dict.fromkeys((e.task, e.metric) for e in own if e.metric != "meta_score"))

    def mean_of_columns(self, method: str, split: str) -> Quantity:
        """The mean over the tasks and metrics of a split in table3."""
        own = [self.score(method, task, split, metric) for task, metric in self.columns(split)]
        if not own:
            raise Untestable(f"table3 has no {split} scores here")
        return Quantity.mean(own, f"{short_name(method)} {split} mean of {len(own)} columns")

    def score(self, method: str, task: str, split: str, metric: str = "accuracy") -> Quantity:
        """A score of table3, of the method as its authors ran it on the task."""
        own = as_run(method, task)
        asked = {"artefact": "table3", "method": own, "task": task, "split": split}
        return _only(self.entries, f"{short_name(method)} {task} {metric}", **asked, metric=metric)

    def meta(self, method: str, split: str) -> Quantity:
        """The meta score of table3: as it is printed, or else the mean that it is."""
        printed = [e for e in self.entries if e.metric == "meta_score"]
        if not printed:
            return self.mean_of_tasks(method, split)
        name = f"{short_name(method)} {split} meta score"
        return _only(printed, name, method=method, split=split)

    def mean_of_tasks(self, method: str, split: str) -> Quantity:
        """The mean over the six tasks; two scores of one task are averaged first."""
        tasks = []
        for parts in META_TASKS:
            own = [self.score(method, TASKS[word], split, m) for word, m in parts]
            tasks.append(Quantity.mean(own, TASKS[parts[0][0]]))
        return Quantity.mean(tasks, f"{short_name(method)} {split} mean of six tasks")

    def value(
        self,
        metric: str,
        artefact: str = "sizes",
        size: Architecture | None = None,
        method: str | None = None,
    ) -> Quantity:
        """A number that is no score, which a study has none of: parameters, a speed-up, a ratio."""
        name = f"{' '.join(str(word) for word in (metric, method, size) if word)} of {artefact}"
        asked = {"artefact": artefact, "metric": metric, "method": method, "size": size}
        return _only(self.entries, name, **asked)


class Figure:
    """The numbers of one figure on one task; accuracies, on the test split of a study."""

    def __init__(self, numbers: Numbers, entries: Sequence[_Number], tag: str) -> None:
        self._tag = f" ({tag})" if tag else ""
        self._entries = [e for e in entries if e.shown]
        self._named, self.points = numbers.named, numbers.points

    @cached_property
    def sizes(self) -> tuple[Architecture, ...]:
        """Every size, by width and then depth."""
        found = {e.size for e in self._entries if e.size is not None}
        return tuple(sorted(found, key=lambda size: (size.hidden, size.layers)))

    @property
    def named(self) -> tuple[Architecture, ...]:
        """The five named sizes, from small to large."""
        return tuple(self._size(name) for name in PAPER_SIZES)

    def _size(self, name: str) -> Architecture:
        if name not in self._named:
            raise Untestable(f"no size is named {name} here")
        return self._named[name]

    def from_shallow_to_deep(self, *names: str) -> tuple[Architecture, ...]:
        """Named sizes that must become deeper in this order."""
        sizes = tuple(self._size(name) for name in names)
        if any(one.layers >= other.layers for one, other in itertools.pairwise(sizes)):
            order = ", ".join(f"{n} {s}" for n, s in zip(names, sizes, strict=True))
            raise Untestable(f"sizes do not go from shallow to deep here: {order}")
        return sizes

    def like(self, size: str) -> Architecture:
        """The size in the place of one of the paper's, by its relative depth and width."""
        paper, smallest = Architecture.parse(size), PAPER_ARCHITECTURES[0]
        depth, width = paper.layers / smallest.layers, paper.hidden / smallest.hidden
        layers, hidden = min(size.layers for size in self.sizes), self.sizes[0].hidden
        for found in self.sizes:
            if found.layers == depth * layers and found.hidden == width * hidden:
                return found
        like = f"{depth:g} times as deep and {width:g} times as wide as the smallest"
        raise Untestable(f"no size here is {like}, as {size} is")

    def across_widths(self, *depths: int) -> Iterator[tuple[Architecture, ...]]:
        """At each width, the sizes in the place of the paper's with these numbers of layers."""
        smallest = PAPER_ARCHITECTURES[0]
        for hidden in dict.fromkeys(size.hidden for size in self.sizes):
            wide = smallest.hidden * hidden // min(size.hidden for size in self.sizes)
            yield tuple(self.like(f"{depth}/{wide}") for depth in depths)

    @property
    def transfers(self) -> tuple[int, ...]:
        """The sizes of the transfer sets, ascending."""
        found = {e.transfer for e in self._entries if e.transfer is not None}
        if not found:
            raise Untestable("there are no transfer sets here")
        return tuple(sorted(found))

    @property
    def similarities(self) -> tuple[float, ...]:
        """The similarities S of the transfer sets, ascending."""
        found = {e.similarity for e in self._entries if e.similarity is not None}
        if not found:
            raise Untestable("the similarities S of the transfer sets are not known: run the audit")
        return tuple(sorted(found))

    def similarity(self, wanted: float) -> float:
        """The similarity that is the paper's."""
        for found in self.similarities:
            if is_similar(found, wanted):
                return found
        raise Untestable(f"no transfer set has S = {wanted:g} here")

    @property
    def series(self) -> tuple[tuple[str, Architecture], ...]:
        """The (method, size) of every curve over transfer sets."""
        curves = ((e.method, e.size) for e in self._entries if e.size and e.transfer is not None)
        return tuple(dict.fromkeys(curves))

    def distilled_on(self, method: str) -> str:
        """On what a method distils here, all that it is, in words."""
        found = {e.distilled_on for e in self._entries if e.method == method}
        return ", ".join(sorted(found))

    @property
    def teacher(self) -> Quantity:
        """The teacher's accuracy."""
        return self.acc(TEACHER)

    def acc(
        self,
        method: str,
        size: Architecture | str | None = None,
        *,
        transfer: int | None = None,
        similarity: float | None = None,
    ) -> Quantity:
        """The accuracy of a method at a size, on a transfer set of so many items or this S."""
        wanted = self._size(size) if isinstance(size, str) else size
        name = short_name(method) + (f" {wanted}" if wanted else "")
        name += f" at {transfer:,}" if transfer is not None else ""
        name += f" at S={similarity:.2f}" if similarity is not None else ""
        asked = {"method": method, "size": wanted, "transfer": transfer, "similarity": similarity}
        return _only(self._entries, name + self._tag, **asked, metric="accuracy")


def short_name(method: str) -> str:
    """A method's id as the paper writes it: PD, PF, D; others as they are."""
    return method.upper() if method in ("pd", "pf", "d", "tf", "pd-f") else method


def _published(reference: Reference) -> _Number:
    r = reference
    place = (r.size, r.transfer_size, r.similarity, r.split, r.metric)
    task = TASKS[r.task] or r.task
    number = _Number(r.artefact, task, r.method, *place, term=r.term, shown=r.is_score)
    return replace(number, distilled_on=task)


def _measured(scores: ResultsTable, similarity: Similarities) -> Iterator[_Number]:
    study = scores.study
    for artefact in study.artefacts:
        cells = study.artefact_cells(artefact)
        for cell in cells:
            same = study.same_model(cell)
            lacking = "" if scores.is_whole(same) else f"cell {same.key} is missing"
            place = (cell.architecture, *transfer_of(study, cell, similarity))
            own = _Number(artefact, cell.task, cell.method, *place, lacking=lacking)
            own = replace(own, distilled_on=f"{cell.task} by {cell.transfer}")
            yield from _scored(study, own, "test", same.key)
            yield from _scored(study, replace(own, lacking=lacking or _NO_DEV), "dev", same.key)
            if not lacking and not len(_answers(scores, same)):
                lacking = f"GLUE's server has scored no run of {same.key}: "
                lacking += "pdbench submission, then pdbench import-scores"
            own = replace(own, lacking=lacking)
            yield from _scored(study, own, "submission", same.key + SERVER)
        for task in dict.fromkeys(cell.task for cell in cells):
            key = scores.teacher_key(task) or ""
            lacking = "" if key else f"the teacher of {task} is missing"
            own = _Number(artefact, task, TEACHER, lacking=lacking)
            yield from _scored(study, own, "test", key)


def _scored(study: Study, own: _Number, split: Split, key: str) -> Iterator[_Number]:
    """A number in each of its task's metrics, with the paper's words for task and split."""
    identity = data_id(study, own.task)
    found = replace(own, task=identity, split=published_split(split, identity))
    for metric in study.tasks[own.task].metrics:
        yield replace(found, metric=metric, term=(key, metric), shown=split == "test")


def with_answers(estimator: Estimator, scores: ResultsTable) -> Estimator:
    """Add the scores that GLUE's server gave on its own test split, by cell.

    Usually each cell has one scored run, which has no spread, so that alone it shows nothing.
    """
    samples, groups = dict(estimator.samples), dict(estimator.groups)
    for cell in scores.study.seed_counts:
        rows, key = _answers(scores, cell), cell.key + SERVER
        if len(rows):
            metrics = scores.study.tasks[cell.task].metrics
            found = {m: np.asarray(rows[f"submission_{m}"], float) for m in metrics}
            samples[key] = Scored(found, _ANSWERED)
            numbers = map(int, rows["seed_index"])
            groups[key] = RunGroup(key, {n: place for place, n in enumerate(numbers)})
    return Estimator(samples, groups)


def _answers(scores: ResultsTable, cell: Cell) -> Any:
    """The chosen runs of a cell that GLUE's server has scored in all metrics of their task."""
    rows = scores.chosen(cell.key)
    columns = [f"submission_{metric}" for metric in scores.study.tasks[cell.task].metrics]
    return rows.dropna(subset=columns) if set(columns) <= set(rows) else rows.iloc[:0]
