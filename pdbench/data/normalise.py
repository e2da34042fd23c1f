"""The form in which two texts are compared when leaks are looked for."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Sequence

_SEPARATORS = re.compile(r"[\W_]+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_LINE_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)


def normalise(text: str) -> str:
    """Return the letters and digits of ``text``: unescaped, case-folded, compatibility-composed.

    Two sentences that differ in case, spacing, punctuation or HTML entities are the same.
    """
    plain = unicodedata.normalize("NFKC", html.unescape(text)).casefold()
    return _SEPARATORS.sub("", plain)


def clean(text: str) -> str:
    """Return ``text`` without HTML entities and line-break tags, which become new lines."""
    return _LINE_BREAK.sub("\n", html.unescape(text))


def sentences(text: str, shortest: int = 1) -> list[str]:
    """Split ``text`` into sentences of at least ``shortest`` words.

    A sentence ends at a new line, or at white space after a full stop, an exclamation mark
    or a question mark; words are what white space separates. Abbreviations are not known,
    so "Mr. Smith" is cut in two.
    """
    parts = (" ".join(part.split()) for part in _SENTENCE_END.split(text))
    return [part for part in parts if part and part.count(" ") + 1 >= shortest]


def keys_of(columns: Sequence[Iterable[str]]) -> set[str]:
    """Return the normalised form of every text in ``columns``, without the empty one."""
    found = {normalise(text) for column in columns for text in column}
    found.discard("")
    return found
