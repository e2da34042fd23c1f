"""The display of progress and time left."""

from __future__ import annotations

import io
import logging
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from hostile import NAME, assert_nothing_obeys
from rich.console import Console
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.tests import MockOutputSettings, TestLogHandlerBase
from workflow_project import Project

from pdbench.planning.schedule import Planned
from snakemake_logger_plugin_pdbench import LogHandler
from snakemake_logger_plugin_pdbench.display import LineScreen, LiveScreen, Progress, open_screen

CELLS = {"a": 10.0, "b": 20.0, "c": 30.0}
PLAN = {("cell", name): Planned(cost, cost, ()) for name, cost in CELLS.items()} | {
    ("report", ""): Planned(5.0, 0.0, tuple(("cell", name) for name in CELLS))
}


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands at zero."""
    return Clock()


@pytest.fixture
def progress(clock: Clock) -> Progress:
    """A run of three cells and a report that has just begun."""
    begun = Progress(clock)
    begun.expect(PLAN)
    begun.plan({"cell": 3, "report": 1, "total": 4})
    return begun


class TestOfTheInterface(TestLogHandlerBase):
    """Snakemake's own tests of logger plugins."""

    __test__ = True

    def get_log_handler_cls(self) -> type[LogHandler]:  # type: ignore[override]
        """The handler to test."""
        return LogHandler

    def get_log_handler_settings(self) -> None:  # type: ignore[override]
        """The handler has no settings."""


def test_the_first_estimate_is_the_sum_of_costs(progress: Progress) -> None:
    """Before anything ran, one core is expected to work off all costs."""
    assert progress.time_left() == pytest.approx(65)
    assert progress.total == 4


def test_cores_share_the_work(progress: Progress) -> None:
    """Two cores train three cells as a scheduler would; the report waits for all of them."""
    progress.cores = 2

    assert progress.time_left() == pytest.approx(30 + 5)


def test_the_longest_job_is_waited_for(progress: Progress, clock: Clock) -> None:
    """Time left is never less than what a running job still needs."""
    progress.start(1, "cell", ["a"], "", 1)
    progress.start(2, "cell", ["c"], "", 1)
    progress.start(3, "cell", ["b"], "", 1)

    assert progress.time_left() == pytest.approx(30 + 5)
    clock.now = 10.0
    assert progress.time_left() == pytest.approx(20 + 5)


def test_a_job_beyond_its_plan_does_not_go_to_zero(progress: Progress, clock: Clock) -> None:
    """What is left of it grows, and its last minute is not promised again and again."""
    progress.cores = 4
    for number, name in enumerate("abc"):
        progress.start(number, "cell", [name], "", 1)
    clock.now = 25.0
    assert "less than a minute left" in str(progress)
    clock.now = 28.0
    progress.finish(0)
    progress.finish(1)
    clock.now = 150.0
    first = progress.time_left()

    assert "longer than expected" in str(progress)
    clock.now = 400.0
    assert progress.time_left() > 2 * first
    assert "about 2 min left" in str(progress)


def test_jobs_take_the_threads_of_their_rule(progress: Progress) -> None:
    """Jobs that want all cores run one after the other."""
    progress.cores = 2
    progress.start(1, "cell", ["a"], "", 2)

    assert progress.time_left() == pytest.approx(65)


@pytest.mark.parametrize("seconds", [60.0, 600.0])
def test_estimates_learn_from_finished_jobs(
    progress: Progress, clock: Clock, seconds: float
) -> None:
    """A job of twice its plan or more says that the rest takes twice as long, and no more."""
    before = progress.time_left()
    progress.start(1, "cell", ["c"], "", 1)
    clock.now = seconds
    progress.finish(1)

    left = progress.time_left()

    assert 1.7 * (before - 30) < left < 2.1 * (before - 30)


def test_a_partial_run_takes_typical_costs() -> None:
    """Where only some jobs of a rule run, each counts as the mean of those that may."""
    some = Progress(Clock())
    some.expect(PLAN)
    some.plan({"cell": 1, "total": 1})

    assert some.time_left() == pytest.approx(20)


