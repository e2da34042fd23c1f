"""Snakemake's ``--logger pdbench``: how far a study is and how long it will still take.

Snakemake finds the package by its name. What Snakemake would print for every job is left
out; it stands in ``.snakemake/log`` and in each job's own log.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from pdbench.core.lines import rich_line
from pdbench.core.words import clock

if TYPE_CHECKING:
    from snakemake_logger_plugin_pdbench.display import Screen

_NOTHING_TO_DO = "Nothing to be done"
_LAST_LINES = 12
_FULL = 2**20  # bytes left on a disk that is full


class LogHandler(LogHandlerBase):
    """Turns Snakemake's events into progress."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        # Snakemake imports every logger plugin in every job; rich is needed only here.
        from rich.console import Console

        from snakemake_logger_plugin_pdbench.display import Progress

        # On a full disk Snakemake cannot write its own log file, and would say so with a
        # traceback for every line; the job that failed says it once.
        logging.raiseExceptions = False
        self.progress = Progress()
        self.console = Console(
            stderr=not self.common_settings.stdout, no_color=self.common_settings.nocolor or None
        )
        self.screen: Screen | None = None
        self._report = Path()
        self._events: dict[LogEvent, Callable[[Any], None]] = {
            LogEvent.RESOURCES_INFO: self._provided,
            LogEvent.RUN_INFO: self._planned,
            LogEvent.JOB_INFO: self._started,
            LogEvent.JOB_FINISHED: self._finished,
            LogEvent.JOB_ERROR: self._failed,
        }

    def emit(self, record: logging.LogRecord) -> None:
        """Take in one record of Snakemake's logger."""
        event = getattr(record, "event", None)
        if hasattr(record, "pdbench_plan") and hasattr(record, "pdbench_report"):
            self.progress.expect(record.pdbench_plan)
            self._report = Path(record.pdbench_report)
        if event in self._events:
            self._events[event](record)
        elif self._matters(record):
            self._say(record.getMessage())
            if _NOTHING_TO_DO in str(record.msg):
                self._show_report()

    def close(self) -> None:
        """Say how the run ended."""
        if self.screen is not None:
            self.screen.close()
            self.screen = None
            self._say(self._ending())
            if "report" in self.progress.finished and not self.progress.failed:
                self._show_report()
        super().close()

    def _matters(self, record: logging.LogRecord) -> bool:
        if self.progress.failed or "CalledProcessError" in str(record.msg):
            return False  # the failed job itself is shown, and nothing says it better
        return record.levelno >= logging.WARNING or _NOTHING_TO_DO in str(record.msg)

    def _provided(self, record: Any) -> None:
        cores = getattr(record, "cores", None) or getattr(record, "nodes", None)
        if cores:
            self.progress.cores = int(cores)

    def _planned(self, record: Any) -> None:
        announced = self.progress.total > 0
        self.progress.plan(record.stats)
        if not self.common_settings.dryrun:
            from snakemake_logger_plugin_pdbench.display import open_screen

            self.screen = open_screen(self.console, self.progress)
        elif not announced:  # a dry run tells its plan twice
            self._say(record.getMessage())

    def _started(self, record: Any) -> None:
        if not self.common_settings.dryrun:
            message = record.rule_msg or record.rule_name
            wildcards = record.wildcards.values()
            self.progress.start(record.jobid, record.rule_name, wildcards, message, record.threads)

    def _finished(self, record: Any) -> None:
        last = self.progress.finish(record.job_id)
        if last is not None:
            rule, count = last
            what = "done" if count == 1 else f"all {count} done"
            self._say(f"{clock(self.progress.elapsed):>8}  {rule}: {what}")

    def _failed(self, record: Any) -> None:
        job = self.progress.running.get(record.jobid)
        self.progress.fail(record.jobid)
        self._say(f"Failed: {job.message if job else record.rule_name}")
        for path in record.log:
            self._say(f"  its log is {path}")
            for line in _last_lines(Path(path)):
                self._say(f"  | {line}")

    def _ending(self) -> str:
        progress = self.progress
        done = f"{progress.done} of {progress.total} jobs done in {clock(progress.elapsed)}"
        if progress.failed:
            done += f", {progress.failed} failed"
        if progress.done < progress.total:
            done += ". Run again to go on; what is done is kept."
            if shutil.disk_usage(".").free < _FULL:
                done += " The disk is full: free some space first."
        return done

    def _show_report(self) -> None:
        if self._report.is_file():
            self._say(f"The report is {self._report}")

    def _say(self, text: str) -> None:
        for line in text.splitlines():
            if self.screen is not None:
                self.screen.say(line)
            else:
                self.console.print(rich_line(line), soft_wrap=True)


def _last_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
    except OSError:
        return []
