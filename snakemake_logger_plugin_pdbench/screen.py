"""Where progress is shown: live in a terminal, as a line now and then anywhere else."""

from __future__ import annotations

import threading
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pdbench.core.words import clock, time_left
from snakemake_logger_plugin_pdbench.progress import Progress

_SECONDS_BETWEEN_LINES = 30.0
_JOBS_SHOWN = 8


class Screen(Protocol):
    """Something that shows progress until it is closed."""

    def say(self, line: str) -> None:
        """Print a line that stays."""

    def close(self) -> None:
        """Show nothing more."""


def open_screen(console: Console, progress: Progress) -> Screen:
    """Return the screen that fits the console."""
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveScreen(console, progress)
    return LineScreen(console, progress)


class LiveScreen:
    """A bar with the time left, and below it the jobs that run."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self._progress = progress
        self._live = Live(
            console=console, get_renderable=self._draw, refresh_per_second=2, transient=True
        )
        self._live.start()

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self._live.console.print(line, markup=False, highlight=False)

    def close(self) -> None:
        """Remove the bar."""
        self._live.stop()

    def _draw(self) -> Group:
        progress = self._progress
        elapsed = progress.elapsed
        whole = elapsed + progress.time_left()
        bar = Table.grid(padding=(0, 1))
        bar.add_row(ProgressBar(total=whole or 1.0, completed=elapsed, width=30), summary(progress))
        jobs = list(progress.running.values())[:_JOBS_SHOWN]
        lines = [
            Text(f"  {clock(progress.since(job)):>5}  {job.message}", no_wrap=True) for job in jobs
        ]
        return Group(bar, *lines)


class LineScreen:
    """A line every half minute, for logs and continuous integration."""

    def __init__(
        self, console: Console, progress: Progress, seconds: float = _SECONDS_BETWEEN_LINES
    ) -> None:
        self._console = console
        self._progress = progress
        self._seconds = seconds
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._thread.start()

    def say(self, line: str) -> None:
        """Print a line."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Print no more lines."""
        self._closed.set()
        self._thread.join()

    def _tick(self) -> None:
        while not self._closed.wait(self._seconds):
            jobs = [job.message for job in list(self._progress.running.values())]
            self.say("; ".join([summary(self._progress), *jobs[:2]]))


def summary(progress: Progress) -> str:
    """How far the run is, in one line."""
    return (
        f"{progress.done}/{progress.total} jobs, {clock(progress.elapsed)} elapsed, "
        f"{time_left(progress.time_left())}"
    )
