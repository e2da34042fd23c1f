"""Repositories as the hub has them, small: GLUE, SNLI, SQuAD, reviews, and BERT's models."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import torch
import yaml
from datasets import ClassLabel, Dataset, Features, List, Value

from pdbench.core.files import write_json
from pdbench.engine import Bert, BertShape, MaskedLM, random_model, write_checkpoint
from pdbench.study import Architecture
from pdbench.study.catalogue.glue import GLUE
from tests.extended_study import paragraph
from tests.glue_study import write_distilbert, write_released

CLUES = ["red", "green", "blue", "grey", "pink", "gold"]
"""A text holds the word of its label's number."""
WORDS = [f"word{i}" for i in range(60)]
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *CLUES, *WORDS]

LARGE, BASE = "google-bert/bert-large-uncased", "google-bert/bert-base-uncased"
DISTILBERT = "distilbert/distilbert-base-uncased"
REVIEWS = "McAuley-Lab/Amazon-Reviews-2023"
CATEGORIES = ("Books", "Movies_and_TV", "Electronics", "Clothing_Shoes_and_Jewelry")

_BERT = Architecture(4, 128)
"""What is called base and large: as wide as a student, and deeper, as Patient KD wants it."""

_COLUMNS = {
    **dict.fromkeys(("cola", "sst2"), ("sentence",)),
    **dict.fromkeys(("mnli", "mnli_mismatched", "ax"), ("premise", "hypothesis")),
    "qqp": ("question1", "question2"),
    "qnli": ("question", "sentence"),
}
_PAIR = ("sentence1", "sentence2")
_SPLITS: dict[str, dict[str, int]] = {
    "mnli": {
        "train": 400,
        "validation_matched": 60,
        "validation_mismatched": 50,
        "test_matched": 30,
        "test_mismatched": 30,
    },
    "mnli_mismatched": {"validation": 50, "test": 30},
    "ax": {"test": 30},
}
_USUAL = {"train": 300, "validation": 60, "test": 30}


def write_glue(root: Path) -> None:
    """All tasks of GLUE, each a configuration of one repository, with Parquet files."""
    rng = random.Random(0)
    found = {}
    for name, task in GLUE.items():
        own = name.replace("-", "_")
        columns = _COLUMNS.get(own, _PAIR)
        label = ClassLabel(names=list(task.labels)) if task.labels else Value("float32")
        kinds = {**dict.fromkeys(columns, Value("string")), "label": label, "idx": Value("int32")}
        count = len(task.labels) or len(CLUES)
        splits = {
            split: _items(columns, size, count, rng, hidden=split.startswith("test"))
            for split, size in _SPLITS.get(own, _USUAL).items()
        }
        found[own] = (Features(kinds), splits)
    write_data_set(root / "datasets/nyu-mll/glue", found)


def _items(
    columns: Sequence[str], size: int, count: int, rng: random.Random, *, hidden: bool
) -> list[dict[str, Any]]:
    rows = []
    for index in range(size):
        label = index % count
        texts = [_sentence(rng) for _ in columns]
        texts[-1] += f" {CLUES[label]}"
        answer = {"label": -1 if hidden else label, "idx": index}
        rows.append({**dict(zip(columns, texts, strict=True)), **answer})
    return rows


def _sentence(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS, k=6))


def write_snli(root: Path) -> None:
    """SNLI, in which some pairs have no label."""
    label = ClassLabel(names=["entailment", "neutral", "contradiction"])
    kinds = {"premise": Value("string"), "hypothesis": Value("string"), "label": label}
    rng = random.Random(1)
    splits = {
        split: [
            {name: row[name] for name in kinds}
            for row in _items(("premise", "hypothesis"), size, 3, rng, hidden=False)
        ]
        for split, size in _USUAL.items()
    }
    splits["train"][7]["label"] = -1
    write_data_set(root / "datasets/stanfordnlp/snli", {"plain_text": (Features(kinds), splits)})


def write_squad(root: Path) -> None:
    """SQuAD v1.1 with an article for every ten questions."""
    answers = {"text": List(Value("string")), "answer_start": List(Value("int32"))}
    words = ("id", "title", "context", "question")
    kinds = Features({**dict.fromkeys(words, Value("string")), "answers": answers})
    rng = random.Random(2)
    splits: dict[str, list[dict[str, Any]]] = {}
    for split, size in {"train": 200, "validation": 40}.items():
        rows = splits.setdefault(split, [])
        for number in range(size):
            found = paragraph(rng, number)
            (asked,) = found["qas"]
            (answer,) = asked["answers"]
            rows.append(
                {
                    "id": f"{split}{number}",
                    "title": f"{split} {number // 10}",
                    "context": found["context"],
                    "question": asked["question"],
                    "answers": {name: [value] for name, value in answer.items()},
                }
            )
    write_data_set(root / "datasets/rajpurkar/squad", {"plain_text": (kinds, splits)})


