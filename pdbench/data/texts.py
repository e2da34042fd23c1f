"""Texts: their columns, the form in which they are compared, and the hash that places them."""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Any

_COLUMNS = ("text", "text_a", "text_b")
"""An item's text, or the two of a pair."""

_ASCII_SEPARATORS = {code: None for code in range(128) if not chr(code).isalnum()}
_VARIANTS = range(0xFE00, 0xFE10)  # which say how the character before is drawn

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_LINE_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)


def text_names(count: int) -> tuple[str, ...]:
    """Our names of the columns of an item's one text or two."""
    return _COLUMNS[:1] if count == 1 else _COLUMNS[1:]


def text_columns(names: Sequence[str]) -> list[str]:
    """Those of some columns that hold an item's text, or its two texts in their order."""
    return [name for name in _COLUMNS if name in names]


def one_line(text: Any) -> str:
    """A text without line breaks and doubled spaces; empty where there is none."""
    return " ".join(str(text or "").split())


def hashed(text: str) -> bytes:
    """The sha256 that decides a text's place among others, the same on every machine."""
    return hashlib.sha256(text.encode()).digest()


def order_of(row: Sequence[str]) -> bytes:
    """The sha256 that decides the place of an item of one text or two."""
    return hashed("\x1f".join(row))


def share_of(text: str, size: int = 4) -> float:
    """A number in [0, 1) that depends on the text alone, made of ``size`` bytes of its hash."""
    number = int.from_bytes(hashed(text)[:size], "big")
    return number / 2.0 ** (8 * size)


@cache
def _kept(letter: str) -> str:
    """What counts of texts: letters, digits, and marks, with which many scripts write vowels."""
    is_mark = unicodedata.category(letter) in ("Mn", "Mc") and ord(letter) not in _VARIANTS
    return letter if letter.isalnum() or is_mark else ""


def normalise(text: str) -> str:
    """Return the letters and digits of ``text``: unescaped, compatibility-composed, case-folded.

    Two sentences that differ in case, spacing, punctuation or HTML entities are the same. A text
    of nothing else, as of emoji, is all that is not white space.
    """
    plain = html.unescape(text)
    if plain.isascii():  # the same result, three times as fast
        folded = plain.lower()
        kept = folded.translate(_ASCII_SEPARATORS)
    else:
        folded = unicodedata.normalize("NFKC", plain).casefold()
        kept = "".join(map(_kept, folded))
    return kept or "".join(folded.split())


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
