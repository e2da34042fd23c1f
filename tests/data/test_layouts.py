"""Data sets in the layouts in which they are published are read as docs/data.md says."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from datasets import ClassLabel, Dataset, Features, Value

from pdbench.data.sources import check_head, read_task
from pdbench.study import ROOT
from pdbench.study.catalogue.glue import expanded
from pdbench.study.settings import Task

BLOCKS = dict(
    re.findall(
        r"^(\w[^:\n]*)(?::[^\n]*)?\n\n```yaml\n(.*?)```",
        (ROOT / "docs/data.md").read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )
)


def _write(path: Path, lines: list[str], encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding=encoding)


def _snli(folder: Path) -> None:
    for split in ("train", "dev", "test"):
        rows = [
            {
                "annotator_labels": ["neutral"],
                "captionID": f"{i}.jpg#4",
                "gold_label": ("neutral", "entailment")[i % 2] if i else "-",
                "pairID": f"{i}.jpg#4r1n",
                "sentence1": f"A {split} man {i}.",
                "sentence1_parse": "(ROOT)",
                "sentence2": "A person.",
            }
            for i in range(41)
        ]
        _write(folder / f"snli_1.0_{split}.jsonl", [json.dumps(row) for row in rows])


def _sick(folder: Path) -> None:
    for split in ("train", "trial", "test_annotated"):
        head = "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment"
        rows = [
            f"{i}\tA {split} dog {i}\tA cat\t4.{i}\t{('NEUTRAL', 'ENTAILMENT')[i % 2]}"
            for i in (1, 2)
        ]
        _write(folder / f"SICK_{split}.txt", [head, *rows])


def _msr(folder: Path) -> None:
    for split in ("train", "test"):
        head = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"
        rows = [f'{i % 2}\t7{i}\t8\t"It" is {split} {i}, he said\t"It was" .' for i in range(4)]
        _write(folder / f"msr_paraphrase_{split}.txt", [head, *rows], "utf-8-sig")


def _sts(folder: Path) -> None:
    for split in ("train", "dev", "test"):
        rows = [
            f"main-captions\tMSRvid\t2012test\t0001\t5.000\tA {split} plane.\tAn airplane.",
            f'main-news\tMSRpar\t2013\t0002\t1.25\t"A {split} thing\tB\tsource\tother',
        ]
        _write(folder / f"sts-{split}.csv", rows)


def _imdb(folder: Path) -> None:
    for split in ("train", "test"):
        for label in ("neg", "pos", *(["unsup"] if split == "train" else [])):
            for i in range(2):
                _write(folder / split / label / f"{i}_7.txt", [f"{split} {label}<br />{i}"])
    _write(folder / "imdbEr.txt", ["0.1"])


def _ag_news(folder: Path) -> None:
    for split in ("train", "test"):
        rows = [f'"{1 + i % 4}","{split} {i}","He said ""no"", then \\\\{i}"' for i in range(8)]
        _write(folder / f"{split}.csv", rows)


def _yelp(folder: Path) -> None:
    for split in ("train", "test"):
        rows = [f'"{1 + i % 2}","{split} {i}\\n\\nGreat, ""really"""' for i in range(4)]
        _write(folder / f"{split}.csv", rows)


def _glue(folder: Path) -> None:
    for split in ("train", "dev"):
        rows = [
            f'{i}\t"A {split} {i}\tB\t{("entailment", "not_entailment")[i % 2]}' for i in (0, 1)
        ]
        _write(folder / f"{split}.tsv", ["index\tsentence1\tsentence2\tlabel", *rows])
    _write(folder / "test.tsv", ["index\tsentence1\tsentence2", "0\tA test\tB", "1\tAnother\tB"])