def test_unknown_jobs_do_no_harm(progress: Progress) -> None:
    """A rule without costs is counted as a job and takes no time."""
    progress.start(9, "study", [], "", 1)

    assert progress.finish(9) is None
    assert progress.finish(9) is None


def test_the_last_job_of_a_rule_is_told(progress: Progress) -> None:
    """Finishing a rule's last job returns the rule and how many jobs it had."""
    for number, name in enumerate("abc"):
        progress.start(number, "cell", [name], "", 1)

    assert [progress.finish(number) for number in range(3)] == [None, None, ("cell", 3)]


def test_a_job_that_is_tried_again_counts_once(progress: Progress) -> None:
    """A failed job that starts again is no longer failed, and the total stays."""
    progress.start(1, "cell", ["a"], "", 1)
    progress.fail(1)
    assert (progress.failed, progress.total) == (1, 4)

    progress.start(1, "cell", ["a"], "", 1)

    assert (progress.failed, progress.total) == (0, 4)


def test_a_terminal_gets_a_bar(progress: Progress) -> None:
    """In a terminal the display is live: a bar, numbers, and what runs now."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100, legacy_windows=False)
    progress.start(1, "cell", ["a"], "train a", 1)

    screen = open_screen(console, progress)
    screen.say("teacher: done")
    screen.close()

    assert isinstance(screen, LiveScreen)
    assert "0/4 jobs" in stream.getvalue()
    assert "train a" in stream.getvalue()
    assert "teacher: done" in stream.getvalue()


def test_a_log_gets_lines(progress: Progress) -> None:
    """Without a terminal there is a plain line now and then, and no control characters."""
    stream = io.StringIO()
    progress.start(1, "cell", ["a"], "train a", 1)

    assert isinstance(open_screen(Console(file=stream), progress), LineScreen)
    screen = LineScreen(Console(file=stream, width=20), progress, seconds=0.01)
    for _ in range(200):
        if "train a" in stream.getvalue():
            break
        screen._closed.wait(0.01)
    screen.close()

    line = stream.getvalue().splitlines()[0]
    assert line == "0/4 jobs, 0:00 elapsed, about 1 min left; train a"


def handler(**settings: Any) -> tuple[LogHandler, io.StringIO]:
    """A handler that writes to a string."""
    common = MockOutputSettings()
    for name, value in settings.items():
        setattr(common, name, value)
    made = LogHandler(common_settings=common, settings=None)
    stream = io.StringIO()
    made.console = Console(file=stream, width=100)
    return made, stream


def record(level: int = logging.INFO, message: str = "", **fields: Any) -> logging.LogRecord:
    """A record as Snakemake's logger sends it."""
    made = logging.LogRecord("snakemake", level, "", 0, message, (), None)
    made.__dict__.update(fields)
    return made


def started(number: int, name: str, log: str = "") -> logging.LogRecord:
    """The record of a cell that starts."""
    return record(
        event=LogEvent.JOB_INFO,
        jobid=number,
        rule_name="cell",
        rule_msg=f"train {name}",
        wildcards={"cell": name},
        threads=1,
        log=[log],
    )


def test_a_failed_job_shows_the_end_of_its_log(tmp_path: Path) -> None:
    """A failure names the job and its log, and repeats the log's last lines only."""
    made, stream = handler()
    log = tmp_path / "cell.log"
    log.write_text("\n".join(f"line {i}" for i in range(50)) + "\npdbench: error: disk full\n")

    made.emit(record(pdbench_plan=PLAN, pdbench_report="reports/small/index.html"))
    made.emit(record(event=LogEvent.RUN_INFO, stats={"cell": 2, "total": 2}))
    made.emit(started(1, "a"))
    made.emit(started(2, "b"))
    made.emit(record(event=LogEvent.JOB_FINISHED, job_id=2))
    made.emit(
        record(logging.ERROR, event=LogEvent.JOB_ERROR, jobid=1, rule_name="cell", log=[str(log)])
    )
    made.emit(record(logging.ERROR, "Exiting because a job execution failed."))
    made.close()

    text = stream.getvalue()
    assert "Failed: train a" in text
    assert str(log) in text.replace("\n", "")
    assert "| pdbench: error: disk full" in text
    assert "| line 49" in text
    assert "| line 10" not in text
    assert "Exiting" not in text
    assert "1 of 2 jobs done" in text
    assert "1 failed. Run again to go on" in text


