"""SQuAD: its files, its windows and its official scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pdbench.core.errors import DataError
from pdbench.data import hub
from pdbench.data.sources import read_task
from pdbench.data.vocabulary import open_vocabulary
from pdbench.kinds import squad
from pdbench.kinds.spans import _encode_windows, _exact_match, _f1, _packed, _unpacked
from pdbench.study.settings import Task, VocabularySource

CONTEXT = "The  Apollo 11 crew landed on July 20, 1969, and Niels' café stayed in Genève."


@pytest.mark.parametrize(
    ("predicted", "answers", "exact", "overlap"),
    [
        ("the Denver Broncos.", ["Denver Broncos"], 1.0, 1.0),  # articles, points, case
        ("Denver", ["Denver Broncos", "Broncos"], 0.0, 2 / 3),  # P 1, R 1/2
        ("a big big dog", ["big dog dog"], 0.0, 2 / 3),  # two shared of three and three
        ("July 20", ["1969", "July 20, 1969", "July 20"], 1.0, 1.0),  # the best of all
        ("well-read", ["wellread"], 1.0, 1.0),  # punctuation goes, no space comes
        ("theatre", ["atre"], 0.0, 0.0),  # articles are whole words
        ("cat", ["dog"], 0.0, 0.0),
        ("the", ["an"], 1.0, 0.0),  # nothing left: equal texts, no shared word
        ("", ["x"], 0.0, 0.0),
    ],
)
def test_scores_are_the_official_ones(
    predicted: str, answers: list[str], exact: float, overlap: float
) -> None:
    """Worked out by hand from SQuAD's evaluation script."""
    assert _exact_match(predicted, answers) == exact
    assert _f1(predicted, answers) == pytest.approx(overlap)


def test_places_are_packed_and_unpacked() -> None:
    """One number says where an answer begins and ends."""
    starts, ends = _unpacked(_packed([0, 7, 40_000], [0, 11, 70_000]))

    assert (starts.tolist(), ends.tolist()) == ([0, 7, 40_000], [0, 11, 70_000])


def release(answers: list[dict[str, Any]], articles: int = 1) -> str:
    """A file in the published layout, with one question an article."""
    data = [
        {
            "title": f"Article {i}",
            "paragraphs": [
                {
                    "context": CONTEXT,
                    "qas": [{"id": f"5{i}", "question": f"When, {i}? ", "answers": answers}],
                }
            ],
        }
        for i in range(articles)
    ]
    return json.dumps({"data": data, "version": "1.1"})


def task(folder: Path, **changed: Any) -> Task:
    """A task that reads a folder."""
    about = {"kind": "span", "source": "directory", "name": "squad", "path": str(folder)}
    return Task.model_validate({**about, "labels": [], "metrics": ["f1"], **changed})


