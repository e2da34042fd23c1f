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

from pdbench import cli
from pdbench.core.errors import DataError, Stopped
from pdbench.core.files import read_json, write_json
from pdbench.core.processes import exclusive_lock, shared_lock
from pdbench.jobs import students
from pdbench.jobs.record import RunRecord
from pdbench.jobs.students import CellData, attempt_all
from pdbench.study import Cell, Study
from pdbench.study.cells import SeedOf
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job

PD = "films.pd.1-32.more-100.plain"
PDF = "films.pd-f.1-32.more-100.plain"
BASIC = "films.basic.1-32.none.none"
Project = tuple[Study, Paths]


def job(paths: Paths, key: str, seed: int | None = None) -> Job:
    """The job of a cell, or of one of its seeds."""
    cell = paths.study.cells[key]
    return Job("cell", cell) if seed is None else Job("seed", SeedOf(cell, seed))


def said(paths: Paths, key: str, seed: int | None = None) -> Any:
    """What the status file of a cell says, or that of one of its seeds."""
    return read_json(paths.status(job(paths, key, seed)))


def cells(paths: Paths, *keys: str) -> list[Cell]:
    """The cells of some keys."""
    return [paths.study.cells[key] for key in keys]


def folders(paths: Paths, key: str) -> list[Path]:
    """Where the runs of a cell stand."""
    return [paths.run(run) for run in paths.study.runs(paths.study.cells[key])]


def forget(paths: Paths, *keys: str) -> None:
    """Remove what was trained of some cells."""
    for key in keys:
        for folder in (*folders(paths, key), paths.cell(paths.study.cells[key]).parent):
            shutil.rmtree(folder)


def results(paths: Paths, key: str) -> dict[str, bytes]:
    """The predictions of a cell's runs, and all that their records say of scores and losses."""
    found = {}
    for folder in folders(paths, key):
        record = RunRecord.read(folder)
        losses = [stage.loss for stage in record.stages]
        found[record.run] = repr((record.metrics, losses, record.outputs)).encode()
        found[f"{record.run} bytes"] = (folder / "test_predictions.npy").read_bytes()
    return found


def test_bundled_cells_end_with_the_same_bits(project: Project) -> None:
    """Cells that share a process give what each gives in a process of its own."""
    study, paths = project
    attempt_all(study, paths, cells(paths, PD, PDF, BASIC))
    bundled = {key: results(paths, key) for key in (PD, PDF, BASIC)}
    forget(paths, PD, PDF, BASIC)

    context = multiprocessing.get_context("spawn")
    for key in (BASIC, PDF, PD):
        process = context.Process(target=cli.main, args=(["cell", "small.yaml", key],))
        process.start()
        process.join()
        assert process.exitcode == 0

    assert {key: results(paths, key) for key in (PD, PDF, BASIC)} == bundled
    assert all(bundled.values())


def test_a_failing_cell_stops_no_other(
    project: Project, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are trained, and the failed one leaves its reason and a log."""
    study, paths = project
    file, opened = Path("some/bundle.json"), CellData.open

    def fail(study: Study, paths: Paths, cell: Cell, *more: Any) -> Any:
        if cell.key == PD:
            raise NotADirectoryError("in the way")
        return opened(study, paths, cell, *more)

    monkeypatch.setattr(CellData, "open", fail)

    with caplog.at_level(logging.INFO), pytest.raises(DataError, match=f"1 of 2 .*: {PD}; mend"):
        attempt_all(study, paths, cells(paths, PD, BASIC), file=file)

    assert paths.cell(study.cells[BASIC]).is_file()
    assert [said(paths, key)["state"] for key in (PD, BASIC)] == ["failed", "done"]
    assert "NotADirectoryError" in said(paths, PD)["reason"]
    log = Path(said(paths, PD)["log"])
    assert "Traceback" in log.read_text()
    assert "Traceback" not in caplog.text
    assert f"{PD}: NotADirectoryError" in caplog.text
    assert not file.exists()

    monkeypatch.setattr(CellData, "open", opened)
    attempt_all(study, paths, cells(paths, PD, BASIC), file=file)

    assert read_json(file) == {"cells": sorted([PD, BASIC])}
    assert said(paths, PD)["state"] == "done"


def test_an_unfinished_study_has_a_report_of_its_own(project: Project) -> None:
    """The partial report shows what is missing, stands apart, and goes when the whole one comes."""
    study, paths = project
    attempt_all(study, paths, cells(paths, BASIC))

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
    monkeypatch.setattr(
        students, "_train_cell", lambda study, paths, job, cell, *_: order.append(cell.key)
    )
    write_json(paths.status(job(paths, PD)), {"state": "running"})

    attempt_all(study, paths, cells(paths, PD, PDF, BASIC))

    assert order == [PDF, BASIC, PD]


def test_a_signal_stops_the_whole_bundle(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was asked to stop begins no further cell."""
    study, paths = project
    order: list[str] = []

    def stop(study: Study, paths: Paths, job: Job, cell: Cell, *_: object) -> None:
        order.append(cell.key)
        raise Stopped

    monkeypatch.setattr(students, "_train_cell", stop)

    with pytest.raises(Stopped):
        attempt_all(study, paths, cells(paths, PD, BASIC), file=Path("some/bundle.json"))

    assert order == [PD]
    assert said(paths, PD)["state"] == "stopped"
    assert not Path("some/bundle.json").exists()


def test_the_seeds_of_a_cell_end_with_the_same_bits(project: Project) -> None:
    """Two processes train one seed each, at once; the cell's own then finds them done."""
    study, paths = project
    attempt_all(study, paths, cells(paths, PD))
    whole = results(paths, PD)
    forget(paths, PD)

    context = multiprocessing.get_context("spawn")
    commands = [["cell", "small.yaml", PD, "--seed", str(seed)] for seed in (0, 1)]
    processes = [context.Process(target=cli.main, args=(command,)) for command in commands]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0, 0]
    cell = study.cells[PD]
    assert not paths.cell(cell).exists()
    assert {said(paths, PD, seed)["state"] for seed in (0, 1)} == {"done"}
    runs = [read_json(paths.output(job(paths, PD, seed)))["runs"] for seed in (0, 1)]
    records = [folder / "record.json" for folder in folders(paths, PD)]
    dates = [record.stat().st_mtime_ns for record in records]
    attempt_all(study, paths, [cell])
    assert read_json(paths.cell(cell))["runs"] == runs[0] | runs[1]
    assert dates == [record.stat().st_mtime_ns for record in records]
    assert results(paths, PD) == whole


def test_a_seed_that_is_not_there_is_misuse(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says how many there are."""
    assert run("cell", "small.yaml", PD, "--seed", "7") == 2
    assert f"cell {PD} trains 2 seeds, and --seed is 7; leave" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("held", "taken"),
    [
        (exclusive_lock, exclusive_lock),
        (exclusive_lock, shared_lock),
        (shared_lock, exclusive_lock),
    ],
)
def test_two_processes_never_train_the_same_cell(project: Project, held: Any, taken: Any) -> None:
    """The second waits until the first lets go of the cell, or dies; as for a seed of it."""
    _, paths = project
    lock = paths.lock(paths.folder(job(paths, BASIC)))
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
