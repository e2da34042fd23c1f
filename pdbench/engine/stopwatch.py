"""The wall time of a run, over all its starts."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Stopwatch:
    """Starts with a run; one that is taken up again goes on where its state was saved.

    Attributes:
        started: When the run was first started, UTC, ISO 8601.
        resumed: How often it was taken up again after an interruption.
    """

    def __init__(self) -> None:
        self.started = now()
        self.resumed = 0
        self._before = 0.0
        self._clock = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Wall time of this start, and of earlier ones until their state was saved."""
        return self._before + time.perf_counter() - self._clock

    def take_up(self, started: str, seconds: float, resumed: int) -> None:
        """Count an earlier start: when it began, what it took, and how often it was resumed."""
        self.started, self._before, self.resumed = started, seconds, resumed + 1


def now() -> str:
    """The time now, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
