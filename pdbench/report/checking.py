"""What ``pdbench check`` does: reads, checks, prints, and writes what was asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from pdbench.core.errors import UsageError
from pdbench.core.files import write_json, write_text
from pdbench.evidence.gate import Gate, Outcome
from pdbench.evidence.pairs import Match, match_methods, match_versions
from pdbench.report import ci, gate
from pdbench.study import Study
from pdbench.study.waivers import load_waivers
from pdbench.workflow import Paths

COLOURS = {
    Outcome.REGRESSED: "red",
    Outcome.REFUSED: "red",
    Outcome.MISSING: "red",
    Outcome.WAIVED: "yellow",
    Outcome.UNRESOLVED: "yellow",
    Outcome.PASSED: "green",
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


def run(options: Options) -> int:
    """Check, and return the exit code.

    Raises:
        PdbenchError: There is nothing to check, or it cannot be read.
    """
    waivers = load_waivers(options.waivers)
    table = options.table or Paths(options.study).table
    today = datetime.now(UTC).date()
    found = gate.evaluate(options.study, _matches(options), table, waivers, today, options.stored)
    for line, outcome in gate.as_text(found, strict=options.strict):
        click.echo(click.style(line, COLOURS[outcome]) if outcome else line)
    _write(found, options)
    return 0 if options.exit_zero else gate.code(found, strict=options.strict)


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


def _write(found: Sequence[Gate], options: Options) -> None:
    if options.junit is not None:
        write_text(options.junit, ci.as_junit(found, strict=options.strict))
    if options.json_file is not None:
        write_json(options.json_file, gate.as_json(found, strict=options.strict))
    if options.markdown is not None:
        _summarise(options.markdown, gate.as_markdown(found, strict=options.strict))
    if options.annotations:
        for line in ci.error_lines(found, strict=options.strict):
            click.echo(line)


def _summarise(path: Path, text: str) -> None:
    """Write a summary; a job's own page also has those of the steps before."""
    if str(path) != os.environ.get("GITHUB_STEP_SUMMARY"):
        write_text(path, text)
        return
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
