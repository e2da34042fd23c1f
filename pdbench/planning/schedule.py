"""How long jobs take together that wait for one another and for cores."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import NamedTuple, TypeVar

_Key = TypeVar("_Key", bound=Hashable)


class Planned(NamedTuple):
    """A job as it was planned; jobs are known by their rule and wildcard."""

    seconds: float  # on a quiet core
    urgency: float
    needs: tuple[tuple[str, str], ...]


def makespan(
    seconds: Mapping[_Key, float],
    needs: Mapping[_Key, Iterable[_Key]],
    takes: Callable[[_Key], int],
    devices: int,
    urgency: Callable[[_Key], float],
) -> float:
    """The wall time of jobs that take so many seconds, on some devices (or cores).

    Devices that fall free take the most urgent of the jobs whose predecessors are done and that
    do not ``take`` more than are free, as Snakemake does. Jobs that take none never wait for one.
    Of what a job ``needs``, that without seconds is done already.
    """
    left = {key: set(needs[key]) & seconds.keys() for key in seconds}
    after: dict[_Key, list[_Key]] = {key: [] for key in seconds}
    for key, own in left.items():
        for need in own:
            after[need].append(key)
    # Names decide between equals: keys of one kind need not compare.
    ready: list[tuple[float, str, _Key]] = []
    running: list[tuple[float, str, _Key]] = []
    free, now = devices, 0.0
    width = {key: min(takes(key), devices) for key in seconds}

    def start(key: _Key) -> None:
        heapq.heappush(running, (now + seconds[key], str(key), key))

    def offer(key: _Key) -> None:
        if width[key]:
            heapq.heappush(ready, (-urgency(key), str(key), key))
        else:
            start(key)

    for key, own in left.items():
        if not own:
            offer(key)
    while running or ready:
        too_wide = []
        while ready and free:
            first = heapq.heappop(ready)
            if width[first[-1]] > free:
                too_wide.append(first)
                continue
            free -= width[first[-1]]
            start(first[-1])
        for waits in too_wide:
            heapq.heappush(ready, waits)
        now, _, done = heapq.heappop(running)
        free += width[done]
        for key in after[done]:
            left[key].remove(done)
            if not left[key]:
                offer(key)
    return now
