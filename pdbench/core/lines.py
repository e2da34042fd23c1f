"""The door by which lines leave the program, to people, logs and pipelines.

Names in a table, titles, paths and the words of an error are other people's. Whatever they write
is shown and never obeyed: it breaks no line, moves no cursor and starts no command.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from pdbench.core.words import as_line

if TYPE_CHECKING:
    from rich.text import Text


class _Command(str):
    """A line that the pipeline is meant to obey."""

    __slots__ = ()


def say(*lines: str, err: bool = False, colour: str | None = None) -> None:
    """Print lines to standard output, or to standard error; each stays one line."""
    shown = [one if isinstance(one, _Command) else as_line(one) for one in lines]
    if shown:
        text = "\n".join(shown)
        click.echo(click.style(text, colour) if colour else text, err=err)


def rich_line(text: str, style: str = "") -> Text:
    """A line for rich, which finds no markup of its own in it."""
    from rich.text import Text  # of displays alone

    return Text(as_line(text), style=style)


def say_defect(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print the traceback of an error that nobody expected; a hook of ``sys``."""
    say(*"".join(traceback.format_exception(kind, error, trace)).splitlines(), err=True)


def annotation(place: Mapping[str, str], message: str) -> str:
    """The line with which GitHub's runner shows an error at a place: a file, a line, a title."""
    properties = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in place.items())
    return _Command(f"::error {properties}::{_escaped(message)}")


def _escaped(text: str, also: str = "") -> str:
    """Escape as the runner undoes it; ``also`` are the characters that end a property."""
    shown = as_line(text)
    for character in "%" + also:
        shown = shown.replace(character, f"%{ord(character):02X}")
    return shown


class Lines(logging.Formatter):
    """Writes a record as one line, and after it the lines of a traceback."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own
        """Write the record itself."""
        return as_line(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's own
        """Write the traceback."""
        return "\n".join(map(as_line, super().formatException(ei).splitlines()))
