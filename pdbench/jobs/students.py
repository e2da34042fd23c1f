"""Cells: their students, trained by a method's stages one run after the other.

A cell that fails stops no other. A cell whose process died without a word is tried after all
others of its bundle, so that one that kills its process cannot keep them from being trained.
"""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from pdbench.core.errors import DataError, PdbenchError, Stopped
from pdbench.core.files import (
    exclusive_lock,
    file_digest,
    read_json,
    shared_lock,
    write_json,
)
from pdbench.data.columns import SUBMISSION, predictions_file, prepared_splits
from pdbench.data.metrics import compute
from pdbench.data.tokens import Tokens
from pdbench.data.vocabulary import Vocabulary, open_vocabulary
from pdbench.engine import (
    BertShape,
    Classifier,
    Device,
    Keeper,
    Progress,
    choose_device,
    initial_classifier,
)
from pdbench.engine.bert import restrict_pieces
from pdbench.engine.checkpoints import (
    read_classifier,
)
from pdbench.engine.state import SAVE_EVERY
from pdbench.jobs.record import (
    PREDICTIONS,
    RunRequest,
    read_record,
    verified,
)
from pdbench.jobs.run import (
    TrainingJob,
    refuse_several,
    stage_record,
    task_digests,
    tokens_digest,
    weights_digest,
    write_predictions,
)
from pdbench.jobs.stages import OnlineTeacher, frozen, objective_of, train_stage, walk_of
from pdbench.kinds import Kind, Labelled, Scores, kind_of
from pdbench.study import Cell, Run, Study
from pdbench.study.cells import SeedOf
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job
from pdbench.workflow.paths import ARCHIVES

State: TypeAlias = Literal["running", "stopped", "failed", "done"]


log = logging.getLogger(__name__)


def attempt(
    study: Study,
    paths: Paths,
    cell: Cell,
    save_every: float = SAVE_EVERY,
    seed: int | None = None,
) -> None:
    """Train a cell, or one seed of it, and leave word of how that went in a status file.

    Two processes never train the same run at once: the second waits, and then finds it done.
    """
    job = Job("cell", cell) if seed is None else Job("seed", SeedOf(cell, seed))
    with _in_turn(paths, cell, job):
        _note(paths, job, "running")
        try:
            _train_cell(study, paths, cell, save_every, seed)
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

    Args:
        save_every: Seconds between two saved states.
        file: Written once all of them are done.

    Raises:
        DataError: Some cell failed; the others were trained.
        Stopped: A signal asked to stop.
    """
    failed: dict[str, str] = {}
    for cell in sorted(cells, key=lambda cell: _died(paths, cell)):
        own, began = paths.log(Job("cell", cell)), time.monotonic()
        try:
            with _logging_to(own):
                attempt(study, paths, cell, save_every)
        except Stopped:
            log.info("stopped  %s", cell)
            raise
        except Exception as error:
            failed[cell.key] = _in_words(error)
            log.error("failed   %s: %s; its log is %s", cell, failed[cell.key], own)
        else:
            log.info("done     %s in %.1f s", cell, time.monotonic() - began)
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
    except (DataError, KeyError, TypeError):
        return False


def _note(paths: Paths, job: Job, state: State, reason: str | None = None) -> None:
    content = {
        "job": str(job),
        "state": state,
        "reason": reason,
        "log": str(paths.log(job)),
        "host": platform.node(),
        "pid": os.getpid(),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
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
    except Stopped:
        raise
    except Exception as error:
        if isinstance(error, PdbenchError):
            log.error("%s", error)
        else:
            log.exception("%s", type(error).__name__)
        raise
    finally:
        root.handlers = before
        handler.close()


def _train_cell(
    study: Study,
    paths: Paths,
    chosen: Cell,
    save_every: float = SAVE_EVERY,
    seed: int | None = None,
) -> None:
    """Train every run of a cell that is not there yet; a failed run stops no other."""
    refuse_several()
    runs = [run for run in study.runs(chosen) if seed in (None, run.seed_index)]
    if study.trained_by(chosen) != chosen:
        _score_runs(study, paths, chosen, save_every)
    else:
        _train_runs(study, paths, chosen, runs, save_every)
    file = paths.cell(chosen) if seed is None else paths.seed(chosen, seed)
    write_json(file, {"cell": chosen.key, "runs": {run.name: str(paths.run(run)) for run in runs}})


def _train_runs(
    study: Study, paths: Paths, chosen: Cell, runs: Sequence[Run], save_every: float
) -> None:
    vocabulary = open_vocabulary(study.vocabulary, ARCHIVES)
    data = open_cell(study, paths, chosen, vocabulary)
    inputs = cell_digests(study, paths, data, chosen)
    device = choose_device(chosen.architecture.hidden)
    failed: dict[str, Exception] = {}
    for run in runs:
        asked = _asked(run, paths, inputs)
        job = TrainingJob(paths, paths.run(run), asked, device, save_every)
        if job.is_done:
            job.keeper.remove()
            log.info("%s %s: already done", chosen, run.name)
            continue
        try:
            _train_run(study, run, data, device, job)
        except (PdbenchError, FloatingPointError, MemoryError, RuntimeError) as error:
            log.error("%s %s: %s", chosen, run.name, error)
            failed[run.name] = error
    if failed:
        name, cause = next(iter(failed.items()))
        raise DataError(
            f"cell {chosen}: {len(failed)} of {len(runs)} runs failed, first {name}: {cause}",
            "mend the cause and run again; finished runs are kept",
        )


def _score_runs(study: Study, paths: Paths, chosen: Cell, save_every: float) -> None:
    """Score the runs of another task's cell on this task, from what they predicted for it."""
    metrics = study.tasks[chosen.task].metrics
    data = kind_of(study.tasks[chosen.task]).open_split(paths.task(chosen.task) / "test")
    digests = {"test": tokens_digest(paths.task(chosen.task) / "test")}
    file = predictions_file("test", chosen.task)
    vocabulary = open_vocabulary(study.vocabulary, ARCHIVES).size
    device = choose_device(chosen.architecture.hidden)
    for run in study.runs(chosen):
        origin = paths.run(replace(run, cell=study.trained_by(chosen)))
        host = read_record(origin / "record.json")
        predictions = np.load(verified(origin / file, host), allow_pickle=False)
        inputs = {**digests, "predictions": host.outputs[file]}
        asked = _asked(run, paths, inputs).model_copy(update={"seed": host.seed})
        job = TrainingJob(paths, paths.run(run), asked, device, save_every)
        if job.is_done:
            continue
        found = Scores(compute(metrics, predictions, data.targets), predictions)

        def write(folder: Path, predictions: NDArray[Any] = predictions) -> None:
            np.save(folder / PREDICTIONS, predictions, allow_pickle=False)

        scores = {"dev": Scores(host.metrics["dev"], predictions), "test": found}
        job.finish(write, host.stages, vocabulary, scores)


