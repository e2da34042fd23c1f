"""Whether the paper's claims hold: on its own numbers, exactly, and on a study's runs, tested.

A claim of the paper is about its table, so on runs it is tested on this test set. It holds if its
statement is shown, and fails if it is refuted: two one-sided tests, each corrected with Holm's
method over the claims of the same artefact that can be tested, each at 5%. The chance that any
claim of an artefact holds falsely is at most 5%, and so is that of failing falsely.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from pdbench.core.errors import DataError
from pdbench.evidence.claims import TESTS
from pdbench.evidence.paired import Estimator, Question, Scored
from pdbench.evidence.references import (
    Reference,
    Similarities,
    load_references,
    read_rows,
)
from pdbench.evidence.significance import ALPHA, Difference, holm
from pdbench.evidence.statements import (
    ClaimOutcome,
    Quantity,
    Single,
    Statement,
    Term,
    Trial,
    Untestable,
    Weighing,
    Within,
    means_of,
    slack,
    without_same,
)
from pdbench.evidence.table import ResultsTable
from pdbench.evidence.views import Numbers, with_answers
from pdbench.study.discovery import configured
from pdbench.workflow.specs import REFERENCES


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
class Chance:
    """P of a claim holding, or failing, by chance; NaN where nothing was tested."""

    p: float = math.nan
    adjusted: float = math.nan  # after Holm's correction for the artefact's claims


@dataclass(frozen=True)
class Result:
    """What became of a claim."""

    claim: Claim
    outcome: ClaimOutcome
    reason: str
    holds: Chance = Chance()
    fails: Chance = Chance()
    family: int = 0
    deciding: Trial | None = None  # the comparison that the outcome rests on, if any
    parts: tuple[Trial, ...] = ()
    means: tuple[Trial, ...] = ()  # over the cells of which one thing is said
    same: int = 0  # comparisons of a model with itself, which are left out

    @property
    def counts(self) -> str:
        """How many comparisons point the claim's way: "9 of 9 in direction, 7 shown"."""
        if not self.parts:
            return ""
        words = [f"{sum(part.met for part in self.parts)} of {len(self.parts)} in direction"]
        found = Counter(part.outcome for part in self.parts)
        said = {ClaimOutcome.HOLDS: "shown", ClaimOutcome.FAILS: "refuted"}
        words += [f"{found[outcome]} {word}" for outcome, word in said.items() if found[outcome]]
        return ", ".join([*words, *([f"{self.same} the same model"] if self.same else [])])


def load_claims(folder: Path | None = None) -> tuple[Claim, ...]:
    """Read the claims in the order of their file."""
    path = (folder or configured(REFERENCES)) / "claims.csv"
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
        statement, same = _statement(claim, numbers)
    except Untestable as error:
        return Result(claim, ClaimOutcome.UNTESTABLE, str(error))
    parts = tuple(_published_part(one, published) for one in statement.comparisons)
    left = slack(statement, {term: reference.value for term, reference in published.items()})
    outcome = ClaimOutcome.HOLDS if left >= 0 else ClaimOutcome.FAILS
    nearest = min(parts, key=lambda part: abs(part.estimate.value - left))
    reason = f"by {_points(abs(left))}" if left >= 0 else f"short by {_points(-left)}"
    if nearest.estimate.error > abs(left):
        reason += f", within the numbers' own uncertainty of {_points(nearest.estimate.error)}"
    return Result(claim, outcome, reason, deciding=nearest, parts=parts, same=same)


def _statement(claim: Claim, numbers: Numbers) -> tuple[Statement, int]:
    """What a claim says of these numbers, and how many models it would compare with themselves."""
    said = TESTS[claim.id](numbers)
    different = without_same(said)
    return different, len(said.comparisons) - len(different.comparisons)


def _published_part(comparison: Single | Within, published: Mapping[Term, Reference]) -> Trial:
    """A comparison of published numbers; its error is how far rounding or reading could move it."""
    terms = comparison.quantity.terms
    error = math.fsum(abs(f) * published[t].uncertainty for t, f in terms.items())
    left = slack(comparison, {term: published[term].value for term in terms})
    found = Difference(left, error, math.inf)
    about = comparison.text, comparison.quantity, found
    return Trial(*about, math.nan, math.nan, met=left >= 0)


