"""The training jobs of the workflow: each trains, then writes its record last.

A job that is killed and started again takes up where whole files say it stopped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdbench.core.errors import DataError, PdbenchError, UsageError
from pdbench.core.files import digest, exclusive_lock, file_digest, read_json, replacing, write_json
from pdbench.data.metrics import compute
from pdbench.data.places import model_folder, weights_file
from pdbench.data.prepared import predictions_file
from pdbench.data.tokens import Tokens
from pdbench.data.vocabulary import open_vocabulary, write_vocabulary
from pdbench.engine import (
    ALONE,
    Device,
    Keeper,
    Progress,
    Ranks,
    Stopwatch,
    choose_device,
    write_checkpoint,
)
from pdbench.engine.checkpoints import check_checkpoint, convert_checkpoint, read_classifier
from pdbench.engine.distributed import joined, processes
from pdbench.engine.state import SAVE_EVERY
from pdbench.jobs.environment import environment
from pdbench.jobs.inputs import (
    WEIGHTS,
    cell_digests,
    pretraining_digests,
    task_digests,
    tokens_digest,
)
from pdbench.jobs.pretraining import pretrain_student, pretraining_seed
from pdbench.jobs.record import (
    PREDICTIONS,
    RunRecord,
    RunRequest,
    StageRecord,
    examples_file,
    read_record,
    verified,
    write_record,
)
from pdbench.jobs.students import CellData, open_cell, train_student
from pdbench.jobs.teachers import load_teacher, settings_of, train_teacher
from pdbench.kinds import Scores, kind_of, majority
from pdbench.study import Architecture, Cell, Run, Start, Study
from pdbench.study.settings import Released, Source
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job
from pdbench.workflow.paths import ARCHIVES

TEACHER = "teacher"
PRETRAINING, PRETRAIN = "pretraining", "pretrain"
LOSSES = "losses.npy"
"""Beside a pre-trained model: the training loss of every step, float32 of shape (steps,)."""

log = logging.getLogger(__name__)


def pretrain(study: Study, paths: Paths, start: Start, save_every: float = SAVE_EVERY) -> None:
    """Pre-train one student size on one corpus and write its checkpoint.

    Under torchrun all its processes train together, and the first of them writes.
    """
    released = study.corpora[start.corpus]
    if isinstance(released, Released):
        _refuse_several()
        _convert(study, paths, start, released.of(start.architecture), save_every)
        return
    if processes() > 1:
        with joined() as ranks:
            _pretrain(study, paths, start, save_every, ranks)
    else:
        with exclusive_lock(paths.lock(paths.pretrained(start))):
            _pretrain(study, paths, start, save_every, ALONE)


def _convert(study: Study, paths: Paths, start: Start, source: Source, save_every: float) -> None:
    """Take a released checkpoint in the place of pre-training, converted once to safetensors."""
    vocabulary = open_vocabulary(study.vocabulary, ARCHIVES)
    folder = model_folder(source, ARCHIVES)
    check_checkpoint(folder, start.architecture, vocabulary)
    asked = _asked_pretraining(paths, start, {"released": file_digest(weights_file(folder))})
    device = choose_device(start.architecture.hidden)
    job = _Job(paths, paths.pretrained(start), asked, device, save_every)

    def write(target: Path) -> None:
        shape = convert_checkpoint(folder, target)
        write_vocabulary(target, vocabulary, shape.positions)

    job.finish(write, [], vocabulary.size)
    log.info("took %s from %s", start.size, folder)


def _pretrain(study: Study, paths: Paths, start: Start, save_every: float, ranks: Ranks) -> None:
    vocabulary = open_vocabulary(study.vocabulary, ARCHIVES)
    device = choose_device(start.architecture.hidden)
    asked = _asked_pretraining(paths, start, pretraining_digests(study, paths, start))
    job = _Job(paths, paths.pretrained(start), asked, device, save_every, ranks)
    if ranks is ALONE and job.is_done:
        log.info("%s on %s: already done", start.size, start.corpus)
        return
    model, progress = pretrain_student(study, paths, start, vocabulary, device, job.keeper, ranks)
    if not ranks.first:
        return

    def write(folder: Path) -> None:
        write_checkpoint(folder, model, vocabulary)
        np.save(folder / LOSSES, progress.losses, allow_pickle=False)

    rate = study.learning_rate(study.training.pretrain.learning_rate, start.architecture)
    own = study.methods[start.method].pretraining if start.method else None
    job.finish(write, [_stage(own.name if own else PRETRAIN, rate, progress)], vocabulary.size)
    log.info("pre-trained %s on %s: loss %.3f", start, start.corpus, progress.loss)


def _asked_pretraining(paths: Paths, start: Start, inputs: dict[str, str]) -> RunRequest:
    return RunRequest(
        cell=f"{PRETRAINING}.{start.corpus}.{start.size}",
        task=None,
        method=PRETRAINING,
        architecture=str(start.architecture),
        transfer=None,
        corpus=start.corpus,
        run="seed0",
        seed_index=0,
        seed=pretraining_seed(start),
        spec=paths.digest(Job("pretrain", start)),
        inputs=inputs,
    )


def teacher(study: Study, paths: Paths, task: str, save_every: float = SAVE_EVERY) -> None:
    """Fine-tune a task's teacher, guard it, and write its checkpoint and record."""
    _refuse_several()
    with exclusive_lock(paths.lock(paths.teacher(task))):
        _teacher(study, paths, task, save_every)


