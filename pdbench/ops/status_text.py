"""How far a study is, as people read it: once, or again and again on a terminal."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pdbench.ops.status import STATES, Failure, State, Survey

REDRAWN = 3.0
"""Seconds between two looks."""

SHOWN = 10
"""Failures that a terminal shows; ``--json`` has them all."""

_COLOURS: dict[State, str] = {
    "done": "green",
    "running": "cyan",
    "failed": "red",
    "missing": "dim",
}


def as_text(found: Survey) -> str:
    """Return a survey as plain lines."""
    return "\n".join([*_lines(found), *(line for f in found.failures for line in _explain(f))])


def watch(console: Console, look: Callable[[], Survey]) -> None:
    """Draw what ``look`` finds on a terminal, until the study is done or Ctrl-C."""
    found = look()
    live = Live(_drawn(found), console=console, auto_refresh=False)
    with contextlib.suppress(KeyboardInterrupt), live:
        while not found.is_over:
            time.sleep(REDRAWN)
            found = look()
            live.update(_drawn(found), refresh=True)


def _lines(found: Survey) -> list[str]:
    rows = [("artefact", *STATES)]
    rows += [(name, *_numbers(counts)) for name, counts in found.artefacts.items()]
    rows.append(("all cells", *_numbers(found.cells)))
    width = max(len(row[0]) for row in rows)
    table = [f"{name:{width}}  " + "  ".join(f"{n:>7}" for n in numbers) for name, *numbers in rows]
    return [*table, "", *_other_jobs(found)]


def _other_jobs(found: Survey) -> list[str]:
    """Jobs that are no cells, and SLURM's queue, a line each."""
    lines = []
    for rule, counts in found.rules.items():
        if rule != "cell" and counts["done"] < counts.total():
            parts = (f"{counts[state]} {state}" for state in STATES if counts[state])
            lines.append(f"{rule}: {', '.join(parts)}")
    if found.queue:
        jobs = ", ".join(f"{count} {state.lower()}" for state, count in found.queue.items())
        lines.append(f"SLURM: {jobs}")
    return lines


def _explain(failure: Failure) -> list[str]:
    waiting = f" ({failure.waiting} cells wait for it)" if failure.waiting else ""
    return [f"failed: {failure.job}{waiting}", f"  {failure.reason}", f"  {failure.log}"]


def _numbers(counts: Counter[State]) -> list[str]:
    return [str(counts[state]) for state in STATES]


def _drawn(found: Survey) -> RenderableType:
    table = Table(box=None, pad_edge=False)
    table.add_column(f"study {found.study.name}")
    for state in STATES:
        table.add_column(state, justify="right", style=_COLOURS[state])
    for name, counts in found.artefacts.items():
        table.add_row(name, *_numbers(counts))
    table.add_row("all cells", *_numbers(found.cells), style="bold")
    parts: list[RenderableType] = [table, *map(Text, _other_jobs(found))]
    for failure in found.failures[:SHOWN]:
        first, *others = _explain(failure)
        parts += [Text(first, style="red"), *map(Text, others)]
    if len(found.failures) > SHOWN:
        parts.append(Text(f"and {len(found.failures) - SHOWN} more failures"))
    return Group(*parts)
