"""The gate's findings as plain data, and from that as a table for terminals and as Markdown."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

from pdbench.artefacts.tables import Table, to_markdown
from pdbench.core.errors import UsageError
from pdbench.core.words import for_json, p_value, signed
from pdbench.evidence.gate import RULES, Gate, GateOutcome, Row, check
from pdbench.evidence.pairs import STORED, Match, match_methods
from pdbench.evidence.table import read_results
from pdbench.study import Study
from pdbench.study.waivers import Waiver

Plain: TypeAlias = dict[str, Any]
"""Findings as :func:`as_plain` has them, or a part of them: what the JSON file says."""

_WIDTH = 100
_COLUMNS = (
    "",
    "Outcome",
    "Cell",
    "Baseline",
    "Candidate",
    "Difference",
    "95%",
    "p, Holm",
    "Runs",
)
_ALIGN = "lllrrrrrr"
_CODES = {0: "no regression shown", 1: "regression", 2: "incomplete"}


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


def as_plain(gates: Sequence[Gate], *, strict: bool = False) -> Plain:
    """Everything that is known about every check.

    Each of ``checks`` has what was compared and the rules, and for each of its ``rows`` the
    ``outcome`` with its ``reason``, both mean ``scores``, the ``difference`` with the ends of its
    95% interval in points, the Holm-corrected ``p`` of no regression, the number of ``runs`` and
    the ``cells`` behind it; baseline first. ``code`` is the exit code: a regression goes before
    anything incomplete, and with ``strict`` what is unresolved is incomplete.
    """
    codes = {gate.code(strict=strict) for gate in gates}
    code = 1 if 1 in codes else max(codes)
    unresolved = sum(row.outcome is GateOutcome.UNRESOLVED for gate in gates for row in gate.rows)
    left_open = f", {unresolved} unresolved" if unresolved and not code else ""
    return {
        "code": code,
        "verdict": _CODES[code] + left_open,
        "strict": strict,
        "rules": [
            {"outcome": str(one), "mark": one.mark, "when": rule} for one, rule in RULES.items()
        ],
        "checks": [_plain_gate(gate) for gate in gates],
    }


def _plain_gate(gate: Gate) -> Plain:
    counts = Counter(row.outcome for row in gate.rows)
    margins = " to ".join(f"{end:g}" for end in dict.fromkeys((gate.margins[0], gate.margins[-1])))
    return {
        "study": gate.study,
        "baseline": gate.match.baseline,
        "candidate": gate.match.candidate or None,
        "title": f"{gate.study}: {gate.match}, margin {margins} points, {gate.today}",
        "margin": gate.margins[-1],
        "date": gate.today.isoformat(),
        "outcomes": {str(outcome): counts[outcome] for outcome in GateOutcome},
        "counted": ", ".join(f"{counts[one]} {one}" for one in GateOutcome if counts[one]),
        "problems": list(gate.problems),
        "notes": list(gate.notes),
        "rows": [_plain_row(row) for row in gate.rows],
    }


def _plain_row(row: Row) -> Plain:
    interval = row.estimate.interval if row.estimate else None
    return {
        "name": row.name,
        "mark": row.outcome.mark,
        "outcome": str(row.outcome),
        "reason": row.reason,
        "notes": list(row.notes),
        "cells": list(row.cells),
        "scores": [_known(score) for score in row.scores],
        "difference": _known(interval.mean) if interval else None,
        "low": _known(interval.low) if interval else None,
        "high": _known(interval.high) if interval else None,
        "p": _known(row.p),
        "runs": list(row.runs),
    }


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def as_json(value: Any) -> Any:
    """Findings as they are written: numbers with six decimals."""
    if isinstance(value, dict):
        return {key: as_json(part) for key, part in value.items()}
    if isinstance(value, list):
        return [as_json(part) for part in value]
    return for_json(value) if isinstance(value, float) else value


def why(row: Plain, check: Plain) -> str:
    """The reason of a row, its notes, and with what it was compared."""
    words = [row["reason"], *row["notes"]]
    if is_between_cells(row, check) and row["outcome"] != GateOutcome.MISSING:
        words.insert(1, f"beside {row['cells'][0]}")
    return "; ".join(words)


def is_between_cells(row: Plain, check: Plain) -> bool:
    """Whether a row compares one cell with another one."""
    return check["baseline"] != STORED and len(row["cells"]) == 2


def as_text(found: Plain) -> Iterable[tuple[str, GateOutcome | None]]:
    """The lines for a terminal, each with the outcome that may colour it."""
    for one in found["checks"]:
        yield from ((line, None) for line in (one["title"], *one["notes"], ""))
        rows = [_entries(row) for row in one["rows"]]
        widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
        yield _aligned(_COLUMNS, widths), None
        for row, words in zip(one["rows"], rows, strict=True):
            yield _aligned(words, widths), GateOutcome(row["outcome"])
            if row["outcome"] != GateOutcome.PASSED or row["notes"]:
                wrapped = textwrap.wrap(why(row, one), _WIDTH - 4, break_on_hyphens=False)
                yield from (("    " + part, None) for part in wrapped)
        yield "", None
        yield from ((problem, GateOutcome.MISSING) for problem in one["problems"])
        yield one["counted"], None
    yield f"{found['verdict']} (exit code {found['code']})", None


def _entries(row: Plain) -> tuple[str, ...]:
    """A row as text, in the order of the columns."""
    numbers: tuple[str, ...] = ("",) * 6
    if row["difference"] is not None:
        scores = tuple(f"{score:.1f}" for score in row["scores"])
        ends = "" if row["low"] is None else f"{signed(row['low'])} to {signed(row['high'])}"
        p = "" if row["p"] is None else p_value(row["p"])
        runs = "/".join(map(str, dict.fromkeys(row["runs"])))
        numbers = (*scores, signed(row["difference"]), ends, p, runs)
    return (row["mark"], row["outcome"], row["name"], *numbers)


def _aligned(words: Sequence[str], widths: Sequence[int]) -> str:
    sides = zip(words, widths, _ALIGN, strict=True)
    return "  ".join(w.ljust(n) if side == "l" else w.rjust(n) for w, n, side in sides).rstrip()


def as_markdown(found: Plain) -> str:
    """A summary for a job's page: the outcome first, and every row in a table."""
    parts = [f"### pdbench check: {found['verdict']}"]
    for one in found["checks"]:
        rows = tuple((*_entries(row), why(row, one)) for row in one["rows"])
        table = Table(one["title"], (*_COLUMNS, "Why"), rows, _ALIGN + "l")
        problems = (f"**{problem}**" for problem in one["problems"])
        parts += [*one["notes"], *problems, to_markdown([table]), one["counted"]]
    return "\n\n".join(parts) + "\n"
