"""Attempts at cells: what is left of each, and what stops and does not stop others."""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from commands import run
from pdbench.jobs.attempts import attempt_all

from pdbench import cli
from pdbench.core.errors import DataError, Stopped
from pdbench.core.files import alone, beside, read_json, write_json
from pdbench.jobs import training as jobs
from pdbench.jobs.record import read_record
from pdbench.study import Study
from pdbench.workflow import Paths

PD = "films.pd.1-32.more-100.plain"
PDF = "films.pd-f.1-32.more-100.plain"
BASIC = "films.basic.1-32.none.none"
Project = tuple[Study, Paths]


def state(paths: Paths, key: str) -> str:
    """The state that a cell's status file says."""
    found: str = read_json(paths.status(key))["state"]
    return found


def results(paths: Paths, key: str) -> dict[str, bytes]:
    """The predictions of a cell's runs, and all that their records say of scores and losses."""
    found = {}
    for file in sorted(paths.cell(key).glob("runs/*/record.json")):
        record = read_record(file)
        losses = [stage.loss for stage in record.stages]
        found[file.parent.name] = repr((record.metrics, losses, record.outputs)).encode()
        found[f"{file.parent.name} bytes"] = (file.parent / "test_predictions.npy").read_bytes()
    return found


def test_bundled_cells_end_with_the_same_bits(project: Project) -> None:
    """Cells that share a process give what each gives in a process of its own."""
    study, paths = project
    attempt_all(study, paths, [PD, PDF, BASIC])
    bundled = {key: results(paths, key) for key in (PD, PDF, BASIC)}
    shutil.rmtree(paths.results / "cells")

    context = multiprocessing.get_context("spawn")
    for key in (BASIC, PDF, PD):
        process = context.Process(target=cli.main, args=(["cell", "small.yaml", key],))
        process.start()
        process.join()
        assert process.exitcode == 0

    assert {key: results(paths, key) for key in (PD, PDF, BASIC)} == bundled
    assert all(bundled.values())


def test_a_failing_cell_stops_no_other(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    """The others are trained, and the failed one leaves its reason and a log."""
    study, paths = project
    paths.cell(PD).mkdir(parents=True)
    (paths.cell(PD) / "runs").touch()
    file = paths.bundle("some")

    with caplog.at_level(logging.INFO), pytest.raises(DataError, match=f"1 of 2 .*: {PD}; mend"):
        attempt_all(study, paths, [PD, BASIC], file=file)

    assert (paths.cell(BASIC) / "cell.json").is_file()
    assert (state(paths, PD), state(paths, BASIC)) == ("failed", "done")
    assert "FileExistsError" in read_json(paths.status(PD))["reason"]
    log = Path(read_json(paths.status(PD))["log"])
    assert "Traceback" in log.read_text()
    assert "Traceback" not in caplog.text
    assert f"{PD}: FileExistsError" in caplog.text
    assert not file.exists()

    (paths.cell(PD) / "runs").unlink()
    attempt_all(study, paths, [PD, BASIC], file=file)

    assert read_json(file) == {"cells": sorted([PD, BASIC])}
    assert state(paths, PD) == "done"


def test_an_unfinished_study_has_a_report_of_its_own(project: Project) -> None:
    """The partial report shows what is missing, stands apart, and goes when the whole one comes."""
    study, paths = project
    attempt_all(study, paths, [BASIC])

    assert run("report", "small.yaml", "--partial") == 0

    partial = Paths(study, partial=True)
    page = partial.index.read_text(encoding="utf-8")
    assert "figure6" in page
    assert partial.reports == paths.reports / "partial"
    assert partial.table.is_file()
    assert not paths.index.exists()
    assert not paths.table.exists()

    for command in ("collect", "artefact", "report"):
        assert run(command, "small.yaml", *(["figure6"] if command == "artefact" else [])) == 0

    assert paths.index.is_file()
    assert not partial.reports.exists()
    assert not partial.table.exists()


def test_a_cell_that_killed_its_process_goes_last(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What died without a word is tried after the others of its bundle."""
    study, paths = project
    order: list[str] = []
    monkeypatch.setattr(jobs, "cell", lambda study, paths, key, *_: order.append(key))
    write_json(paths.status(PD), {"state": "running"})

    attempt_all(study, paths, [PD, PDF, BASIC])

    assert order == [PDF, BASIC, PD]


def test_a_signal_stops_the_whole_bundle(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was asked to stop begins no further cell."""
    study, paths = project
    order: list[str] = []

    def stop(study: Study, paths: Paths, key: str, *_: object) -> None:
        order.append(key)
        raise Stopped

    monkeypatch.setattr(jobs, "cell", stop)

    with pytest.raises(Stopped):
        attempt_all(study, paths, [PD, BASIC], file=paths.bundle("some"))

    assert order == [PD]
    assert state(paths, PD) == "stopped"
    assert not paths.bundle("some").exists()


def test_the_seeds_of_a_cell_end_with_the_same_bits(project: Project) -> None:
    """Two processes train one seed each, at once; the cell's own then finds them done."""
    study, paths = project
    attempt_all(study, paths, [PD])
    whole = results(paths, PD)
    shutil.rmtree(paths.results / "cells")

    context = multiprocessing.get_context("spawn")
    commands = [["cell", "small.yaml", PD, "--seed", str(seed)] for seed in (0, 1)]
    processes = [context.Process(target=cli.main, args=(command,)) for command in commands]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0, 0]
    assert not (paths.cell(PD) / "cell.json").exists()
    assert {state(paths, f"{PD}.seed{seed}") for seed in (0, 1)} == {"done"}
    names = [read_json(paths.seed(PD, seed))["runs"] for seed in (0, 1)]
    dates = [file.stat().st_mtime_ns for file in paths.cell(PD).glob("runs/*/record.json")]
    attempt_all(study, paths, [PD])
    assert read_json(paths.cell(PD) / "cell.json")["runs"] == [*names[0], *names[1]]
    assert dates == [f.stat().st_mtime_ns for f in paths.cell(PD).glob("runs/*/record.json")]
    assert results(paths, PD) == whole


def test_a_seed_that_is_not_there_is_misuse(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says how many there are."""
    assert run("cell", "small.yaml", PD, "--seed", "7") == 2
    assert f"cell {PD} trains 2 seeds, and --seed is 7; leave" in capsys.readouterr().err


@pytest.mark.parametrize(("held", "taken"), [(alone, alone), (alone, beside), (beside, alone)])
def test_two_processes_never_train_the_same_cell(project: Project, held: Any, taken: Any) -> None:
    """The second waits until the first lets go of the cell, or dies; as for a seed of it."""
    _, paths = project
    lock = paths.lock(paths.cell(BASIC))
    context = multiprocessing.get_context("fork")
    holder = context.Process(target=_hold, args=(lock, held))
    holder.start()
    while not lock.with_suffix(".held").exists():
        time.sleep(0.01)
    waiting = context.Process(target=_take, args=(lock, taken))
    waiting.start()
    waiting.join(0.5)
    assert waiting.is_alive()

    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGKILL)
    waiting.join(10)

    assert waiting.exitcode == 0


def _hold(lock: Path, how: Any) -> None:
    with how(lock):
        lock.with_suffix(".held").touch()
        threading.Event().wait()


def _take(lock: Path, how: Any) -> None:
    with how(lock):
        pass
