"""Commands in real processes that send themselves a signal at a chosen call.

The processes are forked from one that has imported torch, which saves seconds each.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

UPDATE = "pdbench.engine.loop:_Running.update"
FLUSH = "pdbench.engine.state:flush"
REPLACE = "os:replace"
LOG = "attempts.log"
LIMIT = 60
"""Seconds after which a process that waits for ever dies of SIGALRM."""


@dataclass(frozen=True)
class Attempt:
    """One start of a command.

    Attributes:
        signal: What it sends itself, or none.
        at: The function (module:name) before whose ``call``-th call it does so.
        call: Counted from one.
        processes: How many are started together, as torchrun does.
        rank: Which of them gets the signal.
    """

    signal: str = ""
    at: str = UPDATE
    call: int = 1
    processes: int = 1
    rank: int = 0


class Server:
    """A process that forks itself for each attempt."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, arguments: list[str], *attempts: Attempt) -> tuple[list[list[int]], str]:
        """Run a command once for each attempt, in the working directory.

        Returns:
            The exit codes of each attempt's processes, negative for a signal, and all they
            wrote.
        """
        work = {
            "folder": str(Path.cwd()),
            "arguments": arguments,
            "attempts": [asdict(attempt) for attempt in attempts],
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(work) + "\n")
        self._process.stdin.flush()
        codes = json.loads(self._process.stdout.readline())
        return codes, Path(LOG).read_text(encoding="utf-8")

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def _serve() -> None:
    importlib.import_module("pdbench.jobs.students")
    importlib.import_module("torch._dynamo")  # as DistributedDataParallel does when it is made
    for line in sys.stdin:
        work = json.loads(line)
        os.chdir(work["folder"])
        Path(LOG).unlink(missing_ok=True)
        codes = [_run(work["arguments"], Attempt(**attempt)) for attempt in work["attempts"]]
        sys.stdout.write(json.dumps(codes) + "\n")
        sys.stdout.flush()


def _run(arguments: list[str], attempt: Attempt) -> list[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(attempt.processes):
        child = os.fork()
        if child == 0:
            log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            _become(rank, attempt, port, arguments)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def _become(rank: int, attempt: Attempt, port: int, arguments: list[str]) -> None:
    from pdbench import cli

    signal.alarm(LIMIT)
    if attempt.processes > 1:
        world = {"WORLD_SIZE": attempt.processes, "RANK": rank, "LOCAL_RANK": rank}
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        os.environ.update({name: str(value) for name, value in {**world, **place}.items()})
    if attempt.signal and rank == attempt.rank:
        _arm(attempt)
    code = 1
    try:
        cli.main(arguments)
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.stderr.flush()
        os._exit(code)


def _arm(attempt: Attempt) -> None:
    module, _, path = attempt.at.partition(":")
    *holders, name = path.split(".")
    holder: Any = functools.reduce(getattr, holders, importlib.import_module(module))
    called = getattr(holder, name)
    calls = 0

    @functools.wraps(called)
    def signalling(*arguments: Any, **keywords: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == attempt.call:
            os.kill(os.getpid(), signal.Signals[attempt.signal])
        return called(*arguments, **keywords)

    setattr(holder, name, signalling)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    _serve()
