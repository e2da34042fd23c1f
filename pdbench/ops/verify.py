"""Whether all that a study has is still what was written, and what to do where it is not."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from pdbench.core.entries import RECORD, read_record, whole
from pdbench.core.errors import DataError, PdbenchError
from pdbench.core.files import mended
from pdbench.data.places import located
from pdbench.data.table import read_table, write_table
from pdbench.data.tokens import Tokens
from pdbench.jobs import fitting, pretraining, teachers
from pdbench.jobs.collect import gathered
from pdbench.jobs.record import own_runs
from pdbench.jobs.students import CellData, kept_student
from pdbench.study import Cell, Study
from pdbench.workflow import Paths
from pdbench.workflow.graph import Graph
from pdbench.workflow.kinds import KINDS, SHOWN, Job
from pdbench.workflow.paths import ARCHIVES


def verify(study: Study, paths: Paths) -> Iterator[PdbenchError | None]:
    """Compare all files of a study with their records, and what was read with what is there.

    Yields what is wrong, or None, for each thing that there is; what was not made yet is none.
    """
    said = set()
    for check in _checks(study, paths):
        try:
            check()
        except PdbenchError as error:
            if str(error) not in said:
                said.add(str(error))
                yield error
        else:
            yield None


def _checks(study: Study, paths: Paths) -> Iterator[Callable[[], Any]]:
    graph = Graph(study)
    for folder in (ARCHIVES / "models").glob("[!.]*"):
        yield partial(whole, folder)
    for job in graph.jobs:
        read = [need for need in graph.needs[job] if KINDS[need.kind].is_stored]
        can_compare = all(paths.output(need).exists() for need in read)
        if job.kind == "cell":
            yield from _checks_of_cell(study, paths, job.key, can_compare=can_compare)
        elif KINDS[job.kind].is_stored and _is_there(paths.folder(job)):
            yield partial(whole, paths.folder(job))
            if can_compare and job.kind in ("teacher", "soft_labels", "states", "pretrain"):
                yield partial(_compare, paths.folder(job), partial(_read_by, study, paths, job))
        elif not paths.output(job).exists():
            continue
        elif job.kind == "archive":
            yield partial(located, job.key, ARCHIVES)
        elif job.kind in SHOWN:
            yield from (partial(_check_shown, path) for path in paths.outputs(job))
            if job.kind == "collect":
                yield partial(_check_table, study, paths)


def _check_shown(path: Path) -> None:
    """Refuse a table, figure or page that is not there, or is what a loss of power leaves."""
    if not path.is_file() or not path.stat().st_size:
        raise DataError(f"{path}: missing or empty", mended(path))


def _is_there(folder: Path) -> bool:
    """Whether there is more than the empty folder that Snakemake makes for a job."""
    return folder.is_dir() and any(folder.iterdir())


def _checks_of_cell(
    study: Study, paths: Paths, cell: Cell, *, can_compare: bool
) -> Iterator[Callable[[], Any]]:
    folders, named, kept = [paths.run(run) for run in study.runs(cell)], set(), set()
    if paths.cell(cell).exists():
        yield partial(_check_cell, study, paths, cell)
        with contextlib.suppress(DataError):
            record = read_record(paths.folder(Job("cell", cell)))
            named, kept = set(record["runs"].values()), set(record.get("students", {}).values())
    made = [folder for folder in folders if str(folder) in named or _is_there(folder)]
    yield from (partial(whole, folder) for folder in made)
    for run in study.runs(cell):
        if _is_there(paths.student(run)) or str(paths.student(run)) in kept:
            yield partial(kept_student, study, paths, run)
    if made and can_compare and study.trained_by(cell) == cell:
        opened = cache(partial(CellData.open, study, paths, cell))
        for run in study.runs(cell):
            folder = paths.run(run)
            if folder in made and (folder / RECORD).exists():
                yield partial(_compare, folder, partial(_read_by_run, opened, run.seed_number))


def _check_cell(study: Study, paths: Paths, cell: Cell) -> None:
    """Refuse a record that was edited, or names other runs than the scores on dev select."""
    folder = paths.folder(Job("cell", cell))
    runs = {run.name: str(paths.run(run)) for run in own_runs(study, paths, cell)}
    if read_record(folder)["runs"] != runs:
        what = f"{folder}: it names other runs than the scores on dev select"
        raise DataError(what, mended(folder / RECORD))


def _read_by_run(opened: Callable[[], CellData], seed_number: int) -> dict[str, Any]:
    return {"inputs": opened().inputs_of(seed_number)}


def _read_by(study: Study, paths: Paths, job: Job) -> dict[str, Any]:
    """What a job would read now, as its record says what it read."""
    if job.kind == "teacher":
        return {"inputs": teachers.inputs_of(paths, job.key)}
    if job.kind == "soft_labels":
        tokens = Tokens.open(paths.text(job.key.text))
        return teachers.labelled_from(study, paths, job.key.task, tokens, job.key.text)
    if job.kind == "states":
        return fitting.read_from(study, paths, job.key)
    return {"inputs": pretraining.inputs_of(study, paths, job.key)}


def _compare(folder: Path, read: Callable[[], dict[str, Any]]) -> None:
    """Refuse what was made from something else than is there now."""
    said = read_record(folder)
    for key, value in read().items():
        if said.get(key) != value:
            what = f"{folder}: made from other {key} than there are now"
            raise DataError(what, mended(folder / RECORD))


def _check_table(study: Study, paths: Paths) -> None:
    """Refuse a table that does not say what the records say."""
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder, paths.table.name)
        write_table(again, gathered(study, paths))
        if not read_table(again).equals(read_table(paths.table)):
            what = f"{paths.table}: it does not say what the records of the runs say"
            raise DataError(what, mended(paths.table))
