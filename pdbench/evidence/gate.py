"""The gate: whether a candidate is worse than its baseline by more than a margin.

Every cell of the candidate is put to two one-sided t tests on the difference of its mean test score
from its baseline's, paired over the test examples: is it worse by more than the margin
(regressed), is it not (passed)? Neither may be shown (unresolved). The chance that anything is
called a regression where nothing is worse stays below :data:`ALPHA`: half of it is spent on the
cells and half on the means over cells, each family with Holm's correction. "Passed" is not
corrected: that all cells pass is only said where each is shown by itself (Berger, 1982).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TypeVar

from pdbench.evidence.paired import Terms
from pdbench.evidence.pairs import Match
from pdbench.evidence.significance import ALPHA, Difference, holm

_K = TypeVar("_K", bound=Hashable)

_LEVEL = ALPHA / 2
"""One-sided level of each family: the cells, and the means over cells."""

POOLED = "pooled"


class GateOutcome(StrEnum):
    """What became of a cell."""

    REGRESSED = "regressed"
    WAIVED = "waived"
    REFUSED = "refused"
    MISSING = "missing"
    UNRESOLVED = "unresolved"
    PASSED = "passed"

    @property
    def mark(self) -> str:
        """Its mark: never colour alone."""
        return _MARKS[self]


_MARKS = {
    GateOutcome.REGRESSED: "\N{MINUS SIGN}",
    GateOutcome.WAIVED: "w",
    GateOutcome.REFUSED: "x",
    GateOutcome.MISSING: ".",
    GateOutcome.UNRESOLVED: "?",
    GateOutcome.PASSED: "+",
}

RULES = {
    GateOutcome.REFUSED: "the budgets differ: updates, items seen, grid points, transfer set or "
    "data",
    GateOutcome.MISSING: "a run, a score, a label or the twin itself is not there, or single runs "
    "have no spread",
    GateOutcome.REGRESSED: "shown to be worse by more than the margin",
    GateOutcome.WAIVED: "the same, but accepted in the file of waivers, with a reason and until a "
    "day",
    GateOutcome.PASSED: "shown not to be worse by more than the margin, by runs that do not "
    "predict one class only",
    GateOutcome.UNRESOLVED: "neither is shown; the smallest regression that would have been found "
    "is printed",
}
"""The rules in the order in which they are tried."""

INCOMPLETE = (GateOutcome.REFUSED, GateOutcome.MISSING)


@dataclass(frozen=True)
class Judged:
    """What tests say of one difference.

    Attributes:
        outcome: regressed, passed, unresolved, or missing where nothing can be tested.
        p: Of no regression beyond the margin, after Holm's correction.
        detectable: The smallest regression that would be found in four of five cases, in points.
    """

    outcome: GateOutcome
    p: float
    detectable: float


@dataclass(frozen=True)
class Row:
    """One cell of the candidate, or a mean over cells, as it was judged.

    Attributes:
        name: The key of the candidate's cell, or ``pooled.TASK`` or ``pooled.all``.
        cells: The cells behind it: baseline and candidate.
        outcome: What became of it.
        reason: Why, in words.
        estimate: Candidate less baseline, in points; None where nothing was compared.
        p: Of no regression, Holm-corrected.
        scores: Mean test scores of baseline and candidate, in per cent.
        runs: Their numbers of runs.
        notes: What else one should know.
    """

    name: str
    cells: tuple[str, ...]
    outcome: GateOutcome
    reason: str = ""
    estimate: Difference | None = None
    p: float = math.nan
    scores: tuple[float, float] = (math.nan, math.nan)
    runs: tuple[int, int] = (0, 0)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gate:
    """A check and what it found.

    Attributes:
        study: The study's name.
        match: What was compared.
        margins: What its cells may lose, in points: every margin that was used, ascending.
        cells: Every cell of the candidate.
        pooled: The means over the cells of a task, and over all.
        problems: What is wrong with the waivers.
        notes: What one should know of the whole.
        today: The day that waivers were held against.
    """

    study: str
    match: Match
    margins: tuple[float, ...]
    cells: tuple[Row, ...]
    pooled: tuple[Row, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    today: date

    @property
    def rows(self) -> tuple[Row, ...]:
        """All cells and means."""
        return self.cells + self.pooled

    def code(self, *, strict: bool = False) -> int:
        """The exit code: 1 with a regression, else 2 if incomplete, else 0.

        Args:
            strict: Take what is unresolved as incomplete.
        """
        found = {row.outcome for row in self.rows}
        if GateOutcome.REGRESSED in found:
            return 1
        open_ends = (*INCOMPLETE, GateOutcome.UNRESOLVED) if strict else INCOMPLETE
        return 2 if self.problems or found & set(open_ends) else 0


def judge(
    estimates: Mapping[_K, Difference],
    margins: Mapping[_K, float],
    exact: Mapping[_K, float] | None = None,
) -> dict[_K, Judged]:
    """Judge a family of differences.

    Those of cells that answer as before are no part of it: they cannot be called a regression.

    Args:
        estimates: Candidate less baseline, in points.
        margins: Points that the candidate may lose, for each of them.
        exact: P of an exact test that the candidate is not worse at all, where there is one; a
            regression must pass both.
    """
    lost = {
        key: max(found.below(-margins[key]), (exact or {}).get(key, 0.0))
        for key, found in estimates.items()
        if not (math.isnan(found.error) or _is_unchanged(found))
    }
    level = _LEVEL / max(len(lost), 1)
    adjusted = holm(lost)
    judged = {}
    for key, found in estimates.items():
        outcome = GateOutcome.UNRESOLVED
        if math.isnan(found.error):
            outcome = GateOutcome.MISSING
        elif key in lost and adjusted[key] <= _LEVEL:
            outcome = GateOutcome.REGRESSED
        elif found.above(-margins[key]) <= _LEVEL or _is_unchanged(found):
            outcome = GateOutcome.PASSED
        least = margins[key] + found.detectable_at(level)
        p = adjusted.get(key, 1.0 if outcome is GateOutcome.PASSED else math.nan)
        judged[key] = Judged(outcome, p, least)
    return judged


def _is_unchanged(found: Difference) -> bool:
    """Whether no example of any run is answered otherwise: then nothing is lost at any margin."""
    return found.value == 0 and found.error == 0


def pools(tasks: Mapping[_K, str]) -> dict[str, tuple[_K, ...]]:
    """The families of cells whose means are judged too, from the task of each cell.

    One for each task with several cells, and one for all where there are several tasks.
    """
    found: dict[str, tuple[_K, ...]] = {}
    for task in dict.fromkeys(tasks.values()):
        own = tuple(cell for cell, its in tasks.items() if its == task)
        if len(own) > 1:
            found[f"{POOLED}.{task}"] = own
    if len(set(tasks.values())) > 1:
        found[f"{POOLED}.all"] = tuple(tasks)
    return found


def mean_terms(terms: Sequence[Terms]) -> Terms:
    """The mean of several differences."""
    total: dict[tuple[str, str], float] = {}
    for one in terms:
        for term, factor in one.items():
            total[term] = total.get(term, 0.0) + factor / len(terms)
    return total