def write_reviews(root: Path, sizes: Mapping[str, int] | None = None) -> None:
    """Reviews of some categories, a line of JSON each, and the script that nothing may run."""
    folder = root / "datasets" / REVIEWS
    files = folder / "raw/review_categories"
    files.mkdir(parents=True)
    (folder / "Amazon-Reviews-2023.py").write_text("raise SystemExit('this was run')\n")
    rng = random.Random(3)
    for category, size in (sizes or dict.fromkeys(CATEGORIES, 900)).items():
        lines = (_review(category, number, rng) for number in range(size))
        (files / f"{category}.jsonl").write_text("".join(f"{json.dumps(r)}\n" for r in lines))


def _review(category: str, number: int, rng: random.Random) -> dict[str, Any]:
    stars = number % 5 + 1
    clue = CLUES[stars > 3] if stars != 3 else ""
    return {
        "rating": float(stars),
        "title": "A title",
        "text": f"{_sentence(rng)} {clue}<br />{_sentence(rng)}",
        "images": [],
        "parent_asin": f"{category}{number // 3}",
        "user_id": "U",
    }


def write_data_set(
    folder: Path, configurations: Mapping[str, tuple[Features, Mapping[str, list[dict[str, Any]]]]]
) -> None:
    """Write a data set of Parquet files, with the card that says what they are."""
    listed, about = [], []
    for name, (features, splits) in configurations.items():
        files, sizes = [], []
        for split, rows in splits.items():
            path = f"{name}/{split}-00000-of-00001.parquet"
            (folder / name).mkdir(parents=True, exist_ok=True)
            parquet.write_table(
                Dataset.from_list(rows, features).with_format("arrow")[:], folder / path
            )
            files.append({"split": split, "path": f"{name}/{split}-*"})
            sizes.append({"name": split, "num_bytes": 1, "num_examples": len(rows)})
        listed.append({"config_name": name, "data_files": files})
        kinds = features._to_yaml_list()
        about.append({"config_name": name, "features": kinds, "splits": sizes})
    card = yaml.safe_dump({"configs": listed, "dataset_info": about}, sort_keys=False)
    (folder / "README.md").write_text(f"---\n{card}---\n# A data set\n")


def write_releases(root: Path, sizes: Iterable[Architecture]) -> None:
    """The released checkpoints of some sizes, in their layout."""
    for size in sizes:
        made = write_released(root / "made", size, PIECES)
        folder = root / "models" / released_name(size)
        folder.parent.mkdir(parents=True, exist_ok=True)
        made.rename(folder)
        (folder / "bert_config.json").rename(folder / "config.json")
        (folder / "README.md").write_text("# BERT Miniatures\n")


def released_name(size: Architecture) -> str:
    """The repository of the released checkpoint of a size."""
    return f"google/bert_uncased_L-{size.layers}_H-{size.hidden}_A-{size.heads}"


def write_bert(root: Path, name: str, size: Architecture = _BERT) -> None:
    """A model that others call BERT-base or BERT-large, with files that nobody needs."""
    folder = root / "models" / name
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n")
    model = MaskedLM(Bert(BertShape.of(size, len(PIECES))))
    random_model(model, 0.07, torch.Generator().manual_seed(0))
    write_checkpoint(folder, model)
    write_json(folder / "tokenizer_config.json", {"do_lower_case": True, "model_max_length": 512})
    (folder / "pytorch_model.bin").write_bytes(b"nobody reads this")
    (folder / "README.md").write_text("# BERT\n")
    write_json(folder / "generation_config.json", {})


def write_all(root: Path, sizes: Iterable[Architecture]) -> None:
    """Everything that the paper's study reads."""
    write_glue(root)
    write_snli(root)
    write_reviews(root, {**dict.fromkeys(CATEGORIES, 900), "Books": 2400})
    write_bert(root, LARGE)
    write_bert(root, BASE)
    write_distilbert(root / "models" / DISTILBERT, Architecture(2, 128), PIECES)
    write_releases(root, sizes)
