"""Repositories on the hub: asked for at one commit, again where the hub is busy.

What the hub refuses is one line, which says why and what to do.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from pdbench.core.errors import DataError, UsageError
from pdbench.core.files import file_digest
from pdbench.study import offline
from pdbench.study.settings import PINNED, PINS, Data, Source, is_commit

_T = TypeVar("_T")

_SHA256 = re.compile("[0-9a-f]{64}")

_WAITS = (1.0, 4.0)
"""Seconds before a hub that is busy is asked again. Its library asks six times for most things,
and only once for a repository's commit and for what a file holds."""

_REFUSALS = {
    "GatedRepo": (
        "its owners ask for consent to their conditions",
        "accept them at {page}, set HF_TOKEN to a token of that account or run `hf auth login`, "
        "and run it again",
    ),
    "RepoNotFound": (
        "there is no such repository, or it is a private one",
        "mend key name; for a private one set HF_TOKEN to a token that may read it",
    ),
    "RevisionNotFound": (
        "it has no such commit",
        f"mend key revision, or the repository's line in {PINS}",
    ),
    "EntryNotFound": ("it has no such file", "mend key file"),
}
"""What the hub's own names of its refusals mean, and what to do."""


def fetched(source: Source, ask: Callable[[str], _T]) -> _T:
    """What ``ask`` fetches of a hub source, given its commit.

    Raises:
        UsageError: The source is not pinned.
        DataError: Whatever ``ask`` raised: the libraries have many kinds, for few causes.
    """
    commit = _commit(source)
    file = f"{source.file} " if source.file else ""
    what = f"{source.name}@{commit[:12]}: {file}cannot be fetched"
    kind = "dataset" if isinstance(source, Data) else "model"
    return _answer(lambda: ask(commit), what, _page(source.name, kind), file=source.file)


def at_its_commit(path: Path, source: Source) -> Path:
    """The path of what was fetched; DataError where the hub sent it as another commit's."""
    if path.exists() and source.revision in path.parts:
        return path
    what = f"{source.name}: what came is of another commit than key revision"
    raise DataError(what, "ask another hub than HF_ENDPOINT names")


def is_whole(content: Path) -> bool:
    """Whether a large file is what the hub said: the library calls it by the sha256 it was told.

    Small ones have the names of git's objects, which no check of ours needs: they are text.
    """
    return not _SHA256.fullmatch(content.name) or file_digest(content) == content.name


def present_commit(name: str, kind: str) -> str:
    """The commit that a repository, a model or a dataset, has now."""
    from huggingface_hub import HfApi

    what = f"{name}: the hub does not tell its commit"
    found = _answer(lambda: HfApi().repo_info(name, repo_type=kind).sha, what, _page(name, kind))
    if not is_commit(found):
        raise DataError(f"{name}: the hub tells no commit", f"write it to {PINS} by hand")
    return str(found)


def upload(folder: Path, name: str) -> str:
    """Upload a model to a repository, which is private where it is new; return its address.

    Raises:
        DataError: The hub does not take it.
    """
    from huggingface_hub import HfApi

    try:
        HfApi().create_repo(name, private=True, exist_ok=True)
        HfApi().upload_folder(repo_id=name, folder_path=folder, commit_message="Add the student")
    except Exception as error:  # the library has many kinds, for few causes
        reason = " ".join(str(error).split())
        remedy = (
            "name a repository as ORG/NAME, and set HF_TOKEN to a token that may write to it or "
            f"run `hf auth login`; then upload {folder}, which is whole, with `hf upload`"
        )
        raise DataError(f"{name}: cannot be written ({reason})", remedy) from error
    return _page(name, "model")


def _page(name: str, kind: str) -> str:
    from huggingface_hub.constants import ENDPOINT

    return f"{ENDPOINT}/{'datasets/' if kind == 'dataset' else ''}{name}"


def _answer(ask: Callable[[], _T], what: str, page: str, file: str | None = None) -> _T:
    waits = iter(_WAITS)
    while True:
        try:
            return ask()
        except Exception as error:
            wait = next(waits, None) if _is_busy(getattr(error, "response", None)) else None
            if wait is None:
                raise _refusal(error, what, page, file) from error
        time.sleep(wait)


def _is_busy(response: Any) -> bool:
    return response is not None and (response.status_code == 429 or response.status_code >= 500)


def _refusal(error: Exception, what: str, page: str, file: str | None) -> DataError:
    response: Any = next(_responses(error), None)
    if _is_busy(response):
        said = f"{response.status_code} {response.reason_phrase}"
        return DataError(f"{what} (the hub answers {said})", "wait a while, and run it again")
    code = _code(error, response)
    if code in _REFUSALS and (file or code != "EntryNotFound"):
        why, remedy = _REFUSALS[code]
        return DataError(f"{what} ({why})", remedy.format(page=page))
    reason = " ".join(str(error).split())
    return DataError(f"{what} ({reason})", _remedy())


def _code(error: Exception, response: Any) -> str:
    """The hub's name of its refusal; "" where it gave none."""
    if response is None:
        is_lost = type(error).__name__ == "DatasetNotFoundError"  # which drops the hub's answer
        return ("GatedRepo" if "gated" in str(error) else "RepoNotFound") if is_lost else ""
    # Strangers are told 401 of what is not there.
    return str(response.headers.get("X-Error-Code") or response.status_code).replace(
        "401", "RepoNotFound"
    )


def _remedy() -> str:
    if folder := os.environ.get(offline.VARIABLE):
        return f"run pdbench fetch STUDY --to {folder} where there is internet"
    return (
        "check keys name and configuration, and the network; remove a broken copy from the cache, "
        "or use a directory source"
    )


def _responses(error: BaseException | None) -> Iterator[Any]:
    """The answers of the hub behind an error, the last one first."""
    while error is not None:
        if (response := getattr(error, "response", None)) is not None:
            yield response
        error = error.__cause__ or error.__context__


def _commit(source: Source) -> str:
    """The commit of a hub source, without which nothing may be read."""
    if is_commit(source.revision):
        return str(source.revision)
    if source.revision == PINNED:
        what = f"{PINS}: no commit of {source.name}"
        remedy = "run `pdbench pin STUDY` where the hub can be reached, or write its commit there"
        raise UsageError(what, remedy)
    given = "missing" if source.revision is None else f"{source.revision!r} is no commit"
    what = f"key revision: {given}, for {source.name} on the hub"
    raise UsageError(what, "pin a commit by its 40 hexadecimal digits")
