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
from rich.console import Console
from study_files import write_study_file

from pdbench.core.errors import UsageError
from pdbench.core.files import write_json
from pdbench.ops import redo, status_text
from pdbench.ops.status import FRESH, STOPPED, Survey, last_line, survey
from pdbench.study import Study, load_study
from pdbench.workflow import Paths

BASIC = "sentiment.basic.1-64.none.none"
D = "sentiment.d.1-64.films-300.none"
PD = "sentiment.pd.1-64.films-300.general"
PF = "sentiment.pf.2-128.none.general"


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
    spec = paths.study.digest_of(paths.study.cell_spec(cell))
    runs = [run.name for run in paths.study.runs(cell)]
    write_json(paths.cell(key) / "cell.json", {"cell": key, "spec": spec, "runs": runs})
    (paths.cell(key) / "runs/seed0").mkdir(parents=True)


def say(paths: Paths, key: str, state: str, **more: Any) -> None:
    """Leave a cell's word of itself, and a log."""
    about = {"host": platform.node(), "pid": os.getpid(), "slurm_job": None, "reason": None}
    write_json(paths.status(key), {"state": state, **about, **more})
    log(paths, "cell", key, "10:00:00 training")


def log(paths: Paths, rule: str, name: str, text: str, age: float = 0) -> Path:
    """Leave a job's log, of some age in seconds."""
    path = paths.log(rule, name)
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
    keys = (("cell", key) for key in found.study.cells)
    return {key[1]: found.states[key] for key in keys if found.states[key] != "missing"}


def reason(found: Survey, key: str, rule: str = "cell") -> str:
    """Why a job failed."""
    return found.reasons[rule, key]


def test_an_untouched_study_is_missing(study: Study) -> None:
    """Nothing is done, nothing failed, and the artefact without cells is left out."""
    found = survey(study)

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

    found = survey(study)

    assert states(found) == {D: "done", PD: "running", BASIC: "failed"}
    assert found.artefacts["figure6"] == {"done": 1, "running": 1, "failed": 1, "missing": 5}
    assert found.artefacts["figure8"] == {"done": 1, "missing": 1}
    assert found.cells.total() == 9


