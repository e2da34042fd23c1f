"""Intervals and tests of one difference, and tests of many at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

ALPHA = 0.05
"""Level of every test, or family of tests; the level of every interval is 1 - ALPHA."""

POWER = 0.8
"""The share of times that a difference must be found to be called detectable."""

_SMALLEST = 1e-12  # the smallest p that is told from 0

_K = TypeVar("_K")


@dataclass(frozen=True)
class Interval:
    """A mean over ``n`` runs with the ends of its interval; NaN where there is none."""

    mean: float = math.nan
    low: float = math.nan
    high: float = math.nan
    n: int = 0

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


@dataclass(frozen=True)
class Difference:
    """A difference in points with its standard errors, over seeds and over test examples.

    The first is estimated from few runs and so has Student's t; the second is known. The half
    width of an interval is the root of the sum of the squares of both half widths, which contains
    the truth at least as often as it says, however unlike the two are; Satterthwaite's degrees of
    freedom do not, where a wild cell has three runs.
    """

    value: float
    seeds: float  # standard error over seeds; NaN where there is none, as for single runs
    freedom: float  # degrees of freedom of that error; infinite where it is known
    n: int = 0  # how many seed numbers are behind it
    examples: float = 0.0  # standard error over test examples; 0 on one fixed test set

    @classmethod
    def of(cls, values: Sequence[float], bound: float = 0.0) -> Difference:
        """The mean of ``values``, NaN without any, less a number that has no spread."""
        n = len(values)
        mean = math.fsum(values) / n if n else math.nan
        squares = math.fsum((value - mean) ** 2 for value in values)
        error = math.sqrt(squares / (n - 1) / n) if n > 1 else math.nan
        return cls(mean - bound, error, max(n - 1, 1), n)

    @property
    def error(self) -> float:
        """The standard error, over both; NaN where there is none."""
        return math.hypot(self.seeds, self.examples)

    @property
    def interval(self) -> Interval:
        """The value with its interval, wide for few runs: a bootstrap would be too narrow."""
        if math.isnan(self.error):
            return Interval(self.value, n=self.n)
        half = self._off(1 - ALPHA / 2)
        return Interval(self.value, self.value - half, self.value + half, self.n)

    def detectable(self, level: float = ALPHA / 2) -> float:
        """The smallest true difference that a one-sided test at ``level`` finds so often."""
        return self._off(1 - level) + self._off(POWER)

    def above(self, bound: float) -> float:
        """One-sided p of the difference being no larger than ``bound``: small if it is larger."""
        return self._tail(self.value - bound)

    def below(self, bound: float) -> float:
        """One-sided p of the difference being no smaller than ``bound``."""
        return self._tail(bound - self.value)

    def within(self, margin: float) -> float:
        """P of two one-sided tests (TOST; Schuirmann, 1987): small if it is within ±margin."""
        return max(self.above(-margin), self.below(margin))

    def outside(self, margin: float) -> float:
        """P of the difference being within ±margin: small if it is farther off on either side."""
        off = abs(self.value)
        return min(1.0, self._tail(off - margin) + self._tail(off + margin))

    def _off(self, probability: float) -> float:
        """How far off the value is at most with a probability of a half and more."""
        if math.isnan(self.error):
            return math.nan
        over_seeds = _quantile(probability, self.freedom) * self.seeds
        return math.hypot(over_seeds, _quantile(probability, math.inf) * self.examples)

    def _tail(self, distance: float) -> float:
        """P of being off by as much as ``distance``: where :meth:`_off` is so large."""
        from scipy.optimize import brentq
        from scipy.special import stdtr

        if math.isnan(self.error):
            return 1.0
        if self.error == 0:
            return 0.0 if distance > 0 else 1.0
        if distance <= 0:
            return 1.0 - self._tail(-distance) if distance else 0.5
        if self.seeds == 0 or self.examples == 0:
            freedom = math.inf if self.seeds == 0 else self.freedom
            return float(stdtr(_finite(freedom), -distance / self.error))
        if self._off(1 - _SMALLEST) <= distance:
            return _SMALLEST

        def apart(logarithm: float) -> float:
            return self._off(1 - math.exp(logarithm)) - distance

        return math.exp(brentq(apart, math.log(_SMALLEST), math.log(0.5), xtol=1e-4))


def _quantile(probability: float, freedom: float) -> float:
    """A quantile of Student's t distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(_finite(freedom), probability))


def _finite(freedom: float) -> float:
    """Degrees of freedom as scipy takes them; beyond a million t is the normal distribution."""
    return min(freedom, 1e6)


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Exact two-sided p of two runs that are right or not on the same N examples (McNemar)."""
    from scipy.stats import binomtest

    pairs = [(bool(a), bool(b)) for a, b in zip(first, second, strict=True)]
    gained, lost = pairs.count((False, True)), pairs.count((True, False))
    if gained + lost == 0:
        return 1.0
    return float(binomtest(gained, gained + lost).pvalue)


def holm(p_values: Mapping[_K, float]) -> dict[_K, float]:
    """Holm's step-down adjustment: p-values that may each be compared with ALPHA.

    The chance of any false rejection in the family stays below ALPHA, whatever the dependence
    between the tests (Holm, 1979).
    """
    adjusted: dict[_K, float] = {}
    largest = 0.0
    for i, key in enumerate(sorted(p_values, key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - i) * p_values[key]))
        adjusted[key] = largest
    return {key: adjusted[key] for key in p_values}
