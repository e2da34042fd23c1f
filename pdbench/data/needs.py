"""What a study reads from elsewhere: archives, data sets, files, models and folders.

Names are gathered at once, without the hub's libraries. Which commit a repository has now is
asked of the hub once, and written down for good. Fetching leaves alone what is there and whole,
so that a second run only verifies, and one that was interrupted goes on: the manifest, of
digests and licences, is written after each item.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, ValidationError

from pdbench.core.errors import DataError, PdbenchError
from pdbench.core.files import bounded, file_digest, write_json, write_text
from pdbench.data import places
from pdbench.data.repositories import is_whole, present_commit
from pdbench.study import Study, offline
from pdbench.study.catalogue.archives import ARCHIVES
from pdbench.study.discovery import configured
from pdbench.study.loading import read_pins
from pdbench.study.settings import (
    PINNED,
    PINS,
    Data,
    Fitted,
    Released,
    Source,
    Strict,
    VocabularySource,
)

_Kind: TypeAlias = Literal["archive", "data set", "file", "model", "vocabulary", "directory"]

_LICENCES: dict[str, str] = {
    "google-bert/bert-base-uncased": "Apache-2.0",
    "google-bert/bert-large-uncased": "Apache-2.0",
    "google/bert_uncased_": "Apache-2.0",
    "community-datasets/re_dial": "CC-BY-4.0",
    "nyu-mll/glue": "each task has its own; see https://gluebenchmark.com/tasks",
    "rajpurkar/squad": "CC-BY-SA-4.0",
    "stanfordnlp/snli": "CC-BY-SA-4.0",
}
"""Licences of hub repositories as their cards state them, by how their names begin."""


_REPOSITORIES = {"data set": "dataset", "file": "dataset", "model": "model", "vocabulary": "model"}
"""What the hub calls them."""


class _File(Strict):
    """One file of an item; its path is relative to the manifest's folder, or absolute."""

    path: str
    bytes: int
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Item(Strict):
    """One entry of the manifest. Another machine may have written it: it removes nothing."""

    key: str
    kind: _Kind
    name: str
    configuration: str | None
    revision: str | None
    licence: str
    fetched: str
    files: tuple[_File, ...]


class _Manifest(Strict):
    """What was fetched into a folder, by whichever studies."""

    format: Literal[1] = 1
    metrics: str = "computed by pdbench.data.metrics; nothing to fetch"
    items: tuple[_Item, ...]


_SILENCE = 3600.0
"""Seconds without a write after which nobody is downloading a file any more."""


@dataclass(frozen=True)
class Need:
    """One thing that a study reads: an archive, repository or path, and the source that asks."""

    kind: _Kind
    name: str
    source: Source

    @property
    def key(self) -> str:
        """What tells it from others, and how it is called in messages."""
        file = self.source.file if self.kind in ("data set", "file", "directory") else None
        configuration = self.source.configuration if self.kind in ("data set", "file") else None
        return " ".join([self.kind, self.name, *filter(None, (configuration, file))])

    @property
    def path(self) -> Path:
        """Where a directory stands: its folder, or the one file of it that is read."""
        return Path(self.name, self.source.file or "")

    @property
    def revision(self) -> str | None:
        """The version of an archive, or the commit of a repository."""
        return ARCHIVES[self.name].version if self.kind == "archive" else self.source.revision

    @property
    def licence(self) -> str:
        """The licence, as far as we know it."""
        if self.kind == "archive":
            return ARCHIVES[self.name].licence
        if self.kind == "directory":
            return "see the folder"
        known = (text for start, text in _LICENCES.items() if self.name.startswith(start))
        where = "" if self.kind in ("model", "vocabulary") else "datasets/"
        return next(known, f"not known to pdbench; see https://huggingface.co/{where}{self.name}")


def needs_of(study: Study) -> list[Need]:
    """Everything that a study reads from elsewhere, each thing once, in a lasting order."""
    found = {need.key: need for need in _all(study)}
    if not any((n.kind, n.name) == ("model", study.vocabulary.name) for n in found.values()):
        found |= {need.key: need for need in _of(study.vocabulary, "vocabulary")}
    return [found[key] for key in sorted(found)]


def problems_of_files(study: Study) -> Iterator[PdbenchError]:
    """What jobs would say of the first rows of local files, and of a local vocabulary."""
    texts = [part for text in study.texts.values() for part in text.parts or (text,)]
    all_sources: list[Data | VocabularySource] = [*study.tasks.values(), *texts, study.vocabulary]
    local = [s for s in all_sources if s.source == "directory" and Path(s.path or "").is_dir()]
    if not local:
        return
    from pdbench.data.sources import check_head
    from pdbench.data.vocabulary import open_vocabulary

    for source in local:
        try:
            if isinstance(source, VocabularySource):
                open_vocabulary(source, Path())
            else:
                check_head(source)
        except PdbenchError as error:
            yield error


