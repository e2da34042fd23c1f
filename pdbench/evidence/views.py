"""Published and measured numbers under one roof, so that a statement reads the same on both.

The paper's sizes, transfer sets and tasks are found in a study by what they are:

- a named size (Tiny ... Base) is the study's size of that name;
- a size L/H that a statement is about for its depth and width (``like``) is the study's size as
  many times as deep and as wide as its smallest, as L/H is of the paper's smallest, 2/128;
- "every size", "every transfer set" and "every similarity" are all that the figure has;
- anything else must be the same: a transfer set of 8m items, S = 0.43, QNLI.

What is not there makes the statement untestable.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from pdbench.data.columns import TEACHER
from pdbench.evidence.matching import SIMILARITY_TOLERANCE, data_id, published_split
from pdbench.evidence.references import PAPER_SIZES, Reference
from pdbench.evidence.registry import META_TASKS, TASKS
from pdbench.evidence.statements import Quantity, Term, Untestable, mean
from pdbench.evidence.table import ResultsTable, Split
from pdbench.study import PAPER_ARCHITECTURES, Architecture, Cell

PAPER_TASKS = {
    "figure5": "mnli",
    "figure6": "sst2",
    "figure8": "book-reviews",
    "figure9": "book-reviews",
    "figure10": "mnli",
}
"""The task of each of the paper's figures that has one."""

NO_DEV = "dev chose among the runs here, and only test predictions are kept to compare them"

Similarities: TypeAlias = Mapping[str, Mapping[str, float]]
"""S of each transfer set to each task, as the audit measured it."""


@dataclass(frozen=True)
class _Number:
    """One number with what it is a number of.

    Attributes:
        artefact: Table or figure.
        task: What the task is: an id of the registry, or the study's own.
        method: Method id.
        size: Size of the student; None for the teacher.
        transfer: Items of the transfer set, where the number depends on it.
        similarity: S of the transfer set, where it is known.
        split: The split as the paper calls it.
        shown: Whether figures show it: scores, in a study those of its test split.
        metric: Metric id.
        term: What identifies it.
        lacking: Why it cannot be used; empty if it can.
    """

    artefact: str
    task: str
    method: str
    size: Architecture | None
    transfer: int | None
    similarity: float | None
    split: str
    shown: bool
    metric: str
    term: Term
    lacking: str = ""


class Numbers:
    """All numbers of one origin, by what they are.

    Args:
        entries: The numbers.
        named: The named sizes, from small to large.
        own_magnitudes: Whether the paper's magnitudes hold here: at its own scale.
    """

    def __init__(
        self,
        entries: Iterable[_Number],
        named: Mapping[str, Architecture],
        *,
        own_magnitudes: bool,
    ) -> None:
        self.entries = tuple(entries)
        self.named = named
        self.own_magnitudes = own_magnitudes

    @classmethod
    def published(cls, references: Iterable[Reference]) -> Numbers:
        """The paper's own numbers; terms are those of :func:`term_of`."""
        found = (_published(r) for r in references if not r.is_context)
        return cls(found, PAPER_SIZES, own_magnitudes=True)

    @classmethod
    def measured(cls, scores: ResultsTable, similarity: Similarities) -> Numbers:
        """The numbers of a study; terms are the cell's key and the metric."""
        study = scores.study
        found = _measured(scores, similarity)
        return cls(found, study.named_architectures, own_magnitudes=study.scale == "paper")

    def points(self, magnitude: float) -> float:
        """A magnitude of the paper's numbers that the statement does not claim.

        At the paper's scale it stands; at another scale only the direction is asked, so it is 0.
        """
        return magnitude if self.own_magnitudes else 0.0

    def figure(self, artefact: str, task: str | None = None, tag: str = "") -> Figure:
        """The numbers of a figure, of one task; a tag tells its numbers from another's.

        Raises:
            Untestable: The figure is not there, or has several tasks and none is named.
        """
        tasks = self.tasks(artefact)
        own = PAPER_TASKS.get(artefact)
        if task is None and len(tasks) > 1 and own not in tasks:
            raise Untestable(f"{artefact} has several tasks here: {', '.join(tasks)}")
        chosen = task or (own if own in tasks else tasks[0])
        found = [e for e in self.entries if (e.artefact, e.task) == (artefact, chosen)]
        if not found:
            raise Untestable(f"{artefact} has no task {chosen} here")
        return Figure(found, self.named, tag)

    def tasks(self, artefact: str) -> tuple[str, ...]:
        """The tasks of a figure.

        Raises:
            Untestable: It has no scores here.
        """
        shown = (e for e in self.entries if e.artefact == artefact and e.shown)
        found = tuple(dict.fromkeys(entry.task for entry in shown))
        if not found:
            raise Untestable(f"{artefact} has no scores here")
        return found

    def columns(self, artefact: str, split: str) -> tuple[tuple[str, str], ...]:
        """The (task, metric) columns of a table's split, without means over tasks."""
        return tuple(
            dict.fromkeys(
                (e.task, e.metric)
                for e in self.entries
                if (e.artefact, e.split) == (artefact, split) and e.metric != "meta_score"
            )
        )

    def score(
        self, artefact: str, method: str, task: str, split: str, metric: str = "accuracy"
    ) -> Quantity:
        """A score of a table.

        Raises:
            Untestable: It is not there.
        """
        found = (e for e in self.entries if (e.artefact, e.task) == (artefact, task))
        return _only(
            [e for e in found if (e.method, e.split, e.metric) == (method, split, metric)],
            f"{short_name(method)} {task} {metric}",
        )

    def meta(self, method: str, split: str) -> Quantity:
        """The meta score of table3: as it is printed, or else the mean that it is."""
        printed = [e for e in self.entries if e.metric == "meta_score"]
        if not printed:
            return self.mean_of_tasks(method, split)
        found = [e for e in printed if (e.method, e.split) == (method, split)]
        return _only(found, f"{short_name(method)} {split} meta score")

    def mean_of_tasks(self, method: str, split: str) -> Quantity:
        """The mean over the six tasks; two scores of one task are averaged first."""
        tasks = []
        for parts in META_TASKS:
            own = [
                self.score("table3", method, TASKS[word], split, metric) for word, metric in parts
            ]
            tasks.append(mean(own, TASKS[parts[0][0]]))
        return mean(tasks, f"{short_name(method)} {split} mean of six tasks")

    def value(
        self,
        metric: str,
        artefact: str = "sizes",
        size: str | None = None,
        method: str | None = None,
    ) -> Quantity:
        """A number that is no score: parameters, a speed-up, a ratio.

        Raises:
            Untestable: It is not there; a study has none of them.
        """
        wanted = Architecture.parse(size) if size else None
        found = [e for e in self.entries if (e.artefact, e.metric) == (artefact, metric)]
        found = [e for e in found if size is None or e.size == wanted]
        found = [e for e in found if method is None or e.method == method]
        named = " ".join(word for word in (metric, method, size) if word)
        return _only(found, f"{named} of {artefact}")


