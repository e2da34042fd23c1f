"""What columns and labels mean is the same in every format, is said by the study, or is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from own_files import (
    Writer,
    every_format,
    items,
    own_task,
    write_both,
    write_csv,
    write_jsonl,
    write_parquet,
)

from pdbench.core.errors import DataError
from pdbench.data.records import Breakage
from pdbench.data.sources import read_task
from pdbench.study.settings import Columns


@every_format
@pytest.mark.parametrize(
    ("names", "written", "meant"),
    [
        (("1", "2", "3"), [1, 2, 3], [0, 1, 2]),
        (("1", "2", "3"), [1.0, 2.0, 2.0], [0, 1, 1]),
        (("-1", "0", "1"), [-1, 0, 1], [0, 1, 2]),
        (("true", "false"), [True, False], [0, 1]),
        (("Positive", "Negative"), ["positive", "NEGATIVE "], [0, 1]),
        (("bad", "good"), [1, 0], [1, 0]),
        (("bad", "good"), ["1", "0"], [1, 0]),
    ],
)
def test_a_label_is_one_class_however_it_is_written(
    write: Writer, names: tuple[str, ...], written: list[Any], meant: list[int], tmp_path: Path
) -> None:
    """By its name; by its index only where no class is called by a number."""
    write_both(tmp_path, write, items(written))

    assert read_task(own_task(tmp_path, names), tmp_path)["train"]["label"][:] == meant


@every_format
@pytest.mark.parametrize(
    ("names", "written", "message"),
    [
        (("1", "2"), [1, 0], "unknown label"),
        (("bad", "good"), [True, False], "unknown label"),
        (("bad", "good"), [1, 2], "unknown label .*bad, good, or 0 to 1 for them"),
        (("bad", "good"), [-1, 1], "no label"),
        ((), ["1e39", "0"], "label '1e39' is no number that float32 holds"),
        ((), ["nan", "0"], "label 'nan' is no number that float32 holds"),
    ],
)
def test_another_label_is_refused(
    write: Writer, names: tuple[str, ...], written: list[Any], message: str, tmp_path: Path
) -> None:
    """File and row are named."""
    write_both(tmp_path, write, items(written))

    with pytest.raises(DataError, match=rf"train\.\S+(: row|: record|:) ?\d: {message}"):
        read_task(own_task(tmp_path, names), tmp_path)


def test_names_and_indices_do_not_mix(tmp_path: Path) -> None:
    """One of them is a mistake, in whichever split it is."""
    write_both(tmp_path, write_csv, items(["good", "bad"]))
    write_csv(tmp_path / "dev", items([1, 0]))

    with pytest.raises(DataError, match=r"dev\.csv:2: label '1', where .*train\.csv:2 has a name"):
        read_task(own_task(tmp_path), tmp_path)


@every_format
@pytest.mark.parametrize("label", ["Label", " label", "gold_label"])
def test_the_label_column_is_known_by_its_name(write: Writer, label: str, tmp_path: Path) -> None:
    """Case and blanks aside, and as SNLI calls it."""
    rows = [{"premise": f"a {i}", "hypothesis": "b", label: i % 2} for i in range(4)]
    write_both(tmp_path, write, rows)

    found = read_task(own_task(tmp_path), tmp_path)["dev"]

    assert found.column_names == ["text_a", "text_b", "label"]
    assert found["label"][:] == [0, 1, 0, 1]


@every_format
@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_a_misspelt_label_column_changes_no_split(
    write: Writer, split: str, tmp_path: Path
) -> None:
    """It is refused, with the columns that are there."""
    for name in ("train", "dev", "test"):
        write(tmp_path / name, items([0, 1]))
    write(tmp_path / split, [{"text": "a", "lable": 1}])

    with pytest.raises(DataError, match=rf"{split}\.\S+: no label column.*'lable'.*columns\.label"):
        read_task(own_task(tmp_path), tmp_path)


@every_format
@pytest.mark.parametrize("hidden", [[-1, -1], None])
def test_a_hidden_test_set_is_one_without_labels(
    write: Writer, hidden: list[int] | None, tmp_path: Path
) -> None:
    """As published by GLUE and on the hub; it may number its items."""
    write_both(tmp_path, write, items([0, 1]))
    rows = [{"idx": i, "text": f"test {i}"} for i in range(2)]
    write(tmp_path / "test", rows if hidden is None else [{**r, "label": -1} for r in rows])

    assert read_task(own_task(tmp_path), tmp_path)["submission"]["text"][:] == ["test 0", "test 1"]


def test_a_true_minus_one_is_no_hidden_label(tmp_path: Path) -> None:
    """Where a class is called so."""
    for split in ("train", "dev", "test"):
        write_jsonl(tmp_path / split, items([-1, -1, 1]))
    task = own_task(tmp_path, ("-1", "1"))

    assert read_task(task, tmp_path)["test"]["label"][:] == [0, 0, 1]


@pytest.mark.parametrize("label", ["-", "", None, -1])
def test_items_without_a_gold_label_are_broken(label: Any, tmp_path: Path) -> None:
    """As in SNLI, whose annotators did not agree."""
    rows = [{"sentence1": f"a {i}", "sentence2": "b", "gold_label": "bad"} for i in range(9)]
    write_both(tmp_path, write_jsonl, [*rows, {**rows[0], "gold_label": label}])
    breakage = Breakage(0.1)

    assert len(read_task(own_task(tmp_path), tmp_path, breakage)["train"]) == 9
    assert breakage.found == 2
    with pytest.raises(DataError, match=r"train\.jsonl:10: "):
        read_task(own_task(tmp_path), tmp_path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": 5, "label": 1}, "column 'text' holds no text, but '5'"),
        ({"text": True, "label": 1}, "column 'text' holds no text, but 'True'"),
        ({"text": ["a", "b"], "label": 1}, "column 'text' holds no text"),
        ({"label": 1}, "no column 'text'"),
        ({"text": "a"}, "no column 'label'"),
    ],
)
def test_only_text_is_text(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    """The first record does not decide for all; every one must have the columns."""
    write_both(tmp_path, write_jsonl, [*items([0, 1]), row])

    with pytest.raises(DataError, match=rf"train\.jsonl:3: {message}"):
        read_task(own_task(tmp_path), tmp_path)


def test_bytes_are_no_text(tmp_path: Path) -> None:
    """As some exports store them."""
    write_both(tmp_path, write_parquet, [{"text": b"word", "label": 1}])

    with pytest.raises(DataError, match=r"train\.parquet: row 1: column 'text' holds no text"):
        read_task(own_task(tmp_path), tmp_path)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("text,label,Text", "column 'text' stands twice"),
        ("text,label,label", "column 'label' stands twice"),
        ("text,label,gold_label", "columns label and gold_label; say which"),
        ("text,sentence,label", "the text may stand in text; sentence; say in which"),
    ],
)
def test_a_column_that_could_be_two_is_refused(head: str, message: str, tmp_path: Path) -> None:
    """None of them is taken in silence."""
    for split in ("train", "dev"):
        (tmp_path / f"{split}.csv").write_text(f"{head}\na,1,0\n")

    with pytest.raises(DataError, match=rf"train\.csv: {message}"):
        read_task(own_task(tmp_path), tmp_path)


def test_the_study_says_which_columns(tmp_path: Path) -> None:
    """Whatever else is there; a name that is not is refused."""
    rows = [{"text": "no", "review": f"film {i}", "stars": i % 2, "label": 7} for i in range(2)]
    write_both(tmp_path, write_jsonl, rows)
    task = own_task(tmp_path, columns=Columns(text="review", label="stars"))

    assert read_task(task, tmp_path)["train"].to_list() == [
        {"text": "film 0", "label": 0},
        {"text": "film 1", "label": 1},
    ]
    wrong = task.model_copy(update={"columns": Columns(text="words", label="stars")})
    with pytest.raises(DataError, match=r"train\.jsonl: no column 'words', but 'text', 'review'"):
        read_task(wrong, tmp_path)


def test_a_message_names_no_more_than_fits_a_line(tmp_path: Path) -> None:
    """Of a thousand columns, as of a table that lies on its side, the first ones."""
    (tmp_path / "train.json").write_text(json.dumps([{str(i): "a" for i in range(1000)}]))

    with pytest.raises(DataError, match=r"columns '0', .*'19', \.\.\., and none of") as caught:
        read_task(own_task(tmp_path), tmp_path)
    assert len(str(caught.value)) < 600
    (tmp_path / "train.json").write_text(json.dumps([{"text": "a", "label": "b" * 1000}]))
    with pytest.raises(DataError, match="unknown label 'bbb") as caught:
        read_task(own_task(tmp_path), tmp_path)
    assert len(str(caught.value)) < 300


@every_format
def test_a_score_may_be_minus_one(write: Writer, tmp_path: Path) -> None:
    """Of a regression it is a number; a test split of nothing else is hidden all the same."""
    write_both(tmp_path, write, items([-1, 0.5, 2]))
    write(tmp_path / "test", items([-1, -1]))
    task = own_task(tmp_path, (), metrics=("pearson",))

    splits = read_task(task, tmp_path)

    assert splits["dev"]["label"][:] == [-1, 0.5, 2]
    assert splits["submission"].num_rows == 2


def test_no_split_has_pairs_where_another_has_texts(tmp_path: Path) -> None:
    """A model would be trained on the one and scored on the other."""
    write_csv(tmp_path / "train", items([0, 1]))
    write_csv(tmp_path / "dev", [{"text_a": "a", "text_b": "b", "label": i} for i in range(2)])

    with pytest.raises(
        DataError, match=r"train\.csv: text; .*dev\.csv: text_a and text_b; .*columns"
    ):
        read_task(own_task(tmp_path), tmp_path)
