"""Cells: their students, trained by a method's stages one run after the other.

A cell that fails stops no other. A cell whose process died without a word is tried after all
others of its bundle, so that one that kills its process cannot keep them from being trained.
"""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pdbench.core.entries import (
    RECORD,
    read_record,
    verified,
    verified_digest,
    whole,
    write_record,
)
from pdbench.core.errors import DataError, PdbenchError, Stopped, UsageError
from pdbench.core.files import mended, read_json, remove, replacing, write_json
from pdbench.core.processes import exclusive_lock, identity, shared_lock
from pdbench.data.columns import (
    LOSSES,
    PREDICTIONS,
    PROBABILITIES,
    SUBMISSION,
    answers_file,
    predictions_file,
    prepared_splits,
)
from pdbench.data.tokens import Tokens, read_array
from pdbench.data.vocabulary import Vocabulary, open_vocabulary
from pdbench.engine import BertShape, Classifier, Keeper, Progress, write_checkpoint
from pdbench.engine.checkpoints import WEIGHTS, Checkpoint
from pdbench.engine.device import refuse_slow
from pdbench.engine.initialise import initial_classifier
from pdbench.engine.state import SAVE_EVERY, now
from pdbench.jobs.record import (
    RunRecord,
    RunRequest,
    StageRecord,
    best_point,
    best_runs,
    own_runs,
    selecting_scores,
)
from pdbench.jobs.training import (
    OnlineTeacher,
    TrainingJob,
    Walk,
    are_there,
    objective_of,
    refuse_several,
    train_stage,
)
from pdbench.jobs.unseen import closed_labels
from pdbench.kinds import Asked, Kind, Labelled, Scores, kind_of
from pdbench.study import Cell, Run, Study
from pdbench.study.cells import Point, SeedOf
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job, runs_of
from pdbench.workflow.paths import ARCHIVES

_log = logging.getLogger(__name__)


def attempt(
    study: Study, paths: Paths, cell: Cell, save_every: float = SAVE_EVERY, seed: int | None = None
) -> None:
    """Train a cell, or one seed of it, and leave word of how that went in a status file.

    Two processes never train the same run at once: the second waits, and then finds it done.
    """
    job = Job("cell", cell) if seed is None else Job("seed", SeedOf(cell, seed))
    with _in_turn(paths, cell, job):
        _note(paths, job, "running")
        try:
            _train_cell(study, paths, job, cell, save_every)
        except Stopped:
            _note(paths, job, "stopped")
            raise
        except Exception as error:
            _note(paths, job, "failed", _in_words(error))
            raise
        _note(paths, job, "done")


@contextlib.contextmanager
def _in_turn(paths: Paths, cell: Cell, job: Job) -> Iterator[None]:
    """Seeds of a cell may be trained at once, a whole cell only when none of them is."""
    whole = paths.lock(paths.folder(Job("cell", cell)))
    if job.kind == "cell":
        with exclusive_lock(whole):
            yield
    else:
        with shared_lock(whole), exclusive_lock(paths.lock(paths.folder(job))):
            yield


def attempt_all(
    study: Study,
    paths: Paths,
    cells: Sequence[Cell],
    save_every: float = SAVE_EVERY,
    file: Path | None = None,
) -> None:
    """Train cells one after the other; each has its log, and this one a line for each.

    ``file`` is written once all of them are done; a signal that asks to stop begins no more.
    """
    refuse_slow(study)
    failed: dict[str, str] = {}
    for cell in sorted(cells, key=lambda cell: _died(paths, cell)):
        own, began = paths.log(Job("cell", cell)), time.monotonic()
        try:
            with _logging_to(own):
                attempt(study, paths, cell, save_every)
        except Stopped:
            _log.info("stopped  %s", cell)
            raise
        except Exception as error:
            failed[cell.key] = _in_words(error)
            _log.error("failed   %s: %s; its log is %s", cell, failed[cell.key], own)
        else:
            _log.info("done     %s in %.1f s", cell, time.monotonic() - began)
    if failed:
        raise DataError(
            f"{len(failed)} of {len(cells)} cells failed: {', '.join(failed)}",
            "mend the cause and run again; the other cells are kept",
        )
    if file is not None:
        write_json(file, {"cells": sorted(cell.key for cell in cells)})


