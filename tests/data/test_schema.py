"""What columns and labels mean is the same in every format, is said by the study, or is refused."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from pdbench.core.errors import DataError, UsageError
from pdbench.data.records import Breakage
from pdbench.data.sources import read_task, read_text
from pdbench.study.settings import Columns, Task, Text

Writer = Callable[[Path, list[dict[str, Any]]], None]


def _csv(path: Path, rows: list[dict[str, Any]]) -> None:
    lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
    path.with_suffix(".csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    content = "".join(json.dumps(row) + "\n" for row in rows)
    path.with_suffix(".jsonl").write_text(content, encoding="utf-8")


def _json(path: Path, rows: list[dict[str, Any]]) -> None:
    path.with_suffix(".json").write_text(json.dumps(rows, indent=1), encoding="utf-8")


def _packed(path: Path, rows: list[dict[str, Any]]) -> None:
    _csv(path, rows)
    plain = path.with_suffix(".csv")
    path.with_suffix(".csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()


def _parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    pq.write_table(pa.Table.from_pylist(rows), path.with_suffix(".parquet"))


WRITERS = pytest.mark.parametrize("write", [_csv, _packed, _jsonl, _json, _parquet])


def _task(folder: Path, labels: tuple[str, ...] = ("bad", "good"), **settings: Any) -> Task:
    about = {"source": "directory", "path": str(folder), "metrics": ("accuracy",)}
    return Task(**{**about, "labels": labels, **settings})


def _rows(labels: list[Any], text: str = "text") -> list[dict[str, Any]]:
    return [{text: f"film {i}", "label": label} for i, label in enumerate(labels)]


def _both(folder: Path, write: Writer, rows: list[dict[str, Any]]) -> None:
    for split in ("train", "dev"):
        write(folder / split, rows)


@WRITERS
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
    _both(tmp_path, write, _rows(written))

    assert read_task(_task(tmp_path, names), tmp_path)["train"]["label"][:] == meant


@WRITERS
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
    _both(tmp_path, write, _rows(written))

    with pytest.raises(DataError, match=rf"train\.\S+(: row|: record|:) ?\d: {message}"):
        read_task(_task(tmp_path, names), tmp_path)


def test_names_and_indices_do_not_mix(tmp_path: Path) -> None:
    """One of them is a mistake, in whichever split it is."""
    _both(tmp_path, _csv, _rows(["good", "bad"]))
    _csv(tmp_path / "dev", _rows([1, 0]))

    with pytest.raises(DataError, match=r"dev\.csv:2: label '1', where .*train\.csv:2 has a name"):
        read_task(_task(tmp_path), tmp_path)


@WRITERS
@pytest.mark.parametrize("label", ["Label", " label", "gold_label"])
def test_the_label_column_is_known_by_its_name(write: Writer, label: str, tmp_path: Path) -> None:
    """Case and blanks aside, and as SNLI calls it."""
    rows = [{"premise": f"a {i}", "hypothesis": "b", label: i % 2} for i in range(4)]
    _both(tmp_path, write, rows)

    found = read_task(_task(tmp_path), tmp_path)["dev"]

    assert found.column_names == ["text_a", "text_b", "label"]
    assert found["label"][:] == [0, 1, 0, 1]


@WRITERS
@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_a_misspelt_label_column_changes_no_split(
    write: Writer, split: str, tmp_path: Path
) -> None:
    """It is refused, with the columns that are there."""
    for name in ("train", "dev", "test"):
        write(tmp_path / name, _rows([0, 1]))
    write(tmp_path / split, [{"text": "a", "lable": 1}])

    with pytest.raises(DataError, match=rf"{split}\.\S+: no label column.*'lable'.*columns\.label"):
        read_task(_task(tmp_path), tmp_path)


@WRITERS
@pytest.mark.parametrize("hidden", [[-1, -1], None])
def test_a_hidden_test_set_is_one_without_labels(
    write: Writer, hidden: list[int] | None, tmp_path: Path
) -> None:
    """As published by GLUE and on the hub; it may number its items."""
    _both(tmp_path, write, _rows([0, 1]))
    rows = [{"idx": i, "text": f"test {i}"} for i in range(2)]
    write(tmp_path / "test", rows if hidden is None else [{**r, "label": -1} for r in rows])

    assert read_task(_task(tmp_path), tmp_path)["submission"]["text"][:] == ["test 0", "test 1"]


def test_a_true_minus_one_is_no_hidden_label(tmp_path: Path) -> None:
    """Where a class is called so."""
    for split in ("train", "dev", "test"):
        _jsonl(tmp_path / split, _rows([-1, -1, 1]))
    task = _task(tmp_path, ("-1", "1"))

    assert read_task(task, tmp_path)["test"]["label"][:] == [0, 0, 1]


@pytest.mark.parametrize("label", ["-", "", None, -1])
def test_items_without_a_gold_label_are_broken(label: Any, tmp_path: Path) -> None:
    """As in SNLI, whose annotators did not agree."""
    rows = [{"sentence1": f"a {i}", "sentence2": "b", "gold_label": "bad"} for i in range(9)]
    _both(tmp_path, _jsonl, [*rows, {**rows[0], "gold_label": label}])
    breakage = Breakage(0.1)

    assert len(read_task(_task(tmp_path), tmp_path, breakage)["train"]) == 9
    assert breakage.found == 2
    with pytest.raises(DataError, match=r"train\.jsonl:10: "):
        read_task(_task(tmp_path), tmp_path)


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
    _both(tmp_path, _jsonl, [*_rows([0, 1]), row])

    with pytest.raises(DataError, match=rf"train\.jsonl:3: {message}"):
        read_task(_task(tmp_path), tmp_path)


def test_bytes_are_no_text(tmp_path: Path) -> None:
    """As some exports store them."""
    _both(tmp_path, _parquet, [{"text": b"word", "label": 1}])

    with pytest.raises(DataError, match=r"train\.parquet: row 1: column 'text' holds no text"):
        read_task(_task(tmp_path), tmp_path)


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
        read_task(_task(tmp_path), tmp_path)


def test_a_key_of_json_that_stands_twice_is_refused(tmp_path: Path) -> None:
    """Python would take the last."""
    for split in ("train", "dev"):
        (tmp_path / f"{split}.jsonl").write_text('{"text": "a", "label": 1, "label": 0}\n')

    with pytest.raises(DataError, match=r"train\.jsonl:1: .*'label' stands twice"):
        read_task(_task(tmp_path), tmp_path)


def test_the_study_says_which_columns(tmp_path: Path) -> None:
    """Whatever else is there; a name that is not is refused."""
    rows = [{"text": "no", "review": f"film {i}", "stars": i % 2, "label": 7} for i in range(2)]
    _both(tmp_path, _jsonl, rows)
    task = _task(tmp_path, columns=Columns(text="review", label="stars"))

    assert read_task(task, tmp_path)["train"].to_list() == [
        {"text": "film 0", "label": 0},
        {"text": "film 1", "label": 1},
    ]
    wrong = task.model_copy(update={"columns": Columns(text="words", label="stars")})
    with pytest.raises(DataError, match=r"train\.jsonl: no column 'words', but 'text', 'review'"):
        read_task(wrong, tmp_path)


def test_what_the_library_writes_is_read_by_its_names(tmp_path: Path) -> None:
    """GLUE saved from the hub: class numbers are those of the file, not of the study."""
    classes = Features({"sentence": Value("string"), "label": ClassLabel(names=["bad", "good"])})
    rows = {"sentence": ["a fine film", "a poor one"], "label": [1, 0]}
    for name in ("train-00000-of-00002", "train-00001-of-00002", "validation-00000-of-00001"):
        Dataset.from_dict(rows, features=classes).to_parquet(tmp_path / f"{name}.parquet")

    splits = read_task(_task(tmp_path, ("good", "bad")), tmp_path)

    assert splits["train"]["label"][:] == [0, 1, 0, 1]
    with pytest.raises(UsageError, match=r"write its own label names, \[bad, good\]"):
        read_task(_task(tmp_path, ("no", "yes")), tmp_path)
    (tmp_path / "train-00001-of-00002.parquet").unlink()
    with pytest.raises(DataError, match=r"train-00000-of-00002\.parquet: 1 parts, of 2"):
        read_task(_task(tmp_path, ("good", "bad")), tmp_path)


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Dev"])
def test_dev_has_several_names(name: str, tmp_path: Path) -> None:
    """None of them is passed over."""
    _csv(tmp_path / "train", _rows([0, 1]))
    _csv(tmp_path / name, _rows([1, 0, 1]))

    assert len(read_task(_task(tmp_path), tmp_path)["dev"]) == 3


@pytest.mark.parametrize(("one", "other"), [("dev", "val"), ("train", "train.tsv")])
def test_two_files_for_a_split_are_refused(one: str, other: str, tmp_path: Path) -> None:
    """Both are named, and so is the key that says which."""
    _both(tmp_path, _csv, _rows([0, 1]))
    (tmp_path / (other if "." in other else f"{other}.csv")).write_text("text,label\n")

    with pytest.raises(DataError, match=rf"each of which may be {one}; .*key splits\.{one}"):
        read_task(_task(tmp_path), tmp_path)
    assert read_task(_task(tmp_path, splits={one: f"{one}.csv"}), tmp_path)[one].num_rows == 2


def test_what_is_not_read_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that looks like data."""
    _both(tmp_path, _csv, _rows([0, 1]))
    _csv(tmp_path / "eval", _rows([0, 1]))
    read_task(_task(tmp_path), tmp_path)

    assert "not read: eval.csv" in caplog.text


