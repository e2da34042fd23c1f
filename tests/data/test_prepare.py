"""What preparation puts on disk: every split and text, clean, in order and reproducible."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pdbench.core.errors import DataError, UsageError
from pdbench.core.files import read_json
from pdbench.data.sources import provenance
from pdbench.data.splits import stored_rows
from pdbench.data.texts import normalise
from pdbench.data.tokens import Tokens
from pdbench.jobs.prepare import prepare_task, prepare_text
from pdbench.study import Study
from pdbench.study.settings import Text
from pdbench.workflow import Paths
from pdbench.workflow.graph import Graph
from pdbench.workflow.kinds import Job

Make = Callable[..., tuple[Study, Paths]]
SINGLE = {"source": "directory", "path": "films", "labels": ["bad", "good"]}
FILMS = {**SINGLE, "metrics": ["accuracy"]}


def _write(path: Path, header: str, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """A task with three splits; one training item is a test item written otherwise."""
    folder = tmp_path / "films"
    for split, count in (("train", 40), ("dev", 10), ("test", 12)):
        lines = [f"{split} film number {i}\t{i % 4 // 3}" for i in range(count)]
        _write(folder / f"{split}.tsv", "text\tlabel", lines)
    with (folder / "train.tsv").open("a") as handle:
        handle.write("TEST film, number 3!\t1\n")
    return folder


def _text(path: Path, lines: list[str], **settings: Any) -> dict[str, Any]:
    path.mkdir()
    (path / "text.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {"source": "directory", "path": str(path), "size": 3, **settings}


def test_a_task_is_written_as_training_reads_it(films: Path, make_study: Make) -> None:
    """Text, labels and tokens of every split, and one record of them."""
    study, paths = make_study({"films": {**FILMS, "train": 20}})
    prepare_task(study, "films", paths)

    about = read_json(paths.task("films") / "record.json")
    folder = paths.task("films") / "test"
    labels, tokens = np.load(folder / "labels.npy"), Tokens.open(folder)
    assert films.is_dir()
    assert {s: about["splits"][s]["items"] for s in about["splits"]} == {
        "train": 20,
        "dev": 10,
        "test": 12,
    }
    assert about["spec"] == paths.digest(Job("task", "films"))
    assert about["splits"]["test"]["labels"] == {"bad": 9, "good": 3}
    assert about["splits"]["test"]["words"] == 12 * 4
    assert about["majority"]["test"] == 0.75
    assert about["excluded"] == {"train": {"test": 1, "dev": 0}, "dev": {"test": 0}}
    assert labels.dtype == np.int64
    assert len(labels) == len(tokens) == len(list(stored_rows(folder))) == 12
    assert about["splits"]["test"]["pieces"] == len(tokens.pieces)
    for (text,), label in zip(stored_rows(folder), labels, strict=True):
        assert label == int(text.split()[-1]) % 4 // 3


def test_items_on_which_the_models_are_scored_elsewhere_are_not_learnt(
    tmp_path: Path, films: Path, make_study: Make
) -> None:
    """As MNLI's models are on mismatched: that task comes first, and neither holds the other's."""
    lines = ["Train film: number 3\t0", "DEV film number 4\t1", "another film\t1"]
    _write(tmp_path / "others/dev.tsv", "text\tlabel", lines)
    others = {**FILMS, "path": "others", "model_of": "films"}
    study, paths = make_study({"films": FILMS, "others": others})

    assert Job("task", "others") in Graph(study).needs[Job("task", "films")]
    with pytest.raises(DataError, match=r"others-\w+: not there; prepare"):
        prepare_task(study, "films", paths)
    prepare_task(study, "others", paths)
    prepare_task(study, "films", paths)

    about = read_json(paths.task("films") / "record.json")
    assert films.is_dir()
    assert about["excluded"] == {"train": {"test": 2, "dev": 0}, "dev": {"test": 1}}
    rows = {row for split in ("train", "dev") for row in stored_rows(paths.task("films") / split)}
    assert {("train film number 3",), ("dev film number 4",)} & rows == set()


def test_labels_and_text_stay_together_in_parquet(films: Path, make_study: Make) -> None:
    """The Parquet file can be read alone."""
    study, paths = make_study({"films": FILMS})
    prepare_task(study, "films", paths)

    table = pq.read_table(paths.task("films") / "dev" / "text.parquet")

    assert films.is_dir()
    assert table.column_names == ["text", "label"]
    assert table["label"].to_pylist() == np.load(paths.task("films") / "dev/labels.npy").tolist()


@pytest.mark.usefixtures("films")
def test_fewer_items_are_the_first_ones_in_hash_order(make_study: Make) -> None:
    """A smaller labelled set is part of a larger one, whatever the file's order."""
    rows = {}
    for size in (5, 20):
        study, paths = make_study({"films": {**FILMS, "train": size}})
        prepare_task(study, "films", paths)
        rows[size] = list(stored_rows(paths.task("films") / "train"))

    assert rows[5] == rows[20][:5]
    hashes = [hashlib.sha256(text.encode()).digest() for (text,) in rows[20]]
    assert hashes == sorted(hashes)


