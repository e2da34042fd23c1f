"""The gate's findings as continuous integration reads them: JUnit XML and annotations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, time
from pathlib import Path
from xml.etree import ElementTree as ET

from pdbench.evidence.gate import INCOMPLETE, Gate, Outcome, Row
from pdbench.report.gate import why
from pdbench.study.waivers import WAIVERS

METHODS = Path("config/methods.yaml")
ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot hold."""


def as_junit(gates: Sequence[Gate], *, strict: bool = False) -> str:
    """One test suite a check and one test case a row, in the form that Jenkins reads.

    A regression is a failure; what is missing or refused, and a problem with a waiver, an error;
    what is waived or unresolved is skipped, with ``strict`` the latter is an error too.
    """
    root = ET.Element("testsuites", name="pdbench check")
    for gate in gates:
        suite = ET.SubElement(root, "testsuite", name=f"{gate.study}: {gate.match}")
        midnight = datetime.combine(gate.today, time())
        suite.set("timestamp", midnight.isoformat())
        for row in gate.rows:
            _case(suite, gate, row, strict=strict)
        for problem in gate.problems:
            case = ET.SubElement(suite, "testcase", classname=_class(gate), name="waivers")
            ET.SubElement(case, "error", message=_legal(problem), type="waiver")
        _count(suite)
    _count(root)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _case(suite: ET.Element, gate: Gate, row: Row, *, strict: bool) -> None:
    name = row.name if len(row.cells) != 2 or gate.match.by_seed else " v ".join(row.cells[::-1])
    case = ET.SubElement(suite, "testcase", classname=_class(gate), name=_legal(name), time="0")
    message = _legal(why(row, gate))
    if row.outcome is Outcome.REGRESSED:
        ET.SubElement(case, "failure", message=message, type=str(row.outcome))
    elif row.outcome in INCOMPLETE or (strict and row.outcome is Outcome.UNRESOLVED):
        ET.SubElement(case, "error", message=message, type=str(row.outcome))
    elif row.outcome is not Outcome.PASSED:
        ET.SubElement(case, "skipped", message=f"{row.outcome}: {message}")


def _class(gate: Gate) -> str:
    return f"pdbench.{gate.study}.{gate.match.candidate or gate.match.baseline}"


def _count(element: ET.Element) -> None:
    """Write how many cases an element holds, and of which kind."""
    element.set("tests", str(len(list(element.iter("testcase")))))
    for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        if kind != "skipped" or element.tag == "testsuite":
            element.set(kind, str(len(list(element.iter(tag)))))


def _legal(text: str) -> str:
    return ILLEGAL.sub("?", text)


def error_lines(gates: Sequence[Gate], *, strict: bool = False) -> Iterator[str]:
    """The ``::error`` line of every row that fails the check, and of every wrong waiver.

    They point at the candidate's definition, where it stands in the methods' file; else at the
    study's.
    """
    failing = {Outcome.REGRESSED, *INCOMPLETE} | ({Outcome.UNRESOLVED} if strict else set())
    for gate in gates:
        place = _place(gate)
        for row in gate.rows:
            if row.outcome in failing:
                yield _line(place, f"{row.outcome}: {row.name}", why(row, gate))
        for problem in gate.problems:
            yield _line({"file": str(WAIVERS)}, "waiver", problem)


def _place(gate: Gate) -> dict[str, str]:
    lines = METHODS.read_text(encoding="utf-8").splitlines() if METHODS.is_file() else []
    for count, line in enumerate(lines, 1):
        if gate.match.candidate and line.startswith(f"{gate.match.candidate}:"):
            return {"file": str(METHODS), "line": str(count)}
    return {"file": f"config/{gate.study}.yaml"}


def _line(place: dict[str, str], title: str, message: str) -> str:
    words = {**place, "title": f"pdbench check, {title}"}
    properties = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in words.items())
    return f"::error {properties}::{_escaped(message)}"


def _escaped(text: str, also: str = "") -> str:
    """Escape as GitHub's runner undoes it; ``also`` are the characters that end a property."""
    for character in "%\r\n" + also:
        text = text.replace(character, f"%{ord(character):02X}")
    return text
