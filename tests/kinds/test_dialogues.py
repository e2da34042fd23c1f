"""Dialogues of ReDial and INSPIRED: what is said before an item is recommended, and the item."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pdbench.core.errors import DataError, UsageError
from pdbench.data import hub
from pdbench.data.metrics import compute, rank_of, ranking
from pdbench.data.sources import read_task
from pdbench.kinds import dialogues
from pdbench.study.settings import Task

FORM = {"suggested": 1, "seen": 0, "liked": 1}

DIALOGUE: dict[str, Any] = {
    "movieMentions": {"111776": "Super Troopers (2001)", "91481": "Beerfest (2006)", "5": None},
    "respondentQuestions": {
        "111776": FORM,
        "91481": {**FORM, "suggested": 0},
        "5": FORM,
    },
    "messages": [
        {"timeOffset": 0, "text": "Hi, try @5", "senderWorkerId": 956, "messageId": 1},
        {"timeOffset": 9, "text": "I liked @91481 ", "senderWorkerId": 957, "messageId": 2},
        {
            "timeOffset": 15,
            "text": "So @111776? Or @91481, @9",
            "senderWorkerId": 956,
            "messageId": 3,
        },
        {"timeOffset": 21, "text": "Seen it", "senderWorkerId": 957, "messageId": 4},
        {"timeOffset": 27, "text": "@111776 again, or @5", "senderWorkerId": 956, "messageId": 5},
    ],
    "conversationId": "391",
    "respondentWorkerId": 956,
    "initiatorWorkerId": 957,
    "initiatorQuestions": [],
}


def task(folder: Path, name: str, **changed: Any) -> Task:
    """A task that reads a folder."""
    about = {"kind": "ranking", "source": "directory", "name": name, "path": str(folder)}
    return Task.model_validate({**about, "labels": [], "metrics": ["recall@1"], **changed})


@pytest.fixture
def redial(tmp_path: Path) -> Path:
    """A release of forty training dialogues and one test dialogue."""
    lines = [json.dumps({**DIALOGUE, "conversationId": str(i)}) for i in range(40)]
    (tmp_path / "train_data.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "test_data.jsonl").write_text(json.dumps(DIALOGUE) + "\n")
    return tmp_path


def test_redial_is_read(redial: Path) -> None:
    """An item counts where the recommender first names it, if no form says otherwise."""
    read = read_task(task(redial, "redial"), redial, published=dialogues)

    assert read["test"].to_list() == [
        {
            "text": "system: Hi, try user: I liked Beerfest (2006) system:",
            "item": "111776",
        }
    ]
    assert len(read["train"]) + len(read["dev"]) == 40
    assert 1 <= len(read["dev"]) <= 12


def test_the_hubs_dialogues_are_the_same(redial: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists of items in the place of mappings."""
    from datasets import Dataset, DatasetDict

    def listed(path: Path) -> Dataset:
        found = [json.loads(line) for line in path.read_text().splitlines()]
        for row in found:
            names = row["movieMentions"].items()
            row["movieMentions"] = [{"movieId": i, "movieName": name} for i, name in names]
            forms = row["respondentQuestions"].items()
            row["respondentQuestions"] = [{"movieId": i, **form} for i, form in forms]
        return Dataset.from_list(found)

    splits = {split: listed(redial / f"{split}_data.jsonl") for split in ("train", "test")}
    monkeypatch.setattr(hub, "load", lambda source: DatasetDict(splits))
    ours = read_task(task(redial, "redial"), redial, published=dialogues)
    theirs = read_task(
        task(redial, "community-datasets/re_dial", source="hub"), redial, published=dialogues
    )

    assert {s: theirs[s].to_list() for s in theirs} == {s: ours[s].to_list() for s in ours}


def test_a_broken_dialogue_is_named(redial: Path) -> None:
    """File and line."""
    lines = (redial / "train_data.jsonl").read_text().splitlines()
    lines[3] = json.dumps({k: v for k, v in DIALOGUE.items() if k != "messages"})
    (redial / "train_data.jsonl").write_text("\n".join(lines) + "\n")

    with pytest.raises(DataError, match=r"train_data\.jsonl:4: not a dialogue of ReDial.*messages"):
        read_task(task(redial, "redial"), redial, published=dialogues)


