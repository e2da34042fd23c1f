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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pdbench.core.entries import read_record, verified_digest, write_record
from pdbench.core.errors import DataError, PdbenchError, Stopped, UsageError
from pdbench.core.files import mended, read_json, write_json
from pdbench.core.processes import exclusive_lock, identity, shared_lock
from pdbench.data.columns import SUBMISSION, predictions_file, prepared_splits
from pdbench.data.tokens import Tokens, read_array
from pdbench.data.vocabulary import open_vocabulary
from pdbench.engine import BertShape, Classifier, Keeper, Progress
from pdbench.engine.checkpoints import WEIGHTS, Checkpoint
from pdbench.engine.device import refuse_slow
from pdbench.engine.initialise import initial_classifier
from pdbench.engine.state import SAVE_EVERY, now
from pdbench.jobs.record import (
    RunRecord,
    RunRequest,
    StageRecord,
    best_point,
    own_runs,
    selecting_scores,
)
from pdbench.jobs.training import (
    OnlineTeacher,
    TrainingJob,
    Walk,
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
    """Make every run of a job that is not there yet, first those that select among them."""
    refuse_several()
    make: Callable[[Run], None]
    if study.trained_by(cell) == cell:
        refuse_slow(study)
        data = CellData.open(study, paths, cell)
        make = partial(_train_run, study, paths, data, SharedStages(), save_every)
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
    write_record(paths.folder(job), {"cell": cell.key, "runs": made, **selected})


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
        remedy = f"run pdbench cell {shlex.quote(study.argument)} {cell} --seed 0 first"
        raise DataError(what, remedy)
    point = best_point(dev)
    _log.info("%s: the first seed selects %s", cell, point)
    return {"selected": point, "dev": dev}


def _train_run(
    study: Study, paths: Paths, data: CellData, shared: SharedStages, save_every: float, run: Run
) -> None:
    asked = _asked(paths, run, data.inputs_of(run.seed_number))
    job = TrainingJob(paths, paths.run(run), asked, save_every)
    if job.is_done(f"{run.cell} {run.name}"):
        return
    with closed_labels(study):
        outcome = train_student(study, run, data, job.keeper, shared)
    stages = [
        StageRecord.of(objective, point.learning_rate, progress)
        for (objective, progress), point in zip(outcome.stages.items(), run.points, strict=True)
    ]
    parameters = run.cell.architecture.parameters(data.vocabulary)
    constant = data.kind.is_constant(outcome.predictions[predictions_file("test")])
    record = job.finish(
        stages, parameters, outcome.dev.metrics, outcome.predictions, degenerate=constant
    )
    seconds = record.environment.seconds
    _log.info("%s %s: %s in %.1f s", run.cell, run.name, record.metrics, seconds)


def _take_run(study: Study, paths: Paths, run: Run) -> None:
    """Take the run of another task's cell for this task, with what it predicted for it."""
    task, host = run.cell.task, paths.run(replace(run, cell=study.trained_by(run.cell)))
    trained, file = RunRecord.read(host), host / predictions_file("test", task)
    test = Tokens.open(paths.task(task) / "test")
    inputs = {"test": test.digest, "predictions": verified_digest(file)}
    said = read_array(file)
    asked = _asked(paths, run, inputs).model_copy(update={"seed": trained.seed})
    job = TrainingJob(paths, paths.run(run), asked)
    if job.is_done(f"{run.cell} {run.name}"):
        return
    constant = kind_of(study.tasks[task]).is_constant(said)
    arrays = {predictions_file("test"): said}
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

    ``predicted`` is what the models are asked, by the name of the file of their answers: test,
    hidden-label splits, and the test splits of other tasks on which this one's models are scored.
    ``checkpoints`` are what runs start from, by seed number, ``vocabulary`` is the number of word
    pieces, and ``inputs`` has digests of all that is read by every run.
    """

    splits: dict[str, Labelled]
    transfer: Labelled | None
    checkpoints: dict[int, Path]
    vocabulary: int
    kind: Kind
    labels: tuple[str, ...]
    predicted: dict[str, Asked]
    inputs: dict[str, str]
    taught_by: Path | None

    @classmethod
    def open(cls, study: Study, paths: Paths, cell: Cell) -> CellData:
        """Open the data of a cell; what is missing, edited or made from other data is refused."""
        kind, folder = kind_of(study.tasks[cell.task]), paths.task(cell.task)
        splits = {split: kind.open_split(folder / split) for split in ("train", "dev")}
        labels, predicted = kind.labels(folder), _open_predicted(study, paths, kind, cell.task)
        every = {name.removesuffix("_predictions.npy"): own for name, own in predicted.items()}
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
        size = open_vocabulary(study.vocabulary, ARCHIVES).size
        return cls(splits, transfer, checkpoints, size, kind, labels, predicted, inputs, taught_by)

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
        found = [own.tokens for own in (*self.splits.values(), *self.predicted.values())]
        return found if self.transfer is None else [*found, self.transfer.tokens]


def _open_predicted(study: Study, paths: Paths, kind: Kind, task: str) -> dict[str, Asked]:
    found = {}
    for other in (task, *study.scored_with(task)):
        for split in prepared_splits(paths.task(other)):
            if split in ("test", SUBMISSION):
                asked = kind.open_asked(paths.task(other) / split)
                found[predictions_file(split, other, task)] = asked
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
    """A trained run: its stages in order, its scores on dev, the model, and what it predicts.

    The predictions stand by the names of their files.
    """

    stages: dict[str, Progress]
    dev: Scores
    model: Classifier
    predictions: dict[str, NDArray[Any]]


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
    method, model = study.methods[run.cell.method], _first_model(study, run, data)
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
        model = _first_model(study, run, data).to(next(model.parameters()).device).eval()
        model.load_state_dict(weights)
    metrics = study.tasks[run.cell.task].metrics
    dev = data.kind.score(model, data.splits["dev"], metrics)
    said = {name: data.kind.predict(model, asked) for name, asked in data.predicted.items()}
    return TrainedRun(stages, dev, model, said)


def _first_model(study: Study, run: Run, data: CellData) -> Classifier:
    """A run's student with its first weights."""
    model = initial_classifier(
        study.methods[run.cell.method].initialisation,
        BertShape.of(run.cell.architecture, data.vocabulary),
        data.outputs,
        torch.Generator().manual_seed(run.seed),
        study.training.initializer_range,
        data.checkpoints.get(run.seed_number),
        data.kind.head,
    )
    model.restrict_pieces(data.all_tokens)
    return model


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