def _asked(run: Run, paths: Paths, inputs: dict[str, str]) -> RunRequest:
    chosen = run.cell
    return RunRequest(
        cell=chosen.key,
        task=chosen.task,
        method=chosen.method,
        architecture=str(chosen.architecture),
        transfer=chosen.transfer,
        corpus=chosen.corpus,
        run=run.name,
        seed_index=run.seed_index,
        seed=run.seed,
        spec=paths.digest(Job("run", run)),
        inputs=inputs,
    )


def _train_run(study: Study, run: Run, data: CellData, device: Device, job: TrainingJob) -> None:
    outcome = train_student(study, run, data, device, job.keeper)

    def write(folder: Path) -> None:
        write_predictions(folder, outcome.scores["test"])
        for name, predictions in outcome.others.items():
            np.save(folder / name, predictions, allow_pickle=False)

    stages = [
        stage_record(objective, point.learning_rate, progress)
        for (objective, progress), point in zip(outcome.stages.items(), run.points, strict=True)
    ]
    record = job.finish(write, stages, data.vocabulary, outcome.scores)
    seconds = record.environment.seconds
    log.info("%s %s: %s in %.1f s", run.cell.key, run.name, record.metrics, seconds)


def cell_digests(study: Study, paths: Paths, data: CellData, chosen: Cell) -> dict[str, str]:
    """Of all that the runs of a cell read."""
    found = task_digests(paths, chosen.task)
    found |= {n.removesuffix("_predictions.npy"): t.digest for n, t in data.others.items()}
    if chosen.transfer is not None:
        text = study.transfer_sets[chosen.transfer].text
        found["soft_labels"] = read_json(paths.soft_labels(chosen.task, text) / "soft_labels.json")[
            "digest"
        ]
    if data.checkpoint is not None:
        found["checkpoint"] = weights_digest(data.checkpoint)
    if data.teacher is not None:
        found["teacher"] = weights_digest(paths.teacher(chosen.task))
    return found


@dataclass(frozen=True)
class CellData:
    """Everything that the runs of a cell share, opened once.

    Attributes:
        splits: train, dev and test of the task.
        transfer: The transfer set with its soft labels, if the method distils.
        checkpoint: Folder of the pre-trained weights, if the method starts from some.
        vocabulary: Number of word pieces.
        kind: What the task's kind makes of it.
        labels: The names of the outputs.
        teacher: The fine-tuned teacher, if a stage asks it.
        others: What else is predicted, by the name of its file: hidden-label splits, and the
            test splits of other tasks on which this one's models are scored.
    """

    splits: dict[str, Labelled]
    transfer: Labelled | None
    checkpoint: Path | None
    vocabulary: int
    kind: Kind
    labels: tuple[str, ...]
    teacher: OnlineTeacher[Classifier] | None = None
    others: dict[str, Tokens] = field(default_factory=dict)

    @property
    def all_tokens(self) -> list[Tokens]:
        """Every text that a model of the cell reads."""
        found = [*(split.tokens for split in self.splits.values()), *self.others.values()]
        return found if self.transfer is None else [*found, self.transfer.tokens]