def _teacher(study: Study, paths: Paths, task: str, save_every: float) -> None:
    vocabulary = open_vocabulary(study.vocabulary, ARCHIVES)
    model, seed = load_teacher(study, paths, task, vocabulary)
    architecture = model.bert.shape.architecture
    device = choose_device(architecture.hidden)
    asked = RunRequest(
        cell=Cell(task, TEACHER, architecture, None, None).key,
        task=task,
        method=TEACHER,
        architecture=str(architecture),
        transfer=None,
        corpus=None,
        run="seed0",
        seed_index=0,
        seed=seed,
        spec=paths.digest(Job("teacher", task)),
        inputs=task_digests(paths, task),
    )
    job = _Job(paths, paths.teacher(task), asked, device, save_every)
    if job.is_done:
        log.info("teacher of %s: already done", task)
        return
    progress, scores = train_teacher(study, paths, task, model, seed, device, job.keeper)

    def write(folder: Path) -> None:
        labels = kind_of(study.tasks[task]).labels(paths.task(task))
        write_checkpoint(folder, model.cpu(), vocabulary, labels)
        _write_predictions(folder, scores["test"])

    stage = _stage("finetune", settings_of(study, task).learning_rate, progress)
    record = job.finish(write, [stage], vocabulary.size, scores)
    log.info("teacher of %s: %s", task, record.metrics)


def soft_labels(study: Study, paths: Paths, task: str, text: str) -> None:
    """Compute the teacher's probabilities on a text once, for every student to share."""
    _refuse_several()
    with exclusive_lock(paths.lock(paths.soft_labels(task, text))):
        _soft_labels(study, paths, task, text)


def _soft_labels(study: Study, paths: Paths, task: str, text: str) -> None:
    watch = Stopwatch()
    tokens = Tokens.open(paths.text(text))
    kind = kind_of(study.tasks[task])
    labels = kind.labels(paths.task(task))
    items = min(study.items_labelled(text), len(tokens))
    asked = {
        "task": task,
        "text": text,
        "items": items,
        "labels": list(labels),
        "text_digest": tokens.digest,
        "teacher_digest": file_digest(paths.teacher(task) / WEIGHTS),
    }
    if _are_there(paths.soft_labels(task, text), asked):
        log.info("soft labels of %s by the %s teacher: already done", text, task)
        return
    model = read_classifier(paths.teacher(task), labels, head=kind.head)
    device = choose_device(model.bert.shape.hidden)
    with replacing(paths.soft_labels(task, text)) as folder:
        folder.mkdir(parents=True)
        mean = kind.soft_label(model, tokens, items, device, folder / "soft_labels.npy")
        content = {
            **asked,
            "digest": file_digest(folder / "soft_labels.npy"),
            "environment": environment(watch, device).model_dump(mode="json"),
        }
        write_json(folder / "soft_labels.json", content)
    log.info("soft labels of %s by the %s teacher: mean %s", text, task, mean[:10].round(4))


def _are_there(folder: Path, asked: dict[str, Any]) -> bool:
    """Whether another process has made the same soft labels since this one was started."""
    record, labels = folder / "soft_labels.json", folder / "soft_labels.npy"
    if not (record.is_file() and labels.is_file()):
        return False
    said = read_json(record)
    same = all(said.get(key) == value for key, value in asked.items())
    return same and file_digest(labels) == said["digest"]


def cell(
    study: Study,
    paths: Paths,
    chosen: Cell,
    save_every: float = SAVE_EVERY,
    seed: int | None = None,
) -> None:
    """Train every run of a cell that is not there yet; a failed run stops no other.

    Args:
        study: The study.
        paths: The study's paths.
        chosen: The cell.
        save_every: Seconds between two saved states.
        seed: Train the runs of this seed alone, and leave word of them, not of the cell.

    Raises:
        DataError: Some run failed; the others are kept and the cell stays missing.
    """
    _refuse_several()
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
        job = _Job(paths, paths.run(run), asked, device, save_every)
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
    """Score the runs of another task's cell on this task, from what they predicted for it.

    Raises:
        DataError: One of those runs is missing or was edited, or predicted another test split.
    """
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
        job = _Job(paths, paths.run(run), asked, device, save_every)
        if job.is_done:
            continue
        found = Scores(compute(metrics, predictions, data.targets), predictions)

        def write(folder: Path, predictions: NDArray[Any] = predictions) -> None:
            np.save(folder / PREDICTIONS, predictions, allow_pickle=False)

        scores = {"dev": Scores(host.metrics["dev"], predictions), "test": found}
        job.finish(write, host.stages, vocabulary, scores)


