"""Claims and what became of them, as text, as a table and as JSON."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pdbench.artefacts.context import Context
from pdbench.artefacts.tables import Table
from pdbench.core.errors import DataError
from pdbench.core.words import for_json, p_value, signed
from pdbench.evidence.outcomes import Result, load_claims, on_reference, on_study
from pdbench.evidence.statements import ClaimOutcome, Trial
from pdbench.evidence.table import ResultsTable, read_results
from pdbench.study import Study
from pdbench.workflow import Paths
from pdbench.workflow.specs import REFERENCES

_WIDTH = 96


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
    """The comparison that decides, by how much it is met, and with which interval."""
    if part is None:
        return ""
    interval = part.estimate.interval
    if math.isnan(part.shown):
        return part.text
    ends = f"[{signed(interval.low)}, {signed(interval.high)}]"
    return f"{part.text}: by {signed(interval.mean)} {ends}"


def as_text(results: Sequence[Result]) -> list[str]:
    """Every claim in two or three lines: outcome, statement, and what decides."""
    lines, indent = [], " " * 7
    for one in results:
        head = f"{one.outcome.mark} {one.claim.id}  {one.outcome}: "
        lines += textwrap.wrap(head + one.claim.statement, _WIDTH, subsequent_indent=indent)
        about = "; ".join(filter(None, (effect(one.deciding), _why(one))))
        lines += textwrap.wrap(about, _WIDTH, initial_indent=indent, subsequent_indent=indent)
    return [*lines, "", counted(results)]


def _why(result: Result) -> str:
    words = [result.reason]
    if result.family:
        words += [f"p {p_value(result.adjusted)} (Holm, {result.family})", result.counts]
    return "; ".join(words)


def as_table(results: Sequence[Result]) -> Table:
    """The claims as a table of words."""
    columns = ("Claim", "Statement", "Outcome", "Decided by", "Why")
    rows = []
    for one in results:
        outcome = f"{one.outcome.mark} {one.outcome}"
        words = (one.claim.id, one.claim.statement, outcome, effect(one.deciding), _why(one))
        rows.append(words)
    return Table("Claims", columns, tuple(rows), "lllll")


def as_json(results: Sequence[Result]) -> dict[str, Any]:
    """Everything that is known about every claim.

    ``claims`` has for each its columns of the claims file, ``outcome`` and ``reason``, the
    two-sided ``p`` and the same ``adjusted`` for the ``family`` of claims of its artefact, and its
    ``comparisons``, in points; ``deciding`` is the text of the one that the outcome rests on.
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
        "p": for_json(result.p),
        "adjusted": for_json(result.adjusted),
        "family": result.family,
        "deciding": result.deciding.text if result.deciding else None,
        "comparisons": [_part_as_json(part) for part in result.parts],
    }


def _part_as_json(part: Trial) -> dict[str, Any]:
    keys = list(dict.fromkeys(key for key, _ in part.terms))
    if math.isnan(part.shown):
        by, off = for_json(part.estimate.value), for_json(part.estimate.error)
        return {"text": part.text, "by": by, "uncertainty": off, "numbers": keys}
    interval, least = part.estimate.interval, part.estimate.detectable()
    ends = {"by": interval.mean, "low": interval.low, "high": interval.high}
    numbers = {**ends, "detectable": least, "shown": part.shown, "refuted": part.refuted}
    rounded = {name: for_json(value) for name, value in numbers.items()}
    return {"text": part.text, "outcome": str(part.outcome), **rounded, "cells": keys}
