"""Means over seeds with the interval that so few runs allow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean over ``n`` runs with the ends of its interval, all in one unit.

    ``low`` and ``high`` are NaN for a single run, which has no spread; everything is NaN
    for none.
    """

    mean: float
    low: float
    high: float
    n: int

    @property
    def half_width(self) -> float:
        """Half the interval's length; NaN below two runs."""
        return (self.high - self.low) / 2

    def __str__(self) -> str:
        if self.n == 0:
            return "missing"
        if math.isnan(self.low):
            return f"{self.mean:.1f}"
        return f"{self.mean:.1f} ± {self.half_width:.1f}"


def t_interval(values: Sequence[float], level: float = LEVEL) -> Interval:
    """Return the mean of ``values`` with Student's t interval of the given level.

    Exact for normally distributed runs at any number of seeds, and therefore wide for two
    or three; a bootstrap of so few values would be too narrow.
    """
    # scipy.special alone: importing scipy.stats costs more than drawing a figure.
    from scipy.special import stdtrit

    n = len(values)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    mean = math.fsum(values) / n
    if n == 1:
        return Interval(mean, math.nan, math.nan, 1)
    variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1)
    half = float(stdtrit(n - 1, (1 + level) / 2)) * math.sqrt(variance / n)
    return Interval(mean, mean - half, mean + half, n)