def _died(paths: Paths, cell: Cell) -> bool:
    """Whether the last attempt at a cell ended without a word."""
    try:
        return bool(read_json(paths.status(Job("cell", cell)))["state"] == "running")
    except DataError:
        return False


def _note(paths: Paths, job: Job, state: str, reason: str | None = None) -> None:
    content = {
        "job": str(job),
        "state": state,
        "reason": reason,
        "log": str(paths.log(job)),
        "host": platform.node(),
        "pid": os.getpid(),
        "began": identity(os.getpid()),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
        "when": now(),
    }
    write_json(paths.status(job), content)


def _in_words(error: Exception) -> str:
    if isinstance(error, PdbenchError):
        return str(error)
    return f"{type(error).__name__}: {error}"


@contextlib.contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Send what is logged to a file instead, with the traceback of what ends it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    root = logging.getLogger()
    before = root.handlers
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setFormatter(before[0].formatter if before else None)
    root.handlers = [handler]
    try:
        yield
    except Exception as error:
        if not isinstance(error, Stopped):
            _log.error("%s", _in_words(error), exc_info=not isinstance(error, PdbenchError))
        raise
    finally:
        root.handlers = before
        handler.close()


def _train_cell(study: Study, paths: Paths, job: Job, cell: Cell, save_every: float) -> None:
    """Make every run of a job that is not there yet, first those that select among them.

    Students wait for the job of the whole cell, which keeps those that the study asks for.
    """
    refuse_several()
    make: Callable[[Run], None]
    keep: Callable[[], dict[str, str]] = dict
    if study.trained_by(cell) == cell:
        refuse_slow(study)
        data = CellData.open(study, paths, cell)
        trainer = _Trainer(study, paths, data, SharedStages(), save_every)
        make, keep = trainer.make, partial(trainer.keep, cell)
    else:
        make = partial(_take_run, study, paths)
    runs = list(runs_of(study, job))
    first = [run for run in runs if study.selects(cell, run.seed_number)]
    selected: dict[str, Any] = {}
    _make_all(cell, paths, make, first)
    if len(first) < len(runs):
        selected, may_train = _selected(study, paths, cell), set(runs)
        runs = [run for run in own_runs(study, paths, cell) if run in may_train]
        _make_all(cell, paths, make, [run for run in runs if run not in first])
    made = {run.name: str(paths.run(run)) for run in runs}
    kept = {"students": keep()} if job.kind == "cell" else {}
    write_record(paths.folder(job), {"cell": cell.key, "runs": made, **kept, **selected})


def command_of(study: Study, cell: Cell) -> str:
    """The command that trains what a cell lacks."""
    return f"pdbench cell {shlex.quote(study.argument)} {cell}"


def _make_all(cell: Cell, paths: Paths, make: Callable[[Run], None], runs: Sequence[Run]) -> None:
    """Make every run that is not there yet; a failed run stops no other."""
    failed: dict[str, Exception] = {}
    for run in runs:
        try:
            with paths.making(paths.run(run)):  # which other studies may have too
                make(run)
        except (PdbenchError, FloatingPointError, MemoryError, RuntimeError) as error:
            _log.error("%s %s: %s", cell, run.name, error)
            failed[run.name] = error
    if failed:
        name, cause = next(iter(failed.items()))
        raise DataError(
            f"cell {cell}: {len(failed)} of {len(runs)} runs failed, first {name}: {cause}",
            "mend the cause and run again; finished runs are kept",
        )


def _selected(study: Study, paths: Paths, cell: Cell) -> dict[str, Any]:
    """The point that the first seed selects, and its scores on dev: for the cell's record."""
    dev = selecting_scores(study, paths, cell)
    if lost := study.number_of_runs(cell, 0) - len(dev):
        what = f"cell {cell}: {lost} runs of seed number 0 are missing, which select its grid point"
        remedy = f"run {command_of(study, cell)} --seed 0 first"
        raise DataError(what, remedy)
    point = best_point(dev)
    _log.info("%s: the first seed selects %s", cell, point)
    return {"selected": point, "dev": dev}


