"""The child's side of a comparison: a process that trains once for each line it reads.

Only the standard library is imported, so that a peer's environment needs nothing of ours.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

Request = dict[str, Any]
Work = Callable[[Request, "Clock"], dict[str, Any]]


class Clock:
    """Adds up the seconds of the blocks run under it: ``with clock: train()``.

    Attributes:
        wall: Seconds that passed.
        cpu: Seconds that this process computed, over all its threads.
    """

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def __enter__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall += time.perf_counter() - self._wall
        self.cpu += time.process_time() - self._cpu


def serve(works: Mapping[str, Work]) -> None:
    """Answer each request on stdin with one line of JSON until stdin ends.

    A request names one of ``works`` under "work". The answer has its seconds, the peak
    memory of the process in MB, and what the work itself returned.
    """
    answers = _own_output()
    for line in sys.stdin:
        request = json.loads(line)
        clock = Clock()
        found = works[request["work"]](request, clock)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        answer = {"wall": clock.wall, "cpu": clock.cpu, "memory_mb": peak, **found}
        print(json.dumps(answer), file=answers, flush=True)


def _own_output() -> TextIO:
    """Keep stdout for answers: whatever a library prints goes to stderr from now on."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers
