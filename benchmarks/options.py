"""The command line that all benchmarks share."""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from benchmarks.rows import Row
from benchmarks.table import as_text
from pdbench.core.errors import PdbenchError
from pdbench.core.files import write_json
from pdbench.study import ROOT

QUICK_SECONDS = 45.0
"""When --quick begins no further pair, so that it ends within a minute."""

QUICK_PAIRS = 3
FULL_PAIRS = 5


@dataclass(frozen=True)
class Options:
    """What a benchmark was asked for.

    Attributes:
        quick: Whether to end within a minute.
        threads: Threads of every worker.
        pairs: Pairs of every comparison; with ``quick`` the most of them.
        started: When, on :func:`time.monotonic`'s clock.
    """

    quick: bool
    threads: int
    pairs: int
    started: float = field(default_factory=time.monotonic)

    @property
    def deadline(self) -> float | None:
        """When no further pair may end; None if there is no hurry."""
        return self.started + QUICK_SECONDS if self.quick else None

    def report(self, line: str) -> None:
        """Say on stderr how far the measurement is."""
        print(f"{time.monotonic() - self.started:6.0f} s  {line}", file=sys.stderr, flush=True)


def with_options(measure: Callable[..., Sequence[Row]]) -> Callable[..., None]:
    """Give a function that measures rows the shared options; print and write what it returns.

    The function gets the :class:`Options`, and its own options by name.
    """

    @functools.wraps(measure)
    def run(quick: bool, threads: int, pairs: int | None, json: Path | None, **more: Any) -> None:
        os.chdir(ROOT)  # all paths of a study are relative to it
        options = Options(quick, threads, pairs or (QUICK_PAIRS if quick else FULL_PAIRS))
        try:
            rows = [row.as_json() for row in measure(options, **more)]
        except PdbenchError as error:
            raise click.ClickException(str(error)) from error
        print(as_text(rows))
        if json is not None:
            write_json(json, rows)

    for option in _OPTIONS:
        option(run)
    return run


_OPTIONS = (
    click.option("--quick", is_flag=True, help="A smaller measurement, within a minute."),
    click.option(
        "--threads",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Threads of each side; small jobs run one on each core.",
    ),
    click.option(
        "--pairs",
        type=click.IntRange(min=1),
        help=f"Pairs of each comparison.  [default: {FULL_PAIRS}, with --quick {QUICK_PAIRS}]",
    ),
    click.option(
        "--json",
        type=click.Path(path_type=Path, dir_okay=False, resolve_path=True),
        help="Write the rows to this file.",
    ),
)
