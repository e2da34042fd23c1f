"""The kinds of jobs, an entry each: all that the project knows of a kind stands in its entry.

Paths, the graph, digests, the plan, disk, status, redoing and cleaning follow from this table. A
new kind of job is an entry here, a rule in ``workflow/`` and the function that does it.

A job is known by its kind and its key, which is a value of the study: a task's name, a
:class:`~pdbench.study.cells.Cell`, or None where there is one job of a kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pdbench.planning.costs import Costs, Work
from pdbench.study import Architecture, Cell, Run, Start, Study
from pdbench.study.catalogue.archives import ARCHIVES, EMBEDDED
from pdbench.study.cells import Bundle, Point, SeedOf, SoftLabelled
from pdbench.study.kinds import kind_of_task
from pdbench.study.settings import Released, Source

if TYPE_CHECKING:
    from pdbench.workflow.graph import Graph
    from pdbench.workflow.specs import Specs

_ARCHIVE = 100e6  # bytes of the largest of the embedded archives, nearly
_TOKENIZER = 1e6  # vocabulary and tokenizer beside a checkpoint
_RECORD = 12e3  # a run's record, its losses, its log and their folders
_DRAWN = 0.5e6  # the files of a table or figure
_PROBABILITY = 4  # bytes of a soft label, or of a student's probability
_PREDICTION = 2  # bytes of a predicted class
_PIECE = 2  # bytes of a stored word piece
_STATE = 2  # bytes of a number of a stored hidden state
_ITEMS_A_SECOND = 6000  # of a text: read, cut into word pieces and written
_START = 4.0  # seconds in which data are opened before the first item is cut
_LETTERS = 4.0  # bytes of compressed text for each piece, sentences and their order
_WEIGHT = 4  # bytes of a stored weight
_MOMENTS = 3  # a saved state has the weights and two moments of each


class Job(NamedTuple):
    """A job: its kind, and what it is about."""

    kind: str
    key: Any = None

    @property
    def name(self) -> str:
        """What it is called among the jobs of its kind; empty where there is only one."""
        return "" if self.key is None else KINDS[self.kind].named(self.key)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".rstrip()


@dataclass(frozen=True, kw_only=True)
class _JobKind:
    """What the project knows of the jobs of one kind."""

    order: int = 6  # place of its rule among those of a run: first what most others wait for
    # What its jobs are about, in a lasting order; there is one job of most kinds.
    keys: Callable[[Graph], Iterable[Any]] = lambda graph: (None,)
    named: Callable[[Any], str] = str  # how a key is written in names of files
    arguments: Callable[[Any], str] = str  # how it is written on the command line, after the study
    # Whether it leaves an entry in the store; others write below ``reports/``, or, an archive,
    # where downloads are kept.
    is_stored: bool = False
    runs: str  # the function that does it, as module:function
    # The jobs that it reads, whose digests are part of its own.
    needs: Callable[[Study, Any], Iterable[Job]] = lambda study, key: ()
    # Jobs that must be done first but decide nothing beyond what ``decides`` says.
    after: Callable[[Graph, Any], Iterable[Job]] = lambda graph, key: ()
    decides: Callable[[Specs, Any], Any]  # settings and files, apart from ``needs``
    work: Callable[[Costs, Any], Work] = lambda costs, key: Work(seconds=3.0)  # what it computes
    size: Callable[[Costs, Any], float] = lambda costs, key: _DRAWN  # bytes that it leaves
    # The architecture that it trains; it then runs on the device and saves its state.
    model: Callable[[Costs, Any], Architecture] | None = None
    waiting: Callable[[Study, Any], int] = lambda study, key: 0  # students that wait for a choice
    uses_device: bool = False  # without training

    @property
    def module(self) -> str:
        """The module in which its code begins."""
        return self.runs.partition(":")[0]

    @property
    def on_device(self) -> bool:
        """Whether its jobs run on the device; others prepare data and draw, on a CPU."""
        return self.uses_device or self.model is not None

    def state_size(self, costs: Costs, key: Any) -> float:
        """The bytes of the state that a training job saves, twice: the old one goes last."""
        if self.model is None:
            return 0.0
        model, waiting = _checkpoint(self.model(costs, key)), self.waiting(costs.study, key)
        return 2 * _MOMENTS * model + waiting * (model + _TOKENIZER)


_AUDIT = Job("audit")
_TABLE = Job("collect")


def _after_audit(_: Graph, _key: Any) -> tuple[Job]:
    return (_AUDIT,)


def _archives(*sources: Source | None) -> list[Job]:
    """The archives that embedded sources are read from, each once."""
    named = [EMBEDDED[s.name] for s in sources if s is not None and s.source == "embedded"]
    return [Job("archive", name) for name in sorted({n for names in named for n in names})]


def _all_archives(graph: Graph) -> list[str]:
    study = graph.study
    tasks, texts = study.tasks.values(), study.texts.values()
    parts = [part for text in texts for part in text.parts]
    every = _archives(*tasks, *texts, *parts, *_teachers(study), study.vocabulary)
    return [job.key for job in every]


def _task_size(costs: Costs, name: str) -> float:
    items = sum(costs.sizes.items(name, split) for split in ("train", "dev", "test"))
    return items * costs.sizes.task_pieces(name) * (_PIECE + _LETTERS)


def _teachers(study: Study) -> list[Source]:
    return [task.teacher for task in study.tasks.values() if task.teacher]


def _start_arguments(start: Start) -> str:
    own = "" if start.method is None else f" --method {start.method}"
    number = "" if start.seed_number is None else f" --seed {start.seed_number}"
    return f"{start.corpus} {start.architecture}{own}{number}"


def _pretrain_needs(study: Study, start: Start) -> Iterator[Job]:
    yield from _corpus_needs(study, start.corpus)
    if study.fitted_on(start.corpus):
        yield Job("states", start.corpus)
    teacher = study.pretrained_by(start)
    if teacher is not None:
        yield Job("pretrain", teacher)


def _corpus_needs(study: Study, corpus: str) -> Iterator[Job]:
    """The texts of a corpus, the vocabulary, and the model that students fit on it, if any."""
    for part in study.corpus_parts(corpus):
        yield Job("text", part.text)
    chosen = study.fitted_on(corpus)
    yield from _archives(study.vocabulary, *([] if chosen is None else [chosen.fits]))


def _states_decides(specs: Specs, corpus: str) -> Any:
    study, chosen = specs.study, specs.study.fitted_on(corpus)
    assert chosen is not None
    return {
        "parts": [specs.settings(part, "text", "tokens") for part in chosen.texts],
        "vocabulary": specs.model(study.vocabulary),
        "model": specs.model(chosen.fits),
        "dimensions": study.training.fit.dimensions,
    }


def _pretrain_decides(specs: Specs, start: Start) -> Any:
    study, released = specs.study, specs.study.corpora[start.corpus]
    vocabulary = specs.model(study.vocabulary)
    if isinstance(released, Released):
        own = released.of(start.architecture)
        return {"checkpoint": specs.model(own), "vocabulary": vocabulary}
    found = {
        "corpus": start.corpus,
        "architecture": str(start.architecture),
        "seed": start.seed_number,
        "parts": [specs.settings(part, "text") for part in study.corpus_parts(start.corpus)],
        "vocabulary": vocabulary,
        **specs.scaling,
    }
    if study.fitted_on(start.corpus):
        found["fit"] = specs.settings(study.training.fit)
    else:
        found["pretrain"] = specs.settings(study.training.pretrain)
    if start.method is not None:
        objective = study.methods[start.method].pretraining
        assert objective is not None
        found |= {"method": start.method, "objective": specs.settings(objective)}
        found["code"] = specs.code(objective.objective)
    return found


def _teacher_decides(specs: Specs, task: str) -> Any:
    settings = specs.study.tasks[task].teacher
    assert settings is not None
    return {"task": task, **specs.model(settings)}


def _soft_labels_size(costs: Costs, key: SoftLabelled) -> float:
    task = costs.study.tasks[key.task]
    numbers = kind_of_task(task).soft_labels(task, costs.sizes.text_pieces(key.text))
    return costs.study.items_labelled(key.text) * numbers * _PROBABILITY


def needed_by_all(study: Study, cell: Cell) -> Iterator[Job]:
    """The jobs that all runs of a cell read; each reads what it starts from besides."""
    host = study.trained_by(cell)
    yield Job("task", cell.task)
    if host != cell:
        yield Job("cell", host)
        return
    yield from (Job("task", other) for other in study.scored_with(cell.task))
    if cell.transfer is not None:
        text = study.transfer_sets[cell.transfer].text
        yield Job("text", text)
        yield Job("soft_labels", SoftLabelled(cell.task, text))
    if study.methods[cell.method].asks_teacher:
        yield Job("teacher", cell.task)


def _cell_needs(study: Study, cell: Cell) -> Iterator[Job]:
    yield from needed_by_all(study, cell)
    if study.trained_by(cell) == cell:
        yield from (Job("pretrain", start) for start in study.starts(cell))


def _seed_needs(study: Study, key: SeedOf) -> Iterator[Job]:
    yield from needed_by_all(study, key.cell)
    yield from _start_of(study, key.cell, key.seed_number)
    if key.seed_number and study.first_selects(key.cell):
        yield Job("seed", SeedOf(key.cell, 0))


def _start_of(study: Study, cell: Cell, seed_number: int) -> Iterator[Job]:
    """What pre-trains the weights that runs of a trained cell start from."""
    start = study.initial_checkpoint(cell, seed_number)
    if start is not None and study.trained_by(cell) == cell:
        yield Job("pretrain", start)


def _cell_after(graph: Graph, cell: Cell) -> list[Job]:
    return [_AUDIT, *(Job("seed", SeedOf(cell, seed)) for seed in graph.split.get(cell, ()))]


def _all_runs(graph: Graph) -> list[Run]:
    return [run for cell in graph.study.seed_counts for run in graph.study.runs(cell)]


def _cell_decides(specs: Specs, cell: Cell) -> Any:
    """All that decides its runs, and which runs it has."""
    study, host = specs.study, specs.study.trained_by(cell)
    points = [_plain(points) for points in study.points(host)]
    found = {"cell": specs.cell(host), "seeds": study.seed_counts[cell], "points": points}
    found |= study.training.model_dump(include={"keep_students"}, exclude_defaults=True)
    return found | {"select": study.training.select} if study.first_selects(cell) else found


def _seed_decides(specs: Specs, key: SeedOf) -> Any:
    found = {**_cell_decides(specs, key.cell), "seeds": None, "seed": key.seed_number}
    if not key.seed_number:
        found.pop("select", None)  # its runs are the whole grid, whichever seeds select
    return found


def _run_decides(specs: Specs, run: Run) -> Any:
    host = specs.study.trained_by(run.cell)
    if host != run.cell:
        trained = Job("run", replace(run, cell=host))
        return {"task": specs.digest(Job("task", run.cell.task)), "run": specs.digest(trained)}
    return {"cell": specs.cell(run.cell), "seed": run.seed_number, "points": _plain(run.points)}


def _cell_size(costs: Costs, cell: Cell) -> float:
    """Bytes of a cell's runs, and of the students that are kept of it."""
    task, runs = costs.study.tasks[cell.task], costs.study.number_of_runs(cell)
    items = sum(costs.sizes.items(cell.task, split) for split in ("dev", "test"))
    classes = len(task.labels) if task.kind == "classification" else 0
    answers = runs * (_RECORD + items * (_PREDICTION + classes * _PROBABILITY))
    return answers + kept_size(costs.study, cell)


