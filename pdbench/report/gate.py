"""The gate's findings as a table for terminals, as Markdown and as JSON."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from pdbench.artefacts.tables import Table, to_markdown
from pdbench.core.errors import UsageError
from pdbench.core.words import for_json, p_value, signed
from pdbench.evidence.check import check
from pdbench.evidence.gate import RULES, Gate, Outcome, Row
from pdbench.evidence.twins import Match, match_methods
from pdbench.jobs.collect import read_results
from pdbench.study import Study
from pdbench.study.waivers import Waiver

WIDTH = 100
COLUMNS = ("", "Outcome", "Cell", "Baseline", "Candidate", "Difference", "95%", "p, Holm", "Runs")
ALIGN = "lllrrrrrr"

CODES = {0: "no regression shown", 1: "regression", 2: "incomplete"}
"""What the exit codes mean."""


def matches(study: Study) -> tuple[Match, ...]:
    """What the study's file asks to be compared.

    Raises:
        UsageError: It asks for nothing.
    """
    if not study.gate:
        what = f"study {study.name}: its file has no gate block"
        raise UsageError(what, "add one, or give --baseline and --candidate, or --against FILE")
    return tuple(match_methods(study, m.baseline, m.candidate, m.margin) for m in study.gate)


def evaluate(
    study: Study,
    found: Sequence[Match],
    table: Path,
    waivers: Sequence[Waiver],
    today: date,
    stored: Path | None = None,
) -> tuple[Gate, ...]:
    """Check every match on the results in ``table``, against ``stored`` ones if there are any."""
    frame = read_results(table)
    before = None if stored is None else read_results(stored)
    return tuple(check(study, frame, m, today, stored=before, waivers=waivers) for m in found)


def code(gates: Sequence[Gate], *, strict: bool = False) -> int:
    """The exit code of several checks: a regression before anything incomplete."""
    codes = {gate.code(strict=strict) for gate in gates}
    return 1 if 1 in codes else max(codes)


def verdict(gates: Sequence[Gate], *, strict: bool = False) -> str:
    """What several checks come to, in words: with exit code 0, also how much they leave open."""
    ended = code(gates, strict=strict)
    unresolved = sum(row.outcome is Outcome.UNRESOLVED for gate in gates for row in gate.rows)
    return CODES[ended] + (f", {unresolved} unresolved" if unresolved and not ended else "")


def counted(rows: Sequence[Row]) -> str:
    """How many cells have each outcome: "1 regressed, 8 passed"."""
    found = Counter(row.outcome for row in rows)
    return ", ".join(f"{found[outcome]} {outcome}" for outcome in Outcome if found[outcome])


def headline(gate: Gate) -> str:
    """What was compared, and how: one line."""
    return f"{gate.study}: {gate.match}, margin {gate.match.margin:g} points, {gate.today}"


def why(row: Row, gate: Gate) -> str:
    """The reason of a row, its notes, and with what it was compared."""
    words = [row.reason, *row.notes]
    if not gate.match.by_seed and row.outcome is not Outcome.MISSING and len(row.cells) == 2:
        words.insert(1, f"beside {row.cells[0]}")
    return "; ".join(words)


def entries(row: Row) -> tuple[str, ...]:
    """A row as text, in the order of :data:`COLUMNS`."""
    numbers: tuple[str, ...] = ("",) * 6
    if row.estimate is not None:
        interval = row.estimate.interval
        runs = "/".join(map(str, dict.fromkeys(row.runs)))
        ends = (
            "" if math.isnan(interval.low) else f"{signed(interval.low)} to {signed(interval.high)}"
        )
        scores = tuple(f"{score:.1f}" for score in row.scores)
        numbers = (*scores, signed(interval.mean), ends, p_value(row.p), runs)
    return (row.outcome.mark, str(row.outcome), row.name, *numbers)


def as_text(gates: Sequence[Gate], *, strict: bool = False) -> list[tuple[str, Outcome | None]]:
    """The lines for a terminal, each with the outcome that may colour it."""
    lines: list[tuple[str, Outcome | None]] = []
    for gate in gates:
        lines += [(headline(gate), None), *((note, None) for note in gate.notes), ("", None)]
        rows = [entries(row) for row in gate.rows]
        widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
        lines.append((_aligned(COLUMNS, widths), None))
        for row, words in zip(gate.rows, rows, strict=True):
            lines.append((_aligned(words, widths), row.outcome))
            if row.outcome is not Outcome.PASSED or row.notes:
                wrapped = textwrap.wrap(why(row, gate), WIDTH - 4, break_on_hyphens=False)
                lines += [("    " + part, None) for part in wrapped]
        lines += [("", None), *((problem, Outcome.MISSING) for problem in gate.problems)]
        lines.append((counted(gate.rows), None))
    found = f"{verdict(gates, strict=strict)} (exit code {code(gates, strict=strict)})"
    return [*lines, (found, None)]


def _aligned(words: Sequence[str], widths: Sequence[int]) -> str:
    sides = zip(words, widths, ALIGN, strict=True)
    return "  ".join(w.ljust(n) if side == "l" else w.rjust(n) for w, n, side in sides).rstrip()


def as_markdown(gates: Sequence[Gate], *, strict: bool = False) -> str:
    """A summary for a job's page: the outcome first, and every row in a table."""
    parts = []
    for gate in gates:
        rows = tuple((*entries(row), why(row, gate)) for row in gate.rows)
        lines = [*gate.notes, *(f"**{problem}**" for problem in gate.problems)]
        table = Table(headline(gate), (*COLUMNS, "Why"), rows, ALIGN + "l")
        parts.append("\n\n".join([*lines, to_markdown([table]), counted(gate.rows)]))
    found = verdict(gates, strict=strict)
    return "\n\n".join([f"### pdbench check: {found}", *parts]) + "\n"


