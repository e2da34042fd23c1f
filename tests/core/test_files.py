"""Files appear whole, under their names, and on the disk before that."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from pdbench.core import files


@pytest.mark.parametrize("names", [[], ["a", "b/c"]], ids=["file", "folder"])
def test_content_is_on_the_disk_before_it_has_its_name(
    names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that loses its power leaves no empty file under a final name."""
    target, done = tmp_path / "made", []
    rename = os.replace
    monkeypatch.setattr(files, "flush", lambda path: done.append(path.name))
    monkeypatch.setattr(os, "replace", lambda *paths: (done.append("replace"), rename(*paths)))

    with files.replacing(target) as temporary:
        for path in [temporary / name for name in names] or [temporary]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("content")

    assert done[-1] == "replace"
    assert sorted(done[:-1]) == ([Path(name).name for name in names] or [temporary.name])


def test_a_link_stays_one(tmp_path: Path) -> None:
    """What it names is replaced, also where that is not there yet."""
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    for text in ("first", "second"):
        files.write_text(link, text)

        assert link.is_symlink()
        assert target.read_text() == text


def test_a_pipe_and_a_stream_are_written_to(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    """As --json PIPE and --json /dev/stdout ask for; - is standard output too."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    files.write_text(pipe, "through")
    files.write_text(Path("/dev/stdout"), "streamed ")
    files.write_text(Path("-"), "printed")

    assert os.read(reader, 99) == b"through"
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert capfd.readouterr().out == "streamed printed"
    os.close(reader)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could replace a device")
def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    """As root, /dev/null would be gone for the whole machine."""
    null = tmp_path / "null"
    os.mknod(null, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    files.write_text(null, "nothing")

    assert stat.S_ISCHR(null.stat().st_mode)
    assert [path.name for path in tmp_path.iterdir()] == ["null"]


def test_a_plain_file_in_memory_is_replaced(tmp_path: Path) -> None:
    """/dev/shm is a file system like any other."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as name:
        folder = Path(name)
        for text in ("first", "second"):
            files.write_text(folder / "made", text)
            with files.replacing(folder / "entry") as entry:
                entry.mkdir()
                (entry / text).write_text(text)

        assert (folder / "made").read_text() == "second"
        assert [path.name for path in (folder / "entry").iterdir()] == ["second"]
