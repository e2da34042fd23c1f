"""The hub's data sets come at a pinned commit, from the local cache where there is no network."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from pdbench.core.errors import DataError, UsageError
from pdbench.data.places import model_folder
from pdbench.data.sources import read_task, read_text
from pdbench.study.settings import Source, Task, Teacher, Text

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CLASSES = Features({"sentence": Value("string"), "label": ClassLabel(names=["bad", "good"])})
ROWS = {"sentence": ["a fine film", "a poor one"], "label": [1, 0]}
HIDDEN = {"sentence": ["a third film"], "label": [-1]}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub's libraries, and no network."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "datasets"


def _cached(cache: Path, splits: dict[str, dict[str, Any]], commit: str = COMMIT) -> None:
    """Store a data set "org/films" as the library does after a download."""
    folder = cache / "org___films" / "default" / "0.0.0" / commit
    folder.mkdir(parents=True)
    info: dict[str, Any] = {"config_name": "default", "dataset_name": "films", "splits": {}}
    for split, rows in splits.items():
        features = CLASSES if "sentence" in rows else None
        dataset = Dataset.from_dict(rows, features=features)
        info["features"] = dataset.features.to_dict()
        info["splits"][split] = {"name": split, "num_examples": len(dataset)}
        dataset.save_to_disk(folder / split)
        (arrow,) = (folder / split).glob("*.arrow")
        arrow.rename(folder / f"films-{split}.arrow")
    (folder / "dataset_info.json").write_text(json.dumps(info))


def _task(**settings: Any) -> Task:
    given = {"labels": ("good", "bad"), "revision": COMMIT, "name": "org/films", **settings}
    teacher = Teacher(source="directory", path="teacher")
    return Task(source="hub", metrics=("accuracy",), teacher=teacher, **given)


def test_a_cached_data_set_is_read_without_a_network(cache: Path, tmp_path: Path) -> None:
    """Columns and labels are ours; a split with hidden labels is kept for its server."""
    _cached(cache, {"train": ROWS, "validation": ROWS, "test": HIDDEN})

    splits = read_task(_task(), tmp_path)

    assert list(splits) == ["train", "dev", "submission"]
    assert splits["dev"].to_dict() == {"text": ROWS["sentence"], "label": [0, 1]}
    assert splits["submission"].to_dict() == {"text": HIDDEN["sentence"]}
    assert splits["dev"].features["label"].names == ["good", "bad"]


def test_mnli_is_scored_on_its_matched_splits(cache: Path, tmp_path: Path) -> None:
    """The hub's configuration mnli has the mismatched splits too, which are another task's."""
    matched, mismatched = {"sentence": ["matched"]}, {"sentence": ["mismatched"]}
    evaluated = {
        f"{split}_{kind}": {**texts, "label": [label]}
        for kind, texts in {"matched": matched, "mismatched": mismatched}.items()
        for split, label in {"validation": 0, "test": -1}.items()
    }
    _cached(cache, {"train": ROWS, **evaluated})

    splits = read_task(_task(), tmp_path)

    assert splits["dev"]["text"][:] == ["matched"]
    assert splits["submission"]["text"][:] == ["matched"]


def test_a_text_is_the_training_split(cache: Path, tmp_path: Path) -> None:
    """Labels are not read."""
    _cached(cache, {"train": ROWS})
    text = Text(source="hub", name="org/films", revision=COMMIT, size=2)

    assert read_text(text, tmp_path).to_dict() == {"text": ROWS["sentence"]}


def test_plain_label_names_are_matched(cache: Path, tmp_path: Path) -> None:
    """A column of strings does as well as a class label."""
    rows = {"premise": ["One."], "hypothesis": ["Two."], "label": ["bad"]}
    _cached(cache, {"train": rows, "validation": rows})

    assert read_task(_task(), tmp_path)["train"].to_list() == [
        {"text_a": "One.", "text_b": "Two.", "label": 1}
    ]


def test_another_cached_commit_is_refused(cache: Path, tmp_path: Path) -> None:
    """Offline, the library would take whatever it has; the pinned commit is what counts."""
    _cached(cache, {"train": ROWS, "validation": ROWS}, commit="f" * 40)

    with pytest.raises(DataError, match="cache holds another commit than key revision"):
        read_task(_task(), tmp_path)


@pytest.mark.usefixtures("cache")
def test_what_cannot_be_fetched_is_one_line(tmp_path: Path) -> None:
    """No network and no cache: the name, the commit and a remedy."""
    with pytest.raises(DataError, match="org/films@0123456789ab: cannot be fetched") as caught:
        read_task(_task(), tmp_path)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("revision", [None, "main", "v1.0"])
def test_a_commit_must_be_pinned(revision: str | None, tmp_path: Path) -> None:
    """A branch or a tag can move."""
    with pytest.raises(UsageError, match=r"key revision: .*40 hexadecimal digits"):
        read_task(_task(revision=revision), tmp_path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"sentence": ["a film", " "], "label": [0, 1]}, "train: row 2: empty text"),
        ({"text": ["a film"], "label": ["ugly"]}, "train: row 1: unknown label 'ugly'"),
        (
            {"words": ["a film"], "label": ["good"]},
            "train: columns 'words', 'label', and none of text_a",
        ),
    ],
)
def test_bad_rows_are_named(
    rows: dict[str, Any], message: str, cache: Path, tmp_path: Path
) -> None:
    """Data set, split and row stand in the error."""
    _cached(cache, {"train": rows, "validation": rows})

    with pytest.raises(DataError, match=message):
        read_task(_task(), tmp_path)


def test_other_label_names_are_misuse(cache: Path, tmp_path: Path) -> None:
    """The data set's own names are the remedy."""
    _cached(cache, {"train": ROWS, "validation": ROWS})

    with pytest.raises(UsageError, match=r"key labels: yes, no; write .*\[bad, good\]"):
        read_task(_task(labels=("yes", "no")), tmp_path)


def test_a_cached_model_is_found_without_a_network(cache: Path, tmp_path: Path) -> None:
    """A snapshot of the pinned commit is a model's folder."""
    repository = cache.parent / "hub" / "models--org--student"
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "vocab.txt"):
        (snapshot / name).write_text("x")
    source = Source(source="hub", name="org/student", revision=COMMIT)

    assert model_folder(source, tmp_path) == snapshot


def test_a_changed_file_of_the_cache_is_not_read(cache: Path, tmp_path: Path) -> None:
    """The cache calls large files by their sha256, which is compared."""
    repository = cache.parent / "hub" / "models--org--student"
    for name in ("snapshots", "blobs"):
        (repository / name).mkdir(parents=True)
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir()
    for name in ("config.json", "model.safetensors", "vocab.txt"):
        blob = repository / "blobs" / hashlib.sha256(name.encode()).hexdigest()
        blob.write_text(name)
        (snapshot / name).symlink_to(blob)
    source = Source(source="hub", name="org/student", revision=COMMIT)
    assert model_folder(source, tmp_path) == snapshot

    blob = (snapshot / "model.safetensors").resolve()
    blob.write_text("model.safetensorS")
    with pytest.raises(DataError, match=f"{blob.name}: changed since it was fetched; delete it"):
        model_folder(source, tmp_path)


@pytest.mark.usefixtures("cache")
def test_a_model_that_cannot_be_fetched_is_one_line(tmp_path: Path) -> None:
    """The same holds for weights."""
    source = Source(source="hub", name="org/student", revision=COMMIT)

    with pytest.raises(DataError, match=r"org/student@.*cannot be fetched") as caught:
        model_folder(source, tmp_path)

    assert "\n" not in str(caught.value)
