"""What ``pdbench check`` does: checks, and says what it found to terminals, CI and programs.

Findings are plain data first, as the JSON file has them; from these come the text, the Markdown,
the JUnit XML and the annotations, so that an earlier check can be said again.
"""

from __future__ import annotations

import os
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeAlias
from xml.etree import ElementTree as ET

from pdbench.artefacts.tables import Table, escape_markdown
from pdbench.core.errors import DataError, UsageError
from pdbench.core.files import STANDARD_OUTPUT, read_json, write_json, write_text
from pdbench.core.lines import annotation, say
from pdbench.core.words import for_json, p_value, shortened, signed, visible
from pdbench.evidence import Interval
from pdbench.evidence.gate import RULES, Gate, Row, check, failing
from pdbench.evidence.judging import GateOutcome
from pdbench.evidence.pairs import STORED, Match
from pdbench.evidence.table import read_results, with_imported
from pdbench.study import Study
from pdbench.study.waivers import WAIVERS, Waiver, load_waivers
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job
from pdbench.workflow.shown import note_made

_Plain: TypeAlias = dict[str, Any]
"""Findings as :func:`_as_plain` has them, or a part of them: what the JSON file says."""

_METHODS = Path("config/methods.yaml")
_WIDTH = 100
_LONGEST = 160  # characters of a name in a table of text
_NUMBERS = (
    *("Metric", "Baseline", "Candidate", "Difference"),
    *("95% on such examples", "95% on this test set", "p, Holm", "Runs"),
)
_COLUMNS = ("", "Outcome", "Cell", *_NUMBERS)
_ALIGN = "llllrrrrrrr"
_SHOWN = (GateOutcome.NOT_WORSE, GateOutcome.BETTER)
_COLOURS = {
    **dict.fromkeys((GateOutcome.WAIVED, GateOutcome.NEW), "yellow"),
    **dict.fromkeys(failing(), "red"),
    GateOutcome.UNDECIDED: "yellow",
    **dict.fromkeys(_SHOWN, "green"),
}


def run(
    study: Study,
    *,
    baseline: str | None,
    candidate: str | None,
    stored: Path | None,
    table: Path | None,
    written: Path | None,
    margin: float | None,
    waivers: Path | None,
    allow_undecided: bool,
    junit: Path | None,
    markdown: Path | None,
    json_file: Path | None,
    annotations: bool,
    exit_zero: bool,
) -> int:
    """Check, or repeat what an earlier check wrote; say what was found, return the exit code."""
    if written is None:
        accepted, today = load_waivers(waivers), datetime.now(UTC).date()
        own = table or Paths(study).table
        known = {baseline, candidate} <= {None, *study.methods} or not own.is_file()
        named = study if known else with_imported(study, read_results(own))
        compared = _matches(named, baseline, candidate, stored, margin)
        gates = _evaluate(study, compared, own, accepted, today, stored)
        findings = _as_plain(gates, allow_undecided=allow_undecided)
    elif any((baseline, candidate, stored, table, waivers, allow_undecided)) or margin is not None:
        what = "--from repeats a check that was made"
        raise UsageError(what, "leave out what would have to be checked anew")
    else:
        findings = _written(written)
    aside = STANDARD_OUTPUT in (junit, markdown, json_file)
    for line, outcome in _as_text(findings):
        say(line, err=aside, colour=_COLOURS[outcome] if outcome else None)
    if junit is not None:
        write_text(junit, _as_junit(findings))
    if json_file is not None:
        write_json(json_file, findings)
        others = (baseline, candidate, stored, table, written, waivers, allow_undecided)
        if json_file == (paths := Paths(study)).gate["json"] and not any(others) and margin is None:
            note_made(paths, Job("gate"))
    if markdown is not None:
        _summarise(markdown, _as_markdown(findings))
    if annotations:
        say(*_error_lines(findings), err=aside)
    return 0 if exit_zero else int(findings["code"])


