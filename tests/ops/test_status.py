"""What is done, what runs, what failed and why, what is missing; and doing it again."""

from __future__ import annotations

import io
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import pytest
from commands import run
from hostile import NAME, TITLE, assert_nothing_obeys
from rich.console import Console
from study_files import write_study_file

from pdbench.core.errors import UsageError
from pdbench.core.files import write_json
from pdbench.core.processes import identity
from pdbench.ops import status
from pdbench.ops.clean import redo
from pdbench.ops.status import _STOPPED, Survey
from pdbench.study import Architecture, Start, Study, load_study
from pdbench.study.cells import SeedOf
from pdbench.workflow import Paths
from pdbench.workflow.kinds import _AUDIT, Job

BASIC = "sentiment.basic.1-64.none.none"
D = "sentiment.d.1-64.films-300.none"
PD = "sentiment.pd.1-64.films-300.general"
PF = "sentiment.pf.2-128.none.general"
PRETRAIN = Job("pretrain", Start("general", Architecture(1, 64), 0))
TEACHER, FILMS = Job("teacher", "sentiment"), Job("text", "films")


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """The small study in an empty folder, on a machine without SLURM."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    return load_study(write_study_file(tmp_path / "small.yaml"))


@pytest.fixture
def paths(study: Study) -> Paths:
    """Its paths."""
    return Paths(study)


def finish(paths: Paths, key: str) -> None:
    """Leave what a finished cell leaves."""
    cell = paths.study.cells[key]
    for one in paths.study.runs(cell):
        write_json(paths.run(one) / "record.json", {})
    write_json(paths.cell(cell), {"cell": key})


def job(study: Study, key: str, seed: int | None = None) -> Job:
    """The job of a cell, or of one of its seeds."""
    cell = study.cells[key]
    return Job("cell", cell) if seed is None else Job("seed", SeedOf(cell, seed))


def first_run(paths: Paths, key: str) -> Path:
    """Where the first run of a cell stands."""
    return paths.run(paths.study.runs(paths.study.cells[key])[0])


def say(paths: Paths, key: str, state: str, seed: int | None = None, **more: Any) -> None:
    """Leave a cell's word of itself, or that of one of its seeds, and a log."""
    about = {"host": platform.node(), "pid": os.getpid(), "slurm_job": None, "reason": None}
    about["began"] = identity(os.getpid())
    own = job(paths.study, key, seed)
    write_json(paths.status(own), {"state": state, **about, **more})
    log(paths, own, "10:00:00 training")


def log(paths: Paths, own: Job, text: str, age: float = 0) -> Path:
    """Leave a job's log, of some age in seconds."""
    path = paths.log(own)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time.time() - age,) * 2)
    return path


def lock() -> Path:
    """Leave what Snakemake leaves while it is at work."""
    path = Path(".snakemake/locks/0.output.lock")
    path.parent.mkdir(parents=True)
    path.touch()
    return path


def states(found: Survey) -> dict[str, str]:
    """The cells that are not missing, by key."""
    cells = {key: found.states[job(found.study, key)] for key in found.study.cells}
    return {key: state for key, state in cells.items() if state != "missing"}


def reason(found: Survey, key: str) -> str:
    """Why a cell failed."""
    return found.reasons[job(found.study, key)]


def test_an_untouched_study_is_missing(study: Study) -> None:
    """Nothing is done, nothing failed, and the artefact without cells is left out."""
    found = Survey.of(study)

    assert states(found) == {}
    assert found.cells == {"missing": 9}
    assert set(found.artefacts) == {"figure6", "figure8"}
    assert found.failures == []
    assert not found.is_over


def test_every_artefact_counts_its_cells(study: Study, paths: Paths) -> None:
    """A cell that two artefacts share counts in both, and once in all."""
    finish(paths, D)
    say(paths, PD, "running")
    say(paths, BASIC, "failed", reason="the loss is not finite")

    found = Survey.of(study)

    assert states(found) == {D: "done", PD: "running", BASIC: "failed"}
    assert found.artefacts["figure6"] == {"done": 1, "running": 1, "failed": 1, "missing": 5}
    assert found.artefacts["figure8"] == {"done": 1, "missing": 1}
    assert found.cells.total() == 9


