"""The lines of the performance table: medians of ratios, with their spread."""

from __future__ import annotations

import functools
import os
import platform
import statistics
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from benchmarks.harness import Pair

SECONDS = "peer's seconds / ours"
OWN_SECONDS = "our seconds / peer's"


@dataclass(frozen=True)
class Row:
    """One line of the performance table.

    Attributes:
        work: What was done, with its size.
        arch: The model's size.
        peer: What it is compared with.
        ratio: Median over the pairs of what ``measure`` says.
        ratio_min: Least of the pairs.
        ratio_max: Greatest of the pairs.
        pairs: How many.
        command: The command that measures it again.
        measure: What is divided by what.
        ours: Median of our side, in the unit that ``measure`` names.
        theirs: Median of the peer's side.
        more: Anything else worth keeping.
    """

    work: str
    arch: str
    peer: str
    ratio: float
    ratio_min: float
    ratio_max: float
    pairs: int
    command: str
    measure: str
    ours: float
    theirs: float
    more: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The row as JSON has it: what is in ``more`` stands beside the other keys."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "more"}
        return {**own, **self.more}


def row(
    work: str,
    arch: str,
    peer: str,
    values: Iterable[tuple[float, float]],
    measure: str,
    **more: Any,
) -> Row:
    """Make a row of (ours, theirs), one of each pair.

    The ratio is theirs / ours, or the other way round if ``measure`` begins with "our".
    """
    pairs = list(values)
    ratios = [_ratio(ours, theirs, measure) for ours, theirs in pairs]
    return Row(
        work=work,
        arch=arch,
        peer=peer,
        ratio=statistics.median(ratios),
        ratio_min=min(ratios),
        ratio_max=max(ratios),
        pairs=len(pairs),
        command=command(),
        measure=measure,
        ours=statistics.median(ours for ours, _ in pairs),
        theirs=statistics.median(theirs for _, theirs in pairs),
        more={**more, "machine": machine()},
    )


def seconds_row(
    work: str, arch: str, peer: str, pairs: list[Pair], measure: str = SECONDS, **more: Any
) -> Row:
    """Make a row of wall seconds, with the median ratio of CPU seconds beside it."""
    cpu = statistics.median(_ratio(p.ours.cpu, p.peer.cpu, measure) for p in pairs)
    wall = ((p.ours.wall, p.peer.wall) for p in pairs)
    return row(work, arch, peer, wall, measure, cpu_ratio=cpu, **more)


def _ratio(ours: float, theirs: float, measure: str) -> float:
    return ours / theirs if measure.startswith("our") else theirs / ours


def command() -> str:
    """The command line that is running, as a user types it, without --json."""
    arguments, skip = [], False
    for argument in sys.argv[1:]:
        if not skip and not argument.startswith("--json"):
            arguments.append(argument)
        skip = argument == "--json"
    return " ".join(["python", "-m", f"benchmarks.{Path(sys.argv[0]).stem}", *arguments])


@functools.cache
def machine() -> dict[str, Any]:
    """What this machine is, as far as it decides speed."""
    import torch

    from pdbench.engine.device import device_name
    from pdbench.study.discovery import commit

    return {
        "device": device_name(torch.device("cuda" if torch.cuda.is_available() else "cpu")),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "commit": commit(),
    }
