"""Teachers: fine-tuned on the labelled set, guarded, and asked for soft labels once."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

from pdbench.core.entries import read_record, verified_digest, write_record
from pdbench.core.errors import UsageError
from pdbench.core.files import replacing
from pdbench.data.batches import pieces_used
from pdbench.data.columns import SPLITS, TEACHER, predictions_file
from pdbench.data.places import model_folder
from pdbench.data.tokens import Tokens
from pdbench.data.vocabulary import open_vocabulary
from pdbench.engine import Classifier, choose_device, write_checkpoint
from pdbench.engine.bert import only_pieces
from pdbench.engine.checkpoints import WEIGHTS, Checkpoint
from pdbench.engine.device import refuse_slow
from pdbench.engine.initialise import adopted_classifier
from pdbench.engine.state import SAVE_EVERY, Stopwatch
from pdbench.jobs.record import RunRequest, StageRecord
from pdbench.jobs.training import (
    TrainingJob,
    are_there,
    environment,
    refuse_several,
    train_whole,
)
from pdbench.kinds import Kind, Scores, kind_of, majority
from pdbench.study import Cell, Study
from pdbench.study.cells import seed_of
from pdbench.study.settings import StageSettings
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job
from pdbench.workflow.paths import ARCHIVES

_log = logging.getLogger(__name__)


def teacher(study: Study, paths: Paths, task: str, save_every: float = SAVE_EVERY) -> None:
    """Fine-tune a task's teacher, guard it, and write its checkpoint and record."""
    refuse_several()
    with paths.making(paths.teacher(task)):
        _teacher(study, paths, task, save_every)


def _teacher(study: Study, paths: Paths, task: str, save_every: float) -> None:
    settings = study.tasks[task].teacher
    if settings is None:
        raise UsageError(f"key tasks.{task}.teacher: missing", "name the task's teacher")
    paths.look_again(Job("teacher", task))
    vocabulary = open_vocabulary(study.vocabulary, ARCHIVES)
    checkpoint, seed = Checkpoint(model_folder(settings, ARCHIVES)), seed_of("teacher", task)
    checkpoint.check(vocabulary)
    architecture = checkpoint.shape.architecture
    asked = RunRequest(
        cell=Cell(task, TEACHER, architecture, None, None).key,
        task=task,
        method=TEACHER,
        architecture=str(architecture),
        seed=seed,
        **paths.decided_by(Job("teacher", task)),
        inputs=inputs_of(paths, task),
    )
    job = TrainingJob(paths, paths.teacher(task), asked, save_every)
    if job.is_done(f"teacher of {task}"):
        return
    refuse_slow(study)
    kind, folder = kind_of(study.tasks[task]), paths.task(task)
    labels = kind.labels(folder)
    model = adopted_classifier(checkpoint, kind.head.outputs(len(labels)), seed, kind.head)
    rate, size = settings.learning_rate, settings.batch_size
    how = StageSettings(epochs=settings.epochs, learning_rate=(rate,), batch_size=(size,))
    train = kind.open_split(folder / "train")
    with only_pieces(model, pieces_used([train.tokens], vocabulary.size)):
        progress = train_whole(model, kind, train, how, seed, job.keeper)
    dev = _guarded(kind, task, folder, model)
    said = kind.predict(model, kind.open_asked(folder / "test"))
    stage = StageRecord.of("finetune", rate, progress)
    parameters = architecture.parameters(vocabulary.size)
    write = partial(write_checkpoint, model=model.cpu(), vocabulary=vocabulary, labels=labels)
    arrays, constant = {predictions_file("test"): said}, kind.is_constant(said)
    record = job.finish([stage], parameters, dev.metrics, arrays, write, degenerate=constant)
    _log.info("teacher of %s: %s", task, record.metrics)


def inputs_of(paths: Paths, task: str) -> dict[str, str]:
    """The digests of what a task's teacher learns from, by split."""
    return {split: Tokens.open(paths.task(task) / split).digest for split in SPLITS}


def _guarded(kind: Kind, task: str, folder: Path, model: Classifier) -> Scores:
    """What a teacher scores on dev; one that learnt nothing is refused."""
    data = kind.open_split(folder / "dev")
    scores = kind.score(model, data, kind.teacher_metrics)
    stored = read_record(folder)["constants"].get("dev", {})
    constants = {kind.guard_metric: majority(folder, "dev"), **stored}  # the guard's metric first
    kind.guard(task, scores, data.targets, constants)
    return scores


def soft_labels(study: Study, paths: Paths, task: str, text: str) -> None:
    """Compute the teacher's probabilities on a text once, for every student to share."""
    refuse_several()
    target = paths.soft_labels(task, text)
    with paths.making(target):
        watch, tokens = Stopwatch(), Tokens.open(paths.text(text))
        asked = labelled_from(study, paths, task, tokens, text)
        if are_there(target, asked):
            _log.info("soft labels of %s by the %s teacher: already done", text, task)
            return
        refuse_slow(study)
        kind = kind_of(study.tasks[task])
        labels = kind.labels(paths.task(task))
        model = Checkpoint(paths.teacher(task)).classifier(labels, kind.head)
        device = choose_device(model.bert.shape.hidden)
        with replacing(target) as folder:
            folder.mkdir(parents=True)
            mean = kind.soft_label(model, tokens, asked["items"], folder / "soft_labels.npy")
            content = {
                **asked,
                "environment": environment(watch, device).model_dump(mode="json"),
            }
            write_record(folder, content)
    _log.info("soft labels of %s by the %s teacher: mean %s", text, task, mean[:10].round(4))


def labelled_from(
    study: Study, paths: Paths, task: str, tokens: Tokens, text: str
) -> dict[str, Any]:
    """What soft labels of a text are made from, as their record says it."""
    return {
        "task": task,
        "text": text,
        "items": min(study.items_labelled(text), len(tokens)),
        "labels": list(kind_of(study.tasks[task]).labels(paths.task(task))),
        "text_digest": tokens.digest,
        "teacher_digest": verified_digest(paths.teacher(task) / WEIGHTS),
    }