@pytest.mark.parametrize(
    ("said", "state", "why"),
    [
        ({"state": "running"}, "running", None),
        ({"state": "running", "pid": 2**22 + 1}, "failed", "ended without a word on"),
        ({"state": "running", "began": "1"}, "failed", "ended without a word on"),
        ({"state": "running", "host": "elsewhere"}, "running", None),
        ({"state": "failed", "reason": "no teacher; train it"}, "failed", "no teacher; train it"),
        ({"state": "stopped"}, "missing", None),
    ],
)
def test_a_cell_is_what_it_says_if_it_lives(
    said: dict[str, Any], state: str, why: str | None, study: Study, paths: Paths
) -> None:
    """A process that is gone has failed; one that a signal stopped will go on."""
    say(paths, PD, **said)

    found = Survey.of(study)

    assert found.states[job(study, PD)] == state
    assert why is None or why in reason(found, PD)


@pytest.mark.parametrize(
    ("seeds", "state"),
    [
        (["running", "done"], "running"),
        (["failed", "running"], "running"),
        (["failed", "done"], "failed"),
        (["stopped", "done"], "missing"),
        (["done", "done"], "missing"),
    ],
)
def test_a_cell_is_what_its_seeds_say(
    seeds: list[str], state: str, study: Study, paths: Paths
) -> None:
    """It runs while one of them does, has failed if one has, and is missing until it is whole."""
    for number, said in enumerate(seeds):
        say(paths, PD, said, number, reason="the loss is not finite")

    found = Survey.of(study)

    assert found.states[job(study, PD)] == state
    if state == "failed":
        log = paths.log(job(study, PD, 0))
        assert reason(found, PD) == f"seed 0, {log}: the loss is not finite"


