"""Where everything of a study stands on disk, and which job needs which file.

Paths are made of names, never of row numbers. All are relative to the project's root,
which is Snakemake's working directory.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

from pdbench.study.architecture import Architecture
from pdbench.study.catalogue.archives import EMBEDDED, archive_file
from pdbench.study.cells import Cell, Start
from pdbench.study.config import Study
from pdbench.study.settings import Source
from pdbench.study.waivers import WAIVERS

ARCHIVES = Path("results/archives")
REFERENCES = Path("config/reference")

Kind: TypeAlias = Literal["figure", "table"]


def kind_of(artefact: str) -> Kind:
    """Whether an artefact is a figure, as every id that begins with "figure", or a table."""
    return "figure" if artefact.startswith("figure") else "table"


@dataclass(frozen=True)
class Paths:
    """The files of one study below ``results/`` and ``reports/``.

    Attributes:
        study: The study.
        partial: Whether table and report are those of what there is, which Snakemake must
            not take for the whole.
    """

    study: Study
    partial: bool = False

    @cached_property
    def results(self) -> Path:
        """Everything on the way to the report."""
        return Path("results") / self.study.name

    @property
    def reports(self) -> Path:
        """What the study produced."""
        return Path("reports") / self.study.name / ("partial" if self.partial else "")

    def task(self, task: str) -> Path:
        """Folder of a task's splits, tokens and ``task.json`` (written last)."""
        return self.results / "tasks" / task

    def text(self, text: str) -> Path:
        """Folder of a text, its tokens and ``text.json`` (written last)."""
        return self.results / "texts" / text

    @property
    def audit(self) -> Path:
        """Sizes, similarities and the leak check of all data."""
        return self.results / "audit.json"

    def pretrained(
        self, corpus: str, architecture: Architecture, method: str | None = None
    ) -> Path:
        """Folder of a pre-trained student checkpoint, the parts of a :class:`Start`."""
        return self.results / "pretrained" / corpus / Start(corpus, architecture, method).size

    def teacher(self, task: str) -> Path:
        """Folder of a task's fine-tuned teacher."""
        return self.results / "teachers" / task

    def soft_labels(self, task: str, text: str) -> Path:
        """Folder of the teacher's probabilities on a text."""
        return self.results / "soft_labels" / task / text

    @property
    def submissions(self) -> Path:
        """Folder of the scores that GLUE's server answered with."""
        return self.results / "submissions"

    @property
    def imported(self) -> list[Path]:
        """The scores that are there, which the next collection takes up."""
        return sorted(self.submissions.glob("*.json"))

    def cell(self, cell: str) -> Path:
        """Folder of a cell: its runs, and ``cell.json`` when all of them are there."""
        return self.results / "cells" / cell

    def bundle(self, bundle: str) -> Path:
        """What says that all cells of a bundle are there."""
        return self.results / "bundles" / f"{bundle}.json"

    def seed(self, cell: str, seed: int | str) -> Path:
        """What says that all runs of one seed of a cell are there."""
        return self.results / "seeds" / cell / f"{seed}.json"

    def status(self, cell: str) -> Path:
        """How far the last attempt at a cell, or at one seed of it, came."""
        return self.results / "status" / f"{cell}.json"

    def lock(self, product: Path) -> Path:
        """What the process that makes ``product`` holds."""
        return self.results / "locks" / ".".join(product.relative_to(self.results).parts)

    def log(self, rule: str, name: str) -> Path:
        """The log of a job, or of a cell of a bundle."""
        return Path("logs") / self.study.name / rule / f"{name}.log"

    def state(self, product: Path) -> Path:
        """Folder of the state from which an interrupted run goes on to make ``product``."""
        return self.results / "state" / ".".join(product.relative_to(self.results).parts)

    @property
    def latency(self) -> Path:
        """Measured latency of every architecture."""
        return self.results / "latency.json"

    @property
    def table(self) -> Path:
        """All runs of the study as one Parquet file."""
        return self.results / ("partial.parquet" if self.partial else "results.parquet")

    def artefact(self, artefact: str, kind: Kind | None = None) -> list[Path]:
        """The files of a table or figure; ``kind`` is needed only for a wildcard."""
        kind = kind or kind_of(artefact)
        shown = ("png", "pdf", "csv") if kind == "figure" else ("csv", "md", "tex")
        endings = (*shown, "json")  # the words around it: caption, alternative text
        return [self.reports / f"{kind}s" / f"{artefact}.{ending}" for ending in endings]

    def artefacts(self, kind: Kind | None = None) -> list[Path]:
        """The files of all artefacts, or of all figures or tables."""
        chosen = [a for a in self.study.artefacts if kind in (None, kind_of(a))]
        return [path for a in chosen for path in self.artefact(a)]

    @property
    def index(self) -> Path:
        """The report's page, written last."""
        return self.reports / "index.html"

    @property
    def gate(self) -> dict[str, Path]:
        """What the gate found, by format."""
        return {kind: self.reports / f"gate.{kind}" for kind in ("json", "xml", "md")}

    @property
    def gate_inputs(self) -> list[Path]:
        """What the gate judges, and the waivers it keeps to."""
        return [self.table, *sorted(WAIVERS.parent.glob(WAIVERS.name))]

    @property
    def report_inputs(self) -> list[Path]:
        """What the report's pages are made of; what the gate found if the study asks it."""
        found = self.artefacts() + self.artefact_inputs()
        return found + list(self.gate.values()) if self.study.gate else found

    def archives(self, *sources: Source) -> list[Path]:
        """The downloaded archives that embedded sources are read from, each once."""
        names = [EMBEDDED[s.name] for s in sources if s.source == "embedded"]
        return [
            ARCHIVES / archive_file(name) for name in sorted({n for some in names for n in some})
        ]

    @property
    def all_archives(self) -> list[Path]:
        """Every archive of the study."""
        tasks, texts = self.study.tasks.values(), self.study.texts.values()
        teachers = [task.teacher for task in tasks if task.teacher]
        parts = [part for text in texts for part in text.parts]
        return self.archives(*tasks, *texts, *parts, *teachers, self.study.vocabulary)

    @property
    def task_files(self) -> list[Path]:
        """The last file of every task."""
        return [self.task(task) / "task.json" for task in self.study.tasks]

    @property
    def text_files(self) -> list[Path]:
        """The last file of every text."""
        return [self.text(text) / "text.json" for text in self.study.texts]

    def task_inputs(self, task: str) -> list[Path]:
        """The archives of a task and its vocabulary, and the tasks that its models are scored on.

        Their test items are left out of what the models learn from.
        """
        scored = [self.task(other) / "task.json" for other in self.study.scored_with(task)]
        return self.archives(self.study.tasks[task], self.study.vocabulary) + scored

    def text_inputs(self, text: str) -> list[Path]:
        """The archives of a text, and every task: their test sentences are left out of it."""
        chosen = self.study.texts[text]
        return self.archives(chosen, *chosen.parts, self.study.vocabulary) + self.task_files

    def teacher_inputs(self, task: str) -> list[Path]:
        """The archives of a teacher's weights and vocabulary."""
        teacher = self.study.tasks[task].teacher
        return self.archives(*([teacher] if teacher else []), self.study.vocabulary)

    @property
    def teacher_archives(self) -> list[Path]:
        """The archives of all teachers, whose shape latency is measured of too."""
        tasks = self.study.tasks.values()
        return self.archives(*(task.teacher for task in tasks if task.teacher))

    def artefact_inputs(self) -> list[Path]:
        """What tables, figures and the report are drawn from."""
        return [self.table, self.audit, self.latency, *sorted(REFERENCES.glob("*.csv"))]

    def corpus_inputs(self, corpus: str) -> list[Path]:
        """The last files of the texts of a corpus; released checkpoints need none."""
        return [self.text(part.text) / "text.json" for part in self.study.corpus_parts(corpus)]

    def pretrain_inputs(self, corpus: str, size: str) -> list[Path]:
        """The corpus of a pre-trained student, and the record of the model that teaches it."""
        teacher = self.study.pretrained_by(Start.parse(corpus, size))
        records = [] if teacher is None else [self.pretrained(*teacher) / "record.json"]
        return self.corpus_inputs(corpus) + records

    def cell_inputs(self, key: str) -> dict[str, list[Path]]:
        """What a cell's job reads, by kind."""
        cell = self.study.cells[key]
        trained_by = self.study.trained_by(cell)
        if trained_by != cell:
            runs = self.cell(trained_by.key) / "cell.json"
            return {"data": [self.task(cell.task) / "task.json"], "runs": [runs]}
        return {
            "data": self._data(cell),
            "start": self._start(cell),
            "soft_labels": self._soft_labels(cell),
            "teacher": self._teacher(cell),
        }

    def _data(self, cell: Cell) -> list[Path]:
        tasks = (cell.task, *self.study.scored_with(cell.task))
        found = [self.task(task) / "task.json" for task in tasks]
        if cell.transfer is not None:
            text = self.study.transfer_sets[cell.transfer].text
            found.append(self.text(text) / "text.json")
        return found

    def _start(self, cell: Cell) -> list[Path]:
        start = self.study.initial_checkpoint(cell)
        return [] if start is None else [self.pretrained(*start) / "record.json"]

    def _teacher(self, cell: Cell) -> list[Path]:
        asked = self.study.methods[cell.method].asks_teacher
        return [self.teacher(cell.task) / "record.json"] if asked else []

    def _soft_labels(self, cell: Cell) -> list[Path]:
        if cell.transfer is None:
            return []
        text = self.study.transfer_sets[cell.transfer].text
        return [self.soft_labels(cell.task, text) / "soft_labels.json"]
