"""Statements about scores, written as one reads them: ``a > b``, ``abs(a - b) <= 0.5``.

A :class:`Quantity` is a score, or a sum of scores each times a factor. Comparing two gives a
statement; :func:`every` and :func:`some` join statements about different things, and
:func:`across` says one thing of many cells. No score is looked up here: the same statement is
checked on published numbers, exactly (:func:`slack`), and weighed on estimates
(:class:`Weighing`), where

- ``a > b`` is shown if the difference is shown to be above 0, and refuted if below;
- ``a >= b`` allows a tie: shown if above -margin, refuted if below -margin, with the margin within
  which the study calls two scores the same. A bound that is said (``a - b >= 2``) is kept as it is;
- ``abs(a - b) <= m`` is shown by two one-sided tests, and refuted if shown to be farther off;
- across many cells, the mean of their differences must be shown and no cell may be an exception.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from operator import itemgetter
from typing import TypeAlias, TypeVar

from pdbench.evidence.significance import ALPHA, Difference

Term: TypeAlias = tuple[str, str]
"""What identifies one score: the key of a cell, or of a published number, and its metric."""

_ROUNDING = 1e-9  # published decimals are not exact in binary


class Untestable(Exception):  # noqa: N818 - nothing is wrong
    """Says why a statement cannot be tested here: what it is about is not there."""


@dataclass(frozen=True)
class Quantity:
    """A sum of scores, each times its factor, and a constant, with its name in words."""

    terms: Mapping[Term, float]
    constant: float
    name: str

    @classmethod
    def of(cls, value: Quantity | float) -> Quantity:
        """The quantity itself, or a number as one."""
        return value if isinstance(value, Quantity) else cls({}, value, f"{value:g}")

    @classmethod
    def mean(cls, quantities: Iterable[Quantity], name: str) -> Quantity:
        """The mean of some quantities, under a name of its own."""
        total, *others = found = list(quantities)
        for other in others:
            total = total + other
        average = total * (1 / len(found))
        return cls(average.terms, average.constant, name)

    def __add__(self, other: Quantity | float) -> Quantity:
        return self._plus(Quantity.of(other), 1, "+")

    def __sub__(self, other: Quantity | float) -> Quantity:
        return self._plus(Quantity.of(other), -1, "\N{MINUS SIGN}")

    def __mul__(self, factor: float) -> Quantity:
        terms = {term: factor * own for term, own in self.terms.items()}
        return Quantity(terms, factor * self.constant, f"{factor:g} · {_grouped(self.name)}")

    def __gt__(self, other: Quantity | float) -> Single:
        return self._compare(other, ">")

    def __ge__(self, other: Quantity | float) -> Single:
        return self._compare(other, "≥")

    def __lt__(self, other: Quantity | float) -> Single:
        return self._compare(other, "<")

    def __le__(self, other: Quantity | float) -> Single:
        return self._compare(other, "≤")

    def __abs__(self) -> _Size:
        return _Size(self)

    def _compare(self, other: Quantity | float, sign: str) -> Single:
        bounded, other = not isinstance(other, Quantity), Quantity.of(other)
        difference = other - self if sign in "<≤" else self - other
        text, strict = f"{self.name} {sign} {other.name}", sign in "<>"
        return Single(difference, text, strict, ties=not strict and not bounded)

    def _plus(self, other: Quantity, sign: int, word: str) -> Quantity:
        terms = dict(self.terms)
        for term, factor in other.terms.items():
            terms[term] = terms.get(term, 0.0) + sign * factor
        kept = {term: factor for term, factor in terms.items() if factor}
        name = f"{self.name} {word} {_grouped(other.name)}"
        return Quantity(kept, self.constant + sign * other.constant, name)


def _grouped(name: str) -> str:
    return f"({name})" if " \N{MINUS SIGN} " in name or " + " in name else name


@dataclass(frozen=True)
class _Size:
    """The size of a quantity, whatever its sign."""

    of: Quantity

    def __le__(self, margin: float) -> Within:
        return Within(self.of, f"|{self.of.name}| ≤ {margin:g}", margin)


@dataclass(frozen=True)
class Single:
    """One comparison: a quantity is above 0, or not below it."""

    quantity: Quantity
    text: str
    strict: bool = False
    ties: bool = False  # whether a shortfall within the study's margin counts as none

    @property
    def comparisons(self) -> tuple[Single | Within, ...]:
        """Itself."""
        return (self,)


@dataclass(frozen=True)
class Within:
    """One comparison: a quantity is within ±margin."""

    quantity: Quantity
    text: str
    margin: float

    @property
    def comparisons(self) -> tuple[Single | Within, ...]:
        """Itself."""
        return (self,)


@dataclass(frozen=True)
class _Across:
    """One thing said of many cells: at every size, on every task, in every domain."""

    cells: tuple[Single, ...]

    @property
    def comparisons(self) -> tuple[Single | Within, ...]:
        """Those of the cells, in order."""
        return self.cells

    @cached_property
    def mean(self) -> Single:
        """The same of the mean over the cells."""
        first, count = self.cells[0], len(self.cells)
        text = f"mean of {count} like {first.text}"
        mean = Quantity.mean((cell.quantity for cell in self.cells), text)
        return Single(mean, text, first.strict, first.ties)


@dataclass(frozen=True)
class _Joined:
    """All parts hold, or at least one."""

    parts: tuple[Statement, ...]
    all: bool

    @property
    def comparisons(self) -> tuple[Single | Within, ...]:
        """Every single comparison, in order."""
        return tuple(one for part in self.parts for one in part.comparisons)


Statement: TypeAlias = Single | Within | _Across | _Joined


def every(*parts: Statement | Iterable[Statement]) -> Statement:
    """All of these hold; without any part, nothing is said."""
    return _Joined(_flat(parts), all=True)


def some(*parts: Statement | Iterable[Statement]) -> Statement:
    """At least one of these holds."""
    return _Joined(_flat(parts), all=False)


def across(cells: Iterable[Single]) -> Statement:
    """One thing holds in the mean over these cells, and none of them is an exception."""
    return _Across(_some_of(tuple(cells)))


def descending(*quantities: Quantity) -> Statement:
    """Each quantity is above the next."""
    return every(first > second for first, second in itertools.pairwise(quantities))


_S = TypeVar("_S", bound=Statement)
_KINDS = (Single, Within, _Across, _Joined)


def _flat(parts: Iterable[Statement | Iterable[Statement]]) -> tuple[Statement, ...]:
    return _some_of(tuple(one for p in parts for one in ([p] if isinstance(p, _KINDS) else p)))


def _some_of(found: tuple[_S, ...]) -> tuple[_S, ...]:
    if not found:
        raise Untestable("there is nothing to compare")
    return found


def without_same(statement: Statement) -> Statement:
    """Leave out every comparison of a model with itself, in which no score is left.

    Raises:
        Untestable: Nothing else is compared.
    """
    if (found := _without_same(statement)) is None:
        raise Untestable("both sides are the same model here")
    return found


def _without_same(statement: Statement) -> Statement | None:
    if isinstance(statement, Single | Within):
        return statement if statement.quantity.terms else None
    if isinstance(statement, _Across):
        cells = tuple(cell for cell in statement.cells if cell.quantity.terms)
        return _Across(cells) if cells else None
    kept = tuple(one for part in statement.parts if (one := _without_same(part)) is not None)
    return _Joined(kept, statement.all) if kept else None


def means_of(statement: Statement) -> tuple[Single, ...]:
    """The comparisons of means over several cells of which a statement is made."""
    if isinstance(statement, _Joined):
        return tuple(mean for part in statement.parts for mean in means_of(part))
    if isinstance(statement, _Across) and len(statement.cells) > 1:
        return (statement.mean,)
    return ()


def slack(statement: Statement, values: Mapping[Term, float]) -> float:
    """How far the numbers could move before the statement fails; negative if it fails.

    Numbers are taken as they are printed: a tie is a tie, and across cells each must be met.
    """
    if isinstance(statement, _Joined | _Across):
        parts = statement.parts if isinstance(statement, _Joined) else statement.cells
        slacks = [slack(part, values) for part in parts]
        return max(slacks) if isinstance(statement, _Joined) and not statement.all else min(slacks)
    quantity = statement.quantity
    found = quantity.constant + sum(f * values[term] for term, f in quantity.terms.items())
    if isinstance(statement, Within):
        return statement.margin - abs(found) + _ROUNDING
    return found - _ROUNDING if statement.strict else found + _ROUNDING


class ClaimOutcome(StrEnum):
    """What the evidence says about a claim, or about one of its comparisons."""

    HOLDS = "holds"
    FAILS = "fails"
    OPEN = "open"
    UNTESTABLE = "untestable"

    @property
    def mark(self) -> str:
        """Its mark: never colour alone."""
        return {"holds": "+", "fails": "\N{MINUS SIGN}", "open": "?"}.get(self, ".")


@dataclass(frozen=True)
class Trial:
    """One comparison of a statement, as it stands."""

    text: str
    quantity: Quantity
    estimate: Difference  # by how much it is met, or for "within" the difference itself, in points
    shown: float  # P of it being false all the same; NaN on published numbers
    refuted: float  # P of it being true all the same
    met: bool = True  # whether the estimate meets it, shown or not
    safe: float = math.nan  # P of it being an exception, where it is one of many cells
    on_examples: Difference | None = None  # the estimate on such examples, where it was asked

    @property
    def outcome(self) -> ClaimOutcome:
        """What it says by itself, without correction for others."""
        if not min(self.shown, self.refuted) <= ALPHA:  # nor where there is no p
            return ClaimOutcome.OPEN
        return ClaimOutcome.HOLDS if self.shown < self.refuted else ClaimOutcome.FAILS


class Weighing:
    """Tests statements on estimates of their quantities.

    Attributes:
        margin: Points within which the study calls two scores the same; 0 where it names none.
        exception: Points that one of many cells may be on the other side.
    """

    def __init__(
        self,
        estimate: Callable[[Quantity], Difference],
        margin: float | None,
        exception: float,
    ) -> None:
        self._estimate, self._known = estimate, dict[int, tuple[Single | Within, Trial]]()
        self.margin, self.exception = margin or 0.0, exception

    def trial(self, comparison: Single | Within) -> Trial:
        """Test one comparison by itself, once."""
        key = id(comparison)  # kept with its comparison, so that no other gets the same
        if key not in self._known:
            self._known[key] = comparison, self._test(comparison)
        return self._known[key][1]

    def _test(self, comparison: Single | Within) -> Trial:
        found = self._estimate(comparison.quantity)
        about = comparison.text, comparison.quantity, found
        if isinstance(comparison, Within):
            margin = comparison.margin
            shown, refuted = found.within(margin), found.outside(margin)
            return Trial(*about, shown, refuted, met=abs(found.value) <= margin)
        bound = -self.margin if comparison.ties else 0.0
        safe = found.above(min(bound, -self.exception))
        met = found.value > bound
        return Trial(*about, found.above(bound), found.below(bound), met, safe)

    def shown(self, statement: Statement) -> tuple[float, Trial]:
        """P of a statement not holding all the same, and the comparison that it rests on.

        A conjunction is shown by an intersection-union test: each part at full level, without
        correction, because all must be shown (Berger, 1982). A disjunction is shown by any of
        its parts, whose smallest p is therefore multiplied by their number (Bonferroni).

        Across cells the mean is shown and, of each cell, that it is no more than ``exception``
        points on the other side, which is an intersection-union test too; and none is shown to be
        on the other side at all (Holm).
        """
        return self._weigh(statement, holds=True)

    def refuted(self, statement: Statement) -> tuple[float, Trial]:
        """P of a statement holding all the same, and the comparison that it rests on.

        A conjunction falls with any of its parts (Bonferroni), and a disjunction with all. Across
        cells it is the mean or any cell that is shown to be on the other side (Bonferroni).
        """
        return self._weigh(statement, holds=False)

    def _weigh(self, statement: Statement, *, holds: bool) -> tuple[float, Trial]:
        what = "shown" if holds else "refuted"
        if isinstance(statement, Single | Within):
            return _of(self.trial(statement), what)
        if isinstance(statement, _Joined):
            parts = [self._weigh(part, holds=holds) for part in statement.parts]
            return _largest(parts) if statement.all is holds else _smallest(parts)
        if len(statement.cells) == 1:
            return self._weigh(statement.cells[0], holds=holds)
        mean = _of(self.trial(statement.mean), what)
        against = _smallest([_of(self.trial(cell), "refuted") for cell in statement.cells])
        if not holds:
            return _smallest([mean, against])
        if against[0] <= ALPHA:
            return 1.0, against[1]
        return _largest([mean, *(_of(self.trial(cell), "safe") for cell in statement.cells)])


def _of(trial: Trial, what: str) -> tuple[float, Trial]:
    return float(getattr(trial, what)), trial


def _largest(parts: list[tuple[float, Trial]]) -> tuple[float, Trial]:
    return max(parts, key=itemgetter(0))


def _smallest(parts: list[tuple[float, Trial]]) -> tuple[float, Trial]:
    """The smallest p, times their number (Bonferroni; the first step of Holm)."""
    p, trial = min(parts, key=itemgetter(0))
    return min(1.0, len(parts) * p), trial
