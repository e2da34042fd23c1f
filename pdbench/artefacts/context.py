"""What an artefact is drawn from: the study, its results and the published numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pdbench.artefacts.chart import Level, Mark
from pdbench.core.files import read_json
from pdbench.data.columns import TEACHER
from pdbench.evidence import Comparison, Interval, Reference, ResultsTable, compare, load_references
from pdbench.evidence.views import Similarities
from pdbench.study import Architecture, Cell, Study
from pdbench.workflow import Paths


@dataclass(frozen=True)
class Context:
    """Everything an artefact may read; each file is opened when it is first asked for."""

    study: Study
    paths: Paths

    @cached_property
    def scores(self) -> ResultsTable:
        """The scores of all cells."""
        from pdbench.evidence.table import read_results

        return ResultsTable(self.study, read_results(self.paths.table))

    @cached_property
    def audit(self) -> dict[str, Any]:
        """Counts and similarities of all data."""
        found: dict[str, Any] = read_json(self.paths.audit)
        return found

    @cached_property
    def latency(self) -> dict[str, Any]:
        """Measured latency of the study's sizes."""
        found: dict[str, Any] = read_json(self.paths.latency)
        return found

    @cached_property
    def references(self) -> tuple[Reference, ...]:
        """All published numbers."""
        return load_references()

    @property
    def similarities(self) -> Similarities:
        """Domain similarity S of every transfer set to every task."""
        found = self.audit["transfer_sets"]
        return {name: about["similarity"] for name, about in found.items()}

    @cached_property
    def _verdicts(self) -> dict[Reference, Comparison]:
        drawn = [r for r in self.references if r.artefact in self.study.artefacts]
        return {one.reference: one for one in compare(self.scores, drawn, self.similarities)}

    def verdict(self, reference: Reference) -> str:
        """The mark of the verdict on a published number."""
        return self._verdicts[reference].mark

    def published(self, artefact: str) -> tuple[Reference, ...]:
        """The published numbers of one artefact."""
        return tuple(r for r in self.references if r.artefact == artefact)

    def published_students(self, artefact: str) -> tuple[Reference, ...]:
        """The published scores of an artefact's students, without statements about several."""
        found = self.published(artefact)
        return tuple(r for r in found if r.method != TEACHER and r.is_score)

    def published_levels(
        self, artefact: str, *methods: str, sized: bool = False
    ) -> tuple[Level, ...]:
        """The paper's teacher, and its scores of ``methods``, as lines across a panel."""
        return tuple(
            Level(
                self.series_name(r.method, (r.name or "") if sized else ""),
                r.method,
                self.published_mark(r, 0, "").interval,
                verdict=self.verdict(r),
            )
            for r in self.published(artefact)
            if r.method in (TEACHER, *methods) and r.is_score
        )

    def mark(self, cell: Cell, x: float, label: str) -> Mark:
        """A cell's test score at position ``x``; with no runs where the cell is missing."""
        score = self.scores.of(cell)
        return Mark(x, one_line(label), score.interval, score.runs, score.degenerate, cell.key)

    def published_mark(self, reference: Reference, x: float, label: str) -> Mark:
        """A published number with its reading tolerance as the interval, and its verdict."""
        value, off = reference.value, reference.tolerance
        interval = Interval(value, value - off, value + off, 1)
        return Mark(x, one_line(label), interval, verdict=self.verdict(reference))

    def level(self, cell: Cell, name: str, variant: int = 0) -> Level:
        """A cell's test score as a line across the panel."""
        return Level(name, cell.method, self.scores.of(cell).interval, variant, cell.key)

    def bounds(self, task: str) -> tuple[Level, ...]:
        """The lines between which students stand: the teacher, and the majority class.

        The majority class has a line only where the metric shown is accuracy.
        """
        key, score = self.scores.teacher_key(task), self.scores.teacher(task)
        levels = [Level("Teacher", "teacher", score.interval, cell=key)]
        if self.study.tasks[task].metrics[0] == "accuracy":
            share = 100 * self.audit["tasks"][task]["majority"]["test"]
            levels.append(Level("Majority class", "majority", Interval(share, share, share, 1)))
        return tuple(levels)

    def task_title(self, task: str) -> str:
        """What tables and figures call a task: "book-reviews" without a title is "Book reviews"."""
        return self.study.tasks[task].title or task.replace("-", " ").capitalize()

    def method_name(self, method: str) -> str:
        """A method's name in tables and figures."""
        return self.study.methods[method].name

    def series_name(self, method: str, size: str = "") -> str:
        """What a curve or line is called: its method, and its size where several are drawn."""
        name = "Teacher" if method == TEACHER else self.method_name(method)
        return f"{name}, {size}" if size else name

    def size_name(self, architecture: Architecture) -> str | None:
        """The study's name of a size (Tiny ... Base), if it has one."""
        named = self.study.named_architectures
        return next((name for name, size in named.items() if size == architecture), None)

    def metric_label(self, tasks: Iterable[str]) -> str:
        """The vertical axis: the metrics that the tasks' figures show."""
        metrics = dict.fromkeys(self.study.tasks[task].metrics[0] for task in tasks)
        return f"Test {' / '.join(metrics)} (%)"

    def similarity(self, transfer: str, task: str) -> float:
        """Domain similarity S of a transfer set to a task's labelled set."""
        return float(self.audit["transfer_sets"][transfer]["similarity"][task])


def one_line(label: str) -> str:
    """The label of a tick without its line break."""
    return label.replace("\n", " ")


def short_count(count: int) -> str:
    """A number of items as on an axis: 300, 3k, 1.7m."""
    for unit, size in (("m", 1_000_000), ("k", 1_000)):
        if count >= size:
            return f"{count / size:g}{unit}"
    return str(count)
