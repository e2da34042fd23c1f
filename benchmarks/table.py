"""Tables of measured rows: plain text for a terminal, Markdown for the README.

``python -m benchmarks.table FILE...`` prints the Markdown table of JSON files.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from benchmarks.rows import Row
from pdbench.core.errors import DataError

KEYS = tuple(f.name for f in fields(Row) if f.name != "more")
"""What every row has."""

WORDS = ("work", "L/H", "against", "measure")
NUMBERS = ("ours", "theirs", "ratio", "spread", "pairs")


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a JSON file.

    Raises:
        DataError: It is not a list of rows.
    """
    remedy = "measure it again with --json"
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: no JSON file ({error})", remedy) from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{path}: no list of rows", remedy)
    for number, row in enumerate(rows):
        if missing := [key for key in KEYS if key not in row]:
            raise DataError(f"{path}: row {number} has no {missing[0]}", remedy)
    return rows


def as_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """A plain table, one line a row, and the rows' notes below it."""
    lines = [(*WORDS, *NUMBERS), *(_fields(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = ["  ".join(map(_aligned, line, widths, range(len(line)))) for line in lines]
    return "\n".join([*table, *_notes(rows)])


def _aligned(field: str, width: int, column: int) -> str:
    return field.ljust(width) if column < len(WORDS) else field.rjust(width)


def as_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table for each machine, with its notes and commands below."""
    parts = []
    for machine, group in itertools.groupby(rows, key=_machine):
        chosen = list(group)
        lines = [_line((*WORDS, *NUMBERS)), "|" + "---|" * len(WORDS) + "---:|" * len(NUMBERS)]
        lines += [_line(_fields(row)) for row in chosen]
        notes = [line for note in _notes(chosen) for line in (note, "")]
        commands = dict.fromkeys(f"    {row['command']}" for row in chosen)
        parts.append("\n".join([machine, "", *lines, "", *notes, *commands]))
    return "\n\n".join(parts)


def _line(fields: Sequence[str]) -> str:
    return f"| {' | '.join(fields)} |"


def _notes(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [f"{row['work']}: {row['note']}" for row in rows if "note" in row]


def _fields(row: Mapping[str, Any]) -> tuple[str, ...]:
    spread = f"{_number(row['ratio_min'])} to {_number(row['ratio_max'])}"
    words = [str(row[key]) for key in ("work", "arch", "peer", "measure")]
    numbers = [_number(row[key]) for key in ("ours", "theirs", "ratio")]
    return (*words, *numbers, spread, str(row["pairs"]))


def _number(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 99.5 else f"{value:#.3g}"


def _machine(row: Mapping[str, Any]) -> str:
    found = row.get("machine", {})
    known = [found[key] for key in ("device", "torch") if key in found]
    cores = f"{found['cores']} cores of " if "cores" in found else ""
    return f"{cores}{', torch '.join(map(str, known))}" if known else "Unknown machine"


@click.command(help=__doc__)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def main(files: tuple[Path, ...]) -> None:
    """Print the Markdown table of measured rows."""
    try:
        print(as_markdown([row for path in files for row in read_rows(path)]))
    except DataError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
