"""Teachers: fine-tuned on the labelled set, guarded, and asked for soft labels once."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch

from pdbench.core.errors import UsageError
from pdbench.core.files import (
    exclusive_lock,
    file_digest,
    read_json,
    replacing,
    write_json,
)
from pdbench.data.columns import SPLITS, TEACHER
from pdbench.data.places import model_folder
from pdbench.data.tokens import Tokens
from pdbench.data.vocabulary import Vocabulary, open_vocabulary
from pdbench.engine import (
    Classifier,
    Device,
    Keeper,
    Progress,
    Stopwatch,
    choose_device,
    write_checkpoint,
)
from pdbench.engine.checkpoints import (
    check_vocabulary,
    load_encoder,
    read_checkpoint,
    read_classifier,
)
from pdbench.engine.initialise import (
    BERT_RANGE,
    random_classifier,
)
from pdbench.engine.state import SAVE_EVERY
from pdbench.jobs.record import (
    RunRequest,
)
from pdbench.jobs.run import (
    WEIGHTS,
    TrainingJob,
    environment,
    refuse_several,
    stage_record,
    task_digests,
    write_predictions,
)
from pdbench.jobs.stages import Walk, objective_of, train_stage
from pdbench.kinds import Scores, kind_of, majority
from pdbench.study import Cell, Stage, Study
from pdbench.study.cells import Point, seed_of
from pdbench.study.settings import StageSettings
from pdbench.study.settings import Teacher as TeacherSettings
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job
from pdbench.workflow.paths import ARCHIVES

log = logging.getLogger(__name__)


def teacher(study: Study, paths: Paths, task: str, save_every: float = SAVE_EVERY) -> None:
    """Fine-tune a task's teacher, guard it, and write its checkpoint and record."""
    refuse_several()
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
        seed=seed,
        spec=paths.digest(Job("teacher", task)),
        inputs=task_digests(paths, task),
    )
    job = TrainingJob(paths, paths.teacher(task), asked, device, save_every)
    if job.is_done:
        log.info("teacher of %s: already done", task)
        return
    progress, scores = train_teacher(study, paths, task, model, seed, device, job.keeper)

    def write(folder: Path) -> None:
        labels = kind_of(study.tasks[task]).labels(paths.task(task))
        write_checkpoint(folder, model.cpu(), vocabulary, labels)
        write_predictions(folder, scores["test"])

    stage = stage_record("finetune", settings_of(study, task).learning_rate, progress)
    record = job.finish(write, [stage], vocabulary.size, scores)
    log.info("teacher of %s: %s", task, record.metrics)


def soft_labels(study: Study, paths: Paths, task: str, text: str) -> None:
    """Compute the teacher's probabilities on a text once, for every student to share."""
    refuse_several()
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


def load_teacher(
    study: Study, paths: Paths, task: str, vocabulary: Vocabulary
) -> tuple[Classifier, int]:
    """Load the teacher's pre-trained weights under a new output layer; return the seed too.

    Raises:
        UsageError: The task has no teacher.
        DataError: Its vocabulary is not the study's.
    """
    folder = model_folder(settings_of(study, task), ARCHIVES)
    shape, weights, _ = read_checkpoint(folder)
    check_vocabulary(folder, shape, vocabulary)
    seed = seed_of("teacher", task)
    generator = torch.Generator().manual_seed(seed)
    kind = kind_of(study.tasks[task])
    outputs = kind.outputs(paths.task(task))
    model = random_classifier(shape, outputs, BERT_RANGE, generator, kind.head)
    load_encoder(model.bert, weights, folder)
    return model, seed


def settings_of(study: Study, task: str) -> TeacherSettings:
    """The teacher of a task.

    Raises:
        UsageError: It has none.
    """
    found = study.tasks[task].teacher
    if found is None:
        raise UsageError(f"key tasks.{task}.teacher: missing", "name the task's teacher")
    return found


def train_teacher(
    study: Study,
    paths: Paths,
    task: str,
    model: Classifier,
    seed: int,
    device: Device,
    keeper: Keeper | None = None,
) -> tuple[Progress, dict[str, Scores]]:
    """Fine-tune a task's teacher from :func:`load_teacher` and check that it learnt something.

    Raises:
        GuardError: On dev it is hardly better than a constant answer.
    """
    kind, settings = kind_of(study.tasks[task]), settings_of(study, task)
    model.to(device.torch)
    train, dev, test = (kind.open_split(paths.task(task) / split) for split in SPLITS)
    rate, size = settings.learning_rate, settings.batch_size
    stage = StageSettings(epochs=settings.epochs, learning_rate=(rate,), batch_size=(size,))
    walk = Walk(stage, Point(rate, size), (0.0, 1.0), seed)
    objective = objective_of(Stage(objective="finetune"), kind, model, None, seed)
    progress = train_stage(model, objective, train, walk, device, seed, keeper=keeper)
    metrics = list(dict.fromkeys((*kind.task.metrics, *kind.guarded_by)))
    scores = {
        split: kind.score(model, data, metrics, device)
        for split, data in (("dev", dev), ("test", test))
    }
    kind.guard(task, scores["dev"], dev.targets, majority(paths.task(task), "dev"))
    return progress, scores
