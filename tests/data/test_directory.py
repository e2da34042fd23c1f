"""Local folders: GLUE's original files, and our own columns in four formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel
from own_files import (
    Writer,
    items,
    own_task,
    write_both,
    write_csv,
    write_jsonl,
    write_parquet,
    write_tsv,
)

from pdbench.core.errors import DataError, UsageError
from pdbench.data.records import Breakage, open_rows
from pdbench.data.sources import read_task, read_text
from pdbench.data.splits import arrange
from pdbench.study.catalogue.glue import GLUE
from pdbench.study.settings import Data, Task, Teacher, Text

TEACHER = Teacher(source="directory", path="teacher")
HEADERS = {
    "sst2": "sentence\tlabel",
    "mrpc": "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String",
    "stsb": "index\tgenre\tsentence1\tsentence2\tscore",
    "qqp": "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate",
    "mnli": "index\tgenre\tsentence1\tsentence2\tlabel1\tgold_label",
    "mnli-mismatched": "index\tgenre\tsentence1\tsentence2\tlabel1\tgold_label",
    "qnli": "index\tquestion\tsentence\tlabel",
    "rte": "index\tsentence1\tsentence2\tlabel",
    "wnli": "index\tsentence1\tsentence2\tlabel",
}
ROWS = {
    "cola": ('gj04\t1\t\tHe said "no.', "gj04\t0\t*\tHim said no."),
    "sst2": ("a fine film \t1", 'a "poor film \t0'),
    "mrpc": ("1\t7\t8\tHe left .\tHe went away .", '0\t7\t9\tHe left .\tShe " came .'),
    "stsb": ("0\tnews\tA man eats.\tA man is eating.\t4.75", "1\tnews\tA cat.\tA car.\t0.0"),
    "qqp": ("1\t2\t3\tWho is he?\tWho is that?\t1", "2\t4\t5\tWhy?\tHow?\t0"),
    "mnli": (
        "0\tfic\tIt rains.\tIt is wet.\tentailment\tentailment",
        "1\tf\tA.\tB.\tneutral\tneutral",
    ),
    "qnli": ("0\tWho came?\tTom came.\tentailment", "1\tWho?\tIt rained.\tnot_entailment"),
    "rte": ("0\tTom came.\tSome came.\tentailment", "1\tTom came.\tTom left.\tnot_entailment"),
    "wnli": ("0\tIt fell as it broke.\tIt broke.\t1", "1\tIt fell.\tShe broke.\t0"),
}
ROWS["mnli-mismatched"] = ROWS["mnli"]
FIRST = {
    "cola": ('He said "no.', "acceptable"),
    "sst2": ("a fine film", "positive"),
    "mrpc": ("He left .", "He went away .", "equivalent"),
    "stsb": ("A man eats.", "A man is eating.", 4.75),
    "qqp": ("Who is he?", "Who is that?", "duplicate"),
    "mnli": ("It rains.", "It is wet.", "entailment"),
    "mnli-mismatched": ("It rains.", "It is wet.", "entailment"),
    "qnli": ("Who came?", "Tom came.", "entailment"),
    "rte": ("Tom came.", "Some came.", "entailment"),
    "wnli": ("It fell as it broke.", "It broke.", "entailment"),
}


def _task(folder: Path, name: str = "", labels: tuple[str, ...] = ("bad", "good")) -> Task:
    return Task(
        source="directory",
        path=str(folder),
        name=name,
        labels=labels,
        metrics=("accuracy",),
        teacher=TEACHER,
    )


def _glue(folder: Path, name: str, *more: str) -> Task:
    lines = [HEADERS[name]] if name in HEADERS else []
    content = "\n".join([*lines, *ROWS[name], *more]) + "\n"
    for file in ("train.tsv", GLUE[name].dev):
        (folder / file).write_text(content, encoding="utf-8")
    return _task(folder, name, tuple(dict.fromkeys(GLUE[name].classes.values())))


def _named(row: dict[str, Any], label: Any) -> tuple[Any, ...]:
    *texts, value = row.values()
    return (*texts, label.int2str(value) if isinstance(label, ClassLabel) else value)


@pytest.mark.parametrize("name", sorted(set(GLUE) - {"ax"}))
def test_glue_is_read_as_published(name: str, tmp_path: Path) -> None:
    """Headers, byte-order mark, stray quotes and label words of every task."""
    splits = read_task(_glue(tmp_path, name), tmp_path)

    assert list(splits) == ["train", "dev"]
    assert [len(split) for split in splits.values()] == [2, 2]
    assert _named(splits["dev"][0], splits["dev"].features["label"]) == FIRST[name]


def test_labels_follow_the_study_and_not_the_file(tmp_path: Path) -> None:
    """The index of a class is its place in the study's list."""
    task = _glue(tmp_path, "rte").model_copy(update={"labels": ("not_entailment", "entailment")})

    assert read_task(task, tmp_path)["train"]["label"][:] == [1, 0]


