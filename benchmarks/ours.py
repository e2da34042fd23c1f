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
    Progress,
    choose_device,
    prepare_process,
)
from pdbench.engine.checkpoints import Checkpoint
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
    model = _initial(request)
    with clock:
        # As a job does: the pieces of all splits are kept, for the scores that follow.
        model.restrict_pieces([s.tokens for s in splits.values()])
        progress = _trained(model, train, request)
    flops = training_flops(
        Architecture.parse(request["arch"]), train.tokens.lengths, request["epochs"]
    )
    found = {"flops": flops, "padding": progress.padding, "precision": _precision(request)}
    if request.get("score"):
        scores = TASK.score(model, splits["test"], ("accuracy",))
        found["accuracy"] = scores.metrics["accuracy"]
    return found


def mlm(request: Request, clock: Clock) -> dict[str, Any]:
    """Pre-train a student on a corpus of the study, from its first weights to its last."""
    architecture = Architecture.parse(request["arch"])
    vocabulary = open_vocabulary(data.study().vocabulary, ARCHIVES)
    start = Start(request["corpus"], architecture, 0)
    with clock:
        _, progress = pretrain_student(data.study(), data.paths(), start, vocabulary)
    return {"steps": progress.steps, "pieces": progress.pieces, "precision": _precision(request)}


def distill_grid(request: Request, clock: Clock) -> dict[str, Any]:
    """Label the transfer set once, then train every student of the grid on it."""
    tokens = Tokens.open(data.paths().text(data.SENTENCES)).first(request["items"])
    teacher = Checkpoint(data.paths().teacher(data.TASK)).classifier(LABELS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, data.SOFT_LABELS)
        with clock:
            _label(teacher, tokens, path)
            labelled = Labelled(tokens, np.load(path, mmap_mode="r", allow_pickle=False))
        for arch in request["students"]:
            for seed in range(request["seeds"]):
                student = _initial({**request, "arch": arch, "seed": seed})
                with clock:
                    _train(student, labelled, {**request, "seed": seed})
    return {}


def soft_labels(request: Request, clock: Clock) -> dict[str, Any]:
    """Compute the soft labels of a text as the job does, from checkpoint to probabilities."""
    with tempfile.TemporaryDirectory() as folder, clock:
        tokens = Tokens.open(data.paths().text(data.SENTENCES)).first(request["items"])
        teacher = Checkpoint(data.paths().teacher(data.TASK)).classifier(LABELS)
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
        progress = _train(model, Labelled(tokens, soft), {**request, "seed": 0}, FixedSteps)
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


def _precision(request: Request) -> str:
    return choose_device(Architecture.parse(request["arch"]).hidden).precision


def _initial(request: Request) -> Classifier:
    architecture = Architecture.parse(request["arch"])
    return Checkpoint(data.initial(architecture, request["seed"])).classifier(LABELS)


def _first(split: Labelled, items: int | None) -> Labelled:
    if items is None:
        return split
    return Labelled(split.tokens.first(items), split.targets[:items])


def _label(teacher: Classifier, tokens: Tokens, path: Path) -> None:
    TASK.soft_label(teacher, tokens, len(tokens), path)


def _train(
    model: Classifier,
    labelled: Labelled,
    request: Request,
    kind: type[Walk] = Walk,
) -> float:
    model.restrict_pieces([labelled.tokens])
    return _trained(model, labelled, request, kind).seconds


def _trained(
    model: Classifier,
    labelled: Labelled,
    request: Request,
    kind: type[Walk] = Walk,
) -> Progress:
    settings = StageSettings(
        epochs=request["epochs"],
        learning_rate=(request["rate"],),
        least_steps=request.get("steps", 0),
    )
    seed = request["seed"]
    walk = kind(settings, Point(request["rate"], request["batch"]), (0.0, 1.0), seed)
    loss = objective_of(Stage(objective="finetune"), TASK, model, None, seed)
    return train_stage(model, loss, labelled, walk, seed)


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