def _plain(points: Iterable[Point]) -> list[list[float]]:
    return [[point.learning_rate, point.batch_size] for point in points]


def _bundle_needs(study: Study, bundle: Bundle) -> list[Job]:
    """What its cells need, except one another."""
    own = {Job("cell", cell) for cell in bundle.cells}
    needed = (job for cell in bundle.cells for job in _cell_needs(study, cell))
    return [job for job in dict.fromkeys(needed) if job not in own]


def _table_decides(specs: Specs, _: None) -> Any:
    study = specs.study
    jobs = [Job("teacher", task) for task in study.taught]
    jobs += [Job("cell", cell) for cell in study.seed_counts]
    return {
        "study": study.name,
        "scale": study.scale,
        "trained": [specs.digest(job) for job in jobs],
        "imported": specs.files(specs.imported),
    }


def _shown(study: Study) -> Any:
    named = {"scale", "architectures", "tasks", "texts", "transfer_sets", "corpora", "methods"}
    return study.model_dump(mode="json", include=named | {"evidence"})


def _whole(study: Study) -> Any:
    return study.model_dump(mode="json")


def _drawn_needs(_: Study, _key: Any) -> tuple[Job, ...]:
    return _TABLE, _AUDIT, Job("latency")


def _artefact(name: str) -> _JobKind:
    return _JobKind(
        keys=lambda graph: [a for a in graph.study.artefacts if kind_of(a) == name],
        runs="pdbench.artefacts:draw",
        needs=_drawn_needs,
        decides=lambda specs, name: {
            "artefact": specs.settings(specs.study.artefacts[name]),
            "shown": _shown(specs.study),
            "reference": specs.references,
        },
        work=lambda costs, key: Work(seconds=3.0 if name == "figure" else 2.0),
    )


