"""Numbers, durations and tables as people read them, one way for everything that is written."""

from __future__ import annotations

import math
import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

_BYTES = ("B", "kB", "MB", "GB", "TB", "PB")
_MINUTE, _HOUR = 60.0, 3600.0

_JOINERS = "\u200c\u200d"  # belong to the spelling of some languages, and to emoji

# GitHub's runner obeys "::" where a line begins, after blanks, and "##[" wherever it stands;
# other pipelines obey "##vso[" and "##teamcity[".
_COMMAND = re.compile(r"^\s*:(?=:)|#(?=#\w*\[)")


def visible(text: str) -> str:
    """A text as one line: breaks are blanks, and what cannot be seen is an escape of Python's.

    Those are control characters, and those that change the direction of what follows.
    """
    if text.isprintable():
        return text
    return "".join(map(_seen, " ".join(text.expandtabs(1).splitlines())))


def _seen(character: str) -> str:
    if character.isprintable() or character in _JOINERS:
        return character
    is_blank = unicodedata.category(character) == "Zs"
    return character if is_blank else character.encode("unicode_escape").decode()


def as_line(text: str) -> str:
    """A visible text as a line of its own, in which no pipeline finds a command."""
    return _COMMAND.sub(lambda found: f"{found[0][:-1]}\\u{ord(found[0][-1]):04x}", visible(text))


def shortened(text: str, most: int) -> str:
    """A text of so many characters at most: its beginning and its end, where it has more."""
    if len(text) <= most:
        return text
    end = (most - 1) // 2
    return f"{text[: most - 1 - end]}\N{HORIZONTAL ELLIPSIS}{text[-end:]}"


def signed(value: float) -> str:
    """A number with one decimal and its sign."""
    return f"{value:+.1f}".replace("-", "\N{MINUS SIGN}")


def shown(path: str | Path) -> str:
    """A path as others may read it: from the working folder on, or else its last name alone."""
    here = Path(os.path.relpath(path))
    return str(here) if ".." not in here.parts else here.name


def p_value(value: float) -> str:
    """A p-value with two digits; nothing where there is none."""
    if math.isnan(value):
        return ""
    return "< 0.001" if value < 0.001 else f"{value:.2g}"


def for_json(value: float) -> float | None:
    """A number as JSON has it: six decimals, null for none."""
    return round(value, 6) if math.isfinite(value) else None


def short_count(count: float) -> str:
    """A number of items as on an axis: 300, 3k, 1.7m."""
    for unit, size in (("m", 1_000_000), ("k", 1_000)):
        if count >= size:
            return f"{count / size:g}{unit}"
    return str(count)


def byte_size(count: float) -> str:
    """A number of bytes with two digits."""
    power = 0
    while count >= 1000 and power < len(_BYTES) - 1:
        count, power = count / 1000, power + 1
    return f"{_two_digits(count)} {_BYTES[power]}"


def estimated_duration(seconds: float) -> str:
    """A duration with two digits: minutes below two hours, else hours."""
    if seconds < 2 * _HOUR:
        return f"{_two_digits(seconds / _MINUTE)} min"
    return f"{_two_digits(seconds / _HOUR)} h"


def duration(seconds: float) -> str:
    """A duration in its two largest units: "4 min 10 s"."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def clock(seconds: float) -> str:
    """A duration as minutes and seconds: 3:05, or 1:03:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def time_left(seconds: float, *, overdue: bool = False) -> str:
    """An estimate of the time left, no more exact than it is known.

    A last minute is not promised again by what is ``overdue``: what takes longer than it should.
    """
    if seconds < 60:
        return "longer than expected" if overdue else "less than a minute left"
    if seconds < 90 * 60:
        return f"about {round(seconds / 60)} min left"
    return f"about {seconds / 3600:.1f} h left"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of words as lines: the first column to the left, the others to the right."""
    shown = [list(map(visible, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    lines = []
    for first, *others in shown:
        numbers = [word.rjust(width) for word, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *numbers]).rstrip())
    return lines


def _two_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
