"""A small study on files in GLUE's layout: MNLI with its other splits, STS-B, released students."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save_file

from pdbench.core.files import write_json
from pdbench.engine import (
    Bert,
    BertShape,
    MaskedLM,
    random_classifier,
    random_model,
    write_checkpoint,
)
from pdbench.engine.checkpoints import _DISTILBERT_NAMES, _to_hugging_face
from pdbench.study import Architecture

LABELS = ("entailment", "neutral", "contradiction")
WORDS = [f"word{i}" for i in range(30)]
CLUES = {"entailment": "same", "neutral": "maybe", "contradiction": "never"}
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *CLUES.values(), "more", *WORDS]
RELEASED = "data/released/bert_uncased_L-{layers}_H-{hidden}_A-{heads}"
HOST, GUEST = "mnli.pd.1-32.pairs.released", "mnli-mismatched.pd.1-32.pairs.released"
SCORES = "stsb.pd.1-32.pairs.released"

_TEACHER = {"source": "directory", "path": "data/model", "epochs": 12, "learning_rate": 3e-3}
_MNLI = {"source": "directory", "path": "data/MNLI", "labels": list(LABELS), "max_length": 24}

CONFIG: dict[str, Any] = {
    "name": "tasks",
    "title": "Tasks of GLUE",
    "scale": "demo",
    "vocabulary": {"source": "directory", "path": "data/model", "lower_case": True},
    "architectures": {"grid": {"layers": [1], "hidden": [32]}, "named": {"Tiny": "1/32"}},
    "tasks": {
        "mnli": {**_MNLI, "name": "mnli", "metrics": ["accuracy"], "dev": 60, "teacher": _TEACHER},
        "mnli-mismatched": {
            **_MNLI,
            "name": "mnli-mismatched",
            "metrics": ["accuracy"],
            "model_of": "mnli",
        },
        "ax": {**_MNLI, "name": "ax", "metrics": ["matthews"], "model_of": "mnli"},
        "stsb": {
            "source": "directory",
            "path": "data/STS-B",
            "name": "stsb",
            "labels": [],
            "metrics": ["pearson", "spearman"],
            "dev": 60,
            "max_length": 24,
            "teacher": {**_TEACHER, "margin": 0.1},
        },
    },
    "texts": {
        "pairs": {
            "source": "mixture",
            "parts": [
                {"source": "directory", "path": "data/MNLI", "name": "mnli"},
                {"source": "directory", "path": "data/STS-B", "name": "stsb"},
            ],
            "size": 500,
            "least": 200,
            "max_length": 24,
        }
    },
    "transfer_sets": {"pairs": {"text": "pairs", "size": 300}},
    "corpora": {"released": {"source": "directory", "path": RELEASED}},
    "training": {
        "pretrain": {},
        "distill": {"epochs": 6, "learning_rate": 1e-2},
        "finetune": {"epochs": 6, "batch_size": [16, 32], "learning_rate": [1e-2]},
    },
    "artefacts": {
        "table3": {
            "seeds": 2,
            "cells": [
                {
                    "task": ["mnli-mismatched", "stsb"],
                    "method": ["pd", "pf"],
                    "transfer": "pairs",
                    "corpus": "released",
                }
            ],
        }
    },
}


def write_glue_study(folder: Path) -> Path:
    """Write data, models and study file below ``folder``; return the study file."""
    _write_tasks(folder / "data", random.Random(0))
    _write_teacher(folder / "data/model")
    write_released(folder, Architecture(1, 32))
    path = folder / "tasks.yaml"
    path.write_text(yaml.safe_dump(CONFIG))
    return path


def write_released(root: Path, size: Architecture, pieces: list[str] = PIECES) -> Path:
    """Write a checkpoint as the first releases are: a pickle, and no word of its tokenizer."""
    name = RELEASED.format(layers=size.layers, hidden=size.hidden, heads=size.heads)
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n")
    shape = BertShape.of(size, len(pieces))
    model = MaskedLM(Bert(shape))
    random_model(model, 0.07, torch.Generator().manual_seed(1))
    stored = _to_hugging_face(model)
    stored |= {f"bert.pooler.dense.{k}": t for k, t in model.bert.pooler.state_dict().items()}
    stored["bert.embeddings.position_ids"] = torch.arange(shape.positions)[None]
    stored["cls.predictions.decoder.weight"] = stored["bert.embeddings.word_embeddings.weight"]
    stored["cls.seq_relationship.weight"] = torch.zeros(2, shape.hidden)
    torch.save(stored, folder / "pytorch_model.bin")
    # Without model_type, as in the first releases.
    about = {
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.feed_forward,
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": shape.positions,
        "type_vocab_size": shape.segments,
    }
    write_json(folder / "bert_config.json", about)
    return folder


def write_distilbert(folder: Path, size: Architecture, pieces: list[str] = PIECES) -> Path:
    """Write a DistilBERT with its masked-LM head, as its authors' checkpoint is."""
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n")
    generator, model = (
        torch.Generator().manual_seed(2),
        MaskedLM(Bert(BertShape.of(size, len(pieces)))),
    )
    for parameter in model.parameters():  # norms and biases too
        torch.nn.init.normal_(parameter, std=0.2, generator=generator)
    names = {ours: theirs for theirs, ours in _DISTILBERT_NAMES.items()}
    parts = re.compile("|".join(sorted(map(re.escape, names), key=len, reverse=True)))
    stored = {
        parts.sub(lambda part: names[part[0]], name).replace("bert.", "distilbert."): tensor
        for name, tensor in _to_hugging_face(model).items()
        if "token_type" not in name
    }
    save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
    about = {"n_layers": size.layers, "n_heads": size.heads, "vocab_size": len(pieces)}
    about |= {"dim": size.hidden, "hidden_dim": size.feed_forward, "max_position_embeddings": 512}
    write_json(folder / "config.json", {"model_type": "distilbert", "activation": "gelu", **about})
    return folder