def _points(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") or "0"


def on_study(
    claims: Sequence[Claim], scores: ResultsTable, similarity: Similarities
) -> tuple[Result, ...]:
    """Test every claim on a study's runs; what decides is estimated on such examples too."""
    numbers, study = Numbers.measured(scores, similarity), scores.study
    estimator = with_answers(Estimator.of(scores), scores)
    found: dict[str, Result] = {}
    for artefact in dict.fromkeys(claim.artefact for claim in claims):
        own = [claim for claim in claims if claim.artefact == artefact]
        rules = study.margin(artefact), study.evidence.exception
        found |= {one.claim.id: one for one in tested(own, numbers, estimator, *rules)}
    return tuple(_on_examples(found[claim.id], estimator) for claim in claims)


def tested(
    claims: Sequence[Claim],
    numbers: Numbers,
    estimator: Estimator,
    margin: float | None,
    exception: float,
) -> tuple[Result, ...]:
    """Test claims on estimates of their numbers' differences, on this test set.

    Args:
        claims: The claims; those of one artefact are corrected together.
        numbers: What they are about; its terms are groups and metrics of the estimator.
        estimator: The runs.
        margin: Points within which two scores are the same; None to allow no tie.
        exception: Points that one of many cells may be on the other side.
    """
    weighed = [_weigh(claim, numbers, estimator, margin, exception) for claim in claims]
    families: dict[str, list[Result]] = {}
    for one in weighed:
        if one.parts:
            families.setdefault(one.claim.artefact, []).append(one)
    corrected = {one.claim.id: one for own in families.values() for one in _corrected(own)}
    return tuple(corrected.get(one.claim.id, one) for one in weighed)


def _weigh(
    claim: Claim,
    numbers: Numbers,
    estimator: Estimator,
    margin: float | None,
    exception: float,
) -> Result:
    try:
        statement, same = _statement(claim, numbers)
    except Untestable as error:
        return Result(claim, ClaimOutcome.UNTESTABLE, str(error))

    def estimate(quantity: Quantity) -> Difference:
        return estimator.estimate(quantity.terms, quantity.constant)

    weighing = Weighing(estimate, margin, exception)
    holds, weakest = weighing.shown(statement)
    fails, against = weighing.refuted(statement)
    parts = tuple(weighing.trial(one) for one in statement.comparisons)
    means = tuple(weighing.trial(one) for one in means_of(statement))
    chances = Chance(holds), Chance(fails)
    deciding = against if fails < holds and fails <= ALPHA else weakest
    return Result(claim, ClaimOutcome.OPEN, "", *chances, 0, deciding, parts, means, same)


def _corrected(family: Sequence[Result]) -> list[Result]:
    """Decide the claims of an artefact together."""
    holds = holm({one.claim.id: one.holds.p for one in family})
    fails = holm({one.claim.id: one.fails.p for one in family})
    return [_decide(one, holds[one.claim.id], fails[one.claim.id], len(family)) for one in family]


def _decide(result: Result, holds: float, fails: float, family: int) -> Result:
    if holds <= ALPHA:
        outcome, reason = ClaimOutcome.HOLDS, "shown"
    elif fails <= ALPHA:
        outcome, reason = ClaimOutcome.FAILS, "refuted"
    else:
        outcome, reason = ClaimOutcome.OPEN, _why_open(result, family)
    return replace(
        result,
        outcome=outcome,
        reason=reason,
        holds=replace(result.holds, adjusted=holds),
        fails=replace(result.fails, adjusted=fails),
        family=family,
    )


def _why_open(result: Result, family: int) -> str:
    part = result.deciding
    if part is None or math.isnan(part.estimate.error):
        return "single runs have no spread"
    if part.outcome is ClaimOutcome.FAILS:
        return "refuted by itself, not after correction"
    why = f"smallest detectable difference {part.estimate.detectable(ALPHA / family):.1f} points"
    if result.holds.p == part.safe != part.shown:
        return f"may be an exception; {why}"
    return why


def _on_examples(result: Result, estimator: Estimator) -> Result:
    """Add the interval on such examples to what decides, where there are predictions for it."""
    if (part := result.deciding) is None:
        return result
    tasks = {estimator.groups[key].task for key, _ in part.quantity.terms}
    if any(isinstance(estimator.samples[task], Scored) for task in tasks):
        return result
    about = part.quantity
    found = estimator.estimate(about.terms, about.constant, Question.EXAMPLES)
    return replace(result, deciding=replace(part, on_examples=found))
