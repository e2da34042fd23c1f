"""pdbench's side of every comparison: the functions that its jobs call, timed by a worker."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import data
from benchmarks.peak import matrix_peak, training_flops
from benchmarks.worker import Clock, Request, serve
from pdbench.data.tokens import Tokens
from pdbench.data.vocabulary import open_vocabulary
from pdbench.engine import (
    BertShape,
    Classifier,
    Device,
    Progress,
    choose_device,
    prepare_process,
)
from pdbench.engine.bert import restrict_pieces
from pdbench.engine.checkpoints import read_classifier
from pdbench.engine.initialise import BERT_RANGE, random_classifier
from pdbench.jobs.pretraining import pretrain_student
from pdbench.jobs.training import Walk, objective_of, train_stage
from pdbench.kinds import Labelled, kind_of
from pdbench.study import Architecture, Stage, Start
from pdbench.study.cells import Point
from pdbench.study.settings import StageSettings
from pdbench.workflow.paths import ARCHIVES

TASK = kind_of(data.study().tasks[data.TASK])
LABELS = TASK.task.labels
VOCABULARY = 30_522


class FixedSteps(Walk):
    """A walk of so many updates, however many items there are to draw them from."""

    def updates(self, items: int) -> range:
        """The numbers of the updates."""
        return range(self.settings.least_steps)


def finetune(request: Request, clock: Clock) -> dict[str, Any]:
    """Fine-tune on labelled sentences; score the test split if asked to."""
    folder = data.paths().task(data.TASK)
    splits = {name: TASK.open_split(folder / name) for name in ("train", "dev", "test")}
    train = _first(splits["train"], request["items"])
    model, device = _initial(request)
    with clock:
        # As a job does: the pieces of all splits are kept, for the scores that follow.
        restrict_pieces(model, [s.tokens for s in splits.values()], VOCABULARY)
        progress = _trained("finetune", model, train, request, device)
    flops = training_flops(
        Architecture.parse(request["arch"]), train.tokens.lengths, request["epochs"]
    )
    found = {"flops": flops, "padding": progress.padding, "precision": device.precision}
    if request.get("score"):
        scores = TASK.score(model, splits["test"], ("accuracy",), device)
        found["accuracy"] = scores.metrics["accuracy"]
    return found


def mlm(request: Request, clock: Clock) -> dict[str, Any]:
    """Pre-train a student on a corpus of the study, from its first weights to its last."""
    architecture = Architecture.parse(request["arch"])
    vocabulary = open_vocabulary(data.study().vocabulary, ARCHIVES)
    device = choose_device(architecture.hidden)
    with clock:
        _, progress = pretrain_student(
            data.study(), data.paths(), Start(request["corpus"], architecture), vocabulary, device
        )
    return {"steps": progress.steps, "pieces": progress.pieces, "precision": device.precision}


def distill_grid(request: Request, clock: Clock) -> dict[str, Any]:
    """Label the transfer set once, then train every student of the grid on it."""
    tokens = Tokens.open(data.paths().text(data.SENTENCES)).first(request["items"])
    teacher = read_classifier(data.paths().teacher(data.TASK), LABELS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, data.SOFT_LABELS)
        with clock:
            _label(teacher, tokens, path)
            labelled = Labelled(tokens, np.load(path, mmap_mode="r", allow_pickle=False))
        for arch in request["students"]:
            for seed in range(request["seeds"]):
                student, device = _initial({**request, "arch": arch, "seed": seed})
                with clock:
                    _train(student, labelled, {**request, "seed": seed}, device)
    return {}


def soft_labels(request: Request, clock: Clock) -> dict[str, Any]:
    """Compute the soft labels of a text as the job does, from checkpoint to probabilities."""
    with tempfile.TemporaryDirectory() as folder, clock:
        tokens = Tokens.open(data.paths().text(data.SENTENCES)).first(request["items"])
        teacher = read_classifier(data.paths().teacher(data.TASK), LABELS)
        _label(teacher, tokens, Path(folder, data.SOFT_LABELS))
    return {}


def scale(request: Request, clock: Clock) -> dict[str, Any]:
    """Distil for a fixed number of updates from a transfer set of any size."""
    started = time.perf_counter()
    with clock:
        folder = Path(request["folder"])
        tokens = Tokens.open(folder)
        soft = np.load(folder / data.SOFT_LABELS, mmap_mode="r", allow_pickle=False)
        opened = time.perf_counter()
        architecture = Architecture.parse(request["arch"])
        model = random_classifier(
            BertShape.of(architecture, VOCABULARY), len(LABELS), BERT_RANGE, torch.Generator()
        )
        device = choose_device(architecture.hidden)
        progress = _train(model, Labelled(tokens, soft), {**request, "seed": 0}, device, FixedSteps)
    return {
        "open_seconds": opened - started,
        "prepare_seconds": clock.wall - (opened - started) - progress,
        "train_seconds": progress,
    }


def peak(request: Request, clock: Clock) -> dict[str, Any]:
    """Measure the machine's bf16 matrix peak with one thread and with all."""
    with clock:
        counts = sorted({1, request["threads"], os.cpu_count() or 1})
        found = {str(threads): matrix_peak(threads) for threads in counts}
    return {"peaks": found}


def _initial(request: Request) -> tuple[Classifier, Device]:
    architecture = Architecture.parse(request["arch"])
    device = choose_device(architecture.hidden)
    model = read_classifier(data.initial(architecture, request["seed"]), LABELS)
    return model.to(device.torch), device


def _first(split: Labelled, items: int | None) -> Labelled:
    if items is None:
        return split
    return Labelled(split.tokens.first(items), split.targets[:items])


def _label(teacher: Classifier, tokens: Tokens, path: Path) -> None:
    device = choose_device(teacher.bert.shape.hidden)
    TASK.soft_label(teacher, tokens, len(tokens), device, path)


def _train(
    model: Classifier,
    labelled: Labelled,
    request: Request,
    device: Device,
    kind: type[Walk] = Walk,
) -> float:
    restrict_pieces(model, [labelled.tokens], VOCABULARY)
    return _trained("distill", model, labelled, request, device, kind).seconds


def _trained(
    objective: str,
    model: Classifier,
    labelled: Labelled,
    request: Request,
    device: Device,
    kind: type[Walk] = Walk,
) -> Progress:
    settings = StageSettings(
        epochs=request["epochs"],
        learning_rate=(request["rate"],),
        least_steps=request.get("steps", 0),
    )
    seed = request["seed"]
    walk = kind(settings, Point(request["rate"], request["batch"]), (0.0, 1.0), seed)
    loss = objective_of(Stage(objective=objective), TASK, model, None, seed)
    return train_stage(model, loss, labelled, walk, device, seed)


WORKS = {
    "distill_grid": distill_grid,
    "finetune": finetune,
    "mlm": mlm,
    "peak": peak,
    "scale": scale,
    "soft_labels": soft_labels,
}

if __name__ == "__main__":
    prepare_process(int(os.environ["OMP_NUM_THREADS"]))
    serve(WORKS)