def _write_teacher(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n")
    shape = BertShape.of(Architecture(1, 64), len(PIECES))
    model = random_classifier(shape, 2, 0.07, torch.Generator().manual_seed(0))
    write_checkpoint(folder, model)


def _write_tasks(data: Path, rng: random.Random) -> None:
    header = ["index", "sentence1", "sentence2"]
    sizes = {"train": 400, "dev_matched": 90, "dev_mismatched": 80}
    for name, size in sizes.items():
        rows = [(*_pair(LABELS[i % 3], rng), LABELS[i % 3]) for i in range(size)]
        _write(data / f"MNLI/{name}.tsv", [*header, "gold_label"], rows)
    for name, size in {"test_matched": 20, "test_mismatched": 21, "diagnostic": 22}.items():
        rows = [_pair(LABELS[i % 3], rng) for i in range(size)]
        _write(data / f"MNLI/{name}.tsv", header, rows)
    for name, size in {"train": 300, "dev": 70}.items():
        scored = [rng.randint(0, 5) for _ in range(size)]
        rows = [(*_scored(score, rng), f"{score:.1f}") for score in scored]
        _write(data / f"STS-B/{name}.tsv", [*header, "score"], rows)
    _write(data / "STS-B/test.tsv", header, [_scored(3, rng) for _ in range(23)])


def _write(path: Path, header: list[str], rows: list[tuple[str, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(header), *("\t".join((str(i), *row)) for i, row in enumerate(rows))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _pair(label: str, rng: random.Random) -> tuple[str, str]:
    first, second = rng.choices(WORDS, k=5), rng.choices(WORDS, k=4)
    second.insert(rng.randrange(5), CLUES[label])
    return " ".join(first), " ".join(second)


def _scored(score: int, rng: random.Random) -> tuple[str, str]:
    second = ["more"] * score + rng.choices(WORDS, k=6 - score)
    rng.shuffle(second)
    return " ".join(rng.choices(WORDS, k=5)), " ".join(second)