@dataclass(frozen=True)
class _Trainer:
    """Trains runs of a cell one after the other, and keeps their students."""

    study: Study
    paths: Paths
    data: CellData
    shared: SharedStages
    save_every: float

    def make(self, run: Run) -> None:
        """Train a run, unless it is there, and let its student wait if dev may choose it."""
        job = self._job(run, self.paths.run(run))
        if job.is_done(f"{run.cell} {run.name}"):
            return
        outcome = self._trained(run, job)
        stages = [
            StageRecord.of(objective, point.learning_rate, progress)
            for (objective, progress), point in zip(outcome.stages.items(), run.points, strict=True)
        ]
        parameters = run.cell.architecture.parameters(self.data.vocabulary.size)
        constant = self.data.kind.is_constant(outcome.answers[predictions_file("test")])
        losses = np.concatenate([progress.losses for progress in outcome.stages.values()])
        arrays = {**outcome.answers, LOSSES: losses}
        record = job.finish(stages, parameters, outcome.dev.metrics, arrays, degenerate=constant)
        seconds = record.environment.seconds
        _log.info("%s %s: %s in %.1f s", run.cell, run.name, record.metrics, seconds)
        wanted = _wanted(self.study, self.paths, run.cell)
        if run in wanted:
            self._write(run, outcome, record)
        self._forget(other for other in self.study.runs(run.cell) if other not in wanted)

    def keep(self, cell: Cell) -> dict[str, str]:
        """Keep the students of a trained cell that the study asks for; their folders by run.

        One whose weights are not there any more is trained again. All others go.
        """
        kept = {}
        for run in _wanted(self.study, self.paths, cell):
            making, folder, waiting = (
                self.paths.making,
                self.paths.student(run),
                self.paths.waiting(run),
            )
            with making(self.paths.run(run)), making(folder):
                record = RunRecord.read(self.paths.run(run))
                if not are_there(folder, made_by(record)):
                    if not are_there(waiting, made_by(record)):
                        self._train_again(run, record)
                    with replacing(folder) as new:
                        waiting.rename(new)
            kept[run.name] = str(folder)
        self._forget(self.study.runs(cell))
        return kept

    def _forget(self, runs: Iterable[Run]) -> None:
        """Remove the students of some runs that wait."""
        for folder in map(self.paths.waiting, runs):
            if folder.exists():
                with self.paths.making(folder):
                    remove(folder)

    def _train_again(self, run: Run, record: RunRecord) -> None:
        """Train a run for its weights alone, which must come to what its record says.

        Its state is saved where the student will wait, which then takes its place: the run's own
        would be taken for one that is left of it.
        """
        folder, file = self.paths.run(run), predictions_file("test")
        _log.info("%s %s: trained again for its weights", run.cell, run.name)
        job, about = self._job(run, self.paths.student(run)), record.environment
        with _threads(about.threads):
            outcome = self._trained(run, job)
        stored = read_array(verified(folder / file))
        alike = outcome.dev.metrics == record.metrics["dev"]
        if not (alike and np.array_equal(outcome.answers[file], stored)):
            what = f"{folder}: trained again for its weights, it answers otherwise than its record"
            where = f"{about.device} in {about.precision} with torch {about.torch}"
            remedy = (
                f"train it there, or delete {folder} and run {command_of(self.study, run.cell)}"
            )
            raise DataError(f"{what}, which is of {where}", remedy)
        self._write(run, outcome, record)

    def _job(self, run: Run, folder: Path) -> TrainingJob:
        asked = _asked(self.paths, run, self.data.inputs_of(run.seed_number))
        return TrainingJob(self.paths, folder, asked, self.save_every)

    def _trained(self, run: Run, job: TrainingJob) -> TrainedRun:
        with closed_labels(self.study):
            return train_student(self.study, run, self.data, job.keeper, self.shared)

    def _write(self, run: Run, outcome: TrainedRun, record: RunRecord) -> None:
        """Write a run's student, with all word pieces, to where it waits."""
        outcome.model.cpu()
        outcome.put_back()
        with self.paths.renewing(self.paths.waiting(run)) as folder:
            write_checkpoint(folder, outcome.model, self.data.vocabulary, self.data.labels)
            write_record(folder, made_by(record))