def _refuse_several() -> None:
    if processes() > 1:
        raise UsageError(
            f"torchrun started {processes()} processes, but only pretrain shares its work",
            "run this command without torchrun",
        )


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


def _train_run(study: Study, run: Run, data: CellData, device: Device, job: _Job) -> None:
    outcome = train_student(study, run, data, device, job.keeper)

    def write(folder: Path) -> None:
        _write_predictions(folder, outcome.scores["test"])
        for name, predictions in outcome.others.items():
            np.save(folder / name, predictions, allow_pickle=False)

    stages = [
        _stage(objective, point.learning_rate, progress)
        for (objective, progress), point in zip(outcome.stages.items(), run.points, strict=True)
    ]
    record = job.finish(write, stages, data.vocabulary, outcome.scores)
    seconds = record.environment.seconds
    log.info("%s %s: %s in %.1f s", run.cell.key, run.name, record.metrics, seconds)


def _write_predictions(folder: Path, test: Scores) -> None:
    np.save(folder / PREDICTIONS, test.predictions, allow_pickle=False)
    for metric, values in test.examples.items():
        np.save(folder / examples_file(metric), values, allow_pickle=False)


class _Job:
    """One run, from what is asked of it to its record.

    Args:
        paths: The study's paths.
        folder: Where the record will stand, beside what the run made.
        asked: What is asked.
        device: Where and how precisely it trains.
        save_every: Seconds between two saved states.
        ranks: The processes that train together.
    """

    def __init__(
        self,
        paths: Paths,
        folder: Path,
        asked: RunRequest,
        device: Device,
        save_every: float,
        ranks: Ranks = ALONE,
    ) -> None:
        self._paths, self._folder, self._asked, self._device = paths, folder, asked, device
        self._watch = Stopwatch()
        identity: dict[str, str | int] = {
            "spec": asked.spec,
            "inputs": digest(asked.inputs),
            "seed": asked.seed,
            "precision": device.precision,
        }
        state = paths.state(folder)
        self.keeper = Keeper(state, identity, save_every, self._watch, writes=ranks.first)

    @property
    def is_done(self) -> bool:
        """Whether a whole record of the same specification and inputs is there.

        One of other inputs is replaced when the new run has finished. An edited record is an
        error, never silently overwritten.
        """
        path = self._folder / "record.json"
        if not path.is_file():
            return False
        record = read_record(path)
        return record.spec == self._asked.spec and record.inputs == self._asked.inputs

    def finish(
        self,
        write: Callable[[Path], None],
        stages: Sequence[StageRecord],
        vocabulary: int,
        scores: Mapping[str, Scores] | None = None,
    ) -> RunRecord:
        """Write what the run made, its record last, and remove its state.

        Args:
            write: Writes the files that the record vouches for into a folder.
            stages: What was trained.
            vocabulary: Number of word pieces.
            scores: By split; a pre-trained student has none.
        """
        scores = scores or {}
        task, architecture = self._asked.task, Architecture.parse(self._asked.architecture)
        with replacing(self._folder) as folder:
            folder.mkdir(parents=True)
            write(folder)
            record = RunRecord(
                **self._asked.model_dump(),
                outputs={file.name: file_digest(file) for file in sorted(folder.iterdir())},
                stages=tuple(stages),
                metrics={split: found.metrics for split, found in scores.items()},
                majority={} if task is None else _majorities(self._paths, task),
                degenerate=bool(scores) and scores["test"].constant,
                parameters=architecture.parameters(vocabulary),
                environment=environment(self._watch, self._device),
            )
            write_record(folder / "record.json", record)
        self.keeper.remove()
        return record


def _stage(objective: str, rate: float, progress: Progress) -> StageRecord:
    return StageRecord(
        objective=objective,
        learning_rate=rate,
        steps=progress.steps,
        examples=progress.examples,
        pieces=progress.pieces,
        padding=round(progress.padding, 4),
        loss=progress.loss,
        seconds=round(progress.seconds, 3),
    )


def _majorities(paths: Paths, task: str) -> dict[str, float]:
    return {split: majority(paths.task(task), split) for split in ("dev", "test")}
