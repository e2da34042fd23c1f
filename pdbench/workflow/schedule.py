"""How long the jobs of a study take together: a list schedule over a number of devices."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping

from pdbench.workflow.kinds import Job


def makespan(
    seconds: Mapping[Job, float],
    needs: Mapping[Job, Iterable[Job]],
    on_device: Callable[[Job], bool],
    devices: int,
    urgency: Callable[[Job], float],
) -> float:
    """The wall time of all jobs on some devices.

    A device that falls free takes the most urgent of the jobs whose predecessors are done,
    as Snakemake does. Jobs that need no device never wait for one.

    Args:
        seconds: Of every job.
        needs: The jobs that each waits for; those without seconds are done already.
        on_device: Whether a job takes a device.
        devices: How many there are.
        urgency: The greater, the earlier.
    """
    waiting = {key: sum(need in seconds for need in set(needs[key])) for key in seconds}
    after: dict[Job, list[Job]] = {key: [] for key in seconds}
    for key in seconds:
        for need in set(needs[key]):
            if need in seconds:
                after[need].append(key)
    ready: list[tuple[float, Job]] = []
    running: list[tuple[float, Job]] = []
    free, now = devices, 0.0

    def start(key: Job) -> None:
        heapq.heappush(running, (now + seconds[key], key))

    def offer(key: Job) -> None:
        if on_device(key):
            heapq.heappush(ready, (-urgency(key), key))
        else:
            start(key)

    for key, count in waiting.items():
        if count == 0:
            offer(key)
    while running or ready:
        while ready and free:
            free -= 1
            start(heapq.heappop(ready)[1])
        now, done = heapq.heappop(running)
        free += on_device(done)
        for key in after[done]:
            waiting[key] -= 1
            if waiting[key] == 0:
                offer(key)
    return now