@contextlib.contextmanager
def _threads(number: int) -> Iterator[None]:
    """Let torch use so many threads: in which order it adds numbers up depends on them."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _wanted(study: Study, paths: Paths, cell: Cell) -> list[Run]:
    """The runs of a cell, of those that are there, whose students the study may keep."""
    if study.training.keep_students == "none":
        return []
    if study.training.keep_students == "chosen":
        return best_runs(study, paths, cell)
    return [run for run in own_runs(study, paths, cell) if (paths.run(run) / RECORD).is_file()]


def kept_student(study: Study, paths: Paths, run: Run) -> Path:
    """The folder of a run's student that was kept, as it was written and of the run as it is.

    Raises:
        DataError: It was not kept, or is another.
    """
    folder, again = paths.student(run), f"run {command_of(study, run.cell)}, which makes it again"
    if not folder.is_dir():
        if study.training.keep_students == "none":
            what = f"{study.file}: key training.keep_students: none, so no weights of {run.cell}"
            raise DataError(what, f"set it to chosen and {again}")
        raise DataError(f"{folder}: missing: no weights of {run.cell}", again)
    try:
        found = read_record(whole(folder))
    except DataError as error:
        raise DataError(error.what, f"delete {folder} and {again}") from error
    if not made_by(RunRecord.read(paths.run(run))).items() <= found.items():
        what = f"{folder}: the weights of another training than its run's"
        raise DataError(what, f"delete {folder} and {again}")
    return folder


def made_by(record: RunRecord) -> dict[str, Any]:
    """What the record of a student says of the run that trained it."""
    about = record.model_dump(include={"cell", "run", "spec", "inputs"})
    return {**about, "predictions": record.outputs[predictions_file("test")]}


def _take_run(study: Study, paths: Paths, run: Run) -> None:
    """Take the run of another task's cell for this task, with what it predicted for it."""
    task, host = run.cell.task, paths.run(replace(run, cell=study.trained_by(run.cell)))
    trained, file = RunRecord.read(host), host / predictions_file("test", task)
    test, probabilities = (
        Tokens.open(paths.task(task) / "test"),
        host / answers_file(PROBABILITIES, "test", task),
    )
    inputs = {"test": test.digest, "predictions": verified_digest(file)}
    said = read_array(file)
    asked = _asked(paths, run, inputs).model_copy(update={"seed": trained.seed})
    job = TrainingJob(paths, paths.run(run), asked)
    if job.is_done(f"{run.cell} {run.name}"):
        return
    constant = kind_of(study.tasks[task]).is_constant(said)
    arrays = {predictions_file("test"): said}
    if probabilities.is_file():  # not of every kind of task
        arrays[answers_file(PROBABILITIES, "test")] = read_array(verified(probabilities))
    dev = trained.metrics["dev"]
    job.finish(trained.stages, trained.parameters, dev, arrays, degenerate=constant)


def _asked(paths: Paths, run: Run, inputs: dict[str, str]) -> RunRequest:
    cell = run.cell
    return RunRequest(
        cell=cell.key,
        task=cell.task,
        method=cell.method,
        architecture=str(cell.architecture),
        transfer=cell.transfer,
        corpus=cell.corpus,
        run=run.name,
        seed_index=run.seed_number,
        seed=run.seed,
        **paths.decided_by(Job("run", run)),
        inputs=inputs,
    )