@pytest.mark.parametrize(
    ("said", "state", "why"),
    [
        ({"state": "running"}, "running", None),
        ({"state": "running", "pid": 2**22 + 1}, "failed", "ended without a word on"),
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

    found = survey(study)

    assert found.states["cell", PD] == state
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
        say(paths, f"{PD}.seed{number}", said, reason="the loss is not finite")

    found = survey(study)

    assert found.states["cell", PD] == state
    if state == "failed":
        log = f"logs/small/seed/{PD}.seed0.log"
        assert reason(found, PD) == f"seed 0, {log}: the loss is not finite"


def test_a_silent_cell_of_another_host_is_dead(study: Study, paths: Paths) -> None:
    """Without a sign of life for a quarter of an hour."""
    say(paths, PD, "running", host="elsewhere")

    found = survey(study, now=time.time() + FRESH + 1)

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

    found = survey(study, now=time.time() + 10 * FRESH)

    assert states(found) == {PD: "running", PF: "failed"}
    assert found.queue == {"PENDING": 1, "RUNNING": 1}
    assert "SLURM: 1 pending, 1 running" in status_text.as_text(found)


def test_slurm_knows_whether_a_quiet_job_lives(
    study: Study, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that says nothing for hours runs as long as the queue says so, here and nowhere else."""
    elsewhere = "2|RUNNING|/elsewhere|rule_text_wildcards_films"
    comment = "rule_pretrain_wildcards_general_1-64"  # the plugin joins wildcards otherwise
    put_squeue(tmp_path, monkeypatch, f"1|RUNNING|{tmp_path}|{comment}", elsewhere)
    log(paths, "pretrain", "general.1-64", "10:00 training", age=10 * FRESH)
    log(paths, "text", "films", "10:00 reading", age=10 * FRESH)

    found = survey(study)

    assert found.states["pretrain", "general.1-64"] == "running"
    assert found.states["text", "films"] == "failed"


@pytest.mark.parametrize("rule", ["pretrain", "cell"])
def test_a_saved_state_is_a_sign_of_life(rule: str, study: Study, paths: Paths) -> None:
    """Training says nothing for hours, and saves its state all the time."""
    if rule == "cell":
        say(paths, PD, "running", host="elsewhere")
        state = paths.state(paths.cell(PD) / "runs/seed0_lr0.001-b32")
    else:
        lock()
        log(paths, rule, "general.1-64", "10:00 training")
        state = paths.state(paths.results / "pretrained/general/1-64")
    name = PD if rule == "cell" else "general.1-64"
    later = time.time() + 10 * FRESH
    state.mkdir(parents=True)

    dead = survey(study, now=later).states[rule, name]
    os.utime(state, (later - 60,) * 2)

    assert (dead, survey(study, now=later).states[rule, name]) == ("failed", "running")


def test_a_broken_status_file_says_nothing(study: Study, paths: Paths) -> None:
    """The log then decides."""
    say(paths, PD, "running")
    paths.status(PD).write_text("{")
    log(paths, "cell", PD, "pdbench: error: no space left on device; free some\n")

    assert reason(survey(study), PD) == "no space left on device; free some"


def test_other_jobs_are_judged_by_their_logs(study: Study, paths: Paths) -> None:
    """An error has failed, a fresh log runs, an old one ended without a word."""
    lock()
    log(paths, "teacher", "sentiment", "10:00\npdbench: error: it learnt nothing; see why\n")
    log(paths, "text", "films", "10:00 reading")
    log(paths, "text", "reviews", "10:00 reading", age=FRESH + 60)

    found = survey(study)

    assert found.rules["text"] == {"running": 1, "failed": 1}
    assert reason(found, "sentiment", "teacher") == "it learnt nothing; see why"
    assert reason(found, "reviews", "text") == "ended without a word: 10:00 reading"


def test_nothing_runs_where_snakemake_has_ended(study: Study, paths: Paths) -> None:
    """It leaves an empty log of a job that SLURM refused; what was stopped will go on."""
    locked = lock()
    log(paths, "cell", PD, "")
    log(paths, "teacher", "sentiment", f"10:00 SIGTERM{STOPPED}step 3 of 9; saved in x\n")
    assert survey(study).cells["running"] == 1
    locked.unlink()

    found = survey(study)

    why = "ended without a word: its log is empty; Snakemake's own are in .snakemake/log"
    assert reason(found, PD) == why
    assert found.states["teacher", "sentiment"] == "missing"
    assert redo.prepare(found, "all", yes=True)


def test_failures_name_what_waits_for_them(study: Study, paths: Paths) -> None:
    """What most cells wait for comes first: distilling cells wait for the teacher."""
    log(paths, "teacher", "sentiment", "pdbench: error: it learnt nothing; see why\n")
    say(paths, BASIC, "failed", reason="another")

    first, second = survey(study).failures

    assert (first.job.rule, first.waiting) == ("teacher", 5)
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

    assert last_line(tmp_path / "x.log") == line


def test_a_job_without_log_says_so(tmp_path: Path) -> None:
    """It may have been killed before it began."""
    assert last_line(tmp_path / "none.log") == "it left no log"


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
    monkeypatch.setattr(status_text, "REDRAWN", 0.0)
    looks = 0

    def look() -> Survey:
        nonlocal looks
        looks += 1
        if looks == 2:
            finish(paths, D)
        if looks == 3:
            write_json(paths.index, "done")
        return survey(study)

    output = io.StringIO()
    status_text.watch(Console(file=output, force_terminal=True, width=100), look)

    assert looks == 3
    assert "study small" in output.getvalue()


def test_a_key_ends_the_display(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is how one leaves it, and no error."""

    def press(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(status_text.time, "sleep", press)

    status_text.watch(Console(file=io.StringIO(), force_terminal=True), lambda: survey(study))


def test_failed_jobs_begin_anew(study: Study, paths: Paths) -> None:
    """Their states, words and logs go; finished runs and other cells stay."""
    finish(paths, D)
    say(paths, BASIC, "failed", reason="x")
    say(paths, PF, "stopped")
    run_folder = paths.cell(BASIC) / "runs/seed0_lr0.001-b32"
    state = paths.state(run_folder)
    others = paths.state(paths.cell(PF) / "runs/seed0_lr0.001-b32")
    alike = paths.state(paths.results / "cells" / f"{BASIC}x" / "runs/seed0")
    for folder in (run_folder, state, others, alike):
        folder.mkdir(parents=True)

    lines = redo.prepare(survey(study), "failed", yes=False)

    gone = {state, paths.status(BASIC), paths.log("cell", BASIC)}
    assert {line.removeprefix("removed ") for line in lines[:-1]} == set(map(str, gone))
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in (run_folder, others, alike, paths.status(PF)))
    assert lines[-1].endswith(f"now run snakemake --config study={study.argument}")
    assert study.argument.endswith("small.yaml")
    assert survey(study).cells == {"done": 1, "missing": 8}


def test_missing_ones_lose_their_states_too(study: Study, paths: Paths) -> None:
    """A stopped cell begins anew; one that runs is left alone."""
    say(paths, PF, "stopped")
    say(paths, PD, "running")
    states = [paths.state(paths.cell(key) / "runs/seed0") for key in (PF, PD)]
    for folder in states:
        folder.mkdir(parents=True)

    redo.prepare(survey(study), "missing", yes=False)

    assert [folder.exists() for folder in states] == [False, True]
    assert paths.status(PD).exists()


def test_failed_seeds_begin_anew(study: Study, paths: Paths) -> None:
    """Their words, logs and stamps go; finished runs stay, and so do other cells' seeds."""
    say(paths, f"{PD}.seed0", "failed", reason="the loss is not finite")
    own = log(paths, "seed", f"{PD}.seed0", "10:00:00 training")
    for cell in (PD, D):
        write_json(paths.seed(cell, 1), {"cell": cell})
    finish(paths, D)

    redo.prepare(survey(study), "failed", yes=False)

    gone = [paths.status(f"{PD}.seed0"), own, paths.seed(PD, 1)]
    assert [path for path in gone if path.exists()] == []
    assert paths.seed(D, 1).exists()


def test_a_bundle_with_a_missing_cell_is_done_again(study: Study, paths: Paths) -> None:
    """What says that it is done goes, or Snakemake would do nothing; other bundles stay."""
    finish(paths, D)
    stamps = {name: paths.bundle(name) for name in ("one", "two")}
    write_json(stamps["one"], {"cells": [PD, PF]})
    write_json(stamps["two"], {"cells": [D]})

    redo.prepare(survey(study), "missing", yes=False)

    assert [stamp.exists() for stamp in stamps.values()] == [False, True]


def test_a_cell_of_other_settings_counts_as_missing(study: Study, paths: Paths) -> None:
    """Its runs stay, to be looked at again; those of cells that are as asked are not touched."""
    for key in (D, PD, BASIC):
        finish(paths, key)
    changed = load_study(write_study_file(Path("small.yaml"), {"training.distill.epochs": 9}))

    redo.prepare(survey(changed), "missing", yes=False)

    whole = {key: (paths.cell(key) / "cell.json").exists() for key in (D, PD, BASIC)}
    assert whole == {D: False, PD: False, BASIC: True}
    assert (paths.cell(D) / "runs/seed0").exists()


def test_finished_runs_go_only_when_told_twice(study: Study, paths: Paths) -> None:
    """--redo all names what would go, and does it with --yes."""
    finish(paths, D)
    write_json(paths.teacher("sentiment") / "record.json", {})

    (head, *names) = redo.prepare(survey(study), "all", yes=False)
    assert "nothing was removed: say --yes" in head
    assert names == [str(paths.cell(D))]
    assert paths.cell(D).exists()

    redo.prepare(survey(study), "all", yes=True)
    assert not paths.cell(D).exists()
    assert (paths.teacher("sentiment") / "record.json").exists()


def test_nothing_is_taken_from_running_cells(study: Study, paths: Paths) -> None:
    """--redo all asks to stop them first."""
    say(paths, PD, "running")

    with pytest.raises(UsageError, match="1 cells of small are running; stop them first"):
        redo.prepare(survey(study), "all", yes=True)


def test_nothing_to_redo_is_said(study: Study, capsys) -> None:
    """The command then removes nothing."""
    assert run("status", "small.yaml", "--redo", "failed") == 0
    assert capsys.readouterr().out.startswith("there is nothing to remove; now run snakemake")