def unpinned(study: Study) -> dict[str, str]:
    """The repositories that a study names as pinned and that are not, with their kind."""
    return {
        need.name: _REPOSITORIES[need.kind]
        for need in needs_of(study)
        if need.kind in _REPOSITORIES and need.source.revision == PINNED
    }


def pin(
    repositories: dict[str, str], ask: Callable[[str, str], str] | None = None
) -> dict[str, str]:
    """Add the present commits of repositories, ids by kind, to ``config/pins.yaml``; return them.

    None is changed, and if one cannot be had none is added. ``ask`` answers in the hub's place.
    """
    known, ask = read_pins(), ask or present_commit
    new = sorted((name, kind) for name, kind in repositories.items() if name not in known)
    added = {name: ask(name, kind) for name, kind in new}
    if added:
        begun = configured(PINS)  # a working folder's file begins as pdbench's own
        before = begun.read_text(encoding="utf-8") if begun.is_file() else ""
        apart = "\n" if before and not before.endswith("\n") else ""
        lines = "".join(f'{name}: "{commit}"\n' for name, commit in added.items())
        write_text(PINS, before + apart + lines)
    return added


def _all(study: Study) -> Iterator[Need]:
    for task in study.tasks.values():
        yield from _of(task)
        if task.teacher is not None:
            yield from _of(task.teacher, "model")
    for text in study.texts.values():
        for source in text.parts or (text,):
            yield from _of(source)
    for start in study.pretrained:
        corpus = study.corpora[start.corpus]
        if isinstance(corpus, Released):
            yield from _of(corpus.of(start.architecture), "model")
        elif isinstance(corpus, Fitted):
            yield from _of(corpus.fits, "model")


def _of(source: Source, kind: _Kind | None = None) -> Iterator[Need]:
    if source.source == "embedded":
        for name in places.archives_of(source):
            yield Need("archive", name, source)
    elif source.source == "directory":
        yield Need("directory", str(source.path), source)
    else:
        yield Need(kind or ("file" if source.file else "data set"), source.name, source)


def fetch(study: Study, folder: Path, say: Callable[[str], None]) -> list[str]:
    """Gather what a study reads into a folder that several studies may share.

    ``say`` is told what is done. Returned is what could not be fetched, a line each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()  # as the hub's libraries name it
    _refuse_links(folder)
    _remove_leftovers(folder)
    items = _read_manifest(folder)
    failed = []
    for need in needs_of(study):
        found = items.get(need.key)
        broken = list(_problems(folder, found, need)) if found else []
        for line in broken:
            say(f"{line}; fetching it again")
        if found and not broken:
            say(f"kept     {need.key}")
            continue
        try:
            items[need.key] = _fetched(need, folder)
        except PdbenchError as error:
            failed.append(f"{need.key}: {error}")
            say(f"missing  {failed[-1]}")
            continue
        manifest = _Manifest(items=tuple(items[key] for key in sorted(items)))
        write_json(folder / offline.MANIFEST, manifest.model_dump())
        count = sum(file.bytes for file in items[need.key].files)
        say(f"fetched  {need.key} ({count:,} bytes)")
    return failed


def _refuse_links(folder: Path) -> None:
    """Refuse a folder in whose place another would be written to."""
    for name in (offline.MANIFEST, offline.ARCHIVES, offline.CACHES):
        for path in (folder / name, *(folder / name).rglob("*")):
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(folder):
                raise DataError(f"{path}: a link out of {folder}", "remove it and fetch again")


def _remove_leftovers(folder: Path) -> None:
    """Remove what a killed fetch had of a file, which the hub's library never takes up again."""
    latest = time.time() - _SILENCE
    for path in Path(offline.hub_caches(folder)["HF_HUB_CACHE"]).rglob("*.incomplete"):
        if path.is_file() and path.stat().st_mtime < latest:
            path.unlink(missing_ok=True)