def as_json(gates: Sequence[Gate], *, strict: bool = False) -> dict[str, Any]:
    """Everything that is known about every check.

    Each of ``checks`` has what was compared and the rules, and for each of its ``rows`` the
    ``outcome`` with its ``reason``, both mean ``scores``, the ``difference`` with the ends of its
    95% interval in points, the Holm-corrected ``p`` of no regression, the number of ``runs`` and
    the ``cells`` behind it; baseline first.
    """
    return {
        "code": code(gates, strict=strict),
        "verdict": verdict(gates, strict=strict),
        "strict": strict,
        "rules": [
            {"outcome": str(one), "mark": one.mark, "when": rule} for one, rule in RULES.items()
        ],
        "checks": [_gate_as_json(gate) for gate in gates],
    }


def _gate_as_json(gate: Gate) -> dict[str, Any]:
    counts = Counter(row.outcome for row in gate.rows)
    return {
        "study": gate.study,
        "baseline": gate.match.baseline,
        "candidate": gate.match.candidate or None,
        "title": headline(gate),
        "margin": gate.match.margin,
        "date": gate.today.isoformat(),
        "outcomes": {str(outcome): counts[outcome] for outcome in Outcome},
        "counted": counted(gate.rows),
        "problems": list(gate.problems),
        "notes": list(gate.notes),
        "rows": [_row_as_json(row) for row in gate.rows],
    }


def _row_as_json(row: Row) -> dict[str, Any]:
    interval = row.estimate.interval if row.estimate else None
    return {
        "name": row.name,
        "mark": row.outcome.mark,
        "outcome": str(row.outcome),
        "reason": row.reason,
        "notes": list(row.notes),
        "cells": list(row.cells),
        "scores": [for_json(score) for score in row.scores],
        "difference": for_json(interval.mean) if interval else None,
        "low": for_json(interval.low) if interval else None,
        "high": for_json(interval.high) if interval else None,
        "p": for_json(row.p),
        "runs": list(row.runs),
    }
