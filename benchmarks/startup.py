"""CPU seconds from the start of a process to its first update, against a Trainer job."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import click

from benchmarks import data
from benchmarks.harness import LOGS, Cost, environment, interleave, last_line, peers_python
from benchmarks.options import Options, with_options
from benchmarks.rows import Row, row
from pdbench.core.errors import DataError
from pdbench.study import Architecture

PEER = "transformers + datasets + evaluate, Trainer"
WORK = "process start to first update"


@click.command()
@with_options
def main(options: Options) -> list[Row]:
    """Start a training job, beside one with transformers, datasets and evaluate."""
    data.prepare_first_step()
    data.prepare_initial(Architecture.parse("2/128"))
    (key,) = data.study().cells
    cell = data.study().cells[key]
    own = [sys.executable, "-m", "benchmarks.first_step", "cell", str(data.STUDY), key]
    theirs = [str(peers_python()), "-m", "benchmarks.peers.first_step"]

    def ours() -> Cost:
        for trained in data.study().runs(cell):
            shutil.rmtree(data.paths().run(trained), ignore_errors=True)
        return run(own, options.threads)

    peer = functools.partial(run, theirs, options.threads)
    ours()
    peer()  # both once before: files are compiled and cached then
    pairs = interleave({PEER: (ours, peer)}, options.pairs, options.deadline, options.report)
    cpu = [(pair.ours.cpu, pair.peer.cpu) for pair in pairs[PEER]]
    return [row(WORK, "2/128", PEER, cpu, "peer's CPU seconds / ours", threads=options.threads)]


def run(arguments: list[str], threads: int) -> Cost:
    """Run a process to its end; its CPU seconds are those of it and its own children.

    Raises:
        DataError: It failed; its log says why.
    """
    log = _log(arguments)
    started = time.perf_counter()
    with log.open("w", encoding="utf-8") as handle:
        process = subprocess.Popen(
            arguments, stdout=handle, stderr=handle, env=environment(threads)
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        what = f"{' '.join(arguments[1:])}: failed ({last_line(log)})"
        raise DataError(what, f"see {log}")
    return Cost(time.perf_counter() - started, usage.ru_utime + usage.ru_stime)


def _log(arguments: list[str]) -> Path:
    LOGS.mkdir(parents=True, exist_ok=True)
    return LOGS / f"{arguments[2].removeprefix('benchmarks.')}.log"


if __name__ == "__main__":
    main()
