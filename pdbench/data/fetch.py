"""Gathering what a study reads, with a manifest of digests and licences.

What is there and whole is left alone, so that a second run only verifies, and one that was
interrupted goes on. The manifest is written after each item.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from pdbench.core.errors import DataError, PdbenchError
from pdbench.core.files import file_digest, read_json, write_json
from pdbench.data import places
from pdbench.data.needs import Need, local_path, needs_of
from pdbench.study import Study
from pdbench.study.offline import ARCHIVES, MANIFEST

_Item: TypeAlias = dict[str, Any]
"""One entry of the manifest: kind, name, revision, licence, and its files with digests."""

_FORMAT = 1
_METRICS = "computed by pdbench.data.metrics; nothing to fetch"


def fetch(study: Study, folder: Path, say: Callable[[str], None]) -> list[str]:
    """Gather what a study reads into a folder that several studies may share.

    ``say`` is told what is done. Returned is what could not be fetched, a line each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()  # as the hub's libraries name it
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
        content = {
            "format": _FORMAT,
            "metrics": _METRICS,
            "items": [items[k] for k in sorted(items)],
        }
        write_json(folder / MANIFEST, content)
        count = sum(file["bytes"] for file in items[need.key]["files"])
        say(f"fetched  {need.key} ({count:,} bytes)")
    return failed


def _read_manifest(folder: Path) -> dict[str, _Item]:
    """The items that were fetched into a folder, by key."""
    path = folder / MANIFEST
    if not path.is_file():
        return {}
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise DataError(f"{path}: not a manifest of format {_FORMAT}", "delete it and fetch again")
    return {item["key"]: item for item in content["items"]}


def missing_from(study: Study, folder: Path) -> Iterator[str]:
    """What of a study is not in a folder, or not of the size that its manifest says; quickly."""
    items = _read_manifest(folder)
    for need in needs_of(study):
        if need.key not in items:
            yield f"{need.key}: not fetched"
        else:
            yield from _problems(folder, items[need.key], need, digests=False)


def _fetched(need: Need, folder: Path) -> _Item:
    return {
        "key": need.key,
        "kind": need.kind,
        "name": need.name,
        "configuration": need.source.configuration,
        "revision": need.revision,
        "licence": need.licence,
        "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": [_about(path, folder) for path in sorted(_files(need, folder))],
    }


def _about(path: Path, folder: Path) -> dict[str, Any]:
    inside = path.is_relative_to(folder)
    return {
        "path": str(path.relative_to(folder) if inside else path.absolute()),
        "bytes": path.stat().st_size,
        "sha256": file_digest(path),
    }


def _problems(folder: Path, item: _Item, need: Need, *, digests: bool = True) -> Iterator[str]:
    """Say why an item is not what is needed, and remove what was fetched and is not whole."""
    if item["revision"] != need.revision:
        yield f"{need.key}: {item['revision']} was fetched, and {need.revision} is asked for"
        return
    for file in item["files"]:
        path = folder / file["path"]
        problem = _problem(path, file, digests)
        if problem is not None:
            yield f"{path}: {problem}"
            if digests and path.is_relative_to(folder) and item["kind"] != "directory":
                _remove(path)


def _problem(path: Path, file: dict[str, Any], digests: bool) -> str | None:
    with contextlib.suppress(OSError):
        size = path.stat().st_size
        if size != file["bytes"]:
            how = "truncated" if size < file["bytes"] else "too long"
            return f"{how}: {size:,} of {file['bytes']:,} bytes"
        if digests and file_digest(path) != file["sha256"]:
            return f"corrupt: its sha256 is not {file['sha256'][:12]}..."
        return None
    return "missing"


def _remove(path: Path) -> None:
    """Remove a file of a cache, and what it links to; of a data set all that was made with it."""
    if path.suffix == ".arrow":
        shutil.rmtree(path.parent, ignore_errors=True)
        return
    target = path.resolve()
    path.unlink(missing_ok=True)
    target.unlink(missing_ok=True)


def _files(need: Need, folder: Path) -> list[Path]:
    """Bring what is needed, and return its files; those of a local folder stay where they are."""
    if need.kind == "archive":
        return [_archive(need.name, folder / ARCHIVES)]
    if need.kind == "file":
        from pdbench.data.amazon import review_file

        return [review_file(need.source)]
    if need.kind == "data set":
        from pdbench.data.hub import load

        splits = load(need.source).values()
        return [Path(file["filename"]) for split in splits for file in split.cache_files]
    if need.kind == "directory":
        path = local_path(need).absolute()
        if not path.exists():
            raise DataError(f"{local_path(need)}: not there", "mend key path")
    else:
        weights = need.kind == "model"
        path = places.model_folder(need.source, folder / ARCHIVES, weights=weights)
    return [file for file in path.iterdir() if file.is_file()] if path.is_dir() else [path]


def _archive(name: str, folder: Path) -> Path:
    try:
        return places.fetch(name, folder)
    except DataError:
        path = places.path_of(name, folder)
        if not path.exists():
            raise
        path.unlink()  # one that no manifest knows, and that is not the pinned one
        return places.fetch(name, folder)