def _written(path: Path) -> _Plain:
    """What an earlier check wrote; whatever cannot be said again is refused."""
    found: _Plain = read_json(path)
    try:
        if found["code"] not in (0, 1, 2):
            raise ValueError("no such exit code")
        for written in (_as_text, _as_junit, _as_markdown, _error_lines):
            list(written(found))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise DataError(f"{path}: not written by pdbench check", "check again") from error
    return found


def _matches(
    study: Study,
    baseline: str | None = None,
    candidate: str | None = None,
    stored: Path | None = None,
    margin: float | None = None,
) -> tuple[Match, ...]:
    """What the options ask to be compared, or else the study's file."""
    two = baseline is not None or candidate is not None
    if stored is not None:
        if two:
            what = "--against compares every method with itself"
            raise UsageError(what, "leave --baseline and --candidate out")
        return (Match.of_versions(study, margin),)
    if two:
        return (Match.of_methods(study, baseline, candidate, margin),)
    if margin is not None:
        raise UsageError("--margin needs two methods", "name --baseline and --candidate")
    if not study.gate:
        what = f"study {study.name}: its file has no gate block"
        raise UsageError(what, "add one, or give --baseline and --candidate, or --against FILE")
    return tuple(Match.of_block(study, named) for named in study.gate)


