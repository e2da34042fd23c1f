"""Studies that extend others: what a file says, laid over what those say that it extends.

Mappings are merged, key by key. Anything else takes the place of what was there: a list, a value,
``null``, which is a value and removes no key, and a value with its origin, whose origin and note
are about it alone. So does a mapping that names its own ``source`` (or ``glue``): the keys beside
one source say nothing of another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from pdbench.study.settings import is_sourced

Layer: TypeAlias = tuple[Path, Mapping[str, Any]]
"""A file, and what it says."""

_SOURCES = {"source", "glue"}
_KEY = re.compile(r"key ([^\s:,]+)")


def overlaid(layers: Sequence[Layer]) -> dict[str, Any]:
    """What files say together, each of which extends the next."""
    found: Any = {}
    for _, raw in reversed(layers):
        found = _merged(found, raw)
    return dict(found)


def _merged(base: Any, over: Any) -> Any:
    if _is_whole(over) or not isinstance(base, dict) or is_sourced(base):
        return over
    return base | {key: _merged(base.get(key), value) for key, value in over.items()}


def _is_whole(raw: Any) -> bool:
    """Whether it takes the place of whatever was there, and is merged with nothing."""
    return not isinstance(raw, dict) or is_sourced(raw) or bool(_SOURCES & raw.keys())


def file_of(key: str, layers: Sequence[Layer]) -> Path:
    """The file that says a key such as ``tasks.films.labels``, or ought to: where to mend it."""
    parts = key.split(".")
    return max(layers, key=lambda layer: _said(parts, layer[1]))[0]


def _said(parts: Sequence[str], raw: Any) -> int:
    """How many parts of a key, from its first on, a file says: all, below what it says whole."""
    for count, part in enumerate(parts):
        if part not in raw:
            return count
        raw = raw[part]
        if _is_whole(raw):
            break
    return len(parts)


def file_of_problem(problem: str, layers: Sequence[Layer]) -> Path:
    """The file that says most of the key that a problem begins with."""
    match = _KEY.match(problem)
    return file_of(match[1] if match else "", layers)