def test_no_name_of_a_split_is_refused(tmp_path: Path) -> None:
    """With the files that are there."""
    _csv(tmp_path / "films", _rows([0, 1]))

    with pytest.raises(DataError, match=r"films\.csv, of which none is called train or dev"):
        read_task(_task(tmp_path), tmp_path)


def test_files_without_a_header_have_theirs_in_the_study(tmp_path: Path) -> None:
    """As AG News and Yelp are published: a class number from 1, and quoted texts."""
    for split in ("train", "test"):
        (tmp_path / f"{split}.csv").write_text('"2","A ""film"", new"\n"1","Old"\n')
    task = _task(tmp_path, ("1", "2"), header=("label", "text"))

    assert read_task(task, tmp_path)["train"].to_list() == [
        {"text": 'A "film", new', "label": 1},
        {"text": "Old", "label": 0},
    ]


def test_quotation_marks_belong_to_the_format_or_the_text(tmp_path: Path) -> None:
    """A spreadsheet's are found out; where both make sense the study must say."""
    plain, quoted = 'text\tlabel\n"It" was\t1\n', 'text\tlabel\n"It ""was""\tvery\tgood\nhere"\t1\n'
    for content, text in ((plain, '"It" was'), (quoted, 'It "was" very good here')):
        for split in ("train", "dev"):
            (tmp_path / f"{split}.tsv").write_text(content)
        assert read_task(_task(tmp_path), tmp_path)["train"]["text"][:] == [text]

    for split in ("train", "dev"):
        (tmp_path / f"{split}.tsv").write_text('text\tlabel\n"It was"\t1\n')
    with pytest.raises(DataError, match=r"train\.tsv: fields in quotation marks.*quotes: true"):
        read_task(_task(tmp_path), tmp_path)
    for quotes, text in ((True, "It was"), (False, '"It was"')):
        found = read_task(_task(tmp_path, quotes=quotes), tmp_path)
        assert found["train"]["text"][:] == [text]