@pytest.mark.parametrize("live", [False, True])
def test_a_log_is_shown_and_not_obeyed(tmp_path: Path, live: bool) -> None:
    """Neither the words of a job and its log nor those of Snakemake reach terminal or pipeline."""
    made, stream = handler()
    if live:
        made.console = Console(file=stream, force_terminal=True, color_system=None, width=4000)
    log = tmp_path / "cell.log"
    log.write_text(NAME, encoding="utf-8", errors="surrogatepass")

    made.emit(record(event=LogEvent.RUN_INFO, stats={"cell": 1, "total": 1}))
    made.emit(started(1, NAME))
    made.emit(record(logging.WARNING, NAME))
    made.emit(record(logging.ERROR, event=LogEvent.JOB_ERROR, jobid=1, rule_name="a", log=[log]))
    made.close()

    text = (
        re.sub(r"\x1b\[(\?25[hl]|\d*[AK])|\r", "", stream.getvalue()) if live else stream.getvalue()
    )
    assert_nothing_obeys(text)
    assert text.count("[red]j[/red] :bug:") == 3
    assert text.count("stop-commands") == 3


def test_a_full_disk_is_named_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a job's log could not be written either, the last line still says why."""
    full = shutil.disk_usage("/")._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    made, stream = handler()

    made.emit(record(event=LogEvent.RUN_INFO, stats={"cell": 1, "total": 1}))
    made.emit(started(1, "a"))
    made.emit(record(logging.ERROR, event=LogEvent.JOB_ERROR, jobid=1, rule_name="cell", log=[]))
    made.close()

    assert (
        stream.getvalue()
        .replace("\n", " ")
        .rstrip()
        .endswith(
            "0 of 1 jobs done in 0:00, 1 failed. Run again to go on; what is done is kept. "
            "The disk is full: free some space first."
        )
    )


def test_warnings_are_shown_and_chatter_is_not() -> None:
    """What Snakemake warns of reaches the user; what it merely tells does not."""
    made, stream = handler()

    made.emit(record(logging.INFO, "Assuming unrestricted shared filesystem usage."))
    made.emit(record(logging.WARNING, "The directory is locked"))
    made.emit(record(logging.INFO, "Nothing to be done (all requested files are present)."))

    assert stream.getvalue().splitlines() == [
        "The directory is locked",
        "Nothing to be done (all requested files are present).",
    ]


def test_a_dry_run_shows_its_plan_once() -> None:
    """`snakemake -n --logger pdbench` prints the table of jobs and starts no display."""
    made, stream = handler(dryrun=True)
    plan = record(logging.INFO, "Job stats: cell 3", event=LogEvent.RUN_INFO, stats={"cell": 3})

    made.emit(plan)
    made.emit(started(1, "a"))
    made.emit(plan)
    made.close()

    assert stream.getvalue().splitlines() == ["Job stats: cell 3"]


def test_snakemake_finds_the_display(project: Project) -> None:
    """A whole run is a few lines: the last ones count its jobs and name its report."""
    lines = project.snakemake("study", "--logger", "pdbench").stderr.splitlines()

    assert any(line.strip().endswith("cell: all 9 done") for line in lines)
    assert lines[-2].startswith("29 of 29 jobs done in ")
    assert lines[-1] == "The report is reports/small/index.html"
    assert len(lines) < 20

    again = project.snakemake("study", "--logger", "pdbench").stderr.splitlines()

    nothing = "Nothing to be done (all requested files are present and up to date)."
    assert again == [nothing, lines[-1]]


def test_importing_the_plugin_is_cheap() -> None:
    """Every job of a cluster imports the plugin, so it must not import rich."""
    import subprocess
    import sys

    code = "import sys, snakemake_logger_plugin_pdbench; print('rich.live' in sys.modules)"

    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
