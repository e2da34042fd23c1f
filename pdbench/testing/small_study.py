"""A study that trains in a second: 60 words, sentences whose label is one of their words."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

from pdbench.data.audit import audit
from pdbench.engine import BertShape, prepare_process, random_classifier, write_checkpoint
from pdbench.jobs import fitting, pretraining, teachers
from pdbench.jobs.prepare import prepare_task, prepare_text
from pdbench.study import Architecture, Study
from pdbench.workflow import Paths

_GOOD = ["good", "great", "lovely", "fine"]
_BAD = ["bad", "awful", "dull", "poor"]
_PLAIN = [f"word{i}" for i in range(40)]
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_TEACHER = Architecture(1, 64)

CONFIG: dict[str, Any] = {
    "name": "small",
    "title": "A small study",
    "scale": "demo",
    "vocabulary": {"source": "directory", "path": "data/model"},
    "architectures": {"grid": {"layers": [1, 2], "hidden": [32]}, "named": {"Tiny": "1/32"}},
    "tasks": {
        "films": {
            "source": "directory",
            "path": "data/task",
            "labels": ["negative", "positive"],
            "metrics": ["accuracy"],
            "max_length": 16,
            "teacher": {
                "source": "directory",
                "path": "data/model",
                "epochs": 20,
                "learning_rate": 3e-3,
                "margin": 0.2,
            },
        }
    },
    "texts": {"more": {"source": "directory", "path": "data/text", "size": 200, "max_length": 16}},
    "transfer_sets": {"more-100": {"text": "more", "size": 100}},
    "corpora": {"plain": [{"text": "more", "tokens": 2000}]},
    "training": {
        "pretrain": {"batch_tokens": 256, "embedding_start": "spectral", "dropout": 0.0},
        "distill": {"epochs": 2, "learning_rate": [1e-3]},
        "finetune": {"epochs": 2, "learning_rate": [1e-3, 3e-3]},
    },
    "artefacts": {
        "figure6": {
            "seeds": 2,
            "cells": [
                {
                    "task": "films",
                    "method": ["basic", "pd", "pd-f", "tf", "pd-embeddings"],
                    "architecture": "named",
                    "transfer": "more-100",
                    "corpus": "plain",
                }
            ],
        }
    },
}


def write_small_study(
    folder: Path, config: Mapping[str, Any] = CONFIG, teacher: Architecture = _TEACHER
) -> Path:
    """Write data, a teacher's model and the study file, whose path it returns, into a folder."""
    rng = random.Random(0)
    for split, size in (("train", 300), ("dev", 100), ("test", 100)):
        _write_task(folder / "data/task" / f"{split}.csv", size, rng)
    text = folder / "data/text/text.txt"
    text.parent.mkdir(parents=True)
    text.write_text("\n".join(_sentence(rng.choice(_GOOD + _BAD), rng) for _ in range(200)) + "\n")
    _write_model(folder / "data/model", teacher)
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(dict(config)))
    return path


def prepare_cells(study: Study, paths: Paths) -> None:
    """Run every job that the cells of a study wait for, in the working directory."""
    prepare_process(1)
    # Those first on which the models of others are scored: these leave out their test items.
    for task in sorted(study.tasks, key=lambda name: study.tasks[name].model_of is None):
        prepare_task(study, task, paths)
    for text in study.texts:
        prepare_text(study, text, paths)
    audit(study, paths)
    for task in study.taught:
        teachers.teacher(study, paths, task)
    for task, text in study.soft_labelled:
        teachers.soft_labels(study, paths, task, text)
    for corpus in study.fitted:
        fitting.states(study, paths, corpus)
    for start in study.pretrained:
        pretraining.pretrain(study, paths, start)


def _write_task(path: Path, size: int, rng: random.Random) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = ["text,label"]
    for i in range(size):
        word = rng.choice((_BAD, _GOOD)[i % 2])
        rows.append(f"{_sentence(word, rng)},{('negative', 'positive')[i % 2]}")
    path.write_text("\n".join(rows) + "\n")


def _sentence(word: str, rng: random.Random) -> str:
    words = rng.choices(_PLAIN, k=rng.randint(3, 8))
    words.insert(rng.randrange(len(words)), word)
    return " ".join(words)


def _write_model(folder: Path, size: Architecture) -> None:
    folder.mkdir(parents=True)
    pieces = _SPECIAL + _GOOD + _BAD + _PLAIN
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n")
    shape = BertShape.of(size, len(pieces))
    model = random_classifier(shape, 2, 0.07, torch.Generator().manual_seed(0))
    write_checkpoint(folder, model, labels=["negative", "positive"])
