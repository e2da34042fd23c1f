"""The gate's findings as continuous integration reads them: JUnit XML and annotations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

from pdbench.evidence.gate import INCOMPLETE, GateOutcome
from pdbench.report.gate import Plain, is_between_cells, why
from pdbench.study.waivers import WAIVERS

_METHODS = Path("config/methods.yaml")
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot hold."""


def as_junit(found: Plain) -> str:
    """One test suite a check and one test case a row, in the form that Jenkins reads.

    A regression is a failure; what is missing or refused, and a problem with a waiver, an error;
    what is waived or unresolved is skipped, in a strict check the latter is an error too.
    """
    root = ET.Element("testsuites", name="pdbench check")
    for check in found["checks"]:
        title = check["title"].partition(",")[0]
        suite = ET.SubElement(root, "testsuite", name=title)
        suite.set("timestamp", f"{check['date']}T00:00:00")
        group = f"pdbench.{check['study']}.{check['candidate'] or check['baseline']}"
        for row in check["rows"]:
            name = " v ".join(row["cells"][::-1]) if is_between_cells(row, check) else row["name"]
            case = ET.SubElement(suite, "testcase", classname=group, name=_legal(name), time="0")
            _judge(case, row["outcome"], _legal(why(row, check)), found["strict"])
        for problem in check["problems"]:
            case = ET.SubElement(suite, "testcase", classname=group, name="waivers")
            ET.SubElement(case, "error", message=_legal(problem), type="waiver")
        _count(suite)
    _count(root)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _judge(case: ET.Element, outcome: str, message: str, strict: bool) -> None:
    if outcome in _failing(strict):
        tag = "failure" if outcome == GateOutcome.REGRESSED else "error"
        ET.SubElement(case, tag, message=message, type=outcome)
    elif outcome != GateOutcome.PASSED:
        ET.SubElement(case, "skipped", message=f"{outcome}: {message}")


def _failing(strict: bool) -> tuple[GateOutcome, ...]:
    """The outcomes with which a check does not pass."""
    return (GateOutcome.REGRESSED, *INCOMPLETE, *([GateOutcome.UNRESOLVED] if strict else []))


def _count(element: ET.Element) -> None:
    """Write how many cases an element holds, and of which kind."""
    element.set("tests", str(len(list(element.iter("testcase")))))
    for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        if kind != "skipped" or element.tag == "testsuite":
            element.set(kind, str(len(list(element.iter(tag)))))


def _legal(text: str) -> str:
    return _ILLEGAL.sub("?", text)


def error_lines(found: Plain) -> Iterator[str]:
    """The ``::error`` line of every row that fails the check, and of every wrong waiver.

    They point at the candidate's definition, where it stands in the methods' file; else at the
    study's.
    """
    for check in found["checks"]:
        place = _place(check)
        for row in check["rows"]:
            if row["outcome"] in _failing(found["strict"]):
                yield _line(place, f"{row['outcome']}: {row['name']}", why(row, check))
        for problem in check["problems"]:
            yield _line({"file": str(WAIVERS)}, "waiver", problem)


def _place(check: Plain) -> dict[str, str]:
    lines = _METHODS.read_text(encoding="utf-8").splitlines() if _METHODS.is_file() else []
    for count, line in enumerate(lines, 1):
        if check["candidate"] and line.startswith(f"{check['candidate']}:"):
            return {"file": str(_METHODS), "line": str(count)}
    return {"file": f"config/{check['study']}.yaml"}


def _line(place: dict[str, str], title: str, message: str) -> str:
    words = {**place, "title": f"pdbench check, {title}"}
    properties = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in words.items())
    return f"::error {properties}::{_escaped(message)}"


def _escaped(text: str, also: str = "") -> str:
    """Escape as GitHub's runner undoes it; ``also`` are the characters that end a property."""
    for character in "%\r\n" + also:
        text = text.replace(character, f"%{ord(character):02X}")
    return text
