"""Commits of hub repositories: what is read must be one commit, for good."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from pdbench.core.errors import UsageError
from pdbench.study.settings import PINNED, Source

PINS = Path("config/pins.yaml")

Pins: TypeAlias = Mapping[str, str]
"""Commit by repository id."""

_COMMIT = re.compile(r"[0-9a-f]{40}")


def is_commit(text: str | None) -> bool:
    """Whether it is the full id of a commit: 40 hexadecimal digits."""
    return text is not None and _COMMIT.fullmatch(text) is not None


def commit(source: Source) -> str:
    """Return the commit of a hub source.

    Raises:
        UsageError: It has none, so nothing may be read.
    """
    if source.revision is not None and is_commit(source.revision):
        return source.revision
    if source.revision == PINNED:
        what = f"{PINS}: no commit of {source.name}"
        remedy = "run `pdbench pin STUDY` where the hub can be reached, or write its commit there"
        raise UsageError(what, remedy)
    given = "missing" if source.revision is None else f"{source.revision!r} is no commit"
    what = f"key revision: {given}, for {source.name} on the hub"
    raise UsageError(what, "pin a commit by its 40 hexadecimal digits")


def fill_in(raw: Any, pins: Pins) -> Any:
    """Return a raw configuration with every ``revision: pinned`` replaced by its commit.

    A repository that is not pinned yet keeps the word: the study can be planned, and
    :func:`commit` refuses to read it. Where ``name`` is a template of several repositories,
    the commits of those that fit it are added as ``revisions``.
    """
    if isinstance(raw, list):
        return [fill_in(value, pins) for value in raw]
    if not isinstance(raw, dict):
        return raw
    filled = {key: fill_in(value, pins) for key, value in raw.items()}
    if raw.get("source") != "hub" or raw.get("revision") != PINNED:
        return filled
    name = str(raw.get("name", ""))
    if "{" in name:
        pattern = re.sub(r"\\\{\w+\\\}", r"\\d+", re.escape(name))
        return {**filled, "revisions": {r: c for r, c in pins.items() if re.fullmatch(pattern, r)}}
    return {**filled, "revision": pins.get(name, PINNED)}
