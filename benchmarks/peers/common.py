"""What the peers share: the stored word pieces as items, and the models to start from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer, BertForSequenceClassification

RESULTS = Path("results/benchmarks")
SENTENCES = RESULTS / "texts/sentences"
BLOCKS = RESULTS / "texts/blocks"
TASK = RESULTS / "tasks/sentiment"
TEACHER = RESULTS / "teachers/sentiment"
VOCABULARY = Path("results/archives/models/bert-base-uncased")

Item = dict[str, Any]


def use_threads() -> None:
    """Compute with as many threads as the other side."""
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


def items(folder: Path, count: int | None) -> list[Item]:
    """The first ``count`` items of a stored text, with labels where it has some."""
    pieces = np.load(folder / "pieces.npy", mmap_mode="r", allow_pickle=False)
    offsets = np.load(folder / "offsets.npy", mmap_mode="r", allow_pickle=False)
    labels = folder / "labels.npy"
    found: list[Item] = [
        {"input_ids": pieces[start:end].tolist(), "attention_mask": [1] * int(end - start)}
        for start, end in zip(offsets[:count], offsets[1:][:count], strict=False)
    ]
    if labels.is_file():
        for item, label in zip(found, np.load(labels, allow_pickle=False).tolist(), strict=False):
            item["labels"] = label
    return found


def initial(request: dict[str, Any]) -> Path:
    """Folder of the weights that both sides start from."""
    return RESULTS / "initial" / f"{request['arch'].replace('/', '-')}-seed{request['seed']}"


def tokenizer() -> Any:
    """The tokenizer, for collators that pad with it."""
    return AutoTokenizer.from_pretrained(VOCABULARY)


def classifier(folder: Path) -> Any:
    """A classifier from a stored checkpoint."""
    return BertForSequenceClassification.from_pretrained(folder)


def padded(item: Item, length: int) -> Item:
    """The item with its word pieces and mask filled up with zeros."""
    missing = [0] * (length - len(item["input_ids"]))
    return {
        **item,
        "input_ids": item["input_ids"] + missing,
        "attention_mask": item["attention_mask"] + missing,
    }