def _read_manifest(folder: Path) -> dict[str, _Item]:
    """The items that were fetched into a folder, by key."""
    path = folder / offline.MANIFEST
    if not path.is_file():
        return {}
    try:
        manifest = _Manifest.model_validate_json(bounded(path, 2**28).read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        what = f"{path}: not a manifest of format 1 (key {key}: {first['msg']})"
        raise DataError(what, "delete it and fetch again") from error
    return {item.key: item for item in manifest.items}


def missing_from(study: Study, folder: Path) -> Iterator[str]:
    """What of a study is not in a folder, or not of the size that its manifest says; quickly."""
    items = _read_manifest(folder)
    for need in needs_of(study):
        if need.key not in items:
            yield f"{need.key}: not fetched"
        else:
            yield from _problems(folder, items[need.key], need, digests=False)


def _fetched(need: Need, folder: Path) -> _Item:
    before = set(_contents(folder))
    files = sorted(_files(need, folder))
    spoilt = [path for path in _contents(folder) if path not in before and not is_whole(path)]
    if spoilt:
        for path in (*files, *spoilt):
            _remove(path, folder)
        raise DataError(f"{spoilt[0]}: its sha256 is not what the hub says", "run it again")
    return _Item(
        key=need.key,
        kind=need.kind,
        name=need.name,
        configuration=need.source.configuration,
        revision=need.revision,
        licence=need.licence,
        fetched=datetime.now(UTC).isoformat(timespec="seconds"),
        files=tuple(_about(path, folder) for path in files),
    )


def _contents(folder: Path) -> Iterator[Path]:
    """What files of the hub hold, as its library stores it: by names that the hub gave."""
    return Path(offline.hub_caches(folder)["HF_HUB_CACHE"]).glob("*/blobs/*")


def _about(path: Path, folder: Path) -> _File:
    inside = path.is_relative_to(folder)
    return _File(
        path=str(path.relative_to(folder) if inside else path.absolute()),
        bytes=path.stat().st_size,
        sha256=file_digest(path),
    )


def _problems(folder: Path, item: _Item, need: Need, *, digests: bool = True) -> Iterator[str]:
    """Say why an item is not what is needed, and remove what was fetched and is not whole."""
    if item.revision != need.revision:
        yield f"{need.key}: {item.revision!r} was fetched, and {need.revision} is asked for"
    elif not item.files and need.kind != "directory":
        yield f"{folder / offline.MANIFEST}: no files of {need.key}"
    for file in item.files if item.revision == need.revision else ():
        path = folder / file.path
        if not _is_of(need, path, folder):
            yield f"{folder / offline.MANIFEST}: {file.path!r} is no file of {need.key}"
        elif problem := _problem(path, file, digests):
            yield f"{path}: {problem}"
            if digests and need.kind in _REPOSITORIES:
                _remove(path, folder)


def _is_of(need: Need, path: Path, folder: Path) -> bool:
    """Whether a file stands where that of a need is put, or found: a manifest may name any."""
    if need.kind == "archive":
        return path == folder / offline.ARCHIVES / ARCHIVES[need.name].file
    if need.kind == "directory":
        return need.path.absolute() in (path.absolute(), path.absolute().parent)
    inside = path.is_relative_to(folder / offline.CACHES) and ".." not in path.parts
    return inside and need.revision in path.relative_to(folder).parent.parts


def _problem(path: Path, file: _File, digests: bool) -> str | None:
    if not path.is_file():
        return "missing"
    size = path.stat().st_size
    if size != file.bytes:
        how = "truncated" if size < file.bytes else "too long"
        return f"{how}: {size:,} of {file.bytes:,} bytes"
    is_other = digests and file_digest(path) != file.sha256
    return f"corrupt: its sha256 is not {file.sha256[:12]}..." if is_other else None


def _remove(path: Path, folder: Path) -> None:
    """Remove a file of a cache, and what it links to; of a data set all that was made with it."""
    target = path.resolve()
    if not target.is_relative_to(folder / offline.CACHES):
        return
    if path.suffix == ".arrow":
        shutil.rmtree(path.parent, ignore_errors=True)
        return
    path.unlink(missing_ok=True)
    target.unlink(missing_ok=True)


def _files(need: Need, folder: Path) -> list[Path]:
    """Bring what is needed, and return its files; those of a local folder stay where they are."""
    if need.kind == "archive":
        return [_archive(need.name, folder / offline.ARCHIVES)]
    if need.kind == "file":
        from pdbench.data.amazon import review_file

        return [review_file(need.source)]
    if need.kind == "data set":
        from pdbench.data.hub import load

        splits = load(need.source).values()
        return [Path(file["filename"]) for split in splits for file in split.cache_files]
    if need.kind == "directory":
        path = need.path.absolute()
        if not path.exists():
            raise DataError(f"{need.path}: not there", "mend key path")
    else:
        weights = need.kind == "model"
        path = places.model_folder(need.source, folder / offline.ARCHIVES, weights=weights)
    return [file for file in path.iterdir() if file.is_file()] if path.is_dir() else [path]


def _archive(name: str, folder: Path) -> Path:
    try:
        return places.fetch(name, folder)
    except DataError:
        path = folder / ARCHIVES[name].file
        if not path.is_file():
            raise
        path.unlink()  # one that no manifest knows, and that is not the pinned one
        return places.fetch(name, folder)