def test_folders_of_texts_are_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As IMDB is published: a folder for each label, a file for each text."""
    for split in ("train", "test"):
        for label in ("neg", "pos", "unsup"):
            folder = tmp_path / split / label
            folder.mkdir(parents=True)
            for i in range(2):
                (folder / f"{i}_7.txt").write_text(f"{split} {label}\n{i}")

    splits = read_task(_task(tmp_path, ("neg", "pos")), tmp_path)
    text = Text(source="directory", path=str(tmp_path), splits={"text": "train/unsup"}, size=2)

    assert splits["train"]["label"][:] == [0, 0, 1, 1]
    assert splits["test"]["text"][0] == "test neg 0"
    assert "not read: unsup" in caplog.text
    assert read_text(text, tmp_path)["text"][:] == ["train unsup 0", "train unsup 1"]
    with pytest.raises(DataError, match="no folder 'good', but neg, pos, unsup"):
        read_task(_task(tmp_path, ("neg", "good")), tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("train.csv", b"", r"train\.csv: no rows"),
        ("train.tsv", b"\xef\xbb\xbf", r"train\.tsv: no rows"),
        ("train.json", b"[]", r"train\.json: no rows"),
        ("train.csv", "text,label\na,1\n".encode("utf-16"), r"train\.csv: not UTF-8"),
        ("train.tsv", "text\tlabel\na\t1\n".encode("utf-16"), r"train\.tsv:1: not UTF-8"),
        ("train.csv", b'text,label\na,1\n"b"c,1\n', r"train\.csv: .*line 3: "),
        (
            "train.json",
            b'[{"text": "\\ud800", "label": 1}]',
            r"train\.json: record 1: .*surrogates",
        ),
        ("train.json", b'[{"text": "a", "text": "b"}]', r"train\.json: .*'text' stands twice"),
        ("train.json", b'[{"text": "a"', r"train\.json: cannot be read .*line 1"),
        ("train.jsonl", b'{"text":\n', r"train\.jsonl:1: not JSON .*one object a line"),
        ("train.jsonl.gz", gzip.compress(b'{"text": "a"}\n')[:-9], r"train\.jsonl\.gz: cannot be"),
        ("train.tsv.gz", b"\x1f\x8b\x08" + b"\0" * 7 + b"\xff" * 9, r"train\.tsv\.gz: cannot be"),
        ("train.parquet", b"PAR1", r"train\.parquet: cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(
    file: str, content: bytes, message: str, tmp_path: Path
) -> None:
    """Also where a share of the rows may be broken; it says where, and what to do."""
    (tmp_path / file).write_bytes(content)
    _csv(tmp_path / "dev", _rows([0, 1]))

    for share in (0.0, 0.5):
        with pytest.raises(DataError, match=message) as caught:
            read_task(_task(tmp_path, broken=share), tmp_path)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "metadata", ["{no json", '{"info": {"features": {"label": {"_type": "New"}}}}']
)
def test_class_names_that_cannot_be_known_are_refused(metadata: str, tmp_path: Path) -> None:
    """As a later version of the library datasets may write them."""
    _both(tmp_path, _parquet, _rows([0, 1]))
    table = pq.read_table(tmp_path / "train.parquet")
    written = table.replace_schema_metadata({"huggingface": metadata})
    pq.write_table(written, tmp_path / "train.parquet")

    with pytest.raises(DataError, match=r"train\.parquet: cannot be read"):
        read_task(_task(tmp_path), tmp_path)


def test_a_message_names_no_more_than_fits_a_line(tmp_path: Path) -> None:
    """Of a thousand columns, as of a table that lies on its side, the first ones."""
    (tmp_path / "train.json").write_text(json.dumps([{str(i): "a" for i in range(1000)}]))

    with pytest.raises(DataError, match=r"columns '0', .*'19', \.\.\., and none of") as caught:
        read_task(_task(tmp_path), tmp_path)
    assert len(str(caught.value)) < 600
    (tmp_path / "train.json").write_text(json.dumps([{"text": "a", "label": "b" * 1000}]))
    with pytest.raises(DataError, match="unknown label 'bbb") as caught:
        read_task(_task(tmp_path), tmp_path)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("train.csv", b"\n\ntext,label\n\na,1\n"),
        ("train.tsv", b"\n\ntext\tlabel\n\na\t1\n"),
        ("train.csv", b"\xef\xbb\xbftext,label\r\na,1\r\n"),
        ("train.json", b'\xef\xbb\xbf\n [{"text": "a", "label": 1}]'),
    ],
)
def test_marks_and_empty_lines_are_no_data(file: str, content: bytes, tmp_path: Path) -> None:
    """A byte order mark, blank lines and the line ends of Windows."""
    (tmp_path / file).write_bytes(content)
    _csv(tmp_path / "dev", _rows([0, 1]))

    assert read_task(_task(tmp_path), tmp_path)["train"].to_list() == [{"text": "a", "label": 1}]


@pytest.mark.parametrize(("file", "between"), [("train.csv", ","), ("train.tsv", "\t")])
def test_a_long_text_is_read_whole(file: str, between: str, tmp_path: Path) -> None:
    """Quoted or not: longer than what Python's csv module reads unasked."""
    text = "x" * 200_000
    (tmp_path / file).write_text(f'text{between}label\n"{text}{between}""y"""{between}1\n')
    _csv(tmp_path / "dev", _rows([0, 1]))

    read = read_task(_task(tmp_path), tmp_path)["train"]

    assert read["text"][:] == [" ".join(f'{text}{between}"y"'.split())]