def test_a_few_broken_lines_of_qqp_are_left_out_and_counted(tmp_path: Path) -> None:
    """Questions cut short or empty are part of QQP as published; a file of them is not."""
    good = [f"{i}\t2\t3\tWho is {i}?\tWhy {i}?\t1" for i in range(2000)]
    broken = ["3\t6\t7\tWhere", "4\t8\t9\tWhen?\t\t0"]
    task = _glue(tmp_path, "qqp", *good, *broken)
    breakage = Breakage()

    assert len(read_task(task, tmp_path, breakage)["train"]) == 2002
    assert breakage.found == 4, "two in train and two in dev"

    (tmp_path / "train.tsv").write_text("\n".join([HEADERS["qqp"], *good[:100], broken[1]]))
    with pytest.raises(DataError, match=r"1 of 101 records .* first .*train\.tsv:102: empty text"):
        read_task(task, tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2\tTom came.\tentailment", r"train\.tsv:4: 3 fields, the header has 4"),
        ("2\tTom came.\tHe left.\tperhaps", r"train\.tsv:4: unknown label 'perhaps'"),
        ("2\tTom came.\t \tentailment", r"train\.tsv:4: empty text"),
    ],
)
def test_a_broken_line_is_named(line: str, message: str, tmp_path: Path) -> None:
    """The file and the line stand in the error."""
    with pytest.raises(DataError, match=message):
        read_task(_glue(tmp_path, "rte", line), tmp_path)


def test_other_label_names_than_glue_s_are_misuse(tmp_path: Path) -> None:
    """The remedy lists the names to write."""
    task = _glue(tmp_path, "rte").model_copy(update={"labels": ("yes", "no")})

    with pytest.raises(UsageError, match=r"key labels: yes, no; .*\[entailment, not_entailment\]"):
        read_task(task, tmp_path)


def test_an_unknown_glue_task_is_misuse(tmp_path: Path) -> None:
    """The known ones are listed."""
    with pytest.raises(UsageError, match="'mrcp' is no GLUE task"):
        read_task(_task(tmp_path, "mrcp"), tmp_path)


every_format = pytest.mark.parametrize("write", [write_csv, write_tsv, write_jsonl, write_parquet])
ITEMS = [{"text": "so, good  film", "label": "good"}, {"text": "a poor\u2028one", "label": "bad"}]


@every_format
def test_every_format_gives_the_same(write: Writer, tmp_path: Path) -> None:
    """Names of labels become indices; white space is one space."""
    for split in ("train", "validation", "test"):
        write(tmp_path / split, ITEMS)

    splits = read_task(_task(tmp_path), tmp_path)

    assert list(splits) == ["train", "dev", "test"]
    assert splits["test"].to_dict() == {"text": ["so, good film", "a poor one"], "label": [1, 0]}


@every_format
def test_indices_and_pairs_are_read_too(write: Writer, tmp_path: Path) -> None:
    """A label may be its index; an item may have two texts."""
    items = [{"text_a": "One.", "text_b": "Two.", "label": 1}]
    for split in ("train", "dev"):
        write(tmp_path / split, items)

    assert read_task(_task(tmp_path), tmp_path)["dev"].to_list() == items


@every_format
def test_numbers_are_read_for_a_regression(write: Writer, tmp_path: Path) -> None:
    """A task without label names has numbers for labels."""
    for split in ("train", "dev"):
        write(tmp_path / split, [{"text": "One.", "label": 2.5}])

    assert read_task(_task(tmp_path, labels=()), tmp_path)["dev"]["label"][:] == [2.5]