def test_a_dialogue_without_end_is_a_broken_record(redial: Path, inspired: Path) -> None:
    """It would be written once more for each of its items."""
    said = [{**DIALOGUE["messages"][0], "text": "@111776 " * 9} for _ in range(400)]
    with (redial / "train_data.jsonl").open("a") as file:
        file.write(json.dumps({**DIALOGUE, "messages": said}) + "\n")

    with pytest.raises(
        DataError, match=r"train_data\.jsonl:41: dialogue '391': .* characters; cut"
    ):
        read_task(task(redial, "redial"), redial, published=dialogues)
    read = read_task(task(redial, "redial", broken=0.1), redial, published=dialogues)
    assert len(read["train"]) + len(read["dev"]) == 40
    with (inspired / "train.tsv").open("a") as file:
        file.writelines(f"c.pkl\t{i}\tSEEKER\t1\t{'so ' * 40}\t\tx\n" for i in range(400))
    with pytest.raises(DataError, match=r"dialogue 'c\.pkl': .* characters; cut or remove it"):
        read_task(task(inspired, "inspired"), inspired, published=dialogues)


HEADER = "dialog_id\tutt_id\tspeaker\tturn_id\ttext\tmovies\tmovie_id"
LINES = [
    "a.pkl\t1\tRECOMMENDER\t1\tHello. Seen Heat?\tHeat (1995)\tx",
    "a.pkl\t2\tSEEKER\t1\tYes, so QUOTATION_MARKdarkQUOTATION_MARK\t\tx",
    "a.pkl\t3\tRECOMMENDER\t2\tTry these\tUp (2009);  Dune (2021)\tx",
    "b.pkl\t1\tSEEKER\t1\tHi\t\ty",
    "b.pkl\t2\tRECOMMENDER\t1\tJaws\tJaws (1975)\ty",
]


@pytest.fixture
def inspired(tmp_path: Path) -> Path:
    """A release of two dialogues in each split."""
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.tsv").write_text("\n".join([HEADER, *LINES]) + "\n")
    return tmp_path


def test_inspired_is_read(inspired: Path) -> None:
    """Its own three splits; a line may recommend several films."""
    read = read_task(task(inspired, "inspired"), inspired, published=dialogues)

    before = 'system: Hello. Seen Heat? user: Yes, so "dark" system:'
    assert read["dev"].to_list() == [
        {"text": before, "item": "Up (2009)"},
        {"text": before, "item": "Dune (2021)"},
        {"text": "user: Hi system:", "item": "Jaws (1975)"},
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("SEEKER", "BOTH", r"dev\.tsv:3: speaker 'BOTH'"),
        ("movies", "films", r"dev\.tsv:2: no column movies"),
        ("\ty\n", "\n", r"dev\.tsv:5: 6 fields, the header has 7"),
    ],
)
def test_a_broken_line_is_named(inspired: Path, old: str, new: str, message: str) -> None:
    """File and line."""
    path = inspired / "dev.tsv"
    path.write_text(path.read_text().replace(old, new))

    with pytest.raises(DataError, match=message):
        read_task(task(inspired, "inspired"), inspired, published=dialogues)


def test_an_unknown_release_is_refused(inspired: Path) -> None:
    """With the names that are known."""
    with pytest.raises(UsageError, match=r"key name: 'redail' is no release.*redial"):
        read_task(task(inspired, "redail"), inspired, published=dialogues)


def test_ranks_and_recalls() -> None:
    """By hand: ties count against an item, and an unseen one is never found."""
    scores = np.array([[3.0, 1.0, 2.0], [3.0, 1.0, 2.0], [1.0, 1.0, 0.0], [9.0, 0.0, 0.0]])
    labels = np.array([0, 1, 0, -1])

    found = rank_of(ranking(scores), labels)

    assert found.tolist() == [1, 3, 2, 0]
    assert ranking(scores)[:, 0].tolist() == [[0, 1], [0, 1], [0, 2], [0, 1]]
    recalls = compute(["recall@1", "recall@10"], found, labels)
    assert recalls == {"recall@1": 0.25, "recall@10": 0.75}


def test_no_more_is_kept_of_a_ranking_than_metrics_ask_for() -> None:
    """Of a thousand items the best fifty; one further down has no rank that a metric counts."""
    scores = np.random.default_rng(0).normal(size=(3, 1000)).astype(np.float32)
    places = (-scores).argsort(axis=1).argsort(axis=1) + 1

    found = ranking(scores)

    assert found.shape == (3, 50, 2)
    for item in range(1000):
        true = places[:, item]
        expected = np.where(true <= 50, true, 0)
        assert rank_of(found, np.full(3, item)).tolist() == expected.tolist()
