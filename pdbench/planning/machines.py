"""What counted work costs on a device: a few seconds-per-count, each with its uncertainty.

A device needs time for each kind of count of :class:`pdbench.planning.costs.Work`, and the
times add up. Narrow models are slow for their operations because the other kinds do not shrink
with them: what moves between the products falls with H and not with H^2, and starting a layer
costs the same at every width. So the share of the peak that a width reaches follows from the
constants; it is not one of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pdbench.core.errors import UsageError, suggestion
from pdbench.core.files import bounded
from pdbench.planning.costs import COUNTED, Work

DEVICE = "PDBENCH_DEVICE"
"""The variable that says where jobs compute, cuda or cpu; unset, on a GPU if there is one."""

_SIGMAS = 1.645  # standard deviations on each side of a 90% interval


@dataclass(frozen=True)
class _Constant:
    seconds: float  # best guess
    factor: float  # of one standard deviation: 2 is "within half and twice", two times in three
    source: str  # where the number comes from


@dataclass(frozen=True)
class Estimate:
    """Seconds with a 90% interval."""

    seconds: float
    low: float
    high: float

    def as_json(self, unit: float) -> dict[str, float]:
        """The three numbers in some unit of seconds."""
        found = {"value": self.seconds, "low": self.low, "high": self.high}
        return {name: round(seconds / unit, 3) for name, seconds in found.items()}


@dataclass(frozen=True)
class Machine:
    """A device: seconds of each kind of count, and how far jobs are from what they add up to."""

    name: str  # what ``--device`` calls it
    title: str
    kind: str  # gpu trains on a GPU and prepares data on a CPU; cpu does both on a core
    constants: dict[str, _Constant]  # by kind of count
    spread: float  # standard deviation of the logarithm of a job's seconds about the model
    origin: str  # how the constants were found
    # Of the logarithms of the constants; empty where they are independent.
    covariance: tuple[tuple[float, ...], ...] = ()

    def seconds(self, work: Work) -> float:
        """Best guess of the wall time of some work."""
        return work.seconds + sum(self._parts(work))

    def deviation(self, work: Work) -> float:
        """Standard deviation of the logarithm of a sum's seconds, from the constants alone.

        An error of a constant is shared by all jobs, so it does not shrink in a sum.
        """
        parts, whole = self._parts(work), self.seconds(work)
        if whole <= 0:
            return 0.0
        return math.sqrt(max(0.0, self._variance([part / whole for part in parts])))

    def estimate(self, work: Work, data: float = 0.0) -> Estimate:
        """The seconds of some work, one job's or the sum of several, with their interval.

        Alike jobs share what the model gets wrong for them, so the spread of single jobs
        counts for a sum as well. ``data`` is the standard deviation of the logarithm of the size
        of the data, where assumed.
        """
        seconds = self.seconds(work)
        factor = math.exp(_SIGMAS * math.hypot(self.deviation(work), self.spread, data))
        return Estimate(seconds, seconds / factor, seconds * factor)

    def as_json(self) -> dict[str, Any]:
        """What :func:`machine_of` reads from a file; constants are independent there."""
        known = {
            kind: {"seconds": own.seconds, "factor": self._factor(kind), "source": own.source}
            for kind, own in self.constants.items()
        }
        about = {"name": self.name, "title": self.title, "kind": self.kind, "spread": self.spread}
        return {**about, "constants": known}

    def _factor(self, kind: str) -> float:
        if not self.covariance:
            return self.constants[kind].factor
        own = COUNTED.index(kind)
        return math.exp(math.sqrt(self.covariance[own][own]))

    def _parts(self, work: Work) -> list[float]:
        counts = zip(COUNTED, work.counts, strict=True)
        return [self.constants[kind].seconds * count for kind, count in counts]

    def _variance(self, shares: Sequence[float]) -> float:
        if not self.covariance:
            logs = [math.log(self.constants[kind].factor) for kind in COUNTED]
            return sum((share * log) ** 2 for share, log in zip(shares, logs, strict=True))
        rows = zip(shares, self.covariance, strict=True)
        return sum(a * b * value for a, row in rows for b, value in zip(shares, row, strict=True))


LAPTOP = Machine(
    name="cpu",
    title="one core of a laptop-class CPU with bf16 products",
    kind="cpu",
    constants={
        "products": _Constant(
            1 / 2.8e11, 1.5, "set by hand: one run of the demo's two teachers, on a busy AMD EPYC"
        ),
        "traffic": _Constant(1 / 1.5e9, 1.3, "fitted to the demo's runs on a Zen 5 core"),
        "updates": _Constant(1 / 5.7e8, 1.3, "fitted to the demo's runs on a Zen 5 core"),
        "launches": _Constant(1.1e-3, 1.3, "fitted to the demo's runs on a Zen 5 core"),
        "starts": _Constant(1.8, 1.5, "the demo's jobs: Python, torch, data, first step"),
    },
    spread=0.16,
    origin="stated constants: the demo's committed runs on one Zen 5 core",
)

H100 = Machine(
    name="h100",
    title="one H100-class GPU (SXM, 80 GB)",
    kind="gpu",
    constants={
        "products": _Constant(
            1 / (0.6 * 989e12), 1.5, "60% (assumed) of the data sheet's 989 TFLOP/s, dense bf16"
        ),
        "traffic": _Constant(
            3 / (0.7 * 3.35e12),
            1.7,
            "3 bytes a number (bf16, some fp32) at 70% (assumed) of the data sheet's 3.35 TB/s",
        ),
        "updates": _Constant(
            40 / (0.7 * 3.35e12), 1.5, "fp32 AdamW: 40 bytes a parameter at the same bandwidth"
        ),
        "launches": _Constant(
            6e-4, 2.0, "assumed: some 60 eager kernels a layer, forward and back, 10 us each"
        ),
        "starts": _Constant(
            20.0, 2.0, "assumed: Python, torch and CUDA from a network file system, first step"
        ),
    },
    spread=0.3,
    origin="stated constants: data sheet and assumed shares, no run on a GPU",
)

_MACHINES = {machine.name: machine for machine in (H100, LAPTOP)}


def machine_of(text: str) -> Machine:
    """A device by its name, or read from a JSON file.

    The file has ``name``, ``title``, ``kind`` (gpu or cpu), ``spread`` and, below
    ``constants``, for each kind of count ``seconds``, ``factor`` and ``source``; UsageError where
    it lacks one.
    """
    if text in _MACHINES:
        return _MACHINES[text]
    path = Path(text)
    if path.suffix != ".json":
        raise UsageError(f"--device {text}: unknown device", suggestion(text, _MACHINES))
    try:
        return _from_json(json.loads(bounded(path, 2**20).read_text(encoding="utf-8")), str(path))
    except OSError as error:
        what = f"--device {path}: cannot be read ({error.strerror})"
        raise UsageError(what, "name h100, cpu or a JSON file") from error
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        what = f"{path}: not a device ({type(error).__name__}: {error})"
        remedy = f"it needs name, title, kind, spread and {', '.join(COUNTED)}"
        raise UsageError(what, remedy) from error


def _from_json(raw: dict[str, Any], origin: str) -> Machine:
    constants = {kind: _constant(**raw["constants"][kind]) for kind in COUNTED}
    if raw["kind"] not in ("gpu", "cpu"):
        raise ValueError("kind is neither gpu nor cpu")
    spread = _above(0, raw["spread"], "spread")
    return Machine(str(raw["name"]), str(raw["title"]), raw["kind"], constants, spread, origin)


def _constant(seconds: Any, factor: Any, source: Any) -> _Constant:
    return _Constant(_above(0, seconds, "seconds"), _above(1, factor, "factor"), str(source))


def _above(bound: float, value: Any, key: str) -> float:
    if not bound < (found := float(value)) < math.inf:
        raise ValueError(f"{key} {value} is not a number above {bound}")
    return found