@every_format
@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"text": "One more.", "label": "ugly"}, "unknown label 'ugly'"),
        ({"text": "  ", "label": "good"}, "empty text"),
    ],
)
def test_a_bad_row_is_named(
    write: Writer, item: dict[str, str], message: str, tmp_path: Path
) -> None:
    """Whatever the format, the error has file and row."""
    write(tmp_path / "train", [*ITEMS, item])
    row = "row 3" if write is write_parquet else "3" if write is write_jsonl else "4"

    with pytest.raises(DataError, match=rf"train\.\w+:( ?){row}: {message}"):
        read_task(_task(tmp_path), tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("train.csv", b"text,label\nOne,good\nTwo\n", r"train\.csv:3: 1 fields, the header has 2"),
        ("train.csv", b'text,label\n"One,good\n', r"train\.csv: cannot be read"),
        ("train.tsv", b"text\tlabel\nOne\tgood\tmore\n", r"train\.tsv:2: 3 fields"),
        ("train.tsv", b"text\tlabel\n\xff\xfe\tgood\n", r"train\.tsv:2: not UTF-8"),
        (
            "train.jsonl",
            b'{"text": "One", "label": "good"}\n{"text"\n',
            r"train\.jsonl:2: not JSON",
        ),
        ("train.jsonl", b"[1]\n", r"train\.jsonl:1: no JSON object"),
        ("train.jsonl", b'{"text": "\\ud800", "label": "good"}\n', r"train\.jsonl:1: .*surrogates"),
        ("train.tsv", b"text\tlabel\n\n\nOne\n", r"train\.tsv:4: 1 fields"),
        ("train.parquet", b"PAR1 and no more", r"train\.parquet: cannot be read"),
        (
            "train.tsv",
            b"words\tlabel\nOne\tgood\n",
            r"train\.tsv: columns .words., .label., and none",
        ),
        ("train.tsv", b"text\tlabel\n", r"train\.tsv: no rows"),
    ],
)
def test_a_broken_file_is_named(file: str, content: bytes, message: str, tmp_path: Path) -> None:
    """One line says which file, and which line of it."""
    (tmp_path / file).write_bytes(content)

    with pytest.raises(DataError, match=message) as caught:
        read_task(_task(tmp_path), tmp_path)

    assert "\n" not in str(caught.value)


def test_a_damaged_parquet_file_is_named(tmp_path: Path) -> None:
    """Its footer is whole, and a page of it is not."""
    write_parquet(
        tmp_path / "train", [{"text": f"Film number {i}.", "label": "good"} for i in range(99)]
    )
    path = tmp_path / "train.parquet"
    content = path.read_bytes()
    path.write_bytes(content[:60] + b"\xff" * 400 + content[460:])

    with pytest.raises(DataError, match=r"train\.parquet: cannot be read \("):
        read_task(_task(tmp_path), tmp_path)


def test_an_ending_that_is_not_read_is_named(tmp_path: Path) -> None:
    """A file that a person names may end in anything."""
    (tmp_path / "scores.xlsx").write_text("PK")

    with pytest.raises(DataError, match=r"scores\.xlsx: ending '\.xlsx'; it may be tsv, csv"):
        next(open_rows(tmp_path / "scores.xlsx").whole())


