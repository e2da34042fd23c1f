"""Whether the paper's claims hold: on its own numbers, exactly, and on a study's runs, tested."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from pdbench.core.errors import DataError
from pdbench.evidence.claims import TESTS
from pdbench.evidence.paired import Estimator
from pdbench.evidence.references import (
    FOLDER,
    Reference,
    Similarities,
    load_references,
    read_rows,
)
from pdbench.evidence.significance import ALPHA, Difference, holm
from pdbench.evidence.statements import (
    ClaimOutcome,
    Single,
    Term,
    Trial,
    Untestable,
    slack,
    weigh,
)
from pdbench.evidence.table import ResultsTable
from pdbench.evidence.views import Numbers


@dataclass(frozen=True)
class Claim:
    """A published statement: its line in the claims file, whose README says what columns mean."""

    id: str
    artefact: str
    place: str
    statement: str
    formal_check: str
    at_other_scales: str
    grade: str
    on_reference: ClaimOutcome
    note: str


_COLUMNS = tuple(field.name for field in fields(Claim))


@dataclass(frozen=True)
class Result:
    """What became of a claim."""

    claim: Claim
    outcome: ClaimOutcome
    reason: str
    p: float = math.nan  # two-sided p of the claim; NaN where nothing was tested
    adjusted: float = math.nan  # the same after Holm's correction for the artefact's claims
    family: int = 0
    deciding: Trial | None = None  # the comparison that the outcome rests on, if any
    parts: tuple[Trial, ...] = ()

    @property
    def counts(self) -> str:
        """How many comparisons point which way by themselves: "7 of 9 shown, 2 open"."""
        found = Counter(part.outcome for part in self.parts)
        words = {"holds": "shown", "fails": "refuted", "inconclusive": "open"}
        return ", ".join(f"{found[o]} {words[o]}" for o in ClaimOutcome if found[o])


def load_claims(folder: Path = FOLDER) -> tuple[Claim, ...]:
    """Read the claims in the order of their file."""
    path = folder / "claims.csv"
    found: dict[str, Claim] = {}
    for number, row in read_rows(path, _COLUMNS):
        if row["id"] not in TESTS or row["id"] in found:
            what = f"{path}:{number}: {row['id']} has no test, or stands here twice"
            raise DataError(what, "see pdbench/evidence/claims.py")
        if row["on_reference"] not in set(ClaimOutcome):
            what = f"{path}:{number}: unknown outcome {row['on_reference']!r}"
            raise DataError(what, f"write {' or '.join(ClaimOutcome)}")
        words: dict[str, Any] = {**row, "on_reference": ClaimOutcome(row["on_reference"])}
        found[row["id"]] = Claim(**words)
    if lost := sorted(set(TESTS) - set(found)):
        raise DataError(f"{path}: no line for {lost[0]}", "restore it from the repository")
    return tuple(found.values())


def on_reference(
    claims: Sequence[Claim], references: Sequence[Reference] | None = None
) -> tuple[Result, ...]:
    """Check every claim on the paper's own numbers, exactly as they are printed or were read."""
    found = load_references() if references is None else references
    numbers = Numbers.published(found)
    published = {r.term: r for r in found if not r.is_context}
    return tuple(_check(claim, numbers, published) for claim in claims)


def _check(claim: Claim, numbers: Numbers, published: Mapping[Term, Reference]) -> Result:
    try:
        statement = TESTS[claim.id](numbers)
    except Untestable as error:
        return Result(claim, ClaimOutcome.UNTESTABLE, str(error))
    parts = tuple(_published_part(one, published) for one in statement.comparisons)
    left = slack(statement, {term: reference.value for term, reference in published.items()})
    outcome = ClaimOutcome.HOLDS if left >= 0 else ClaimOutcome.FAILS
    nearest = min(parts, key=lambda part: abs(part.estimate.value - left))
    reason = f"by {_points(abs(left))}" if left >= 0 else f"short by {_points(-left)}"
    if nearest.estimate.error > abs(left):
        reason += f", within the numbers' own uncertainty of {_points(nearest.estimate.error)}"
    return Result(claim, outcome, reason, deciding=nearest, parts=parts)


def _published_part(comparison: Single, published: Mapping[Term, Reference]) -> Trial:
    """A comparison of published numbers; its error is how far rounding or reading could move it."""
    terms = comparison.quantity.terms
    error = math.fsum(abs(f) * published[t].uncertainty for t, f in terms.items())
    left = slack(comparison, {term: published[term].value for term in terms})
    found = Difference(left, error, math.inf)
    return Trial(comparison.text, found, math.nan, math.nan, tuple(terms))


def _points(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") or "0"


def on_study(
    claims: Sequence[Claim], scores: ResultsTable, similarity: Similarities
) -> tuple[Result, ...]:
    """Test every claim on a study's runs.

    Each claim has two one-sided tests, of holding and of failing; twice the smaller p is
    corrected with Holm's method for all claims of the same artefact that can be tested.
    """
    numbers = Numbers.measured(scores, similarity)
    estimator = Estimator.of(scores)
    results = [_test(claim, numbers, estimator) for claim in claims]
    tested: dict[str, dict[str, float]] = {}
    for one in results:
        if one.parts:
            tested.setdefault(one.claim.artefact, {})[one.claim.id] = one.p
    adjusted = {k: (p, len(f)) for f in tested.values() for k, p in holm(f).items()}
    return tuple(_decide(one, *adjusted.get(one.claim.id, (math.nan, 0))) for one in results)


def _test(claim: Claim, numbers: Numbers, estimator: Estimator) -> Result:
    try:
        statement = TESTS[claim.id](numbers)
        if not any(one.quantity.terms for one in statement.comparisons):
            raise Untestable("both sides are the same runs here")
    except Untestable as error:
        return Result(claim, ClaimOutcome.UNTESTABLE, str(error))
    parts = {
        id(one): Trial.of(one, estimator.estimate(one.quantity.terms, one.quantity.constant))
        for one in statement.comparisons
    }
    shown, weakest = weigh(statement, lambda one: parts[id(one)], holds=True)
    refuted, against = weigh(statement, lambda one: parts[id(one)], holds=False)
    p, fails = min(1.0, 2 * min(shown, refuted)), refuted < shown
    outcome = ClaimOutcome.FAILS if fails else ClaimOutcome.HOLDS
    deciding = against if fails and p <= ALPHA else weakest
    return Result(claim, outcome, "", p, deciding=deciding, parts=tuple(parts.values()))


def _decide(result: Result, adjusted: float, family: int) -> Result:
    if result.deciding is None:
        return result
    outcome, least = result.outcome, result.deciding.estimate.detectable()
    if math.isnan(least):
        outcome, reason = ClaimOutcome.INCONCLUSIVE, "single runs have no spread"
    elif adjusted > ALPHA:
        outcome = ClaimOutcome.INCONCLUSIVE
        reason = f"smallest detectable difference {least:.1f} points"
    else:
        reason = "every comparison is shown" if outcome is ClaimOutcome.HOLDS else "refuted"
    return replace(result, outcome=outcome, reason=reason, adjusted=adjusted, family=family)
