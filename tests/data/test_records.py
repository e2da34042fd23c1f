"""Files of every format are read whole, or refused in one line that names the place."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, Value
from own_files import (
    items,
    own_task,
    write_both,
    write_csv,
    write_parquet,
)

from pdbench.core.errors import DataError, UsageError
from pdbench.data import directory, records, schema
from pdbench.data.sources import read_task, read_text
from pdbench.study.settings import Text


def test_a_key_of_json_that_stands_twice_is_refused(tmp_path: Path) -> None:
    """Python would take the last."""
    for split in ("train", "dev"):
        (tmp_path / f"{split}.jsonl").write_text('{"text": "a", "label": 1, "label": 0}\n')

    with pytest.raises(DataError, match=r"train\.jsonl:1: .*'label' stands twice"):
        read_task(own_task(tmp_path), tmp_path)


def test_what_the_library_writes_is_read_by_its_names(tmp_path: Path) -> None:
    """GLUE saved from the hub: class numbers are those of the file, not of the study."""
    classes = Features({"sentence": Value("string"), "label": ClassLabel(names=["bad", "good"])})
    rows = {"sentence": ["a fine film", "a poor one"], "label": [1, 0]}
    for name in ("train-00000-of-00002", "train-00001-of-00002", "validation-00000-of-00001"):
        Dataset.from_dict(rows, features=classes).to_parquet(tmp_path / f"{name}.parquet")

    splits = read_task(own_task(tmp_path, ("good", "bad")), tmp_path)

    assert splits["train"]["label"][:] == [0, 1, 0, 1]
    with pytest.raises(UsageError, match=r"write its own label names, \[bad, good\]"):
        read_task(own_task(tmp_path, ("no", "yes")), tmp_path)
    (tmp_path / "train-00001-of-00002.parquet").unlink()
    with pytest.raises(DataError, match=r"train-00000-of-00002\.parquet: 1 parts, of 2"):
        read_task(own_task(tmp_path, ("good", "bad")), tmp_path)


def test_files_without_a_header_have_theirs_in_the_study(tmp_path: Path) -> None:
    """As AG News and Yelp are published: a class number from 1, and quoted texts."""
    for split in ("train", "test"):
        (tmp_path / f"{split}.csv").write_text('"2","A ""film"", new"\n"1","Old"\n')
    task = own_task(tmp_path, ("1", "2"), header=("label", "text"))

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
        assert read_task(own_task(tmp_path), tmp_path)["train"]["text"][:] == [text]

    for split in ("train", "dev"):
        (tmp_path / f"{split}.tsv").write_text('text\tlabel\n"It was"\t1\n')
    with pytest.raises(DataError, match=r"train\.tsv: fields in quotation marks.*quotes: true"):
        read_task(own_task(tmp_path), tmp_path)
    for quotes, text in ((True, "It was"), (False, '"It was"')):
        found = read_task(own_task(tmp_path, quotes=quotes), tmp_path)
        assert found["train"]["text"][:] == [text]


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
        (
            "train.jsonl.gz",
            gzip.compress(b'{"text": "a"}\n', mtime=0)[:-9],
            r"jsonl\.gz: cannot be",
        ),
        ("train.tsv.gz", b"\x1f\x8b\x08" + b"\0" * 7 + b"\xff" * 9, r"train\.tsv\.gz: cannot be"),
        ("train.parquet", b"PAR1", r"train\.parquet: cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(
    file: str, content: bytes, message: str, tmp_path: Path
) -> None:
    """Also where a share of the rows may be broken; it says where, and what to do."""
    (tmp_path / file).write_bytes(content)
    write_csv(tmp_path / "dev", items([0, 1]))

    for share in (0.0, 0.5):
        with pytest.raises(DataError, match=message) as caught:
            read_task(own_task(tmp_path, broken=share), tmp_path)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "metadata", ["{no json", '{"info": {"features": {"label": {"_type": "New"}}}}']
)
def test_class_names_that_cannot_be_known_are_refused(metadata: str, tmp_path: Path) -> None:
    """As a later version of the library datasets may write them."""
    write_both(tmp_path, write_parquet, items([0, 1]))
    table = pq.read_table(tmp_path / "train.parquet")
    written = table.replace_schema_metadata({"huggingface": metadata})
    pq.write_table(written, tmp_path / "train.parquet")

    with pytest.raises(DataError, match=r"train\.parquet: cannot be read"):
        read_task(own_task(tmp_path), tmp_path)


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
    write_csv(tmp_path / "dev", items([0, 1]))

    assert read_task(own_task(tmp_path), tmp_path)["train"].to_list() == [{"text": "a", "label": 1}]


@pytest.mark.parametrize(("file", "between"), [("train.csv", ","), ("train.tsv", "\t")])
def test_a_long_text_is_read_whole(file: str, between: str, tmp_path: Path) -> None:
    """Quoted or not: longer than what Python's csv module reads unasked."""
    text = "x" * 200_000
    (tmp_path / file).write_text(f'text{between}label\n"{text}{between}""y"""{between}1\n')
    write_csv(tmp_path / "dev", items([0, 1]))

    read = read_task(own_task(tmp_path), tmp_path)["train"]

    assert read["text"][:] == [" ".join(f'{text}{between}"y"'.split())]