def test_a_task_needs_train_and_one_more(tmp_path: Path) -> None:
    """A split without labels does not count."""
    write_tsv(tmp_path / "train", ITEMS)
    (tmp_path / "test.tsv").write_text("text\nOne.\n", encoding="utf-8")

    with pytest.raises(DataError, match="labelled splits: train; a task needs train, and dev"):
        read_task(_task(tmp_path), tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """A wrong path is an error of the data, no path at all is misuse."""
    with pytest.raises(DataError, match="nowhere: no such folder"):
        read_task(_task(tmp_path / "nowhere"), tmp_path)
    with pytest.raises(UsageError, match="key path: missing"):
        read_task(_task(tmp_path).model_copy(update={"path": None}), tmp_path)


def test_texts_are_lines_or_columns(tmp_path: Path) -> None:
    """Plain text has one item a line; other formats give their text columns."""
    (tmp_path / "text.txt").write_text("One line.\n\nAnother.\n", encoding="utf-8")
    text = Text(source="directory", path=str(tmp_path), size=2)
    assert read_text(text, tmp_path)["text"][:] == ["One line.", "Another."]

    (tmp_path / "text.txt").unlink()
    write_tsv(tmp_path / "train", ITEMS)
    assert read_text(text, tmp_path).column_names == ["text"]


def test_a_glue_task_s_training_split_can_be_a_text(tmp_path: Path) -> None:
    """Its labels are not even looked at."""
    _glue(tmp_path, "rte", "2\tTom came.\tHe left.\tperhaps")
    text = Text(source="directory", path=str(tmp_path), name="rte", size=2)

    assert read_text(text, tmp_path).column_names == ["text_a", "text_b"]
    assert len(read_text(text, tmp_path)) == 3


def test_a_folder_without_text_says_what_it_looks_for(tmp_path: Path) -> None:
    """The formats are listed."""
    with pytest.raises(DataError, match=r"neither text nor train, .*; add one \(tsv, csv"):
        read_text(Text(source="directory", path=str(tmp_path), size=1), tmp_path)


def test_hidden_test_sets_are_kept_in_their_order(tmp_path: Path) -> None:
    """All lines of GLUE's test file, also a line without text, for the server wants each."""
    task = _glue(tmp_path, "qqp")
    lines = ["id\tquestion1\tquestion2", "0\tWhy?\tHow?", "1\tWho?\t", "2\tA?\tB?"]
    (tmp_path / "test.tsv").write_text("\n".join(lines) + "\n")

    found = read_task(task, tmp_path)["submission"]

    assert found.column_names == ["text_a", "text_b"]
    assert found["text_a"][:] == ["Why?", "Who?", "A?"]
    assert found["text_b"][:] == ["How?", "", "B?"]


def test_a_line_that_is_missing_from_a_hidden_test_set_is_named(tmp_path: Path) -> None:
    """Predictions would be of other examples."""
    task = _glue(tmp_path, "rte")
    lines = ["index\tsentence1\tsentence2", "0\tA.\tB.", "2\tC.\tD."]
    (tmp_path / "test.tsv").write_text("\n".join(lines) + "\n")

    with pytest.raises(DataError, match=r"test\.tsv:3: index 2, expected 1"):
        read_task(task, tmp_path)


def test_a_task_of_another_tasks_models_needs_no_training_split(tmp_path: Path) -> None:
    """MNLI mismatched is its dev and test, the diagnostic set its test alone."""
    for name, files in (("mnli-mismatched", ["dev_mismatched.tsv"]), ("ax", [])):
        folder = tmp_path / name
        folder.mkdir()
        for file in files:
            content = "\n".join([HEADERS[name], *ROWS[name]])
            (folder / file).write_text(content + "\n")
        hidden = "index\tsentence1\tsentence2\n0\tA.\tB.\n"
        (folder / GLUE[name].unlabelled).write_text(hidden)
        labels = tuple(GLUE[name].classes.values())
        task = _task(folder, name, labels).model_copy(update={"model_of": "mnli"})

        splits = read_task(task, tmp_path)

        assert list(splits) == ["dev", "submission"][-len(files) - 1 :]
        assert list(arrange(splits, task, name)[0]) == ["test", "submission"][-len(files) - 1 :]


def test_a_mixture_holds_all_its_parts(tmp_path: Path) -> None:
    """Pairs of two tasks together; pairs and single texts do not mix."""
    parts = []
    for name in ("rte", "stsb", "sst2"):
        (tmp_path / name).mkdir()
        _glue(tmp_path / name, name)
        parts.append(Data(source="directory", path=str(tmp_path / name), name=name))
    text = Text(source="mixture", parts=tuple(parts[:2]), size=4)

    found = read_text(text, tmp_path)

    assert found["text_a"][:] == ["Tom came.", "Tom came.", "A man eats.", "A cat."]
    mixed = text.model_copy(update={"parts": tuple(parts)})
    with pytest.raises(UsageError, match="key parts: some of the sources have pairs"):
        read_text(mixed, tmp_path)


BROKEN_LINES = {
    "fields": ("train.tsv", b"text\tlabel", b"a film\tgood", b"a film"),
    "UTF-8": ("train.tsv", b"text\tlabel", b"a film\tgood", b"\xff\tgood"),
    "label": ("train.tsv", b"text\tlabel", b"a film\tgood", b"a film\tugly"),
    "csv": ("train.csv", b"text,label", b"a film,good", b"a film"),
    "json": ("train.jsonl", b"", b'{"text": "a film", "label": "good"}', b'{"text"'),
    "object": ("train.jsonl", b"", b'{"text": "a film", "label": "good"}', b"[1]"),
}
"""File, head, a whole line and a broken one."""


@pytest.mark.parametrize("case", BROKEN_LINES)
def test_one_broken_line_among_many_may_be_left_out(case: str, tmp_path: Path) -> None:
    """Whatever is broken about it; the share is of all splits together."""
    file, head, whole, broken = BROKEN_LINES[case]
    (tmp_path / file).write_bytes(b"\n".join([head, *[whole] * 18, broken, b""]).lstrip(b"\n"))
    write_tsv(tmp_path / "dev", ITEMS[:1])
    task = _task(tmp_path)

    splits = read_task(task.model_copy(update={"broken": 0.06}), tmp_path)

    assert [len(splits[split]) for split in ("train", "dev")] == [18, 1]
    with pytest.raises(DataError, match=rf"^1 of 19 records are broken, first .*{file}:\d+: "):
        read_task(task.model_copy(update={"broken": 0.05}), tmp_path)


def test_a_line_of_glue_that_is_no_text_is_named(tmp_path: Path) -> None:
    """In its own files as in any other."""
    task = _glue(tmp_path, "rte")
    with (tmp_path / "train.tsv").open("ab") as file:
        file.write(b"9\tA \xff man\tA man\tentailment\n")

    with pytest.raises(DataError, match=r"train\.tsv:\d+: not UTF-8"):
        read_task(task, tmp_path)


def test_broken_records_of_the_parts_are_counted_together(tmp_path: Path) -> None:
    """Each part has a share of its own."""
    (tmp_path / "train.csv").write_text('text\none\n""\nthree\nfour\n')
    part = Data(source="directory", path=str(tmp_path), broken=0.25)
    breakage = Breakage()

    found = read_text(Text(source="mixture", parts=(part, part), size=6), tmp_path, breakage)

    assert (len(found), breakage.found) == (6, 2)
    strict = part.model_copy(update={"broken": 0.2})
    with pytest.raises(DataError, match=r"1 of 4 records are broken, first .*train\.csv:3: empty"):
        read_text(Text(source="mixture", parts=(strict,), size=3), tmp_path)


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Dev"])
def test_dev_has_several_names(name: str, tmp_path: Path) -> None:
    """None of them is passed over."""
    write_csv(tmp_path / "train", items([0, 1]))
    write_csv(tmp_path / name, items([1, 0, 1]))

    assert len(read_task(own_task(tmp_path), tmp_path)["dev"]) == 3


@pytest.mark.parametrize(("one", "other"), [("dev", "val"), ("train", "train.tsv")])
def test_two_files_for_a_split_are_refused(one: str, other: str, tmp_path: Path) -> None:
    """Both are named, and so is the key that says which."""
    write_both(tmp_path, write_csv, items([0, 1]))
    (tmp_path / (other if "." in other else f"{other}.csv")).write_text("text,label\n")

    with pytest.raises(DataError, match=rf"each of which may be {one}; .*key splits\.{one}"):
        read_task(own_task(tmp_path), tmp_path)
    assert read_task(own_task(tmp_path, splits={one: f"{one}.csv"}), tmp_path)[one].num_rows == 2


def test_what_is_not_read_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that looks like data."""
    write_both(tmp_path, write_csv, items([0, 1]))
    write_csv(tmp_path / "eval", items([0, 1]))
    read_task(own_task(tmp_path), tmp_path)

    assert "not read: eval.csv" in caplog.text


def test_no_name_of_a_split_is_refused(tmp_path: Path) -> None:
    """With the files that are there."""
    write_csv(tmp_path / "films", items([0, 1]))

    with pytest.raises(DataError, match=r"films\.csv, of which none is called train or dev"):
        read_task(own_task(tmp_path), tmp_path)


def test_folders_of_texts_are_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As IMDB is published: a folder for each label, a file for each text."""
    for split in ("train", "test"):
        for label in ("neg", "pos", "unsup"):
            folder = tmp_path / split / label
            folder.mkdir(parents=True)
            for i in range(2):
                (folder / f"{i}_7.txt").write_text(f"{split} {label}\n{i}")

    splits = read_task(own_task(tmp_path, ("neg", "pos")), tmp_path)
    text = Text(source="directory", path=str(tmp_path), splits={"text": "train/unsup"}, size=2)

    assert splits["train"]["label"][:] == [0, 0, 1, 1]
    assert splits["test"]["text"][0] == "test neg 0"
    assert "not read: unsup" in caplog.text
    assert read_text(text, tmp_path)["text"][:] == ["train unsup 0", "train unsup 1"]
    with pytest.raises(DataError, match="no folder 'good', but neg, pos, unsup"):
        read_task(own_task(tmp_path, ("neg", "good")), tmp_path)


def test_links_are_followed_and_a_broken_one_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder with the ending of a file is no file, as a cluster writes it, and is said so."""
    write_csv(tmp_path / "elsewhere", items([0, 1]))
    write_csv(tmp_path / "dev", items([0, 1]))
    (tmp_path / "train.csv").symlink_to(tmp_path / "elsewhere.csv")

    assert read_task(own_task(tmp_path), tmp_path)["train"].num_rows == 2
    (tmp_path / "elsewhere.csv").unlink()
    with pytest.raises(DataError, match=r"train\.csv: no such file"):
        read_task(own_task(tmp_path), tmp_path)
    (tmp_path / "train.csv").unlink()
    (tmp_path / "train.csv").mkdir()
    with pytest.raises(DataError, match="labelled splits: dev;"):
        read_task(own_task(tmp_path), tmp_path)
    assert "not read: train.csv" in caplog.text
