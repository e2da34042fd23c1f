"""Attempts at cells, and what became of each: a file for every cell, and a log.

A cell that fails stops no other. A cell whose process died without a word is tried after all
others of its bundle, so that one that kills its process cannot keep them from being trained.
"""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias

from pdbench.core.errors import DataError, PdbenchError, Stopped
from pdbench.core.files import exclusive_lock, read_json, shared_lock, write_json
from pdbench.engine.state import SAVE_EVERY
from pdbench.jobs import training
from pdbench.study import Cell, Study
from pdbench.study.cells import SeedOf
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job

State: TypeAlias = Literal["running", "stopped", "failed", "done"]

log = logging.getLogger(__name__)


def attempt(
    study: Study,
    paths: Paths,
    cell: Cell,
    save_every: float = SAVE_EVERY,
    seed: int | None = None,
) -> None:
    """Train a cell, or one seed of it, and leave word of how that went in a status file.

    Two processes never train the same run at once: the second waits, and then finds it done.
    """
    job = Job("cell", cell) if seed is None else Job("seed", SeedOf(cell, seed))
    with _in_turn(paths, cell, job):
        _note(paths, job, "running")
        try:
            training.cell(study, paths, cell, save_every, seed)
        except Stopped:
            _note(paths, job, "stopped")
            raise
        except Exception as error:
            _note(paths, job, "failed", _in_words(error))
            raise
        _note(paths, job, "done")


@contextlib.contextmanager
def _in_turn(paths: Paths, cell: Cell, job: Job) -> Iterator[None]:
    """Seeds of a cell may be trained at once, a whole cell only when none of them is."""
    whole = paths.lock(paths.folder(Job("cell", cell)))
    if job.kind == "cell":
        with exclusive_lock(whole):
            yield
    else:
        with shared_lock(whole), exclusive_lock(paths.lock(paths.folder(job))):
            yield


def attempt_all(
    study: Study,
    paths: Paths,
    cells: Sequence[Cell],
    save_every: float = SAVE_EVERY,
    file: Path | None = None,
) -> None:
    """Train cells one after the other; each has its log, and this one a line for each.

    Args:
        study: The study.
        paths: The study's paths.
        cells: The cells.
        save_every: Seconds between two saved states.
        file: Written once all of them are done.

    Raises:
        DataError: Some cell failed; the others were trained.
        Stopped: A signal asked to stop.
    """
    failed: dict[str, str] = {}
    for cell in sorted(cells, key=lambda cell: _died(paths, cell)):
        own, began = paths.log(Job("cell", cell)), time.monotonic()
        try:
            with _logging_to(own):
                attempt(study, paths, cell, save_every)
        except Stopped:
            log.info("stopped  %s", cell)
            raise
        except Exception as error:
            failed[cell.key] = _in_words(error)
            log.error("failed   %s: %s; its log is %s", cell, failed[cell.key], own)
        else:
            log.info("done     %s in %.1f s", cell, time.monotonic() - began)
    if failed:
        raise DataError(
            f"{len(failed)} of {len(cells)} cells failed: {', '.join(failed)}",
            "mend the cause and run again; the other cells are kept",
        )
    if file is not None:
        write_json(file, {"cells": sorted(cell.key for cell in cells)})


def _died(paths: Paths, cell: Cell) -> bool:
    """Whether the last attempt at a cell ended without a word."""
    try:
        return bool(read_json(paths.status(Job("cell", cell)))["state"] == "running")
    except (DataError, KeyError, TypeError):
        return False


def _note(paths: Paths, job: Job, state: State, reason: str | None = None) -> None:
    content = {
        "job": str(job),
        "state": state,
        "reason": reason,
        "log": str(paths.log(job)),
        "host": platform.node(),
        "pid": os.getpid(),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_json(paths.status(job), content)


def _in_words(error: Exception) -> str:
    if isinstance(error, PdbenchError):
        return str(error)
    return f"{type(error).__name__}: {error}"


@contextlib.contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Send what is logged to a file instead, with the traceback of what ends it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    root = logging.getLogger()
    before = root.handlers
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setFormatter(before[0].formatter if before else None)
    root.handlers = [handler]
    try:
        yield
    except Stopped:
        raise
    except Exception as error:
        if isinstance(error, PdbenchError):
            log.error("%s", error)
        else:
            log.exception("%s", type(error).__name__)
        raise
    finally:
        root.handlers = before
        handler.close()
