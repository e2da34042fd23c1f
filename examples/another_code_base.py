"""Results of another code base, judged: a student trained with transformers and torch alone.

Nothing of pdbench is imported here. A template has the data, and takes the answers:

    pdbench import-runs smoke --template sentiment.basic.2-32.none.none --to template.csv
    python examples/another_code_base.py template.csv filled.csv
    pdbench import-runs smoke filled.csv --method words BUDGET
    pdbench collect smoke
    pdbench check --study smoke --baseline basic --candidate words

BUDGET are the options that the script prints: `pdbench check` compares them with the baseline's.
Any other trainer, such as TextBrewer's, can stand in the place of ``trained``.
"""

from __future__ import annotations

import csv
import math
import sys
from pathlib import Path

import torch
from torch import nn
from transformers import BertForSequenceClassification
from transformers.models.bert import BertConfig

SEEDS, EPOCHS, BATCH, RATE, LENGTH = (1,), 1, 32, 1e-3, 32
UNKNOWN, PADDING = 1, 0


def main(template: Path, filled: Path) -> dict[str, int]:
    """Train a student a seed, write what all predict, and return the budget of each."""
    with template.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    train = [row for row in rows if row["item"].startswith("train-")]
    asked = [row for row in rows if row["item"].startswith(("dev-", "test-"))]
    labels = sorted({row["label"] for row in train})
    words = sorted({word for row in train for word in texts(row).split()})
    vocabulary = {word: number for number, word in enumerate(words, UNKNOWN + 1)}
    answers: list[dict[str, object]] = []
    for seed in SEEDS:
        model = trained(encoded(train, vocabulary), [labels.index(r["label"]) for r in train], seed)
        with torch.no_grad():
            found = model(**inputs(encoded(asked, vocabulary))).logits.double().softmax(1).tolist()
        for row, likely in zip(asked, found, strict=True):
            said = {f"p_{label}": p for label, p in zip(labels, likely, strict=True)}
            answers.append({"cell": row["cell"], "item": row["item"], "seed": seed, **said})
    with filled.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, answers[0])
        writer.writeheader()
        writer.writerows(answers)
    updates = EPOCHS * math.ceil(len(train) / BATCH)
    return {"updates": updates, "items": EPOCHS * len(train), "labels": len(train), "points": 1}


def texts(row: dict[str, str]) -> str:
    """The text of an item, or both of a pair."""
    return " ".join(row.get(name, "") for name in ("text", "text_a", "text_b")).lower()


def encoded(rows: list[dict[str, str]], vocabulary: dict[str, int]) -> torch.Tensor:
    """The first words of every item by number, (N, LENGTH)."""
    numbers = torch.full((len(rows), LENGTH), PADDING)
    for place, row in enumerate(rows):
        found = [vocabulary.get(word, UNKNOWN) for word in texts(row).split()[:LENGTH]]
        numbers[place, : len(found)] = torch.tensor(found)
    return numbers


def inputs(numbers: torch.Tensor) -> dict[str, torch.Tensor]:
    """What the model is asked."""
    return {"input_ids": numbers, "attention_mask": (numbers != PADDING).long()}


def trained(numbers: torch.Tensor, labels: list[int], seed: int) -> nn.Module:
    """A BERT of two layers and width 32 that began with random weights."""
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=int(numbers.max()) + 1,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=1,
        intermediate_size=128,
    )
    config.num_labels = max(labels) + 1
    true = torch.tensor(labels)
    model: nn.Module = BertForSequenceClassification(config)
    optimiser = torch.optim.AdamW(model.parameters(), RATE)
    for _ in range(EPOCHS):
        for batch in torch.split(torch.randperm(len(labels)), BATCH):
            loss = model(**inputs(numbers[batch]), labels=true[batch]).loss
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return model.eval()


if __name__ == "__main__":
    budget = main(Path(sys.argv[1]), Path(sys.argv[2]))
    print(" ".join(f"--{name} {count}" for name, count in budget.items()))