@dataclass(frozen=True)
class TrainedRun:
    """A trained run: its stages in order, its scores by split, and the model.

    ``others`` is what it predicts beside them, by the name of its file.
    """

    stages: dict[str, Progress]
    scores: dict[str, Scores]
    model: Classifier
    others: dict[str, NDArray[np.int16] | NDArray[np.float32]]


def open_cell(study: Study, paths: Paths, cell: Cell, vocabulary: Vocabulary) -> CellData:
    """Open the data of a cell; soft labels are verified against their record.

    Raises:
        DataError: An input is missing, edited, or made from another text.
    """
    start, kind = study.initial_checkpoint(cell), kind_of(study.tasks[cell.task])
    folder = paths.task(cell.task)
    data = CellData(
        splits={s: kind.open_split(folder / s) for s in ("train", "dev", "test")},
        transfer=_open_transfer(study, paths, cell),
        checkpoint=None if start is None else paths.pretrained(start),
        vocabulary=vocabulary.size,
        kind=kind,
        labels=kind.labels(folder),
        others=_open_others(study, paths, cell.task),
    )
    if not study.methods[cell.method].asks_teacher:
        return data
    return replace(data, teacher=_open_teacher(paths, cell, data))


def _open_others(study: Study, paths: Paths, task: str) -> dict[str, Tokens]:
    found = {}
    for other in (task, *study.scored_with(task)):
        for split in prepared_splits(paths.task(other)):
            if split == SUBMISSION or (split == "test" and other != task):
                name = predictions_file(split, None if other == task else other)
                found[name] = Tokens.open(paths.task(other) / split)
    return found


def _open_transfer(study: Study, paths: Paths, cell: Cell) -> Labelled | None:
    if cell.transfer is None:
        return None
    chosen = study.transfer_sets[cell.transfer]
    folder = paths.soft_labels(cell.task, chosen.text)
    soft = np.load(folder / "soft_labels.npy", mmap_mode="r", allow_pickle=False)
    record = read_json(folder / "soft_labels.json")
    tokens = Tokens.open(paths.text(chosen.text))
    if record["text_digest"] != tokens.digest:
        raise DataError(
            f"{folder}: soft labels of another version of text {chosen.text!r}",
            "delete the folder and run again",
        )
    if record["digest"] != file_digest(folder / "soft_labels.npy"):
        raise DataError(f"{folder}: soft_labels.npy was changed", "delete the folder and run again")
    available = min(record["items"], len(tokens))
    least = study.texts[chosen.text].least
    if available < chosen.size and (least is None or available < min(least, chosen.size)):
        raise DataError(
            f"{paths.text(chosen.text)}: {available} items, but transfer set "
            f"{cell.transfer!r} asks {chosen.size}",
            f"lower transfer_sets.{cell.transfer}.size",
        )
    return kind_of(study.tasks[cell.task]).soft_labelled(tokens, soft, chosen.size)


def train_student(
    study: Study, run: Run, data: CellData, device: Device, keeper: Keeper | None = None
) -> TrainedRun:
    """Train one run from its initialisation through all stages, and score it."""
    cell = run.cell
    method = study.methods[cell.method]
    model = initial_classifier(
        method.initialisation,
        BertShape.of(cell.architecture, data.vocabulary),
        data.kind.head.outputs(len(data.labels)),
        torch.Generator().manual_seed(run.seed),
        study.training.initializer_range,
        data.checkpoint,
        data.kind.head,
    )
    numbers = restrict_pieces(model, data.all_tokens, data.vocabulary)
    model.to(device.torch)
    stages: dict[str, Progress] = {}
    for number, stage in enumerate(method.stages):
        items = data.splits["train"] if stage.data == "labelled" else data.transfer
        assert items is not None
        walk, seed = walk_of(study, run, number, items.items), run.seed + number
        teacher = data.teacher if stage.is_custom else None
        objective = objective_of(stage, data.kind, model, teacher, seed)
        stages[stage.name] = train_stage(
            model, objective, items, walk, device, seed, numbers, teacher, keeper
        )
    metrics = study.tasks[cell.task].metrics
    scores = {
        split: data.kind.score(model, data.splits[split], metrics, device, numbers)
        for split in ("dev", "test")
    }
    others = {n: data.kind.predict(model, t, device, numbers) for n, t in data.others.items()}
    return TrainedRun(stages, scores, model, others)


def _open_teacher(paths: Paths, cell: Cell, data: CellData) -> OnlineTeacher[Classifier]:
    """Load the teacher that the stages of a cell ask, with the pieces of the cell's texts."""
    model = read_classifier(paths.teacher(cell.task), data.labels, head=data.kind.head)
    restrict_pieces(model, data.all_tokens, data.vocabulary)
    device = choose_device(model.bert.shape.hidden)
    return OnlineTeacher(frozen(model).to(device.torch), device)