JULY = {"text": "July 20, 1969", "answer_start": CONTEXT.index("July")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small release."""
    several = [JULY, {"text": "1969", "answer_start": CONTEXT.index("1969")}]
    (tmp_path / "train-v1.1.json").write_text(release([JULY], 60))
    (tmp_path / "dev-v1.1.json").write_text(release(several))
    return tmp_path


def test_the_release_is_read(folder: Path) -> None:
    """The published dev set is test; dev are whole articles of the training set."""
    read = read_task(task(folder), folder, published=squad)

    assert {split: len(rows) for split, rows in read.items()} == {
        "train": 60 - len(read["dev"]),
        "dev": len(read["dev"]),
        "test": 1,
    }
    assert 1 <= len(read["dev"]) <= 15
    assert read["test"][0] == {
        "text_a": "When, 0?",
        "text_b": CONTEXT,  # as it is: answers are counted in characters
        "answers": ["July 20, 1969", "1969"],
        "starts": [JULY["answer_start"], CONTEXT.index("1969")],
    }


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([{"text": "July", "answer_start": 3}], "question 50: answer 'July' does not stand at"),
        (
            [{"text": "Genève", "answer_start": -7}],
            "question 50: answer 'Genève' does not stand at character -7",
        ),
        ([JULY, {"text": "x", "answer_start": 10**400}], "question 50: answer 'x' does not stand"),
        ([], "question 50: no answer; questions without one are of SQuAD v2.0"),
        ([{"text": "July"}], "Article 0, paragraph 1: not SQuAD v1.1's layout"),
    ],
)
def test_broken_answers_are_named(
    folder: Path, answers: list[dict[str, Any]], message: str
) -> None:
    """File and question."""
    (folder / "dev-v1.1.json").write_text(release(answers))

    with pytest.raises(DataError, match=rf"dev-v1\.1\.json: {message}"):
        read_task(task(folder), folder, published=squad)


def test_a_context_without_end_is_a_broken_record(folder: Path) -> None:
    """Each window of it would be an input."""
    one = json.loads(release([JULY]))
    one["data"][0]["paragraphs"][0]["context"] += " so" * 2**19
    (folder / "dev-v1.1.json").write_text(json.dumps(one))

    with pytest.raises(DataError, match=r"question \d+: question and context of over 1,048,576"):
        read_task(task(folder), folder, published=squad)


def test_a_share_of_broken_answers_is_left_out(folder: Path) -> None:
    """Where the study allows it."""
    one = json.loads(release([JULY], 60))
    one["data"][7]["paragraphs"][0]["qas"][0]["answers"][0]["answer_start"] = 1
    (folder / "train-v1.1.json").write_text(json.dumps(one))

    read = read_task(task(folder, broken=0.05), folder, published=squad)

    assert len(read["train"]) + len(read["dev"]) == 59


def test_the_hubs_rows_are_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns in the place of nested lists."""
    from datasets import Dataset, DatasetDict

    def rows(split: str) -> Dataset:
        published = json.loads((folder / f"{split}-v1.1.json").read_text())["data"]
        return Dataset.from_list(
            [
                {
                    "id": asked["id"],
                    "title": article["title"],
                    "context": paragraph["context"],
                    "question": asked["question"],
                    "answers": {
                        "text": [a["text"] for a in asked["answers"]],
                        "answer_start": [a["answer_start"] for a in asked["answers"]],
                    },
                }
                for article in published
                for paragraph in article["paragraphs"]
                for asked in paragraph["qas"]
            ]
        )

    stored = DatasetDict(train=rows("train"), validation=rows("dev"))
    monkeypatch.setattr(hub, "load", lambda source: stored)
    ours = read_task(task(folder), folder, published=squad)
    theirs = read_task(task(folder, source="hub", name="rajpurkar/squad"), folder, published=squad)

    assert {s: theirs[s].to_list() for s in theirs} == {s: ours[s].to_list() for s in ours}


@pytest.fixture
def vocabulary(tmp_path: Path) -> Any:
    """A vocabulary with pieces inside words."""
    pieces = "[PAD] [UNK] [CLS] [SEP] [MASK] when the apollo 11 crew landed on july 20 , 1969 and"
    pieces += " ni ##els ' cafe stayed in gen ##eve . ?"
    (tmp_path / "vocab.txt").write_text("\n".join(pieces.split()) + "\n")
    source = VocabularySource(source="directory", path=str(tmp_path), lower_case=True)
    return open_vocabulary(source, tmp_path)


def rows(*answers: str) -> dict[str, list[Any]]:
    """Questions about the context with these answers."""
    return {
        "text_a": ["When ?"] * len(answers),
        "text_b": [CONTEXT] * len(answers),
        "answers": [[text] for text in answers],
        "starts": [[CONTEXT.index(text)] for text in answers],
    }


def test_windows_hold_all_of_a_context(vocabulary: Any, tmp_path: Path) -> None:
    """Each begins a stride after the one before, and the last ends with the context."""
    settings = task(tmp_path, max_length=14, windows={"stride": 6, "question": 2})

    tokens, arrays = _encode_windows(vocabulary, rows("July 20, 1969", "café", "Genève"), settings)

    names = vocabulary.pieces
    texts = [" ".join(names[i] for i in tokens.item(k)) for k in range(len(tokens))]
    assert texts[:3] == [
        "[CLS] when ? [SEP] the apollo 11 crew landed on july 20 , [SEP]",
        "[CLS] when ? [SEP] july 20 , 1969 , and ni ##els ' [SEP]",
        "[CLS] when ? [SEP] ni ##els ' cafe stayed in gen ##eve . [SEP]",
    ]
    assert texts[3:6] == texts[6:] == texts[:3]
    assert arrays["examples"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    # An answer that a window does not hold whole is not in it: [CLS] and [CLS].
    assert arrays["spans"].tolist() == [
        *([0, 0], [4, 7], [0, 0]),
        *([0, 0], [0, 0], [7, 7]),
        *([0, 0], [0, 0], [10, 11]),
    ]
    assert tokens.seconds.tolist() == [4] * 9


def test_pieces_know_their_characters(vocabulary: Any, tmp_path: Path) -> None:
    """The answer's text is cut from the context itself, accents and all."""
    _, arrays = _encode_windows(vocabulary, rows("Genève"), task(tmp_path, max_length=64))
    first, last = arrays["spans"][0]

    start, end = arrays["chars"][first, 0], arrays["chars"][last, 1]
    assert CONTEXT[start:end] == "Genève"
    assert (arrays["chars"][:4] == -1).all()
    assert arrays["chars"][-1].tolist() == [-1, -1]
