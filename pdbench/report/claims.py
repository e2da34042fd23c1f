"""Claims and what became of them, as text, as a table and as JSON."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pdbench.artefacts.context import Context
from pdbench.artefacts.tables import Table
from pdbench.core.errors import DataError
from pdbench.core.words import for_json, p_value, signed
from pdbench.evidence.outcomes import Chance, Result, load_claims, on_reference, on_study
from pdbench.evidence.paired import Question
from pdbench.evidence.significance import ALPHA, Difference
from pdbench.evidence.statements import ClaimOutcome, Trial
from pdbench.evidence.table import ResultsTable, read_results
from pdbench.evidence.views import SERVER
from pdbench.study import Study
from pdbench.workflow import Paths
from pdbench.workflow.specs import REFERENCES

_WIDTH = 96
_INTERVALS = "two-sided 95% intervals; tests are one-sided, at 5%"


def check(study: Study | None, table: Path | None = None) -> tuple[Result, ...]:
    """Test the claims on a study's results, or those of another run of it.

    Without a study they are checked on the paper's own numbers, where their outcomes must be
    those on file.
    """
    if study is not None:
        paths = Paths(study)
        scores = ResultsTable(study, read_results(table or paths.table))
        scores.refuse_others()
        similar = Context(study, paths).similarities if paths.audit.is_file() else {}
        return on_study(load_claims(), scores, similar)
    results = on_reference(load_claims())
    for one in results:
        if one.outcome is not one.claim.on_reference:
            raise DataError(
                f"{REFERENCES}/claims.csv: {one.claim.id} is recorded as "
                f"{one.claim.on_reference}, but {one.outcome} on the published numbers",
                "mend the claim, its test or the published number that was changed",
            )
    return results


def counted(results: Sequence[Result]) -> str:
    """How many claims have each outcome: "3 hold, 5 fail"."""
    found = Counter(one.outcome for one in results)
    return ", ".join(f"{found[outcome]} {outcome}" for outcome in ClaimOutcome if found[outcome])


def effect(part: Trial | None) -> str:
    """The comparison that decides, by how much it is met, and with which intervals."""
    if part is None:
        return ""
    if math.isnan(part.shown):
        return part.text
    words = [f"by {signed(part.estimate.value)} {_about(part.estimate, Question.TEST_SET)}"]
    if part.on_examples is not None:
        words.append(_about(part.on_examples, Question.EXAMPLES))
    return f"{part.text}: {', '.join(words)}"


def _about(found: Difference, question: Question) -> str:
    interval = found.interval
    if math.isnan(interval.low):
        return f"{question} without an interval"
    return f"{question} [{signed(interval.low)}, {signed(interval.high)}]"


def cells(part: Trial) -> list[str]:
    """The keys of the cells, or of the published numbers, that a comparison is about."""
    return list(dict.fromkeys(key.removesuffix(SERVER) for key, _ in part.quantity.terms))


def as_text(results: Sequence[Result]) -> list[str]:
    """Every claim in two or three lines: outcome, statement, and what decides."""
    lines, indent = [], " " * 7
    for one in results:
        head = f"{one.outcome.mark} {one.claim.id}  {one.outcome}: "
        lines += textwrap.wrap(head + one.claim.statement, _WIDTH, subsequent_indent=indent)
        about = "; ".join(filter(None, (effect(one.deciding), why(one))))
        lines += textwrap.wrap(about, _WIDTH, initial_indent=indent, subsequent_indent=indent)
    return [*lines, "", *_legend(results), counted(results)]


def _legend(results: Sequence[Result]) -> Iterator[str]:
    """What the brackets are, where there are any."""
    if any(one.family for one in results):
        yield f"[ , ] are {_INTERVALS}."


def why(result: Result) -> str:
    """Why a claim has its outcome, and what its comparisons say by themselves."""
    words = [result.reason, _chances(result), *_means(result), result.counts]
    return "; ".join(filter(None, words))


def _means(result: Result) -> Iterator[str]:
    """The means over cells beside the comparison that decides, which is one or hides one."""
    for mean in result.means:
        if result.deciding is None or mean.text != result.deciding.text:
            yield effect(mean)


def _chances(result: Result) -> str:
    """The corrected p of holding and of failing by chance; nothing where none was tested."""
    if not result.family:
        return ""
    holds, fails = (p_value(chance.adjusted) for chance in (result.holds, result.fails))
    return f"p {holds} to hold, {fails} to fail (Holm, {result.family})"


def as_table(results: Sequence[Result]) -> Table:
    """The claims as a table of words."""
    decided = f"Decided by, [ , ] {_INTERVALS}" if any(r.family for r in results) else "Decided by"
    columns = ("Claim", "Statement", "Outcome", decided, "Why")
    rows = []
    for one in results:
        outcome = f"{one.outcome.mark} {one.outcome}"
        words = (one.claim.id, one.claim.statement, outcome, effect(one.deciding), why(one))
        rows.append(words)
    return Table("Claims", columns, tuple(rows), "lllll")


def as_json(results: Sequence[Result]) -> dict[str, Any]:
    """Everything that is known about every claim.

    ``claims`` has for each its columns of the claims file, ``outcome`` and ``reason``, the ``p`` of
    its ``holds`` and its ``fails`` and the same ``adjusted`` for the ``family`` of claims of its
    artefact, and its ``comparisons`` on this test set, in points, with ``same_model`` ones left
    out; ``deciding`` is the one that the outcome rests on, ``on_examples`` too.
    """
    counts = Counter(one.outcome for one in results)
    return {
        "outcomes": {str(outcome): counts[outcome] for outcome in ClaimOutcome},
        "claims": [_claim_as_json(one) for one in results],
    }


def _claim_as_json(result: Result) -> dict[str, Any]:
    claim = asdict(result.claim)
    del claim["note"]
    return {
        **claim,
        "outcome": str(result.outcome),
        "reason": result.reason,
        "holds": _chance_as_json(result.holds),
        "fails": _chance_as_json(result.fails),
        "family": result.family,
        "same_model": result.same,
        "deciding": _part_as_json(result.deciding) if result.deciding else None,
        "comparisons": [_part_as_json(part) for part in result.parts],
    }


def _chance_as_json(chance: Chance) -> dict[str, float | None]:
    return {"p": for_json(chance.p), "adjusted": for_json(chance.adjusted)}


def _part_as_json(part: Trial) -> dict[str, Any]:
    if math.isnan(part.shown):
        by, off = for_json(part.estimate.value), for_json(part.estimate.error)
        return {"text": part.text, "by": by, "uncertainty": off, "numbers": cells(part)}
    found = {
        **_interval_as_json(part.estimate),
        "detectable": for_json(part.estimate.detectable(ALPHA)),
        "shown": for_json(part.shown),
        "refuted": for_json(part.refuted),
    }
    if part.on_examples is not None:
        found["on_examples"] = _interval_as_json(part.on_examples)
    return {"text": part.text, "outcome": str(part.outcome), **found, "cells": cells(part)}


def _interval_as_json(found: Difference) -> dict[str, Any]:
    ends = {"by": found.value, "low": found.interval.low, "high": found.interval.high}
    return {name: for_json(value) for name, value in ends.items()}