_LONG = "long " * 300


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("train.tsv", f"text\tlabel\na\t1\n{_LONG}\t0\n", r"train\.tsv:3: a line of over 1,000"),
        ("train.tsv.gz", f"text\tlabel\na\t1\n{_LONG}", r"train\.tsv\.gz:3: a line of over 1,000"),
        ("train.csv", f"text,label\na,1\n{_LONG},0\n", r"train\.csv: .*line 2: the next row"),
        ("train.csv", 'text,label\na,1\n"' + "b\n" * 600, r"train\.csv: .*the next row has over"),
        ("train.jsonl", f'{{"text": "{_LONG}", "label": 1}}\n', r"train\.jsonl:1: a line of over"),
        (
            "train.json",
            '[{"text": "a", "label": 1}' + " " * 3000 + "]",
            "a JSON list of over 2,000",
        ),
        ("train.json.gz", "[" + " " * 3000, r"train\.json\.gz: a JSON list .*one object a line"),
    ],
)
def test_nothing_longer_than_any_text_is_read(
    file: str, content: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a share of the rows may be broken: its end may be terabytes away."""
    monkeypatch.setattr(records, "LONGEST", 1000)
    monkeypatch.setattr(records, "_LARGEST_LIST", 2000)
    packed = gzip.compress(content.encode()) if file.endswith(".gz") else content.encode()
    (tmp_path / file).write_bytes(packed)
    write_csv(tmp_path / "dev", items([0, 1]))

    for share in (0.0, 0.5):
        with pytest.raises(DataError, match=message):
            read_task(own_task(tmp_path, broken=share), tmp_path)


def test_a_row_may_be_as_long_as_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are counted one by one."""
    monkeypatch.setattr(records, "LONGEST", 1000)
    rows = "".join(f'"{letter * 800}",1\n' for letter in "abc")
    (tmp_path / "train.csv").write_text(f"text,label\n{rows}")
    write_csv(tmp_path / "dev", items([0, 1]))

    assert len(read_task(own_task(tmp_path), tmp_path)["train"]) == 3


def test_a_text_longer_than_any_is_a_broken_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a format has no lines, and in a folder of texts."""
    monkeypatch.setattr(schema, "LONGEST", 1000)
    monkeypatch.setattr(directory, "LONGEST", 1000)
    rows = [*items([0, 1]), {"text": _LONG, "label": 1}]
    write_both(tmp_path, write_parquet, rows)

    with pytest.raises(
        DataError, match=r"train\.parquet: row 3: .*'text' .* 1,500 characters; cut"
    ):
        read_task(own_task(tmp_path), tmp_path)
    assert len(read_task(own_task(tmp_path, broken=0.5), tmp_path)["train"]) == 2
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool/a.txt").write_text(_LONG)
    text = {"source": "directory", "path": str(tmp_path), "splits": {"text": "pool"}, "size": 1}
    with pytest.raises(DataError, match=r"pool/a\.txt: 1,500 bytes, and 1,000 are read at most"):
        read_text(Text.model_validate(text), tmp_path)


def test_a_line_of_any_length_takes_little_memory(tmp_path: Path) -> None:
    """Of three gigabytes, or packed: neither all of it nor its end is looked for."""
    for file in ("a.txt", "a.jsonl", "a.tsv", "a.csv"):
        (tmp_path / file).write_text('text\n"')
        os.truncate(tmp_path / file, 3 * 2**30)
    with gzip.open(tmp_path / "a.txt.gz", "wb", compresslevel=1) as bomb:
        bomb.write(bytes(2**26))
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from pdbench.core.errors import DataError\n"
        "from pdbench.data.records import open_rows\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for path in sorted(Path(sys.argv[1]).glob('a.*')):\n"
        "    try:\n"
        "        print(sum(1 for _ in open_rows(path).whole()))\n"
        "    except DataError as error:\n"
        "        print(error)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )

    *lines, megabytes = done.stdout.splitlines()
    assert len(lines) == 5
    assert all("33,554,432" in line for line in lines)
    assert int(megabytes) < 600


def test_parquet_may_be_packed(tmp_path: Path) -> None:
    """As any other format."""
    write_both(tmp_path, write_parquet, items([0, 1]))
    plain = tmp_path / "train.parquet"
    (tmp_path / "train.parquet.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()

    assert read_task(own_task(tmp_path), tmp_path)["train"]["label"][:] == [0, 1]


def test_what_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without permission, in one line as all others."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    write_both(tmp_path, write_csv, items([0, 1]))
    monkeypatch.setattr(Path, "open", refuse)

    with pytest.raises(DataError, match=r"train\.csv: cannot be read .*Permission denied.*let it"):
        read_task(own_task(tmp_path), tmp_path)
