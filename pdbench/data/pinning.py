"""Asking the hub which commit a repository has now, and writing it down for good."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pdbench.core.errors import DataError
from pdbench.core.files import write_text
from pdbench.data.needs import needs_of
from pdbench.study import ROOT, Study
from pdbench.study.loading import read_pins
from pdbench.study.pins import PINS, is_commit
from pdbench.study.settings import PINNED

_KINDS = {"data set": "dataset", "file": "dataset", "model": "model", "vocabulary": "model"}


def unpinned(study: Study) -> dict[str, str]:
    """Return the repositories that a study names as pinned and that are not, with their kind."""
    return {
        need.name: _KINDS[need.kind]
        for need in needs_of(study)
        if need.kind in _KINDS and need.source.revision == PINNED
    }


def pin(
    repositories: dict[str, str], ask: Callable[[str, str], str] | None = None
) -> dict[str, str]:
    """Add the present commits of repositories to ``config/pins.yaml``; none is changed.

    Args:
        repositories: Ids, each with its kind: model or dataset.
        ask: Returns the commit of a repository; by default the hub does.

    Returns:
        What was added.

    Raises:
        DataError: The hub cannot be reached or does not know a repository; nothing is added.
    """
    known = read_pins()
    added = {
        name: (ask or _ask)(name, kind)
        for name, kind in sorted(repositories.items())
        if name not in known
    }
    if added:
        path = ROOT / PINS
        before = path.read_text(encoding="utf-8") if path.is_file() else ""
        apart = "\n" if before and not before.endswith("\n") else ""
        write_text(path, before + apart + "".join(_lines(added.items())))
    return added


def _lines(pins: Iterable[tuple[str, str]]) -> Iterable[str]:
    return (f'{name}: "{commit}"\n' for name, commit in pins)


def _ask(name: str, kind: str) -> str:
    from huggingface_hub import HfApi

    try:
        found = HfApi().repo_info(name, repo_type=kind).sha
    except Exception as error:  # the library raises many kinds, for one cause: no answer
        reason = " ".join(str(error).split())
        raise DataError(
            f"{name}: the hub does not tell its commit ({reason})", "check the name and the network"
        ) from error
    if not is_commit(found):
        raise DataError(f"{name}: the hub tells no commit", f"write it to {PINS} by hand")
    return str(found)
