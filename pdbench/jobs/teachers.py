"""Teachers: fine-tuned on the labelled set, guarded, and asked for soft labels once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from pdbench.core.errors import GuardError, UsageError
from pdbench.data.tokens import Tokens
from pdbench.data.vocabulary import Vocabulary
from pdbench.data.weights import model_folder
from pdbench.engine import Classifier, Device, Keeper, Progress, predict_ranges
from pdbench.engine.checkpoints import check_vocabulary, load_encoder, read_checkpoint
from pdbench.engine.initialise import BERT_RANGE, random_classifier
from pdbench.kinds.classification import (
    Pass,
    Scores,
    majority,
    train_classifier,
)
from pdbench.kinds.heads import head_of, open_split
from pdbench.study import Study
from pdbench.study.cells import seed_of
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
    head = head_of(study.tasks[task], paths.task(task))
    model = random_classifier(shape, head.outputs, BERT_RANGE, generator, head.model)
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
        GuardError: Its dev accuracy does not exceed the majority class by the margin.
    """
    definition = study.tasks[task]
    settings = settings_of(study, task)
    model.to(device.torch)
    folder = paths.task(task)
    train = Pass(settings.epochs, settings.batch_size, settings.learning_rate)
    data = open_split(folder, "train")
    progress = train_classifier(model, data, train, device, seed, keeper=keeper)
    guarding = ("accuracy",) if definition.labels else ()
    metrics = list(dict.fromkeys((*definition.metrics, *guarding)))
    scores = {s: open_split(folder, s).scored(model, metrics, device) for s in ("dev", "test")}
    if not definition.labels:
        constant = majority(folder, "dev") if definition.kind == "ranking" else 0.0
        check_regression(task, scores["dev"], definition.metrics[0], settings.margin, constant)
        return progress, scores
    check_teacher(
        task,
        scores["dev"],
        open_split(folder, "dev").targets,
        definition.labels,
        majority(folder, "dev"),
        settings.margin,
    )
    return progress, scores


def check_regression(
    task: str, dev: Scores, metric: str, margin: float, constant: float = 0.0
) -> None:
    """Refuse a teacher without classes that is hardly better than a constant answer.

    Its scores must correlate with the true ones, its spans match, its items be found more often
    than the most frequent one is true, which ``constant`` is the share of.

    Raises:
        GuardError: They do not.
    """
    found = dev.metrics[metric]
    if found >= constant + margin:
        return
    what = f"task {task!r}: the teacher's dev {metric} is {found:.3f}"
    asked = f"a constant has {constant:.3g} and tasks.{task}.teacher.margin asks {margin:g}"
    raise GuardError(f"{what}, {asked}", "check the scores, its learning rate and its epochs")


def check_teacher(
    task: str,
    dev: Scores,
    true: NDArray[Any],
    labels: Sequence[str],
    majority_share: float,
    margin: float,
) -> None:
    """Refuse a teacher that is hardly better than the majority class.

    Checkpoints of NLI are published with three orders of their labels; where another order of
    the task's labels would make the teacher good enough, the message says which.

    Args:
        task: The task's name.
        dev: The teacher's dev scores and predictions, (N,).
        true: The dev labels, (N,).
        labels: Label names in class order.
        majority_share: Accuracy of always answering the largest class.
        margin: How much better the teacher must be.

    Raises:
        GuardError: It is not.
    """
    accuracy = dev.metrics["accuracy"]
    if accuracy >= majority_share + margin:
        return
    order, reached = best_order(dev.predictions, true, labels)
    mixed_up = reached >= majority_share + margin
    raise GuardError(
        f"task {task!r}: the teacher's dev accuracy is {accuracy:.3f}, the majority class "
        f"alone reaches {majority_share:.3f} and tasks.{task}.teacher.margin asks {margin:g} more",
        f"its labels seem mixed up: in the order {', '.join(order)} it reaches {reached:.3f}"
        if mixed_up
        else "check the label order, its learning rate and its epochs",
    )


def best_order(
    predictions: NDArray[Any], true: NDArray[Any], labels: Sequence[str]
) -> tuple[tuple[str, ...], float]:
    """The order of the labels in which predictions agree best with the truth, and how well.

    Args:
        predictions: Predicted classes, (N,).
        true: True classes, (N,).
        labels: Label names in class order, C.

    Returns:
        The name that each predicted class should have had, and the accuracy then.
    """
    from scipy.optimize import linear_sum_assignment

    counts = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(counts, (predictions, true), 1)
    classes, meant = linear_sum_assignment(counts, maximize=True)
    return tuple(labels[i] for i in meant), float(counts[classes, meant].sum() / len(true))


def soft_label(
    teacher: Classifier, tokens: Tokens, items: int, device: Device, path: Path
) -> NDArray[np.float64]:
    """Write a teacher's probabilities for the first N items, float16 of shape (N, C).

    A regression's soft labels are the teacher's scores, (N, 1).

    They go to disk range after range, so that they are never in memory together.

    Args:
        teacher: The fine-tuned teacher.
        tokens: The text.
        items: How many of its items, N.
        device: Where and how precisely to compute.
        path: The npy file.

    Returns:
        Their mean, (C,).
    """
    classes = teacher.output.out_features
    stored = open_memmap(path, "w+", np.float16, (items, classes))
    total = np.zeros(classes)
    for chosen, logits in predict_ranges(teacher.to(device.torch), tokens, device, items=items):
        scores = torch.from_numpy(logits)
        probabilities = (scores.softmax(dim=1) if classes > 1 else scores).numpy()
        stored[chosen] = probabilities
        total += probabilities.sum(axis=0, dtype=np.float64)
    stored.flush()
    return total / items
