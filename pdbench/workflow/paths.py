"""Where everything of a study stands on disk.

What jobs make stands in one store for all studies, each entry under its name and the digest of
all that decides it: another setting is another place. What a study shows stands below
``reports/``. All paths are relative to the project's root, Snakemake's working directory.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from pdbench.core.entries import RECORD
from pdbench.core.errors import DataError
from pdbench.core.files import remove_temporaries, replacing
from pdbench.core.processes import exclusive_lock
from pdbench.study import Cell, Run, Start, Study
from pdbench.study.cells import SoftLabelled
from pdbench.workflow.engine import engine_of
from pdbench.workflow.graph import Graph
from pdbench.workflow.kinds import KINDS, Job, kind_of, runs_of
from pdbench.workflow.specs import CONTENTS, RESULTS, STORE, Specs

ARCHIVES = RESULTS / "archives"
TABLE = "results.parquet"
SAVED = STORE / "state"
STATUS = STORE / "status"

_DIGITS = 12  # of a digest in a name: enough to tell the settings of one job apart


def _plain_name(job: Job) -> str:
    return "-".join(part for part in (job.kind, job.name) if part)


class Paths:
    """The files of one study.

    ``partial`` is for a table and a report of what there is, which Snakemake must not take for
    the whole.
    """

    def __init__(self, study: Study, partial: bool = False) -> None:
        self.study = study
        self.partial = partial
        self._specs = Specs(study, [*self.imported, *self.imported_runs])

    def digest(self, job: Job) -> str:
        """The digest of all that decides what a job makes."""
        return self._specs.digest(job)

    def decided_by(self, job: Job) -> dict[str, str]:
        """The digest of all that decides what a job makes, and the engine that is a part of it."""
        return {"spec": self.digest(job), "engine": engine_of(KINDS[job.kind].module)}

    def folder(self, job: Job) -> Path:
        """Where a job's product stands in the store."""
        return STORE / job.kind / self.label(job)

    def label(self, job: Job) -> str:
        """What a job is called in names of files: its name, in the store with its digest."""
        own = self.digest(job)[:_DIGITS] if KINDS[job.kind].is_stored else ""
        return "-".join(part for part in (job.name, own) if part)

    def output(self, job: Job) -> Path:
        """The file that a job writes last: it is done where the file stands."""
        if job.kind == "archive":
            return ARCHIVES / self.label(job)
        if KINDS[job.kind].is_stored:
            return self.folder(job) / RECORD
        return self.outputs(job)[-1]

    def outputs(self, job: Job) -> list[Path]:
        """All files of a job that Snakemake knows."""
        if job.kind in ("figure", "table"):
            return self.artefact(job.key)
        shown = {"collect": [self.table], "gate": list(self.gate.values()), "report": [self.index]}
        return shown.get(job.kind) or [self.output(job)]

    def log(self, job: Job) -> Path:
        """What a job prints, or a cell of a bundle."""
        name = f"{job.kind}/{self.label(job)}" if job.name else job.kind
        return self.logs / f"{name}.log"

    def look_again(self, job: Job) -> None:
        """Read the local files that decide a job once more, whatever their sizes and dates say.

        Raises:
            DataError: They are others than when these were noted.
        """
        again = Specs(self.study, self._specs.imported, trusts_dates=False)
        if again.digest(job) != self.digest(job):
            what = f"{job}: a file that it reads has changed since it was looked at"
            raise DataError(what, f"mend it, or delete {CONTENTS} if that is meant; then run again")

    @property
    def logs(self) -> Path:
        """Folder of what the study's jobs print."""
        return Path("logs") / self.study.name

    def done(self) -> set[Job]:
        """The jobs that are done, each cell for itself."""
        return {job for job in Graph(self.study).jobs if self.output(job).exists()}

    @property
    def results(self) -> Path:
        """Folder of what belongs to this study alone."""
        return RESULTS / self.study.name

    def asked(self, job: Job) -> Path:
        """A file that Snakemake finds newer than a product below ``reports/`` that is outdated.

        The place of such a product does not say what it was made from.
        """
        return self.results / "asked" / _plain_name(job)

    def mark(self, job: Job) -> Path:
        """What says, beside a product below ``reports/``, what it was made from."""
        return self.reports / ".made" / _plain_name(job)

    @property
    def owner(self) -> Path:
        """What says which study's the results under its name are."""
        return self.results / "study.json"

    def task(self, task: str) -> Path:
        """Folder of a task's splits and tokens."""
        return self.folder(Job("task", task))

    def text(self, text: str) -> Path:
        """Folder of a text and its tokens."""
        return self.folder(Job("text", text))

    def pretrained(self, start: Start) -> Path:
        """Folder of a pre-trained student."""
        return self.folder(Job("pretrain", start))

    def fitted(self, corpus: str) -> Path:
        """Folder of what students of a corpus learn of a larger model's hidden states."""
        return self.folder(Job("states", corpus))

    def teacher(self, task: str) -> Path:
        """Folder of a task's fine-tuned teacher."""
        return self.folder(Job("teacher", task))

    def soft_labels(self, task: str, text: str) -> Path:
        """Folder of the teacher's probabilities on a text."""
        return self.folder(Job("soft_labels", SoftLabelled(task, text)))

    def run(self, run: Run) -> Path:
        """Folder of a run: its predictions and its record."""
        return self.folder(Job("run", run))

    def student(self, run: Run) -> Path:
        """Folder of a run's student that is kept: a checkpoint that transformers loads."""
        return self.folder(Job("student", run))

    def waiting(self, run: Run) -> Path:
        """Folder of a run's student while its cell is trained: which is chosen is not known."""
        return self.state(self.student(run))

    def cell(self, cell: Cell) -> Path:
        """What says that all runs of a cell are there."""
        return self.output(Job("cell", cell))

    @property
    def audit(self) -> Path:
        """Sizes, similarities and the leak check of all data."""
        return self.output(Job("audit"))

    @property
    def latency(self) -> Path:
        """Measured latency of every architecture."""
        return self.output(Job("latency"))

    @property
    def submissions(self) -> Path:
        """Folder of the scores that GLUE's server answered with."""
        return self.results / "submissions"

    @property
    def imported(self) -> list[Path]:
        """The scores that are there, which the next collection takes up."""
        return sorted(self.submissions.glob("*.json"))

    def imported_cell(self, cell: Cell) -> Path:
        """The runs of a cell that another code base trained."""
        return self.results / "imported" / f"{cell.key}.runs.json"

    @property
    def imported_runs(self) -> list[Path]:
        """Those that are there, which the next collection takes up."""
        return sorted((self.results / "imported").glob("*.runs.json"))

    @property
    def benchmarks(self) -> Path:
        """Folder of what Snakemake measures of every job."""
        return self.results / "benchmarks"

    def status(self, job: Job) -> Path:
        """How far the last attempt at a cell, or at one seed of it, came."""
        return STATUS / f"{job.kind}.{self.label(job)}.json"

    def lock(self, folder: Path) -> Path:
        """What the process that makes an entry of the store holds."""
        return STORE / "locks" / ".".join(folder.relative_to(STORE).parts)

    @contextlib.contextmanager
    def making(self, folder: Path) -> Iterator[None]:
        """Let one process at a time make an entry, without what killed ones have left of it."""
        with exclusive_lock(self.lock(folder)):
            remove_temporaries(folder)
            yield

    @contextlib.contextmanager
    def renewing(self, folder: Path) -> Iterator[Path]:
        """Yield a folder that becomes an entry when the block succeeds."""
        with self.making(folder), replacing(folder) as new:
            new.mkdir()
            yield new

    def state(self, folder: Path) -> Path:
        """Folder of the state from which an interrupted run goes on to make an entry."""
        return SAVED / ".".join(folder.relative_to(STORE).parts)

    def states(self, job: Job) -> list[Path]:
        """Folders of the states that a job may have saved, or the runs of a cell."""
        if KINDS[job.kind].model is None:
            return []
        runs = runs_of(self.study, job) if job.kind == "cell" else ()
        products = [Job("run", run) for run in runs] or [job]
        return [self.state(self.folder(product)) for product in products]

    @cached_property
    def reports(self) -> Path:
        """What the study shows."""
        return Path("reports") / self.study.name / ("partial" if self.partial else "")

    @property
    def table(self) -> Path:
        """All runs of the study as one Parquet file."""
        return self.reports / TABLE

    def artefact(self, artefact: str, kind: str | None = None) -> list[Path]:
        """The files of a table or figure; ``kind`` is needed only for a wildcard."""
        kind = kind or kind_of(artefact)
        shown = ("png", "pdf", "csv") if kind == "figure" else ("csv", "md", "tex")
        folder = self.reports / f"{kind}s"
        # The last has the words around it: caption, alternative text.
        return [folder / f"{artefact}.{ending}" for ending in (*shown, "json")]

    def artefacts(self, kind: str | None = None) -> list[Path]:
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