def _hub(folder: Path) -> None:
    folder.mkdir(parents=True)
    classes = ClassLabel(names=["entailment", "not_entailment"])
    features = Features(
        {
            "sentence1": Value("string"),
            "sentence2": Value("string"),
            "label": classes,
            "idx": Value("int32"),
        }
    )
    for split, labels in (("train", [0, 1]), ("validation", [1, 0]), ("test", [-1, -1])):
        rows = {
            "sentence1": [f"{split} {i}" for i in range(2)],
            "sentence2": ["b", "b"],
            "label": labels,
            "idx": [0, 1],
        }
        Dataset.from_dict(rows, features=features).to_parquet(
            folder / f"{split}-00000-of-00001.parquet"
        )


def _amazon(folder: Path) -> None:
    folder.mkdir(parents=True)
    rows = [
        {"overall": float(1 + i % 5), "asin": f"B{i}", "reviewText": f"Good &amp; book {i}."}
        for i in range(400)
    ]
    content = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "Books_5.json.gz").write_bytes(gzip.compress(content.encode()))


def _spreadsheet(folder: Path) -> None:
    for split in ("train", "dev", "test"):
        rows = [f'{i}\t"It ""was"" {split}\tgood, {i}"\t{("good", "Bad")[i % 2]}' for i in range(2)]
        _write(folder / f"{split}.tsv", ["No\tComment\tRating", *rows], "utf-8-sig")


LAYOUTS: dict[str, tuple[Callable[[Path], None], dict[str, int], str]] = {
    "SNLI": (_snli, {"train": 40, "dev": 40, "test": 40}, "A train man 1."),
    "SICK": (_sick, {"train": 2, "dev": 2, "test": 2}, "A train dog 1"),
    "MSR paraphrase": (_msr, {"train": 4, "test": 4}, '"It" is train 0, he said'),
    "STS benchmark": (_sts, {"train": 2, "dev": 2, "test": 2}, "A train plane."),
    "IMDB": (_imdb, {"train": 4, "test": 4}, "train neg<br />0"),
    "AG News": (_ag_news, {"train": 8, "test": 8}, "train 0"),
    "Yelp polarity": (_yelp, {"train": 4, "test": 4}, 'train 0\\n\\nGreat, "really"'),
    "GLUE's own folders": (_glue, {"train": 2, "dev": 2, "submission": 2}, '"A train 0'),
    "GLUE saved from the hub as Parquet": (
        _hub,
        {"train": 2, "dev": 2, "submission": 2},
        "train 0",
    ),
    "Amazon reviews of 2018 or 2023": (_amazon, {}, "Good & book"),
    "A spreadsheet saved as tab-separated text": (
        _spreadsheet,
        {"train": 2, "dev": 2, "test": 2},
        'It "was" train good, 0',
    ),
}


LABELS = {
    "SNLI": "entailment",
    "SICK": "ENTAILMENT",
    "MSR paraphrase": "0",
    "STS benchmark": "5",
    "IMDB": "neg",
    "AG News": "1",
    "Yelp polarity": "1",
    "GLUE's own folders": "entailment",
    "GLUE saved from the hub as Parquet": "entailment",
    "A spreadsheet saved as tab-separated text": "good",
}
"""What the first item of train is labelled."""


def test_every_layout_that_is_described_is_tried() -> None:
    """The page has a block for each, and this file the files."""
    assert set(BLOCKS) == set(LAYOUTS)


@pytest.mark.parametrize("name", LAYOUTS)
def test_published_layouts_are_read_as_the_page_says(name: str, tmp_path: Path) -> None:
    """Every item, and the first text as it is written."""
    write, counts, first = LAYOUTS[name]
    raw: dict[str, Any] = yaml.safe_load(BLOCKS[name])
    raw["path"] = str(tmp_path / raw["path"])
    write(Path(raw["path"]))
    task = Task(**expanded({"tasks": {"own": raw}})["tasks"]["own"])

    splits = read_task(task, tmp_path)
    check_head(task)

    assert not counts or {split: len(rows) for split, rows in splits.items()} == counts
    assert next(iter(splits["train"][0].values())).startswith(first)
    label = splits["train"].features["label"]
    first_label = splits["train"]["label"][0]
    said = label.int2str(first_label) if isinstance(label, ClassLabel) else f"{first_label:g}"
    assert said == LABELS.get(name, said)
    assert len(set(splits["train"]["label"][:])) > 1
