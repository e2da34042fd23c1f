"""Teachers: fine-tuned on the labelled set, and guarded."""

from __future__ import annotations

import torch

from pdbench.core.errors import UsageError
from pdbench.data.places import model_folder
from pdbench.data.prepared import SPLITS
from pdbench.data.vocabulary import Vocabulary
from pdbench.engine import Classifier, Device, Keeper, Progress
from pdbench.engine.checkpoints import check_vocabulary, load_encoder, read_checkpoint
from pdbench.engine.initialise import BERT_RANGE, random_classifier
from pdbench.jobs.stages import Walk, objective_of, train_stage
from pdbench.kinds import Scores, kind_of, majority
from pdbench.study import Stage, Study
from pdbench.study.cells import Point, seed_of
from pdbench.study.settings import StageSettings
from pdbench.study.settings import Teacher as TeacherSettings
from pdbench.workflow import Paths
from pdbench.workflow.paths import ARCHIVES


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
