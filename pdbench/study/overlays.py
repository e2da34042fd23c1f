"""Studies that extend others: what a file says, laid over what those say that it extends.

Mappings are merged, key by key. Anything else takes the place of what was there: a list, a value,
``null``, which is a value and removes no key, and a value with its origin, whose origin and note
are about it alone. So does a mapping that names its own ``source`` (or ``glue``): the keys beside
one source say nothing of another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
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
    whole = not (isinstance(base, dict) and isinstance(over, dict)) or is_sourced(base)
    if whole or _SOURCES & over.keys():
        return over
    return base | {key: _merged(base.get(key), value) for key, value in over.items()}


def file_of(key: str, layers: Sequence[Layer]) -> Path:
    """The file that says most of a key such as ``tasks.films.labels``: where to mend it."""
    parts = key.split(".")
    return max(layers, key=lambda layer: _known(parts, layer[1]))[0]


def _known(parts: Sequence[str], raw: Any) -> int:
    """How many parts of a key, from its first on, a file has."""

    def is_there(part: str) -> bool:
        nonlocal raw
        if isinstance(raw, list) and part.isdecimal() and int(part) < len(raw):
            raw = raw[int(part)]
        elif isinstance(raw, dict) and part in raw:
            raw = raw[part]
        else:
            return False
        return True

    return len(list(takewhile(is_there, parts)))


def file_of_problem(problem: str, layers: Sequence[Layer]) -> Path:
    """The file that says most of the key that a problem begins with."""
    match = _KEY.match(problem)
    return file_of(match[1] if match else "", layers)
