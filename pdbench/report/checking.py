"""What ``pdbench check`` does: reads, checks, prints, and writes what was asked for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from pdbench.core.errors import DataError, UsageError
from pdbench.core.files import read_json, write_json, write_text
from pdbench.evidence.gate import GateOutcome
from pdbench.evidence.pairs import Match, match_methods, match_versions
from pdbench.report import ci, gate
from pdbench.study import Study
from pdbench.study.waivers import load_waivers
from pdbench.workflow import Paths

_COLOURS = {
    GateOutcome.REGRESSED: "red",
    GateOutcome.REFUSED: "red",
    GateOutcome.MISSING: "red",
    GateOutcome.WAIVED: "yellow",
    GateOutcome.UNRESOLVED: "yellow",
    GateOutcome.PASSED: "green",
}


@dataclass(frozen=True)
class Options:
    """The options of ``pdbench check``; its help says what they mean."""

    study: Study
    baseline: str | None
    candidate: str | None
    stored: Path | None
    table: Path | None
    margin: float | None
    waivers: Path | None
    strict: bool
    junit: Path | None
    markdown: Path | None
    json_file: Path | None
    annotations: bool
    exit_zero: bool
    written: Path | None


def run(options: Options) -> int:
    """Check, and return the exit code.

    Raises:
        PdbenchError: There is nothing to check, or it cannot be read.
    """
    found = _again(options) if options.written else _evaluated(options)
    for line, outcome in gate.as_text(found):
        click.echo(click.style(line, _COLOURS[outcome]) if outcome else line)
    _write(found, options)
    return 0 if options.exit_zero else int(found["code"])


def _evaluated(options: Options) -> gate.Plain:
    waivers = load_waivers(options.waivers)
    table = options.table or Paths(options.study).table
    today = datetime.now(UTC).date()
    found = gate.evaluate(options.study, _matches(options), table, waivers, today, options.stored)
    return gate.as_plain(found, strict=options.strict)


def _again(options: Options) -> gate.Plain:
    """What an earlier check wrote as JSON; nothing else can be asked of it."""
    chosen = (options.baseline, options.candidate, options.stored, options.table, options.waivers)
    if any(chosen) or options.margin is not None or options.strict:
        what = "--from repeats a check that was made"
        raise UsageError(what, "leave out what would have to be checked anew")
    assert options.written is not None
    found: gate.Plain = read_json(options.written)
    if not isinstance(found, dict) or "checks" not in found:
        raise DataError(f"{options.written}: not written by pdbench check", "check again")
    return found


def _matches(options: Options) -> tuple[Match, ...]:
    study, methods = options.study, (options.baseline, options.candidate)
    if options.stored is not None:
        if any(methods):
            what = "--against compares every method with itself"
            raise UsageError(what, "leave --baseline and --candidate out")
        return (match_versions(study, options.margin),)
    if any(methods):
        return (match_methods(study, *methods, options.margin),)
    if options.margin is not None:
        raise UsageError("--margin needs two methods", "name --baseline and --candidate")
    return gate.matches(study)


def _write(found: gate.Plain, options: Options) -> None:
    if options.junit is not None:
        write_text(options.junit, ci.as_junit(found))
    if options.json_file is not None:
        write_json(options.json_file, gate.as_json(found))
    if options.markdown is not None:
        _summarise(options.markdown, gate.as_markdown(found))
    if options.annotations:
        for line in ci.error_lines(found):
            click.echo(line)


def _summarise(path: Path, text: str) -> None:
    """Write a summary; a job's own page also has those of the steps before."""
    if str(path) != os.environ.get("GITHUB_STEP_SUMMARY"):
        write_text(path, text)
        return
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
