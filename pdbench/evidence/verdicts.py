"""What a number of ours says about a published one: the rules, in one table and one function."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from pdbench.evidence.significance import ALPHA, Difference, difference_of


class Verdict(StrEnum):
    """What the evidence says about a published number."""

    REPRODUCED = "reproduced"
    CONSISTENT = "consistent"
    INCONCLUSIVE = "inconclusive"
    DEVIATES = "deviates"
    DEGENERATE = "degenerate"
    NOT_COMPARABLE = "not-comparable"
    MISSING = "missing"


MARKS = {
    Verdict.REPRODUCED: "=",
    Verdict.CONSISTENT: "~",
    Verdict.INCONCLUSIVE: "?",
    Verdict.DEVIATES: "+/\N{MINUS SIGN}",
    Verdict.DEGENERATE: "!",
    Verdict.NOT_COMPARABLE: "x",
    Verdict.MISSING: ".",
}
"""The mark of each verdict; "deviates" has the one of its direction."""

RULES = {
    Verdict.MISSING: "the study has no finished runs for it",
    Verdict.DEGENERATE: "one of our runs predicts one class only, all have one and the same "
    "trivial score, or the published score is trivial",
    Verdict.NOT_COMPARABLE: "scale, task, its version, split, metric, size or transfer set differ "
    "or are not stated by the study, or the number is context",
    Verdict.REPRODUCED: "equivalence is shown: two one-sided t tests over seeds, each at 5%, "
    "within the margin that the study names beforehand plus the published number's uncertainty",
    Verdict.DEVIATES: "a difference beyond the published number's uncertainty is shown by a "
    "t test over seeds at 5% (and equivalence is not): + ours is higher, \N{MINUS SIGN} lower",
    Verdict.INCONCLUSIVE: "no margin is named, our runs have no spread (one run, or the same score "
    "in all), or they are so few with such a spread that even equal means could not have shown "
    "equivalence; the smallest detectable difference is printed",
    Verdict.CONSISTENT: "neither: no difference is shown, and equivalence, which could have been "
    "shown, is not either; also what would be reproduced, but the source leaves its split or the "
    "task's version open",
}
"""The rules in the order in which they are tried: the first that applies is the verdict."""


@dataclass(frozen=True)
class Measured:
    """What a verdict is about, in the unit of the published number.

    Attributes:
        published: The published number.
        uncertainty: How far the true one may be from it: rounding or reading.
        runs: Our scores, one a seed.
        margin: The margin of equivalence; None if none was named.
        differs: What is not the same on both sides; empty if all is.
        unstated: What the source leaves open.
        constant: How many of our runs predict one class only.
        trivial: ResultsTable of constant predictors.
        exact: Whether the number is counted, not measured: one value is all there is.
    """

    published: float
    uncertainty: float
    runs: tuple[float, ...]
    margin: float | None
    differs: str = ""
    unstated: str = ""
    constant: int = 0
    trivial: tuple[float, ...] = ()
    exact: bool = False

    @property
    def estimate(self) -> Difference:
        """Our mean less the published number."""
        found = difference_of(self.runs, self.published)
        if self.exact:
            return replace(found, error=0.0)
        # Runs that tie by chance, as few runs on few examples do, do not show that all would.
        tied = max(self.runs) == min(self.runs)
        return replace(found, error=math.nan) if tied else found


@dataclass(frozen=True)
class _Judgement:
    """A verdict with its mark and its reason."""

    verdict: Verdict
    mark: str
    reason: str


def judge(case: Measured) -> _Judgement:
    """Give the verdict on a published number: the first rule of :data:`RULES` that applies."""
    if not case.runs:
        return _judgement(Verdict.MISSING, "no finished runs")
    if degenerate := _degenerate(case):
        return _judgement(Verdict.DEGENERATE, degenerate)
    if case.differs:
        return _judgement(Verdict.NOT_COMPARABLE, case.differs)
    found = case.estimate
    bound = (case.margin or 0.0) + case.uncertainty
    off = f"ours {_signed(found.value)}"
    if case.margin is not None and found.within(bound) <= ALPHA:
        reason = f"{off}, shown to be within ±{bound:.2g}"
        if case.unstated:
            return _judgement(Verdict.CONSISTENT, f"{reason}, but {case.unstated}")
        return _judgement(Verdict.REPRODUCED, reason)
    if found.outside(case.uncertainty) <= ALPHA:
        mark = "+" if found.value > 0 else "\N{MINUS SIGN}"
        return _Judgement(Verdict.DEVIATES, mark, f"{off}, more than chance over seeds explains")
    least = f"smallest detectable difference {found.detectable:.1f}"
    if math.isnan(found.error):
        runs = "one run has" if found.n == 1 else f"{found.n} runs with one and the same score have"
        return _judgement(Verdict.INCONCLUSIVE, f"{off}; {runs} no spread")
    if case.margin is None:
        return _judgement(Verdict.INCONCLUSIVE, f"{off}; no margin was named beforehand; {least}")
    if Difference(0.0, found.error, found.freedom).within(bound) > ALPHA:
        return _judgement(Verdict.INCONCLUSIVE, f"{off}; too few runs for ±{bound:.2g}; {least}")
    return _judgement(Verdict.CONSISTENT, f"{off}; neither a difference nor equivalence is shown")


def _judgement(verdict: Verdict, reason: str) -> _Judgement:
    return _Judgement(verdict, MARKS[verdict], reason)


def _degenerate(case: Measured) -> str:
    n = len(case.runs)
    if case.constant:
        return f"{case.constant} of {n} runs predict one class only"
    if any(abs(case.published - score) <= case.uncertainty for score in case.trivial):
        return f"the published {case.published:g} is the score of a constant prediction"
    same = n > 1 and max(case.runs) == min(case.runs)
    if same and any(math.isclose(case.runs[0], score, abs_tol=1e-6) for score in case.trivial):
        return f"all {n} runs score {case.runs[0]:.1f}, as a constant prediction does"
    return ""


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "\N{MINUS SIGN}")