@pytest.mark.usefixtures("films")
def test_preparing_twice_gives_the_same_bytes(make_study: Make) -> None:
    """Every file of a task is reproducible."""
    study, paths = make_study({"films": FILMS})
    contents = []
    for _ in range(2):
        prepare_task(study, "films", paths)
        files = sorted(p for p in paths.task("films").rglob("*") if p.is_file())
        contents.append({file: file.read_bytes() for file in files})

    assert contents[0] == contents[1]
    assert len(contents[0]) == 3 * 6 + 1


def test_a_task_without_a_labelled_test_split_holds_dev_out(
    tmp_path: Path, make_study: Make
) -> None:
    """The published dev becomes test; dev is a tenth of train, or as many as asked for."""
    for split, count in (("train", 50), ("dev", 8)):
        lines = [f"{split} sentence {i}\t{i % 2}" for i in range(count)]
        _write(tmp_path / "SST-2" / f"{split}.tsv", "sentence\tlabel", lines)
    task = {
        "source": "directory",
        "path": "SST-2",
        "name": "sst2",
        "labels": ["negative", "positive"],
        "metrics": ["accuracy"],
    }
    for asked, (dev, train) in ((None, (5, 45)), (12, (12, 38))):
        study, paths = make_study({"sst2": {**task, "dev": asked}})
        prepare_task(study, "sst2", paths)
        rows = {s: list(stored_rows(paths.task("sst2") / s)) for s in ("train", "dev", "test")}

        assert {s: len(found) for s, found in rows.items()} == {
            "train": train,
            "dev": dev,
            "test": 8,
        }
        assert all(text.startswith("dev") for (text,) in rows["test"])
        assert not set(rows["train"]) & set(rows["dev"])


def test_a_regression_has_numbers_for_labels(tmp_path: Path, make_study: Make) -> None:
    """No classes, no majority, and labels in float32."""
    for split in ("train", "dev", "test"):
        lines = [f"{split} {i}\tother {i}\t{i / 2}" for i in range(5)]
        _write(tmp_path / "pairs" / f"{split}.tsv", "text_a\ttext_b\tlabel", lines)
    study, paths = make_study(
        {"sts": {"source": "directory", "path": "pairs", "labels": [], "metrics": ["pearson"]}}
    )
    prepare_task(study, "sts", paths)

    labels = np.load(paths.task("sts") / "test" / "labels.npy")

    assert labels.dtype == np.float32
    assert sorted(labels) == [0, 0.5, 1, 1.5, 2]
    assert read_json(paths.task("sts") / "record.json")["majority"] == {}


@pytest.mark.usefixtures("films")
def test_more_items_than_there_are_is_misuse(make_study: Make) -> None:
    """The key, what it asks for and what there is."""
    study, paths = make_study({"films": {**FILMS, "test": 13}})

    with pytest.raises(UsageError, match=r"key tasks\.films\.test: 13 items.*holds 12"):
        prepare_task(study, "films", paths)


@pytest.mark.usefixtures("films")
def test_a_failed_preparation_keeps_what_was_there(tmp_path: Path, make_study: Make) -> None:
    """A broken file leaves the earlier task whole, and nothing half-written beside it."""
    study, paths = make_study({"films": FILMS})
    prepare_task(study, "films", paths)
    before = (paths.task("films") / "record.json").read_bytes()
    (tmp_path / "films" / "dev.tsv").write_text("text\tlabel\nbroken\n")

    with pytest.raises(DataError, match="a file that it reads has changed"):
        prepare_task(study, "films", paths)  # since it was looked at
    with pytest.raises(DataError, match=r"dev\.tsv:2"):
        prepare_task(study, "films", Paths(study))

    assert (paths.task("films") / "record.json").read_bytes() == before
    assert [p.name for p in paths.task("films").parent.iterdir()] == [paths.task("films").name]


@pytest.mark.usefixtures("films")
def test_a_text_holds_no_test_sentence(tmp_path: Path, make_study: Make) -> None:
    """A test sentence goes, alone or within an item; repeated items are kept once."""
    lines = [
        "a line of my own",
        "Test film: number 7.",
        "I saw this. Test film number 5! And more.",
        "a line of my own",
        "train film number 1",
        "test film number 70",
    ]
    study, paths = make_study({"films": FILMS}, texts={"web": _text(tmp_path / "web", lines)})
    prepare_task(study, "films", paths)
    prepare_text(study, "web", paths)

    about = read_json(paths.text("web") / "record.json")
    kept = {text for (text,) in stored_rows(paths.text("web"))}

    assert kept == {lines[0], lines[4], lines[5]}
    assert (about["items"], about["words"]) == (3, 13)
    assert about["excluded"] <= 2  # only what was looked at before the text was full
    assert about["spec"] == paths.digest(Job("text", "web"))
    assert about["pieces"] == len(Tokens.open(paths.text("web")).pieces)