@dataclass(frozen=True)
class CellData:
    """Everything that the runs of a cell share, opened once; of test there are no labels.

    ``asked`` is what the models are asked, by split and task: test, hidden-label splits, and the
    test splits of other tasks on which this one's models are scored. ``checkpoints`` are what runs
    start from, by seed number, and ``inputs`` has digests of all that is read by every run.
    """

    splits: dict[str, Labelled]
    transfer: Labelled | None
    checkpoints: dict[int, Path]
    vocabulary: Vocabulary
    kind: Kind
    labels: tuple[str, ...]
    asked: dict[tuple[str, str], Asked]
    inputs: dict[str, str]
    taught_by: Path | None

    @classmethod
    def open(cls, study: Study, paths: Paths, cell: Cell) -> CellData:
        """Open the data of a cell; what is missing, edited or made from other data is refused."""
        kind, folder = kind_of(study.tasks[cell.task]), paths.task(cell.task)
        splits = {split: kind.open_split(folder / split) for split in ("train", "dev")}
        labels, asked = kind.labels(folder), _open_asked(study, paths, kind, cell.task)
        every = {_role(split, task, cell.task): own for (split, task), own in asked.items()}
        inputs = {name: own.tokens.digest for name, own in {**splits, **every}.items()}
        transfer = taught_by = None
        if cell.transfer is not None:
            transfer, inputs["soft_labels"] = _open_transfer(study, paths, cell.task, cell.transfer)
        numbers = range(study.seed_counts[cell])
        starts = {number: study.initial_checkpoint(cell, number) for number in numbers}
        checkpoints = {n: paths.pretrained(start) for n, start in starts.items() if start}
        if study.methods[cell.method].asks_teacher:
            taught_by = paths.teacher(cell.task)
            inputs["teacher"] = verified_digest(taught_by / WEIGHTS)
        pieces = open_vocabulary(study.vocabulary, ARCHIVES)
        return cls(splits, transfer, checkpoints, pieces, kind, labels, asked, inputs, taught_by)

    def inputs_of(self, seed_number: int) -> dict[str, str]:
        """The digests of all that the runs of a seed number read; no other's start is opened."""
        start = self.checkpoints.get(seed_number)
        own = {} if start is None else {"checkpoint": verified_digest(start / WEIGHTS)}
        return {**self.inputs, **own}

    @property
    def outputs(self) -> int:
        """How many outputs a model has."""
        return self.kind.head.outputs(len(self.labels))

    @cached_property
    def teacher(self) -> OnlineTeacher[Classifier] | None:
        """The teacher, if the method asks it while a student trains."""
        if self.taught_by is None:
            return None
        model = Checkpoint(self.taught_by).classifier(self.labels, self.kind.head)
        model.restrict_pieces(self.all_tokens)
        return OnlineTeacher(model)

    @property
    def all_tokens(self) -> list[Tokens]:
        """Every text that a model of the cell reads."""
        found = [own.tokens for own in (*self.splits.values(), *self.asked.values())]
        return found if self.transfer is None else [*found, self.transfer.tokens]


def _role(split: str, task: str, host: str) -> str:
    return split if task == host else f"{task}.{split}"


def _open_asked(study: Study, paths: Paths, kind: Kind, task: str) -> dict[tuple[str, str], Asked]:
    found = {}
    for other in (task, *study.scored_with(task)):
        for split in prepared_splits(paths.task(other)):
            if split in ("test", SUBMISSION):
                found[split, other] = kind.open_asked(paths.task(other) / split)
    return found


def _open_transfer(study: Study, paths: Paths, task: str, transfer: str) -> tuple[Labelled, str]:
    """Open a transfer set with its soft labels; return their digest too."""
    chosen = study.transfer_sets[transfer]
    folder = paths.soft_labels(task, chosen.text)
    path = folder / "soft_labels.npy"
    labels_digest = verified_digest(path)
    record, soft = read_record(folder), read_array(path, mapped=True)
    tokens = Tokens.open(paths.text(chosen.text))
    if record["text_digest"] != tokens.digest:
        what = f"{folder}: soft labels of another version of text {chosen.text!r}"
        raise DataError(what, mended(path))
    available = min(record["items"], len(tokens))
    least = study.texts[chosen.text].least
    if available < chosen.size and (least is None or available < min(least, chosen.size)):
        what = f"{available} items, but transfer set {transfer!r} asks {chosen.size}"
        remedy = f"lower transfer_sets.{transfer}.size"
        raise DataError(f"{paths.text(chosen.text)}: {what}", remedy)
    labelled = kind_of(study.tasks[task]).soft_labelled(tokens, soft, chosen.size)
    return labelled, labels_digest


@dataclass(frozen=True)
class TrainedRun:
    """A trained run: its stages in order, its scores on dev, the model, and what it answers.

    The model has the word pieces of its data alone until they are ``put_back``; the answers stand
    by the names of their files.
    """

    stages: dict[str, Progress]
    dev: Scores
    model: Classifier
    put_back: Callable[[], None]
    answers: dict[str, NDArray[Any]]