def _summarise(path: Path, text: str) -> None:
    """Write a summary; a job's own page also has those of the steps before."""
    if str(path) != os.environ.get("GITHUB_STEP_SUMMARY"):
        write_text(path, text)
        return
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def _evaluate(
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


def _as_plain(gates: Sequence[Gate], *, allow_undecided: bool = False) -> _Plain:
    """Everything that is known about every check.

    Each of ``checks`` has what was compared and the rules, and for each of its ``rows`` the
    ``outcome`` with its ``reason``, the ``metric`` that decides, both mean ``scores`` in it, the
    ``difference`` with the ends of its 95% interval on such examples (``low``, ``high``) and on
    this test set (``test_set``), all in points, ``p`` after Holm's correction and the numbers of
    ``runs``. ``code`` is the exit code: 1 if anything is worse, else 2 if anything is not shown.
    """
    codes = {gate.code(allow_undecided=allow_undecided) for gate in gates}
    code = 1 if 1 in codes else max(codes)
    return {
        "code": code,
        "verdict": _verdict(gates, code),
        "allow_undecided": allow_undecided,
        "rules": [{"outcome": str(o), "mark": o.mark, "when": rule} for o, rule in RULES.items()],
        "checks": [_plain_gate(gate) for gate in gates],
    }


def _verdict(gates: Sequence[Gate], code: int) -> str:
    """All checks in a few words: the worst of them first, and how many rows are not decided."""
    if code == 1:
        return str(GateOutcome.WORSE)
    outcomes = Counter(row.outcome for gate in gates for row in gate.rows)
    known = (GateOutcome.REFUSED, GateOutcome.MISSING, GateOutcome.UNDECIDED)
    left = ", ".join(f"{outcomes[one]} {one}" for one in known if outcomes[one])
    if any(gate.problems for gate in gates):
        left = ", ".join(filter(None, (left, "problems of waivers")))
    is_better = all(gate.is_better for gate in gates)
    words = "better on average" if left else "better"
    if not is_better:
        words = "incomplete" if code else "nothing shown to be worse" if left else "not worse"
    aside = f", {outcomes[GateOutcome.WAIVED]} waived" if outcomes[GateOutcome.WAIVED] else ""
    where = "".join(f", {gate.scope}" for gate in gates if gate.scope and not code)
    return f"{words}{f': {left}' if left else ''}{aside}{where}"


def _plain_gate(gate: Gate) -> _Plain:
    counts = Counter(row.outcome for row in gate.rows)
    margins = " to ".join(f"{end:g}" for end in dict.fromkeys((gate.margins[0], gate.margins[-1])))
    return {
        "study": gate.study,
        "baseline": gate.match.baseline,
        "candidate": gate.match.candidate or None,
        "title": f"{gate.study}: {gate.match}, margin {margins} points, {gate.today}",
        "margins": list(gate.margins),
        "date": gate.today.isoformat(),
        "outcomes": {str(outcome): counts[outcome] for outcome in GateOutcome},
        "counted": ", ".join(f"{counts[one]} {one}" for one in GateOutcome if counts[one]),
        "problems": list(gate.problems),
        "notes": list(gate.notes),
        "rows": [_plain_row(row) for row in gate.rows],
    }


def _plain_row(row: Row) -> _Plain:
    interval = row.estimate.interval if row.estimate else Interval()
    fixed = row.on_test_set.interval if row.on_test_set else Interval()
    return {
        "name": row.name,
        "mark": row.outcome.mark,
        "outcome": str(row.outcome),
        "reason": row.reason,
        "notes": list(row.notes),
        "cells": list(row.cells),
        "metric": row.metric,
        "scores": [for_json(score) for score in row.scores],
        "difference": for_json(interval.mean),
        "low": for_json(interval.low),
        "high": for_json(interval.high),
        "test_set": [for_json(fixed.low), for_json(fixed.high)],
        "p": for_json(row.p),
        "runs": list(row.runs),
    }


def _why(row: _Plain, check: _Plain) -> str:
    """The reason of a row, its notes, and with what it was compared."""
    words = [row["reason"], *row["notes"]]
    if _is_between_cells(row, check) and row["outcome"] != GateOutcome.MISSING:
        words.insert(1, f"beside {row['cells'][0]}")
    return "; ".join(words)


def _is_between_cells(row: _Plain, check: _Plain) -> bool:
    """Whether a row compares one cell with another one."""
    return check["baseline"] != STORED and len(row["cells"]) == 2


def _as_text(found: _Plain) -> Iterable[tuple[str, GateOutcome | None]]:
    """The lines for a terminal, each with the outcome that may colour it."""
    for one in found["checks"]:
        yield from ((line, None) for line in (one["title"], *one["notes"], ""))
        rows = [_entries(row) for row in one["rows"]]
        widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
        yield _aligned(_COLUMNS, widths), None
        for row, words in zip(one["rows"], rows, strict=True):
            yield _aligned(words, widths), GateOutcome(row["outcome"])
            if row["outcome"] not in _SHOWN or row["notes"]:
                wrapped = textwrap.wrap(_why(row, one), _WIDTH - 4, break_on_hyphens=False)
                yield from (("    " + part, None) for part in wrapped)
        yield "", None
        yield from ((problem, GateOutcome.MISSING) for problem in one["problems"])
        yield one["counted"], None
    yield f"{found['verdict']} (exit code {found['code']})", None


def _entries(row: _Plain) -> tuple[str, ...]:
    """A row as text, in the order of the columns."""
    numbers: tuple[str, ...] = ("",) * (len(_NUMBERS) - 1)
    if row["difference"] is not None:
        scores = tuple(f"{score:.1f}" for score in row["scores"])
        ends = _ends(row["low"], row["high"]), _ends(*row["test_set"])
        p = "" if row["p"] is None else p_value(row["p"])
        runs = "/".join(map(str, dict.fromkeys(row["runs"])))
        numbers = (*scores, signed(row["difference"]), *ends, p, runs)
    numbers = (visible(row["metric"]), *numbers)
    return (row["mark"], row["outcome"], shortened(visible(row["name"]), _LONGEST), *numbers)


def _ends(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{signed(low)} to {signed(high)}"


def _aligned(words: Sequence[str], widths: Sequence[int]) -> str:
    sides = zip(words, widths, _ALIGN, strict=True)
    return "  ".join(w.ljust(n) if side == "l" else w.rjust(n) for w, n, side in sides).rstrip()


def _as_markdown(found: _Plain) -> str:
    """A summary for a job's page: the outcome first, and every row in a table."""
    parts = [f"### pdbench check: {escape_markdown(found['verdict'])}"]
    for one in found["checks"]:
        rows = tuple((*_entries(row), _why(row, one)) for row in one["rows"])
        table = Table(one["title"], (*_COLUMNS, "Why"), rows, _ALIGN + "l")
        bold = (f"**{escape_markdown(problem)}**" for problem in one["problems"])
        notes = map(_as_paragraph, one["notes"])
        parts += [*notes, *bold, table.markdown, _as_paragraph(one["counted"])]
    return "\n\n".join(parts) + "\n"


def _as_paragraph(text: str) -> str:
    """A text in Markdown that begins neither a list nor a rule."""
    return re.sub(r"^(\d*)(?=[-+=.)])", r"\1\\", escape_markdown(text))


def _as_junit(found: _Plain) -> str:
    """One test suite a check and one test case a row, in the form that Jenkins reads.

    What is worse is a failure; what is missing, refused or undecided, and a problem with a waiver,
    an error; what is waived, new, or undecided where that is allowed, is skipped.
    """
    root = ET.Element("testsuites", name="pdbench check")
    for one in found["checks"]:
        name = visible(one["title"]).partition(",")[0]
        named = {"name": name, "timestamp": f"{visible(one['date'])}T00:00:00"}
        suite = ET.SubElement(root, "testsuite", named)
        group = visible(f"pdbench.{one['study']}.{one['candidate'] or one['baseline']}")
        for row in one["rows"]:
            name = " v ".join(row["cells"][::-1]) if _is_between_cells(row, one) else row["name"]
            about = {"classname": group, "name": visible(name), "time": "0"}
            case = ET.SubElement(suite, "testcase", about)
            _judge(case, row["outcome"], visible(_why(row, one)), found["allow_undecided"])
        for problem in one["problems"]:
            case = ET.SubElement(suite, "testcase", classname=group, name="waivers")
            ET.SubElement(case, "error", message=visible(problem), type="waiver")
        _count(suite)
    _count(root)
    ET.indent(root)
    text = ET.tostring(root, "unicode").replace("##", "&#35;#")  # "##[" is a command on GitHub
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _judge(case: ET.Element, outcome: str, message: str, allow_undecided: bool) -> None:
    if outcome in failing(allow_undecided=allow_undecided):
        tag = "failure" if outcome == GateOutcome.WORSE else "error"
        ET.SubElement(case, tag, message=message, type=outcome)
    elif outcome not in _SHOWN:
        ET.SubElement(case, "skipped", message=f"{outcome}: {message}")


def _count(element: ET.Element) -> None:
    """Write how many cases an element holds, and of which kind."""
    element.set("tests", str(len(list(element.iter("testcase")))))
    for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        if kind != "skipped" or element.tag == "testsuite":
            element.set(kind, str(len(list(element.iter(tag)))))


def _error_lines(found: _Plain) -> Iterator[str]:
    """The ``::error`` line of every row that fails the check, and of every wrong waiver.

    They point at the candidate's definition, where it stands in the methods' file; else at the
    study's.
    """
    for one in found["checks"]:
        place = _place(one)
        for row in one["rows"]:
            if row["outcome"] in failing(allow_undecided=found["allow_undecided"]):
                title = f"pdbench check, {row['outcome']}: {row['name']}"
                yield annotation({**place, "title": title}, _why(row, one))
        for problem in one["problems"]:
            title = "pdbench check, waiver"
            yield annotation({"file": str(WAIVERS), "title": title}, problem)


def _place(check: _Plain) -> dict[str, str]:
    lines = _METHODS.read_text(encoding="utf-8").splitlines() if _METHODS.is_file() else []
    for count, line in enumerate(lines, 1):
        if check["candidate"] and line.startswith(f"{check['candidate']}:"):
            return {"file": str(_METHODS), "line": str(count)}
    return {"file": f"config/{check['study']}.yaml"}