class Figure:
    """The numbers of one figure on one task; accuracies, on the test split of a study."""

    def __init__(
        self, entries: Sequence[_Number], named: Mapping[str, Architecture], tag: str
    ) -> None:
        self._tag = f" ({tag})" if tag else ""
        self._entries = [e for e in entries if e.shown]
        self._named = named

    @cached_property
    def sizes(self) -> tuple[Architecture, ...]:
        """Every size, by width and then depth."""
        found = {e.size for e in self._entries if e.size is not None}
        return tuple(sorted(found, key=lambda size: (size.hidden, size.layers)))

    @property
    def named(self) -> tuple[Architecture, ...]:
        """The five named sizes, from small to large.

        Raises:
            Untestable: One of them is not among the study's named sizes.
        """
        return tuple(self.size(name) for name in PAPER_SIZES)

    def size(self, name: str) -> Architecture:
        """A named size.

        Raises:
            Untestable: There is no size of that name.
        """
        if name not in self._named:
            raise Untestable(f"no size is named {name} here")
        return self._named[name]

    def from_shallow_to_deep(self, *names: str) -> tuple[Architecture, ...]:
        """Named sizes that must become deeper in this order.

        Raises:
            Untestable: They do not.
        """
        sizes = [self.size(name) for name in names]
        for first, second in itertools.pairwise(sizes):
            if first.layers >= second.layers:
                order = ", ".join(f"{n} {s}" for n, s in zip(names, sizes, strict=True))
                raise Untestable(f"sizes do not go from shallow to deep here: {order}")
        return tuple(sizes)

    def like(self, size: str) -> Architecture:
        """The size in the place of one of the paper's, by its relative depth and width.

        Raises:
            Untestable: There is none.
        """
        paper = Architecture.parse(size)
        depth = paper.layers / PAPER_ARCHITECTURES[0].layers
        width = paper.hidden / PAPER_ARCHITECTURES[0].hidden
        shallowest = min(size.layers for size in self.sizes)
        narrowest = min(size.hidden for size in self.sizes)
        for found in self.sizes:
            if (found.layers, found.hidden) == (depth * shallowest, width * narrowest):
                return found
        raise Untestable(
            f"no size here is {depth:g} times as deep and {width:g} times as wide as the smallest, "
            f"as {size} is"
        )

    def across_widths(self, *depths: int) -> Iterator[tuple[Architecture, ...]]:
        """At each width, the sizes in the place of the paper's with these numbers of layers."""
        smallest = PAPER_ARCHITECTURES[0]
        for hidden in dict.fromkeys(size.hidden for size in self.sizes):
            wide = smallest.hidden * hidden // min(size.hidden for size in self.sizes)
            yield tuple(self.like(f"{depth}/{wide}") for depth in depths)

    @property
    def transfers(self) -> tuple[int, ...]:
        """The sizes of the transfer sets, ascending."""
        return tuple(sorted({e.transfer for e in self._entries if e.transfer is not None}))

    @property
    def similarities(self) -> tuple[float, ...]:
        """The similarities S of the transfer sets, ascending.

        Raises:
            Untestable: They were not measured.
        """
        found = {e.similarity for e in self._entries if e.similarity is not None}
        if not found:
            raise Untestable("the similarities S of the transfer sets are not known here")
        return tuple(sorted(found))

    def similarity(self, wanted: float) -> float:
        """The similarity that is the paper's.

        Raises:
            Untestable: No transfer set has it.
        """
        for found in self.similarities:
            if abs(found - wanted) <= SIMILARITY_TOLERANCE:
                return found
        raise Untestable(f"no transfer set has S = {wanted:g} here")

    @property
    def series(self) -> tuple[tuple[str, Architecture], ...]:
        """The (method, size) of every curve over transfer sets."""
        found = ((e.method, e.size) for e in self._entries if e.transfer is not None)
        return tuple(dict.fromkeys((m, size) for m, size in found if size is not None))

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
        """The accuracy of a method at a size, on a transfer set of so many items or this S.

        Raises:
            Untestable: It is not there.
        """
        wanted = self.size(size) if isinstance(size, str) else size
        found = [e for e in self._entries if (e.method, e.metric) == (method, "accuracy")]
        asked: tuple[tuple[object, Callable[[_Number], object]], ...] = (
            (wanted, lambda entry: entry.size),
            (transfer, lambda entry: entry.transfer),
            (similarity, lambda entry: entry.similarity),
        )
        for value, of in asked:
            found = [e for e in found if value is None or of(e) == value]
        name = " ".join([short_name(method), *([str(wanted)] if wanted else [])])
        name += f" at {transfer:,}" if transfer is not None else ""
        name += f" at S={similarity:.2f}" if similarity is not None else ""
        return _only(found, name + self._tag)


