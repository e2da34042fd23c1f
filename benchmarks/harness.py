"""The parent's side of a comparison: two processes that are asked in turn.

Both sides keep one process each, so that starting up is in no row but its own. They compute
one after the other, in pairs: who goes first alternates, and whatever slows the machine for
a while slows neighbours alike.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple

from pdbench.core.errors import DataError

PEERS = Path(".venv-peers/bin/python")
LOGS = Path("logs/benchmarks")
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "PYTHONUNBUFFERED": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
NO_GPU = {"CUDA_VISIBLE_DEVICES": ""}


class Cost(NamedTuple):
    """What one turn took: wall and CPU seconds, and whatever else the worker said."""

    wall: float
    cpu: float
    more: Mapping[str, Any] = MappingProxyType({})


Side = Callable[[], Cost]


class Pair(NamedTuple):
    """Neighbouring turns of both sides."""

    ours: Cost
    peer: Cost


class Worker:
    """A process that answers requests; see :mod:`benchmarks.worker`.

    Args:
        module: What it runs, "benchmarks.ours" for instance.
        threads: Threads that it may compute with.
        python: Its interpreter; None is our own.
        number: Among the workers that run it at once.
        gpu: Whether it sees a GPU.
    """

    def __init__(
        self,
        module: str,
        threads: int,
        python: Path | None = None,
        number: int = 0,
        *,
        gpu: bool = False,
    ) -> None:
        self._module = module
        name = f"{module.removeprefix('benchmarks.')}{f'-{number}' * bool(number)}"
        self._log = LOGS / f"{name}.log"
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [str(python or sys.executable), "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment(threads, gpu=gpu),
                text=True,
            )

    def ask(self, **request: Any) -> Cost:
        """Let the worker do one work and return what it took.

        Raises:
            DataError: The worker failed; its log says why.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
            answer = json.loads(self._process.stdout.readline())
        except (OSError, json.JSONDecodeError) as error:
            what = f"{self._module}: {request['work']} failed ({last_line(self._log)})"
            raise DataError(what, f"see {self._log}") from error
        return Cost(answer.pop("wall"), answer.pop("cpu"), answer)

    def side(self, **request: Any) -> Side:
        """The same request, to be made again and again."""
        return functools.partial(self.ask, **request)

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if error is not None:
            self._process.kill()
        with contextlib.suppress(BrokenPipeError):  # it is gone, and a request was not read
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def peers_python() -> Path:
    """The interpreter of the peers' environment.

    Raises:
        DataError: It is not installed.
    """
    if not PEERS.is_file():
        raise DataError(f"{PEERS}: no such file", "make bench installs the peers")
    return PEERS


def environment(threads: int, *, gpu: bool = False) -> dict[str, str]:
    """The variables that a worker runs with: so many threads, no network, a GPU if asked for."""
    counts = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    return {**os.environ, **ENVIRONMENT, **({} if gpu else NO_GPU), **counts}


def last_line(log: Path) -> str:
    """The last line of a log that says something."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8").splitlines()]
    return next((line for line in reversed(lines) if line), "no message")


def interleave(
    sides: Mapping[str, tuple[Side, Side]],
    pairs: int,
    deadline: float | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, list[Pair]]:
    """Run every comparison in turn, ``pairs`` times over.

    Args:
        sides: Ours and the peer's side of each comparison by name.
        pairs: Rounds.
        deadline: On :func:`time.monotonic`'s clock. After the first round a pair is begun
            only if it would end by then, as long as the one before it.
        report: Told about each pair.
    """
    found: dict[str, list[Pair]] = {name: [] for name in sides}
    lasted = dict.fromkeys(sides, 0.0)
    for number in range(pairs):
        for name, (ours, peer) in sides.items():
            started = time.monotonic()
            if number and deadline is not None and started + lasted[name] > deadline:
                continue
            found[name].append(_pair(ours, peer, ours_first=number % 2 == 0))
            lasted[name] = time.monotonic() - started
            report(f"{name}, pair {number + 1}: {describe(found[name][-1])}")
    return found


def _pair(ours: Side, peer: Side, *, ours_first: bool) -> Pair:
    if ours_first:
        return Pair(ours(), peer())
    theirs = peer()
    return Pair(ours(), theirs)


def describe(pair: Pair) -> str:
    """One pair in words."""
    ratio = pair.peer.wall / pair.ours.wall
    return f"{pair.ours.wall:.2f} s against {pair.peer.wall:.2f} s, {ratio:.2f}"
