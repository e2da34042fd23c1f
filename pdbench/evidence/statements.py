"""Statements about scores, written as one reads them: ``a > b``, ``abs(a - b) <= 0.5``.

A :class:`Quantity` is a score, or a sum of scores each times a factor. Comparing two gives a
statement, and :func:`every` and :func:`some` join statements. Nothing is computed here: the same
statement is checked on published numbers (:func:`slack`) and weighed on runs (:func:`weigh`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from operator import itemgetter
from typing import TypeAlias

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

    def __gt__(self, other: Quantity | float) -> Statement:
        return self._compare(other, ">")

    def __ge__(self, other: Quantity | float) -> Statement:
        return self._compare(other, "≥")

    def __lt__(self, other: Quantity | float) -> Statement:
        return self._compare(other, "<")

    def __le__(self, other: Quantity | float) -> Statement:
        return self._compare(other, "≤")

    def __abs__(self) -> _Size:
        return _Size(self)

    def _compare(self, other: Quantity | float, sign: str) -> Statement:
        other = Quantity.of(other)
        difference = other - self if sign in "<≤" else self - other
        return Single(difference, f"{self.name} {sign} {other.name}", strict=sign in "<>")

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

    def __le__(self, margin: float) -> Statement:
        return Single(self.of, f"|{self.of.name}| ≤ {margin:g}", margin=margin)


@dataclass(frozen=True)
class Single:
    """One comparison: a quantity is above 0, or not below it; or it is within ±margin."""

    quantity: Quantity
    text: str
    strict: bool = False
    margin: float | None = None

    @property
    def comparisons(self) -> tuple[Single, ...]:
        """Itself."""
        return (self,)


@dataclass(frozen=True)
class _Joined:
    """All parts hold, or at least one."""

    parts: tuple[Statement, ...]
    all: bool

    @property
    def comparisons(self) -> tuple[Single, ...]:
        """Every single comparison, in order."""
        return tuple(one for part in self.parts for one in part.comparisons)


Statement: TypeAlias = Single | _Joined


def every(*parts: Statement | Iterable[Statement]) -> Statement:
    """All of these hold; without any part, nothing is said."""
    return _Joined(_flat(parts), all=True)


def some(*parts: Statement | Iterable[Statement]) -> Statement:
    """At least one of these holds."""
    return _Joined(_flat(parts), all=False)


def descending(*quantities: Quantity, ties: bool = False) -> Statement:
    """Each quantity is above the next, or with ties none is below it."""
    pairs = itertools.pairwise(quantities)
    return every(first >= second if ties else first > second for first, second in pairs)


def _flat(parts: Iterable[Statement | Iterable[Statement]]) -> tuple[Statement, ...]:
    found = [one for p in parts for one in ([p] if isinstance(p, Single | _Joined) else p)]
    if not found:
        raise Untestable("there is nothing to compare")
    return tuple(found)


def slack(statement: Statement, values: Mapping[Term, float]) -> float:
    """How far the numbers could move before the statement fails; negative if it fails."""
    if isinstance(statement, _Joined):
        slacks = [slack(part, values) for part in statement.parts]
        return min(slacks) if statement.all else max(slacks)
    quantity = statement.quantity
    found = quantity.constant + sum(f * values[term] for term, f in quantity.terms.items())
    if statement.margin is not None:
        return statement.margin - abs(found) + _ROUNDING
    return found - _ROUNDING if statement.strict else found + _ROUNDING


class ClaimOutcome(StrEnum):
    """What the evidence says about a claim, or about one of its comparisons."""

    HOLDS = "holds"
    FAILS = "fails"
    INCONCLUSIVE = "inconclusive"
    UNTESTABLE = "untestable"

    @property
    def mark(self) -> str:
        """Its mark: never colour alone."""
        return {"holds": "+", "fails": "\N{MINUS SIGN}", "inconclusive": "?"}.get(self, ".")


@dataclass(frozen=True)
class Trial:
    """One comparison of a statement, as it stands."""

    text: str
    estimate: Difference  # by how much it is met, or for "within" the difference itself, in points
    shown: float  # P of it being false all the same; NaN on published numbers
    refuted: float  # P of it being true all the same
    terms: tuple[Term, ...]

    @classmethod
    def of(cls, comparison: Single, found: Difference) -> Trial:
        """Test a comparison on the estimate of its quantity."""
        if (margin := comparison.margin) is None:
            shown, refuted = found.above(0), found.below(0)
        else:
            shown, refuted = found.within(margin), found.outside(margin)
        return cls(comparison.text, found, shown, refuted, tuple(comparison.quantity.terms))

    @property
    def outcome(self) -> ClaimOutcome:
        """What it says by itself, without correction for others."""
        if min(self.shown, self.refuted) > ALPHA / 2:
            return ClaimOutcome.INCONCLUSIVE
        return ClaimOutcome.HOLDS if self.shown < self.refuted else ClaimOutcome.FAILS


def weigh(
    statement: Statement, part_of: Callable[[Single], Trial], *, holds: bool
) -> tuple[float, Trial]:
    """P of a statement not holding (``holds``) or holding all the same, and what it rests on.

    A conjunction is shown by an intersection-union test: each part at full level, without
    correction, because all must be shown (Berger, 1982). It is refuted by any one of its parts,
    whose smallest p is therefore multiplied by their number (Bonferroni); and the other way
    round for a disjunction.
    """
    if isinstance(statement, Single):
        trial = part_of(statement)
        return (trial.shown if holds else trial.refuted), trial
    parts = [weigh(part, part_of, holds=holds) for part in statement.parts]
    if statement.all is holds:
        return max(parts, key=itemgetter(0))
    p, trial = min(parts, key=itemgetter(0))
    return min(1.0, len(parts) * p), trial