class SharedStages:
    """What the first stages of one run of a cell made, for the next that begins with the same.

    Runs that differ in the point of their last stage alone have the same model before it, to the
    last bit: the paper's fine-tuning grid after distillation would repeat each distillation twenty
    times. Each run's record has the stage all the same: it is what its model was trained by.
    """

    def __init__(self) -> None:
        self._of: tuple[int, tuple[Point, ...]] | None = None
        self._weights: dict[str, Tensor] = {}
        self._stages: dict[str, Progress] = {}

    def take_up(
        self, run: Run, first: int, model: Classifier, keeper: Keeper | None
    ) -> dict[str, Progress]:
        """Put a run's model where its ``first`` stages leave it, if they are known.

        Returns what they did, by stage; nothing where the run has to train them.
        """
        if (run.seed, run.points[:first]) != self._of:
            return {}
        model.load_state_dict(self._weights)
        if keeper is not None:
            for progress in self._stages.values():
                progress.tell(keeper)
        return dict(self._stages)

    def keep(self, run: Run, model: Classifier, stages: Mapping[str, Progress]) -> None:
        """Keep the model after the first stages of a run, in the place of another run's."""
        self._of, self._stages = (run.seed, run.points[: len(stages)]), dict(stages)
        self._weights = {k: v.detach().to("cpu", copy=True) for k, v in model.state_dict().items()}


def train_student(
    study: Study,
    run: Run,
    data: CellData,
    keeper: Keeper | None = None,
    shared: SharedStages | None = None,
) -> TrainedRun:
    """Train one run from its initialisation through all stages, score it on dev, and predict."""
    method, (model, put_back) = study.methods[run.cell.method], _first_model(study, run, data)
    first = method.shared_stages
    if first == 0 or (keeper is not None and keeper.has_state):
        shared = None  # a run that goes on has the weights of a later stage
    stages = {} if shared is None else shared.take_up(run, first, model, keeper)
    for number, stage in enumerate(method.stages):
        if stage.name in stages:
            continue
        items = data.splits["train"] if stage.data == "labelled" else data.transfer
        assert items is not None
        walk, seed = _walk_of(study, run, number, items.items), run.seed + method.turn(number)
        teacher = data.teacher if stage.is_custom else None
        objective = objective_of(stage, data.kind, model, teacher, seed)
        stages[stage.name] = train_stage(model, objective, items, walk, seed, teacher, keeper)
        if shared is not None and len(stages) == first:
            shared.keep(run, model, stages)
    if any(stage.is_custom for stage in method.stages):
        # What is scored is the engine's model with these weights, whatever a loss made of this one.
        weights = nn.Module.state_dict(model)
        device = next(model.parameters()).device
        model, put_back = _first_model(study, run, data)
        model.to(device).eval().load_state_dict(weights)
    task, dev = run.cell.task, data.splits["dev"]
    answers = {
        answers_file(what, split, other, task): array
        for (split, other), asked in {("dev", task): dev, **data.asked}.items()
        for what, array in data.kind.answers(model, asked).items()
        if what == PREDICTIONS or split != SUBMISSION  # of which only a server knows the labels
    }
    said = answers[predictions_file("dev")]
    scores = data.kind.judge(said, dev, study.tasks[task].metrics)
    return TrainedRun(stages, scores, model, put_back, answers)


def _first_model(study: Study, run: Run, data: CellData) -> tuple[Classifier, Callable[[], None]]:
    """A run's student with its first weights and pieces, and what puts the other pieces back."""
    model = initial_classifier(
        study.methods[run.cell.method].initialisation,
        BertShape.of(run.cell.architecture, data.vocabulary.size),
        data.outputs,
        torch.Generator().manual_seed(run.seed),
        study.training.initializer_range,
        data.checkpoints.get(run.seed_number),
        data.kind.head,
    )
    return model, model.restrict_pieces(data.all_tokens)


def _walk_of(study: Study, run: Run, number: int, items: int) -> Walk:
    """How a stage of a run walks over its data, of so many items; an empty walk is refused."""
    method = study.methods[run.cell.method]
    stage = method.stages[number]
    settings = study.stage(stage.settings)
    found = Walk(settings, run.points[number], method.span(number), run.seed)
    if not found.updates(items):
        whole = len(replace(found, span=(0.0, 1.0)).updates(items))
        what = f"method {run.cell.method!r}, stage {stage.name}: share {stage.share:g}"
        raise UsageError(f"{what} of {whole} updates is none", "raise the key share")
    return found
