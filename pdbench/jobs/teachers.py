"""Teachers: fine-tuned on the labelled set, guarded, and asked for soft labels once."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch

from pdbench.core.errors import UsageError
from pdbench.core.files import exclusive_lock, file_digest, read_json, replacing, write_json
from pdbench.data.columns import TEACHER
from pdbench.data.places import model_folder
from pdbench.data.tokens import Tokens
from pdbench.data.vocabulary import Vocabulary, open_vocabulary
from pdbench.engine import Classifier, Device, Stopwatch, choose_device, write_checkpoint
from pdbench.engine.checkpoints import (
    check_vocabulary,
    load_encoder,
    read_checkpoint,
    read_classifier,
)
from pdbench.engine.initialise import BERT_RANGE, random_classifier
from pdbench.engine.state import SAVE_EVERY
from pdbench.jobs.record import RunRequest
from pdbench.jobs.training import (
    WEIGHTS,
    TrainingJob,
    environment,
    refuse_several,
    stage_record,
    task_digests,
    train_whole,
    write_predictions,
)
from pdbench.kinds import Kind, Scores, kind_of, majority
from pdbench.study import Cell, Study
from pdbench.study.cells import seed_of
from pdbench.study.settings import StageSettings
from pdbench.study.settings import Teacher as TeacherSettings
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job
from pdbench.workflow.paths import ARCHIVES

_log = logging.getLogger(__name__)


def teacher(study: Study, paths: Paths, task: str, save_every: float = SAVE_EVERY) -> None:
    """Fine-tune a task's teacher, guard it, and write its checkpoint and record."""
    refuse_several()
    with exclusive_lock(paths.lock(paths.teacher(task))):
        _teacher(study, paths, task, save_every)


def _teacher(study: Study, paths: Paths, task: str, save_every: float) -> None:
    vocabulary = open_vocabulary(study.vocabulary, ARCHIVES)
    model, seed = load_teacher(study, paths, task, vocabulary)
    architecture = model.bert.shape.architecture
    asked = RunRequest(
        cell=Cell(task, TEACHER, architecture, None, None).key,
        task=task,
        method=TEACHER,
        architecture=str(architecture),
        seed=seed,
        spec=paths.digest(Job("teacher", task)),
        inputs=task_digests(paths, task),
    )
    job = TrainingJob(paths, paths.teacher(task), asked, save_every)
    if job.is_done:
        _log.info("teacher of %s: already done", task)
        return
    kind, folder = kind_of(study.tasks[task]), paths.task(task)
    settings = _settings_of(study, task)
    rate, size = settings.learning_rate, settings.batch_size
    how = StageSettings(epochs=settings.epochs, learning_rate=(rate,), batch_size=(size,))
    train = kind.open_split(folder / "train")
    progress = train_whole("finetune", model, kind, train, how, seed, job.keeper)
    scores = _guarded(kind, task, folder, model, job.device)

    def write(made: Path) -> None:
        write_checkpoint(made, model.cpu(), vocabulary, kind.labels(folder))
        write_predictions(made, scores["test"])

    stage = stage_record("finetune", rate, progress)
    record = job.finish(write, [stage], architecture.parameters(vocabulary.size), scores)
    _log.info("teacher of %s: %s", task, record.metrics)


def _guarded(
    kind: Kind, task: str, folder: Path, model: Classifier, device: Device
) -> dict[str, Scores]:
    """Score a teacher, and refuse it if it learnt nothing."""
    metrics = list(dict.fromkeys((*kind.task.metrics, *kind.guarded_by)))
    data = {split: kind.open_split(folder / split) for split in ("dev", "test")}
    scores = {split: kind.score(model, own, metrics, device) for split, own in data.items()}
    kind.guard(task, scores["dev"], data["dev"].targets, majority(folder, "dev"))
    return scores


def load_teacher(
    study: Study, paths: Paths, task: str, vocabulary: Vocabulary
) -> tuple[Classifier, int]:
    """Load the teacher's pre-trained weights under a new output layer; return the seed too."""
    folder = model_folder(_settings_of(study, task), ARCHIVES)
    shape, weights, _ = read_checkpoint(folder)
    check_vocabulary(folder, shape, vocabulary)
    seed, kind = seed_of("teacher", task), kind_of(study.tasks[task])
    generator = torch.Generator().manual_seed(seed)
    outputs = kind.head.outputs(len(kind.labels(paths.task(task))))
    model = random_classifier(shape, outputs, BERT_RANGE, generator, kind.head)
    load_encoder(model.bert, weights, folder)
    return model, seed


def _settings_of(study: Study, task: str) -> TeacherSettings:
    found = study.tasks[task].teacher
    if found is None:
        raise UsageError(f"key tasks.{task}.teacher: missing", "name the task's teacher")
    return found


def soft_labels(study: Study, paths: Paths, task: str, text: str) -> None:
    """Compute the teacher's probabilities on a text once, for every student to share."""
    refuse_several()
    target = paths.soft_labels(task, text)
    with exclusive_lock(paths.lock(target)):
        watch, tokens = Stopwatch(), Tokens.open(paths.text(text))
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
        if _are_there(target, asked):
            _log.info("soft labels of %s by the %s teacher: already done", text, task)
            return
        model = read_classifier(paths.teacher(task), labels, head=kind.head)
        device = choose_device(model.bert.shape.hidden)
        with replacing(target) as folder:
            folder.mkdir(parents=True)
            mean = kind.soft_label(model, tokens, items, device, folder / "soft_labels.npy")
            content = {
                **asked,
                "digest": file_digest(folder / "soft_labels.npy"),
                "environment": environment(watch, device).model_dump(mode="json"),
            }
            write_json(folder / "soft_labels.json", content)
    _log.info("soft labels of %s by the %s teacher: mean %s", text, task, mean[:10].round(4))


def _are_there(folder: Path, asked: dict[str, Any]) -> bool:
    """Whether another process has made the same soft labels since this one was started."""
    record, labels = folder / "soft_labels.json", folder / "soft_labels.npy"
    if not (record.is_file() and labels.is_file()):
        return False
    said = read_json(record)
    same = all(said.get(key) == value for key, value in asked.items())
    return same and file_digest(labels) == said["digest"]