def _only(found: Sequence[_Number], name: str) -> Quantity:
    if not found:
        raise Untestable(f"no number for {name}")
    if len(found) > 1:
        raise Untestable(f"several numbers for {name}")
    (entry,) = found
    if entry.lacking:
        raise Untestable(entry.lacking)
    return Quantity({entry.term: 1.0}, 0.0, name)


def short_name(method: str) -> str:
    """A method's id as the paper writes it: PD, PF, D; others as they are."""
    return method.upper() if method in ("pd", "pf", "d", "tf", "pd-f") else method


def term_of(reference: Reference) -> Term:
    """What identifies a published number: everything that no other shares with it."""
    where = (
        reference.artefact,
        reference.series,
        reference.architecture,
        reference.task,
        reference.split,
        reference.transfer_size,
        reference.similarity,
    )
    return "|".join("" if part is None else str(part) for part in where), reference.metric


def _published(reference: Reference) -> _Number:
    try:
        size = Architecture.parse(reference.architecture)
    except ValueError:
        size = None
    return _Number(
        artefact=reference.artefact,
        task=TASKS[reference.task] or reference.task,
        method=reference.method,
        size=size,
        transfer=reference.transfer_size,
        similarity=reference.similarity,
        split=reference.split,
        shown=reference.is_score,
        metric=reference.metric,
        term=term_of(reference),
    )


def _measured(scores: ResultsTable, similarity: Similarities) -> Iterator[_Number]:
    study = scores.study
    for artefact in study.artefacts:
        cells = study.artefact_cells(artefact)
        for cell in cells:
            yield from _scores_of(scores, artefact, cell, similarity)
        for task in dict.fromkeys(cell.task for cell in cells):
            yield from _teacher_of(scores, artefact, task)


def _scores_of(
    scores: ResultsTable, artefact: str, cell: Cell, similarity: Similarities
) -> Iterator[_Number]:
    study = scores.study
    identity = data_id(study, artefact, cell.task)
    lacking = "" if scores.is_whole(cell) else f"cell {cell.key} is missing"
    splits: tuple[Split, ...] = ("test", "dev")
    for split, metric in itertools.product(splits, study.tasks[cell.task].metrics):
        yield _Number(
            artefact=artefact,
            task=identity,
            method=cell.method,
            size=cell.architecture,
            transfer=study.transfer_sets[cell.transfer].size if cell.transfer else None,
            similarity=similarity.get(cell.transfer or "", {}).get(cell.task),
            split=published_split(split, identity),
            shown=split == "test",
            metric=metric,
            term=(cell.key, metric),
            lacking=lacking or ("" if split == "test" else NO_DEV),
        )


def _teacher_of(scores: ResultsTable, artefact: str, task: str) -> Iterator[_Number]:
    key = scores.teacher_key(task)
    identity = data_id(scores.study, artefact, task)
    for metric in scores.study.tasks[task].metrics:
        yield _Number(
            artefact=artefact,
            task=identity,
            method=TEACHER,
            size=None,
            transfer=None,
            similarity=None,
            split=published_split("test", identity),
            shown=True,
            metric=metric,
            term=(key or "", metric),
            lacking="" if key else f"the teacher of {task} is missing",
        )
