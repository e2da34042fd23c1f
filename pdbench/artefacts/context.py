"""What an artefact is drawn from: the study, its results and the published numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pdbench.core.entries import read_record
from pdbench.data.columns import TEACHER
from pdbench.evidence import Comparison, Reference, ResultsTable, compare, load_references
from pdbench.evidence.references import Similarities
from pdbench.evidence.table import read_results
from pdbench.study import Architecture, Study
from pdbench.workflow import Paths


@dataclass(frozen=True)
class Context:
    """Everything an artefact may read; each file is opened when it is first asked for.

    ``study`` is what is trained here; the study of ``scores`` has what was imported, too.
    """

    study: Study
    paths: Paths

    @cached_property
    def scores(self) -> ResultsTable:
        """The scores of all cells."""
        return ResultsTable(self.study, read_results(self.paths.table))

    @cached_property
    def audit(self) -> Any:
        """Counts and similarities of all data."""
        return read_record(self.paths.audit.parent)

    @cached_property
    def latency(self) -> Any:
        """Measured latency of the study's sizes."""
        return read_record(self.paths.latency.parent)

    @property
    def similarities(self) -> Similarities:
        """Domain similarity S of every transfer set to every task."""
        found = self.audit["transfer_sets"]
        return {name: about["similarity"] for name, about in found.items()}

    @cached_property
    def _references(self) -> tuple[Reference, ...]:
        return load_references()

    @cached_property
    def _verdicts(self) -> dict[Reference, Comparison]:
        drawn = [r for r in self._references if r.artefact in self.study.artefacts]
        return {one.reference: one for one in compare(self.scores, drawn, self.similarities)}

    def verdict(self, reference: Reference) -> str:
        """The mark of the verdict on a published number."""
        return self._verdicts[reference].mark

    def is_comparable(self, artefact: str) -> bool:
        """Whether any published number of an artefact is comparable with the study's own."""
        found = self._verdicts.values()
        return any(one.comparable for one in found if one.reference.artefact == artefact)

    def published(self, artefact: str) -> tuple[Reference, ...]:
        """The published numbers of one artefact."""
        return tuple(r for r in self._references if r.artefact == artefact)

    def task_title(self, task: str) -> str:
        """What tables and figures call a task: "book-reviews" without a title is "Book reviews"."""
        return self.study.tasks[task].title or task.replace("-", " ").capitalize()

    def method_name(self, method: str) -> str:
        """What tables and figures call a method."""
        return "Teacher" if method == TEACHER else self.scores.study.methods[method].name

    def size_name(self, architecture: Architecture) -> str:
        """The study's name of a size (Tiny ... Base), or its layers and hidden size."""
        named = self.study.named_architectures.items()
        return next((name for name, size in named if size == architecture), str(architecture))