def test_both_sides_of_test_pairs_are_looked_for(tmp_path: Path, make_study: Make) -> None:
    """One side of a test pair is enough to drop an item."""
    for split in ("train", "dev", "test"):
        lines = [f"{split} left {i}\t{split} right {i}\t{('yes', 'no')[i % 2]}" for i in range(3)]
        _write(tmp_path / "pairs" / f"{split}.tsv", "text_a\ttext_b\tlabel", lines)
    study, paths = make_study(
        {
            "pairs": {
                "source": "directory",
                "path": "pairs",
                "labels": ["yes", "no"],
                "metrics": ["accuracy"],
            }
        },
        texts={"web": _text(tmp_path / "web", ["test left 0", "Test right 2", "mine"], size=1)},
    )
    prepare_task(study, "pairs", paths)
    prepare_text(study, "web", paths)

    assert list(stored_rows(paths.text("web"))) == [("mine",)]


@pytest.mark.usefixtures("films")
def test_items_of_dev_are_left_out_too(tmp_path: Path, make_study: Make) -> None:
    """What chooses among grid points is not read with the teacher's labels either."""
    dev = [f"DEV film, number {i}!" for i in range(10)]
    lines = [*dev, "train film number 3", "mine"]
    text = _text(tmp_path / "web", lines, size=2)
    study, paths = make_study({"films": FILMS}, texts={"web": text})
    prepare_task(study, "films", paths)
    prepare_text(study, "web", paths)

    assert {text for (text,) in stored_rows(paths.text("web"))} == {*lines} - {*dev}


@pytest.mark.usefixtures("films")
def test_a_text_that_is_too_small_is_misuse(tmp_path: Path, make_study: Make) -> None:
    """What is left after cleaning is what counts."""
    lines = ["test film number 1", "mine", "yours"]
    study, paths = make_study({"films": FILMS}, texts={"web": _text(tmp_path / "web", lines)})
    prepare_task(study, "films", paths)

    with pytest.raises(UsageError, match=r"key texts\.web\.size: 3 items.*holds 2; lower it"):
        prepare_text(study, "web", paths)


@pytest.mark.usefixtures("films")
def test_a_text_waits_for_the_tasks(tmp_path: Path, make_study: Make) -> None:
    """Without the tests there is nothing to clean against."""
    study, paths = make_study({"films": FILMS}, texts={"web": _text(tmp_path / "web", ["x"])})

    with pytest.raises(DataError, match=r"films-\w+: not there; prepare the tasks"):
        prepare_text(study, "web", paths)


@pytest.mark.usefixtures("films")
def test_documents_become_blocks(tmp_path: Path, make_study: Make) -> None:
    """Items of a split text are blocks; its Parquet keeps the documents."""
    lines = ["abcdefghij", "klm"]
    settings = {"size": 2, "split": True, "max_length": 6}
    study, paths = make_study(
        {"films": FILMS}, texts={"web": _text(tmp_path / "web", lines, **settings)}
    )
    prepare_task(study, "films", paths)
    prepare_text(study, "web", paths)

    assert len(list(stored_rows(paths.text("web")))) == 2
    assert read_json(paths.text("web") / "record.json")["items"] == 4
    assert sorted(Tokens.open(paths.text("web")).lengths) == [4, 5, 6, 6]


@pytest.mark.usefixtures("tiny_archives")
def test_the_embedded_task_is_prepared_end_to_end(make_study: Make) -> None:
    """From archives to tokens, with what is known of licence and authors."""
    task = {
        "source": "embedded",
        "name": "rotten-tomatoes",
        "labels": ["negative", "positive"],
        "metrics": ["accuracy"],
        "train": 50,
    }
    pool = {"source": "embedded", "name": "imdb-sentences", "size": 10}
    study, paths = make_study({"films": task}, texts={"pool": pool})
    prepare_task(study, "films", paths)
    prepare_text(study, "pool", paths)

    about = read_json(paths.task("films") / "record.json")
    tested = {normalise(text) for (text,) in stored_rows(paths.task("films") / "test")}
    assert "Pang and Lee" in about["citation"]
    assert "MIT" in about["licence"]
    assert about["splits"]["test"]["labels"] == {"negative": 200, "positive": 200}
    for folder in (paths.task("films") / "train", paths.text("pool")):
        assert not tested & {normalise(text) for (text,) in stored_rows(folder)}


@pytest.mark.usefixtures("tiny_archives")
def test_other_labels_than_the_embedded_ones_are_misuse(make_study: Make) -> None:
    """Agreement of label names is checked before anything is built on them."""
    task = {
        "source": "embedded",
        "name": "rotten-tomatoes",
        "labels": ["no", "yes"],
        "metrics": ["accuracy"],
    }
    study, paths = make_study({"films": task})

    with pytest.raises(UsageError, match=r"rotten-tomatoes: key labels: no, yes; .*negative"):
        prepare_task(study, "films", paths)


def test_a_citation_names_nobodys_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A local folder is called as the tables of a report may call it."""
    monkeypatch.chdir(tmp_path)
    for path, name in ((tmp_path / "data/films", "data/films"), (tmp_path.parent / "x", "x")):
        text = Text(source="directory", path=str(path), size=10)
        assert provenance(text)["citation"] == f"directory {name}"