def test_the_words_of_others_are_shown_and_not_obeyed(
    study: Study, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Those of a status file, a log, a host and SLURM, in plain lines, live and as JSON."""
    say(paths, PD, "failed", reason=NAME)
    say(paths, PF, "running", host=NAME)
    for file in (paths.status(job(study, PF)), paths.log(job(study, PF))):
        os.utime(file, (0, 0))
    log = paths.log(TEACHER)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(f"pdbench: error: {NAME.splitlines()[0]} \x1b[2J", encoding="utf-8")
    put_squeue(tmp_path, monkeypatch, f"8|{TITLE.replace(chr(39), '')}|/x|(null)")
    stream = io.StringIO()

    assert run("status", "small.yaml") == 0
    plain = capsys.readouterr().out
    assert run("status", "small.yaml", "--json") == 0
    as_json = capsys.readouterr().out
    Console(file=stream, width=2000).print(status._drawn(Survey.of(study)))

    for text in (plain, as_json, stream.getvalue()):
        assert_nothing_obeys(text)
        assert "[red]j[/red] :bug:" in text
    assert plain.count("stop-commands") == stream.getvalue().count("stop-commands") == 2
    assert NAME in {failure["reason"] for failure in json.loads(as_json)["failures"]}


def test_a_silent_cell_of_another_host_is_dead(study: Study, paths: Paths) -> None:
    """Without a sign of life for a quarter of an hour."""
    say(paths, PD, "running", host="elsewhere")

    found = Survey.of(study, now=time.time() + status._FRESH + 1)

    assert reason(found, PD).endswith("10:00:00 training")


def put_squeue(folder: Path, monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """Put a squeue that prints some lines on the path."""
    queue = folder / "squeue"
    queue.write_text("\n".join(["#!/bin/sh", *(f"echo '{line}'" for line in lines)]) + "\n")
    queue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")


def test_slurm_knows_whether_a_cell_lives(
    study: Study, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job in the queue lives however quiet it is; one that is gone is dead at once."""
    put_squeue(tmp_path, monkeypatch, "7|RUNNING|/x|rule_bundle", "8|PENDING|/x|(null)")
    say(paths, PD, "running", host="node1", slurm_job="7")
    say(paths, PF, "running", host="node1", slurm_job="6")

    found = Survey.of(study, now=time.time() + 10 * status._FRESH)

    assert states(found) == {PD: "running", PF: "failed"}
    assert found.queue == {"PENDING": 1, "RUNNING": 1}
    assert "SLURM: 1 pending, 1 running" in "\n".join(found.as_text())


def test_slurm_knows_whether_a_quiet_job_lives(
    study: Study, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that says nothing for hours runs as long as the queue says so, here and nowhere else."""
    elsewhere = f"2|RUNNING|/elsewhere|rule_text_wildcards_{paths.label(FILMS)}"
    # The plugin joins wildcards otherwise than with our dots.
    comment = f"rule_pretrain_wildcards_{paths.label(PRETRAIN)}".replace("general.", "general_")
    own = (f"1|RUNNING|{tmp_path}|{comment}", f"3|RUNNING|{tmp_path}|rule_audit")
    put_squeue(tmp_path, monkeypatch, *own, elsewhere)
    log(paths, PRETRAIN, "10:00 training", age=10 * status._FRESH)
    log(paths, FILMS, "10:00 reading", age=10 * status._FRESH)
    log(paths, _AUDIT, "10:00 comparing", age=10 * status._FRESH)

    found = Survey.of(study)

    assert found.states[PRETRAIN] == "running"
    assert found.states[_AUDIT] == "running"
    assert found.states[FILMS] == "failed"


@pytest.mark.parametrize("rule", ["pretrain", "cell"])
def test_a_saved_state_is_a_sign_of_life(rule: str, study: Study, paths: Paths) -> None:
    """Training says nothing for hours, and saves its state all the time."""
    if rule == "cell":
        say(paths, PD, "running", host="elsewhere")
        own, state = job(study, PD), paths.state(first_run(paths, PD))
    else:
        lock()
        log(paths, PRETRAIN, "10:00 training")
        own, state = PRETRAIN, paths.state(paths.pretrained(PRETRAIN.key))
    later = time.time() + 10 * status._FRESH
    state.mkdir(parents=True)

    dead = Survey.of(study, now=later).states[own]
    os.utime(state, (later - 60,) * 2)

    assert (dead, Survey.of(study, now=later).states[own]) == ("failed", "running")


def test_a_broken_status_file_says_nothing(study: Study, paths: Paths) -> None:
    """The log then decides."""
    say(paths, PD, "running")
    paths.status(job(study, PD)).write_text("{")
    log(paths, job(study, PD), "pdbench: error: no space left on device; free some\n")

    assert reason(Survey.of(study), PD) == "no space left on device; free some"


def test_other_jobs_are_judged_by_their_logs(study: Study, paths: Paths) -> None:
    """An error has failed, a fresh log runs, an old one ended without a word."""
    lock()
    log(paths, TEACHER, "10:00\npdbench: error: it learnt nothing; see why\n")
    log(paths, FILMS, "10:00 reading")
    log(paths, Job("text", "reviews"), "10:00 reading", age=status._FRESH + 60)

    found = Survey.of(study)

    assert found.kinds["text"] == {"running": 1, "failed": 1}
    assert found.reasons[TEACHER] == "it learnt nothing; see why"
    assert found.reasons[Job("text", "reviews")] == "ended without a word: 10:00 reading"


def test_nothing_runs_where_snakemake_has_ended(study: Study, paths: Paths) -> None:
    """It leaves an empty log of a job that SLURM refused; what was stopped will go on."""
    locked = lock()
    log(paths, job(study, PD), "")
    log(paths, TEACHER, f"10:00 SIGTERM{_STOPPED}step 3 of 9; saved in x\n")
    assert Survey.of(study).cells["running"] == 1
    locked.unlink()

    found = Survey.of(study)

    why = "ended without a word: its log is empty; Snakemake's own are in .snakemake/log"
    assert reason(found, PD) == why
    assert found.states[TEACHER] == "missing"
    assert redo(found, "all", yes=True)


def test_failures_name_what_waits_for_them(study: Study, paths: Paths) -> None:
    """What most cells wait for comes first: distilling cells wait for the teacher."""
    log(paths, TEACHER, "pdbench: error: it learnt nothing; see why\n")
    say(paths, BASIC, "failed", reason="another")

    first, second = Survey.of(study).failures

    assert (first.job.kind, first.waiting) == ("teacher", 5)
    assert (second.job.name, second.waiting) == (BASIC, 0)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\npdbench: error: first\nb\npdbench: error: last; remedy\nc\n", "last; remedy"),
        ("Traceback ...\n  File x\nRuntimeError: shapes differ\n\n", "RuntimeError: shapes differ"),
        ("slurmstepd: error: *** CANCELLED AT ...\n", "slurmstepd: error: *** CANCELLED AT ..."),
        ("10:00 step 1\n10:01 step 2\n", "10:01 step 2"),
        ("\n\n", "its log is empty; Snakemake's own are in .snakemake/log"),
    ],
)
def test_the_line_that_explains_a_log(text: str, line: str, tmp_path: Path) -> None:
    """The last error, or else the last line."""
    (tmp_path / "x.log").write_text("x" * 100_000 + "\n" + text)
    if not text.strip():
        (tmp_path / "x.log").write_text(text)

    assert status._ending(tmp_path / "x.log")[0] == line


def test_a_job_without_log_says_so(tmp_path: Path) -> None:
    """It may have been killed before it began."""
    assert status._ending(tmp_path / "none.log")[0] == "it left no log"


def test_the_text_and_the_json_say_the_same(study: Study, paths: Paths, capsys) -> None:
    """Away from a terminal the command prints once: numbers, reason and log."""
    finish(paths, D)
    say(paths, BASIC, "failed", reason="the loss is not finite; lower the rate")

    assert run("status", "small.yaml") == 0
    text = capsys.readouterr().out
    assert run("status", "small.yaml", "--json") == 0
    found = json.loads(capsys.readouterr().out)

    row = next(line for line in text.splitlines() if line.startswith("figure6"))
    assert [int(n) for n in row.split()[1:]] == list(found["artefacts"]["figure6"].values())
    (failure,) = found["failures"]
    assert f"failed: cell {BASIC}\n  {failure['reason']}\n  {failure['log']}" in text
    assert "\x1b" not in text


def test_a_terminal_is_drawn_until_all_is_done(
    study: Study, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks again, shows what changed, and ends with the report."""
    monkeypatch.setattr(status, "_REDRAWN", 0.0)
    looks = 0

    def look() -> Survey:
        nonlocal looks
        looks += 1
        if looks == 2:
            finish(paths, D)
        if looks == 3:
            write_json(paths.index, "done")
        return Survey.of(study)

    output = io.StringIO()
    status.watch(Console(file=output, force_terminal=True, width=100), look)

    assert looks == 3
    assert "study small" in output.getvalue()


def test_a_key_ends_the_display(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is how one leaves it, and no error."""

    def press(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(status.time, "sleep", press)

    status.watch(Console(file=io.StringIO(), force_terminal=True), lambda: Survey.of(study))


def test_failed_jobs_begin_anew(study: Study, paths: Paths) -> None:
    """Their states, words and logs go; finished runs and other cells stay."""
    finish(paths, D)
    say(paths, BASIC, "failed", reason="x")
    say(paths, PF, "stopped")
    run_folder = first_run(paths, BASIC)
    state, others = paths.state(run_folder), paths.state(first_run(paths, PF))
    alike = state.with_name(f"{state.name}x")
    for folder in (run_folder, state, others, alike):
        folder.mkdir(parents=True)

    lines = redo(Survey.of(study), "failed", yes=False)

    gone = {state, paths.status(job(study, BASIC)), paths.log(job(study, BASIC))}
    assert {line.removeprefix("removed ") for line in lines[:-1]} == set(map(str, gone))
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in (run_folder, others, alike, paths.status(job(study, PF))))
    assert lines[-1].endswith(f"now run pdbench run {study.argument}")
    assert study.argument.endswith("small.yaml")
    assert Survey.of(study).cells == {"done": 1, "missing": 8}


def test_missing_ones_lose_their_states_too(study: Study, paths: Paths) -> None:
    """A stopped cell begins anew; one that runs is left alone."""
    say(paths, PF, "stopped")
    say(paths, PD, "running")
    states = [paths.state(first_run(paths, key)) for key in (PF, PD)]
    for folder in states:
        folder.mkdir(parents=True)

    redo(Survey.of(study), "missing", yes=False)

    assert [folder.exists() for folder in states] == [False, True]
    assert paths.status(job(study, PD)).exists()


def test_failed_seeds_begin_anew(study: Study, paths: Paths) -> None:
    """Their words and logs go; what is done stays, and so do other cells' seeds."""
    say(paths, PD, "failed", 0, reason="the loss is not finite")
    own = log(paths, job(study, PD, 0), "10:00:00 training")
    for key in (PD, D):
        write_json(paths.output(job(study, key, 1)), {"cell": key})

    redo(Survey.of(study), "failed", yes=False)

    gone = [paths.status(job(study, PD, 0)), own]
    assert [path for path in gone if path.exists()] == []
    assert all(paths.output(job(study, key, 1)).exists() for key in (PD, D))


def test_other_settings_are_missing_and_leave_what_is_done(study: Study, paths: Paths) -> None:
    """Their cells have places of their own; those of the old settings are not touched."""
    for key in (D, PD, BASIC):
        finish(paths, key)
    changed = load_study(write_study_file(Path("small.yaml"), {"training.distill.epochs": 9}))

    found = Survey.of(changed)
    redo(found, "missing", yes=False)

    assert states(found) == {BASIC: "done"}
    assert set(states(Survey.of(study))) == {D, PD, BASIC}


def test_finished_runs_go_only_when_told_twice(study: Study, paths: Paths) -> None:
    """--redo all names what would go, and does it with --yes: every finished run."""
    finish(paths, D)
    write_json(first_run(paths, PD) / "record.json", {})
    write_json(paths.teacher("sentiment") / "record.json", {})

    (head, *names) = redo(Survey.of(study), "all", yes=False)
    assert "nothing was removed: say --yes" in head
    runs = {paths.run(one) for one in study.runs(study.cells[D])} | {first_run(paths, PD)}
    assert set(names) == {str(path) for path in (*runs, paths.cell(study.cells[D]).parent)}
    assert all(Path(name).exists() for name in names)

    redo(Survey.of(study), "all", yes=True)
    assert not any(Path(name).exists() for name in names)
    assert (paths.teacher("sentiment") / "record.json").exists()


def test_runs_of_unfinished_cells_go_only_when_told_twice(study: Study, paths: Paths) -> None:
    """A finished run is one, also where its cell is not done."""
    record = first_run(paths, PD) / "record.json"
    write_json(record, {})

    redo(Survey.of(study), "all", yes=False)

    assert record.exists()


def test_nothing_is_taken_from_running_cells(study: Study, paths: Paths) -> None:
    """--redo all asks to stop them first."""
    say(paths, PD, "running")

    with pytest.raises(UsageError, match="1 cells of small are running; stop them first"):
        redo(Survey.of(study), "all", yes=True)


def test_nothing_to_redo_is_said(study: Study, capsys) -> None:
    """The command then removes nothing."""
    assert run("status", "small.yaml", "--redo", "failed") == 0
    assert capsys.readouterr().out.startswith("there is nothing to remove; now run pdbench run")
