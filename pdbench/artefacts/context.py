"""What an artefact is drawn from: the study, its results and the published numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pdbench.artefacts.chart import Level, Mark
from pdbench.evidence import Interval, Reference, Scores, load_references
from pdbench.evidence.references import SPLITS
from pdbench.evidence.scores import TEACHER
from pdbench.files import read_json
from pdbench.study import Architecture, Cell, Paths, Study


@dataclass(frozen=True)
class Context:
    """Everything an artefact may read; each file is opened when it is first asked for."""

    study: Study
    paths: Paths

    @cached_property
    def scores(self) -> Scores:
        """The scores of all cells."""
        from pdbench.results.collect import read_results

        return Scores(self.study, read_results(self.paths.table))

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

    def published(self, artefact: str) -> tuple[Reference, ...]:
        """The published numbers of one artefact."""
        return tuple(r for r in self.references if r.artefact == artefact)

    def published_students(self, artefact: str) -> tuple[Reference, ...]:
        """The published scores of an artefact's students, without statements about several."""
        found = self.published(artefact)
        return tuple(r for r in found if r.method != TEACHER and r.split in SPLITS)

    def published_levels(
        self, artefact: str, *methods: str, sized: bool = False
    ) -> tuple[Level, ...]:
        """The paper's teacher, and its scores of ``methods``, as lines across a panel."""
        return tuple(
            Level(
                self.series_name(r.method, (r.name or "") if sized else ""),
                r.method,
                published_mark(r, 0, "").interval,
            )
            for r in self.published(artefact)
            if r.method in (TEACHER, *methods) and r.split in SPLITS
        )

    def mark(self, cell: Cell, x: float, label: str) -> Mark:
        """A cell's test score at position ``x``; with no runs where the cell is missing."""
        score = self.scores.of(cell)
        return Mark(x, one_line(label), score.interval, score.runs, score.degenerate, cell.key)

    def level(self, cell: Cell, name: str, variant: int = 0) -> Level:
        """A cell's test score as a line across the panel."""
        return Level(name, cell.method, self.scores.of(cell).interval, variant, cell.key)

    def bounds(self, task: str) -> tuple[Level, ...]:
        """The lines between which students stand: the teacher, and the majority class.

        The majority class has a line only where the metric shown is accuracy.
        """
        levels = [Level("Teacher", "teacher", self.scores.teacher(task).interval)]
        if self.study.tasks[task].metrics[0] == "accuracy":
            share = 100 * self.audit["tasks"][task]["majority"]["test"]
            levels.append(Level("Majority class", "majority", Interval(share, share, share, 1)))
        return tuple(levels)

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


def published_mark(reference: Reference, x: float, label: str) -> Mark:
    """A published number with its reading tolerance as the interval."""
    value, off = reference.value, reference.tolerance
    return Mark(x, one_line(label), Interval(value, value - off, value + off, 1))


def one_line(label: str) -> str:
    """The label of a tick without its line break."""
    return label.replace("\n", " ")


def task_title(task: str) -> str:
    """A task's id as words: "book-reviews" is "Book reviews"."""
    return task.replace("-", " ").capitalize()


def short_count(count: int) -> str:
    """A number of items as on an axis: 300, 3k, 1.7m."""
    for unit, size in (("m", 1_000_000), ("k", 1_000)):
        if count >= size:
            return f"{count / size:g}{unit}"
    return str(count)
