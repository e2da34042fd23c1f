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

    inner = {part.name for name in names for part in (Path(name), *Path(name).parents) if part.name}
    assert done[-2:] == ["replace", tmp_path.name], "the name too, before anybody is told"
    assert sorted(done[:-2]) == sorted({temporary.name, *inner})


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


@pytest.mark.parametrize("exchanges", [True, False], ids=["exchanged", "file system cannot"])
def test_a_folder_is_replaced_or_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, exchanges: bool
) -> None:
    """Whole, at once; a disk that fails in between leaves what was there."""
    target = tmp_path / "entry"
    if not exchanges:
        monkeypatch.setattr(files, "_exchange", lambda *_: False)

    def make(content: str) -> None:
        with files.replacing(target) as new:
            new.mkdir()
            (new / "file").write_text(content)

    make("first")
    make("second")
    assert (target / "file").read_text() == "second"

    monkeypatch.setattr(files, "_exchange", _fail if exchanges else lambda *_: False)
    rename, calls = Path.rename, iter([True, exchanges])
    monkeypatch.setattr(Path, "rename", lambda *a: rename(*a) if next(calls, True) else _fail())
    with pytest.raises(OSError, match="the disk"):
        make("third")

    assert (target / "file").read_text() == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["entry"]


def _fail(*_: object) -> None:
    raise OSError(5, "the disk")


def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    """Of one entry alone, file or folder."""
    for name in (".entry.0a1b", ".entry.2c3d", ".entry-2.4e5f"):
        (tmp_path / name).mkdir()

    files.remove_temporaries(tmp_path / "entry")

    assert [path.name for path in tmp_path.iterdir()] == [".entry-2.4e5f"]
    files.remove_temporaries(tmp_path / "nowhere/entry")


def test_libraries_files_are_shared_as_others_are(tmp_path: Path) -> None:
    """What safetensors makes for its owner alone, a group with umask 002 can read."""
    before, path = os.umask(0o002), tmp_path / "weights"
    try:
        path.touch(0o600)
        files.share(path)

        assert stat.S_IMODE(path.stat().st_mode) == 0o664
        assert os.umask(0o002) == 0o002
    finally:
        os.umask(before)