def test_parquet_may_be_packed(tmp_path: Path) -> None:
    """As any other format."""
    _both(tmp_path, _parquet, _rows([0, 1]))
    plain = tmp_path / "train.parquet"
    (tmp_path / "train.parquet.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()

    assert read_task(_task(tmp_path), tmp_path)["train"]["label"][:] == [0, 1]


@WRITERS
def test_a_score_may_be_minus_one(write: Writer, tmp_path: Path) -> None:
    """Of a regression it is a number; a test split of nothing else is hidden all the same."""
    _both(tmp_path, write, _rows([-1, 0.5, 2]))
    write(tmp_path / "test", _rows([-1, -1]))
    task = _task(tmp_path, (), metrics=("pearson",))

    splits = read_task(task, tmp_path)

    assert splits["dev"]["label"][:] == [-1, 0.5, 2]
    assert splits["submission"].num_rows == 2


def test_no_split_has_pairs_where_another_has_texts(tmp_path: Path) -> None:
    """A model would be trained on the one and scored on the other."""
    _csv(tmp_path / "train", _rows([0, 1]))
    _csv(tmp_path / "dev", [{"text_a": "a", "text_b": "b", "label": i} for i in range(2)])

    with pytest.raises(
        DataError, match=r"train\.csv: text; .*dev\.csv: text_a and text_b; .*columns"
    ):
        read_task(_task(tmp_path), tmp_path)


def test_links_are_followed_and_a_broken_one_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder with the ending of a file is no file, as a cluster writes it, and is said so."""
    _csv(tmp_path / "elsewhere", _rows([0, 1]))
    _csv(tmp_path / "dev", _rows([0, 1]))
    (tmp_path / "train.csv").symlink_to(tmp_path / "elsewhere.csv")

    assert read_task(_task(tmp_path), tmp_path)["train"].num_rows == 2
    (tmp_path / "elsewhere.csv").unlink()
    with pytest.raises(DataError, match=r"train\.csv: no such file"):
        read_task(_task(tmp_path), tmp_path)
    (tmp_path / "train.csv").unlink()
    (tmp_path / "train.csv").mkdir()
    with pytest.raises(DataError, match="labelled splits: dev;"):
        read_task(_task(tmp_path), tmp_path)
    assert "not read: train.csv" in caplog.text


def test_what_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without permission, in one line as all others."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    _both(tmp_path, _csv, _rows([0, 1]))
    monkeypatch.setattr(Path, "open", refuse)

    with pytest.raises(DataError, match=r"train\.csv: cannot be read .*Permission denied.*let it"):
        read_task(_task(tmp_path), tmp_path)