def kind_of(artefact: str) -> Literal["figure", "table"]:
    """The kind of job that draws an artefact: a figure, as every id that begins so, or a table."""
    return "figure" if artefact.startswith("figure") else "table"


def _report_needs(study: Study, key: None) -> Iterator[Job]:
    yield from _drawn_needs(study, key)
    for name in study.artefacts:
        yield Job(kind_of(name), name)
    if study.gate:
        yield Job("gate")


_OF_A_RUN = _JobKind(
    order=5,
    keys=_all_runs,
    named=lambda run: f"{run.cell.key}.{run.name}",
    is_stored=True,
    runs="pdbench.jobs.students:attempt",
    needs=lambda study, run: _start_of(study, run.cell, run.seed_number),
    decides=_run_decides,
    work=lambda costs, run: Work(),
)

KINDS: dict[str, _JobKind] = {
    "archive": _JobKind(
        order=0,
        keys=_all_archives,
        named=lambda name: ARCHIVES[name].file,
        runs="pdbench.data.places:fetch",
        decides=lambda specs, name: ARCHIVES[name].sha256,
        work=lambda costs, name: Work(seconds=2.0),
        size=lambda costs, name: _ARCHIVE,
    ),
    "task": _JobKind(
        order=1,
        keys=lambda graph: graph.study.tasks,
        is_stored=True,
        runs="pdbench.jobs.prepare:prepare_task",
        needs=lambda study, name: [
            *_archives(study.tasks[name], study.vocabulary),
            # The test items of tasks that its models are scored on are left out.
            *(Job("task", other) for other in study.scored_with(name)),
        ],
        decides=lambda specs, name: {
            **specs.source(specs.study.tasks[name], "teacher", "version", "title"),
            "vocabulary": specs.model(specs.study.vocabulary),
        },
        work=lambda costs, name: Work(seconds=5.0),
        size=_task_size,
    ),
    "text": _JobKind(
        order=1,
        keys=lambda graph: graph.study.texts,
        is_stored=True,
        runs="pdbench.jobs.prepare:prepare_text",
        needs=lambda study, name: _archives(
            study.texts[name], *study.texts[name].parts, study.vocabulary
        ),
        # What they hold out is left out of it.
        after=lambda graph, name: [Job("task", task) for task in graph.study.tasks],
        decides=lambda specs, name: {
            **specs.source(specs.study.texts[name]),
            "vocabulary": specs.model(specs.study.vocabulary),
            "held_out": specs.held_out,
        },
        work=lambda costs, name: Work(
            seconds=_START + costs.study.texts[name].size / _ITEMS_A_SECOND
        ),
        size=lambda costs, name: (
            costs.study.texts[name].size * costs.sizes.text_pieces(name) * (_PIECE + _LETTERS)
        ),
    ),
    "audit": _JobKind(
        order=2,
        is_stored=True,
        runs="pdbench.data.audit:audit",
        needs=lambda study, key: [
            *(Job("task", task) for task in study.tasks),
            *(Job("text", text) for text in study.texts),
        ],
        # What it compares, and the names under which it says what it found.
        decides=lambda specs, key: {
            "tasks": list(specs.study.tasks),
            "texts": list(specs.study.texts),
            "transfer_sets": {n: specs.settings(t) for n, t in specs.study.transfer_sets.items()},
        },
        work=lambda costs, key: Work(seconds=5.0),
    ),
    "latency": _JobKind(
        order=-100,  # it needs the machine for itself, which is never free once other jobs run
        is_stored=True,
        runs="pdbench.engine.latency:measure",
        needs=lambda study, key: _archives(*_teachers(study)),
        decides=lambda specs, key: {
            "sizes": [str(size) for size in specs.study.all_architectures],
            "teachers": [specs.model(teacher) for teacher in _teachers(specs.study)],
        },
        work=lambda costs, key: Work(seconds=2 + 0.25 * len(costs.study.all_architectures)),
    ),
    "teacher": _JobKind(
        order=2,
        keys=lambda graph: graph.study.taught,
        is_stored=True,
        runs="pdbench.jobs.teachers:teacher",
        needs=lambda study, task: [
            Job("task", task),
            *_archives(study.tasks[task].teacher, study.vocabulary),
        ],
        after=_after_audit,
        decides=_teacher_decides,
        work=Costs.teacher,
        size=lambda costs, task: _checkpoint(costs.teacher_size(task)) + _TOKENIZER,
        model=lambda costs, task: costs.teacher_size(task),
    ),
    "soft_labels": _JobKind(
        order=3,
        keys=lambda graph: graph.study.soft_labelled,
        arguments=lambda key: f"{key.task} {key.text}",
        is_stored=True,
        runs="pdbench.jobs.teachers:soft_labels",
        needs=lambda study, key: [Job("teacher", key.task), Job("text", key.text)],
        decides=lambda specs, key: {"items": specs.study.items_labelled(key.text)},
        work=Costs.soft_labels,
        size=_soft_labels_size,
        uses_device=True,
    ),
    "states": _JobKind(
        order=2,
        keys=lambda graph: graph.study.fitted,
        is_stored=True,
        runs="pdbench.jobs.fitting:states",
        needs=_corpus_needs,
        after=_after_audit,
        decides=_states_decides,
        work=Costs.states,
        size=lambda costs, corpus: (
            costs.pieces(corpus) * costs.study.training.fit.dimensions * _STATE
        ),
        uses_device=True,
    ),
    "pretrain": _JobKind(
        order=4,
        keys=lambda graph: graph.study.pretrained,
        named=lambda start: f"{start.corpus}.{start.size}",
        arguments=_start_arguments,
        is_stored=True,
        runs="pdbench.jobs.pretraining:pretrain",
        needs=_pretrain_needs,
        after=_after_audit,
        decides=_pretrain_decides,
        work=Costs.pretrain,
        size=lambda costs, start: _checkpoint(start.architecture) + _TOKENIZER,
        model=lambda costs, start: start.architecture,
    ),
    # A run is trained by the job of its cell, and stands in the store by itself.
    "run": _OF_A_RUN,
    # The weights of a run, for itself: whether they are kept is nothing to the run.
    "student": _OF_A_RUN,
    "seed": _JobKind(
        order=5,
        keys=lambda graph: [
            SeedOf(cell, number) for cell, numbers in graph.split.items() for number in numbers
        ],
        arguments=lambda key: f"{key.cell} --seed {key.seed_number}",
        is_stored=True,
        runs="pdbench.jobs.students:attempt",
        needs=_seed_needs,
        after=_after_audit,
        decides=_seed_decides,
        work=lambda costs, key: costs.cell(key.cell, key.seed_number),
        model=lambda costs, key: key.cell.architecture,
        waiting=lambda study, key: study.number_waiting(key.cell),
    ),
    "cell": _JobKind(
        order=5,
        keys=lambda graph: graph.alone,
        is_stored=True,
        runs="pdbench.jobs.students:attempt",
        needs=_cell_needs,
        after=_cell_after,
        decides=_cell_decides,
        work=Costs.cell,
        size=_cell_size,
        model=lambda costs, cell: cell.architecture,
        waiting=lambda study, cell: study.number_waiting(cell),
    ),
    "bundle": _JobKind(
        order=5,
        keys=lambda graph: graph.bundles,
        named=lambda bundle: bundle.name,
        arguments=lambda bundle: " ".join(cell.key for cell in bundle.cells),
        is_stored=True,
        runs="pdbench.jobs.students:attempt_all",
        needs=_bundle_needs,
        after=_after_audit,
        decides=lambda specs, bundle: [specs.digest(Job("cell", cell)) for cell in bundle.cells],
        work=lambda costs, bundle: sum(map(costs.cell, bundle.cells), start=Work()),
        model=lambda costs, bundle: bundle.cells[-1].architecture,
    ),
    "collect": _JobKind(
        runs="pdbench.jobs.collect:collect",
        after=lambda graph, key: [
            *(Job("teacher", task) for task in graph.study.taught),
            *(Job("cell", cell) for cell in graph.alone),
            *(Job("bundle", bundle) for bundle in graph.bundles),
        ],
        decides=_table_decides,
    ),
    "figure": _artefact("figure"),
    "table": _artefact("table"),
    "gate": _JobKind(
        keys=lambda graph: (None,) if graph.study.gate else (),
        runs="pdbench.report.gate:run",
        needs=lambda study, key: [_TABLE],
        decides=lambda specs, key: {"study": _whole(specs.study), "waivers": specs.waivers},
    ),
    "report": _JobKind(
        runs="pdbench.report.build:build",
        needs=_report_needs,
        decides=lambda specs, key: {"study": _whole(specs.study)},
    ),
}
"""Every kind of job by the name of its rule, in the order of the workflow."""

OF_CELLS = ("run", "student")
"""The kinds of what the jobs of cells make: they have no jobs of their own."""

SHOWN = tuple(name for name, kind in KINDS.items() if not kind.is_stored and name != "archive")
"""The kinds of jobs that write below ``reports/``."""


def kept_size(study: Study, cell: Cell) -> float:
    """Bytes of the students that are kept of a cell."""
    return study.number_of_kept(cell) * (_checkpoint(cell.architecture) + _TOKENIZER)


def _checkpoint(size: Architecture) -> float:
    """Bytes of a stored model."""
    return float(_WEIGHT * size.parameters())


def jobs_of(study: Study, cell: Cell) -> list[Job]:
    """The job of a cell, and those of its seeds."""
    seeds = range(study.seed_counts[cell])
    return [Job("cell", cell), *(Job("seed", SeedOf(cell, number)) for number in seeds)]


def runs_of(study: Study, job: Job) -> Iterator[Run]:
    """The runs that a job of a seed, a cell or a bundle may train."""
    cells = job.key.cells if job.kind == "bundle" else [getattr(job.key, "cell", job.key)]
    number = getattr(job.key, "seed_number", None)
    for cell in cells:
        yield from (run for run in study.runs(cell) if number in (None, run.seed_number))
