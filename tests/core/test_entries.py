"""Entries vouch for their files: any that is changed, lost or empty is named."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pdbench.core import entries
from pdbench.core.entries import RECORD, lost_from, read_record, verified, whole, write_record
from pdbench.core.errors import DataError


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An entry with a file and a split that has one too."""
    monkeypatch.chdir(tmp_path)
    folder = Path("results/store/task/films-1a2b")
    (folder / "test").mkdir(parents=True)
    (folder / "words").write_text("some words")
    (folder / "test/labels").write_bytes(b"\0\1\0")
    write_record(folder, {"kind": "task"})
    return folder


def _flip(path: Path) -> None:
    times = path.stat()
    path.write_bytes(bytes([path.read_bytes()[0] ^ 4]) + path.read_bytes()[1:])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_files_are_opened_as_they_were_written(entry: Path) -> None:
    """The record has a digest of each, and its own content."""
    assert read_record(entry)["kind"] == "task"
    assert set(read_record(entry)["outputs"]) == {"words", "test/labels"}
    assert whole(entry) == entry
    assert verified(entry / "test/labels").read_bytes() == b"\0\1\0"
    assert not list(lost_from(entry))


@pytest.mark.parametrize("name", ["words", "test/labels"])
def test_one_flipped_bit_is_found(entry: Path, name: str) -> None:
    """Whatever size and times say; the other file is opened all the same."""
    _flip(entry / name)

    with pytest.raises(DataError, match=f"{name}: not what its record says; delete {entry} and"):
        verified(entry / name)
    with pytest.raises(DataError, match=name):
        whole(entry)
    for other in {"words", "test/labels"} - {name}:
        assert verified(entry / other)


@pytest.mark.parametrize("change", ["task", "outputs"])
def test_a_record_vouches_for_itself(entry: Path, change: str) -> None:
    """A changed word of it, or a digest of another file, is no record."""
    path = entry / RECORD
    path.write_text(path.read_text().replace(change, change.upper()))

    with pytest.raises(DataError, match=rf"record\.json: .*; delete {entry} and run again"):
        read_record(entry)


def test_a_file_that_no_record_has_is_refused(entry: Path) -> None:
    """One that was put there later, and one in a folder without a record."""
    (entry / "more").write_text("more")

    with pytest.raises(DataError, match="more: not what its record says"):
        verified(entry / "more")
    (entry / RECORD).unlink()
    with pytest.raises(DataError, match="words: no record vouches for it"):
        verified(entry / "words")


def test_a_file_that_power_left_empty_is_called_so(entry: Path) -> None:
    """And one that is gone, missing; both are lost."""
    (entry / "words").write_text("")
    (entry / "test/labels").unlink()

    with pytest.raises(DataError, match="words: empty, as a loss of power leaves files; delete"):
        verified(entry / "words")
    with pytest.raises(DataError, match="labels: missing; delete"):
        verified(entry / "test/labels")
    assert {path.name for path in lost_from(entry)} == {"words", "labels"}
    (entry / RECORD).write_text("")
    assert [path.name for path in lost_from(entry)] == [RECORD]


def test_what_one_may_not_read_is_not_to_be_deleted(
    entry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A colleague's file is whole; its owner can let one read it."""

    def refuse(_: Path) -> str:
        raise PermissionError

    monkeypatch.setattr(entries, "file_digest", refuse)

    with pytest.raises(DataError, match="words: you may not read it; ask its owner to let you"):
        verified(entry / "words")


@pytest.mark.parametrize("content", ["[]", "{}", '{"outputs": []}', "null"])
def test_something_else_is_no_record(entry: Path, content: str) -> None:
    """Whatever JSON stands there."""
    (entry / RECORD).write_text(content)

    with pytest.raises(DataError, match=r"record\.json: not the record of an entry"):
        read_record(entry)
    assert json.loads((entry / RECORD).read_text()) == json.loads(content)
