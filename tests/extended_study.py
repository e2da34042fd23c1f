"""A small study beyond classes: SQuAD, ReDial and INSPIRED in the layouts of their releases."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import torch
import yaml

from pdbench.engine import BertShape, random_classifier, write_checkpoint
from pdbench.study import Architecture

PLACES = ["rome", "oslo", "cairo", "lima", "paris", "delhi", "tokyo", "quito"]
FILMS = ["dune", "alien", "heat", "brave", "jaws", "up"]
MOODS = ["space", "dark", "crime", "kids", "shark", "house"]
"""What a user asks for, before the film that answers it is recommended."""

WORDS = [f"word{i}" for i in range(20)]
PIECES = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "where", "is", "it", "in", "?", ".", ":"),
    *("user", "system", "hi", "try", *PLACES, *FILMS, *MOODS, *WORDS),
]

_MODEL = {"source": "directory", "path": "data/model"}
_RECALL = ["recall@1", "recall@10", "recall@50"]

CONFIG: dict[str, Any] = {
    "name": "beyond",
    "title": "Beyond classes",
    "scale": "demo",
    "vocabulary": {**_MODEL, "lower_case": True},
    "architectures": {"grid": {"layers": [1], "hidden": [32]}, "named": {"Tiny": "1/32"}},
    "tasks": {
        "squad": {
            "kind": "span",
            "source": "directory",
            "name": "squad",
            "path": "data/squad",
            "labels": [],
            "metrics": ["exact_match", "f1"],
            "max_length": 24,
            "windows": {"stride": 8, "question": 6, "answer": 4},
            "teacher": {**_MODEL, "epochs": 5, "learning_rate": 3e-3, "margin": 0.5},
        },
        "redial": {
            "kind": "ranking",
            "source": "directory",
            "name": "redial",
            "path": "data/redial",
            "labels": [],
            "metrics": _RECALL,
            "max_length": 16,
            "teacher": {**_MODEL, "epochs": 12, "learning_rate": 3e-3, "margin": 0.5},
        },
        "inspired": {
            "kind": "ranking",
            "source": "directory",
            "name": "inspired",
            "path": "data/inspired",
            "labels": [],
            "metrics": _RECALL,
            "max_length": 16,
        },
    },
    "texts": {
        "questions": {
            "source": "directory",
            "name": "squad",
            "path": "data/squad",
            "size": 300,
            "least": 100,
            "max_length": 24,
        },
        "dialogues": {
            "source": "directory",
            "name": "redial",
            "path": "data/redial",
            "size": 300,
            "least": 100,
            "max_length": 16,
            "keep": "end",
        },
    },
    "transfer_sets": {
        "questions": {"text": "questions", "size": 300},
        "dialogues": {"text": "dialogues", "size": 300},
    },
    "training": {
        "pretrain": {},
        "distill": {"epochs": 15, "batch_size": 16, "learning_rate": 5e-3},
        "finetune": {"epochs": 8, "batch_size": 16, "learning_rate": 5e-3},
    },
    "artefacts": {
        "datasets": {},
        "scores": {
            "seeds": 2,
            "cells": [
                {"task": "squad", "method": ["d", "basic"], "transfer": "questions"},
                {"task": "redial", "method": ["d", "basic"], "transfer": "dialogues"},
                {"task": "inspired", "method": "basic"},
            ],
        },
    },
}


def write_extended_study(folder: Path) -> Path:
    """Write data, model and study file below ``folder``; return the study file."""
    rng = random.Random(0)
    data = folder / "data"
    _write_squad(data / "squad", rng)
    _write_redial(data / "redial", rng)
    _write_inspired(data / "inspired", rng)
    _write_model(data / "model")
    path = folder / "beyond.yaml"
    path.write_text(yaml.safe_dump(CONFIG, sort_keys=False))
    return path


def _write_model(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n")
    shape = BertShape.of(Architecture(1, 64), len(PIECES))
    model = random_classifier(shape, 2, torch.Generator().manual_seed(0), 0.07)
    write_checkpoint(folder, model)


def paragraph(rng: random.Random, number: int) -> dict[str, Any]:
    """A context that says where one thing is, and the question where it is."""
    words = rng.choices(WORDS, k=rng.randint(8, 24))
    place = rng.choice(PLACES)
    at = rng.randrange(len(words))
    words[at:at] = ["It", "is", "in", place, "."]
    context = " ".join(words)
    start = context.index(f"in {place}") + 3
    answer = {"text": place, "answer_start": start}
    asked = " ".join(rng.choices(WORDS, k=4))
    question = {"id": f"q{number}", "question": f"Where is  it {asked}?"}
    return {"context": context, "qas": [{**question, "answers": [answer]}]}


def _write_squad(folder: Path, rng: random.Random) -> None:
    folder.mkdir(parents=True)
    for name, articles in (("train-v1.1.json", 30), ("dev-v1.1.json", 5)):
        found = [
            {"title": f"{name} {i}", "paragraphs": [paragraph(rng, 10 * i + j) for j in range(10)]}
            for i in range(articles)
        ]
        (folder / name).write_text(json.dumps({"version": "1.1", "data": found}))


def dialogue(rng: random.Random, number: int) -> dict[str, Any]:
    """A dialogue of ReDial: a wish, and the film that answers it."""
    wish = rng.randrange(len(FILMS))
    film, other = str(100 + wish), "205"
    said = [
        (7, "Hi"),
        (8, f"Hi . @{other} {' '.join(rng.choices(WORDS, k=8))}"),
        (7, f"{rng.choice(WORDS)} {MOODS[wish]} {rng.choice(WORDS)}"),
        (8, f"try @{film} , or @{other}"),
    ]
    messages = [
        {"timeOffset": i, "text": text, "senderWorkerId": who, "messageId": 10 * number + i}
        for i, (who, text) in enumerate(said)
    ]
    form = {
        film: {"suggested": 1, "seen": 0, "liked": 1},
        other: {"suggested": 0, "seen": 1, "liked": 1},
    }
    return {
        "conversationId": str(number),
        "respondentWorkerId": 8,
        "initiatorWorkerId": 7,
        "messages": messages,
        "movieMentions": {film: FILMS[wish], other: None},
        "respondentQuestions": form,
        "initiatorQuestions": form if number % 2 else [],
    }


def _write_redial(folder: Path, rng: random.Random) -> None:
    folder.mkdir(parents=True)
    for name, first, size in (("train_data.jsonl", 0, 400), ("test_data.jsonl", 1000, 60)):
        lines = [json.dumps(dialogue(rng, first + i)) for i in range(size)]
        (folder / name).write_text("\n".join(lines) + "\n")


COLUMNS = ("dialog_id", "utt_id", "speaker", "turn_id", "text", "movies", "movie_id")


def _write_inspired(folder: Path, rng: random.Random) -> None:
    folder.mkdir(parents=True)
    for split, size in (("train", 120), ("dev", 30), ("test", 30)):
        rows = ["\t".join(COLUMNS)]
        for i in range(size):
            wish = rng.randrange(len(FILMS))
            title = f"{FILMS[wish].title()} (1999)"
            if split == "test" and i == 0:
                title = "Never Seen (2001)"
            said = [
                ("SEEKER", f"QUOTATION_MARK{MOODS[wish]}QUOTATION_MARK {rng.choice(WORDS)}", ""),
                ("RECOMMENDER", "try it", title),
            ]
            for number, (speaker, text, movies) in enumerate(said, start=1):
                key = f"{split}_{i}_live.pkl"
                rows.append("\t".join((key, str(number), speaker, "1", text, movies, "xyz")))
        (folder / f"{split}.tsv").write_text("\n".join(rows) + "\n")
