"""What ``pdbench accept`` does: it renews stored results, and keeps the reason beside them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pdbench.artefacts.tables import escape_markdown
from pdbench.core.errors import UsageError
from pdbench.core.files import file_digest, replacing
from pdbench.core.words import signed
from pdbench.evidence.gate import Gate, check
from pdbench.evidence.judging import GateOutcome
from pdbench.evidence.pairs import Match
from pdbench.evidence.refusals import Side, other_seeds, unmeasured
from pdbench.evidence.table import ResultsTable, read_results
from pdbench.study import Study
from pdbench.study.waivers import checked_reason
from pdbench.workflow import Paths

_KEPT = "ACCEPTED.md"
_TITLE = "# Why stored results were renewed\n\n"


def accept(study: Study, stored: Path, reason: str, table: Path | None, commit: str) -> str:
    """Put the study's results in the place of stored ones; say in a line what has changed.

    The line is appended to ``ACCEPTED.md`` beside the file, with the day, the commit and the
    reason. The file is replaced whole or not at all.

    Raises:
        UsageError: The reason is none, the results are those of another study, not whole, of
            other seeds or settings, or the same as the stored ones.
        DataError: A table cannot be read.
    """
    try:
        words = checked_reason(reason)
    except ValueError as error:
        raise UsageError(f"--reason: {error}", "it is kept for those who come after") from error
    own = table or Paths(study).table
    frame, before = read_results(own), read_results(stored)
    if file_digest(own) == file_digest(stored):
        raise UsageError(f"{stored}: the same results as {own}", "there is nothing to accept")
    today = datetime.now(UTC).date()
    found = check(study, frame, Match.of_versions(study, None), today, stored=before)
    _refuse_unfinished(study, frame, own)
    line = _changed(found)
    with replacing(stored) as temporary:
        temporary.write_bytes(own.read_bytes())
        # Before the file takes its place: no results without their reason.
        _keep(stored.parent / _KEPT, stored.name, today, commit, f"{words} ({line})")
    return f"{stored}: {line}"


def _refuse_unfinished(study: Study, frame: Any, path: Path) -> None:
    """Refuse results of which a run is missing or cannot be one of the study's."""
    table = ResultsTable(study, frame)
    for cell in study.seed_counts:
        side, metrics = Side(table, cell), study.tasks[cell.task].metrics
        lost = [lacks] if (lacks := table.lacks(cell, *metrics)) else []
        if wrong := lost or [*unmeasured(side), *other_seeds(side)]:
            raise UsageError(f"{path}: {cell.key}: {wrong[0]}", "run the study first")


def _changed(found: Gate) -> str:
    """What has changed since the stored results: the outcomes, and the largest loss."""
    counts = Counter(row.outcome for row in found.cells)
    words = ", ".join(f"{counts[one]} {one}" for one in GateOutcome if counts[one])
    compared = [row for row in found.cells if row.estimate is not None]
    if not compared:
        return words
    worst = min(compared, key=lambda row: row.estimate.value if row.estimate else 0.0)
    assert worst.estimate is not None
    return f"{words}; least {signed(worst.estimate.value)} in {worst.name}"


def _keep(path: Path, name: str, today: date, commit: str, words: str) -> None:
    """Append a line to the file of reasons, which is begun where it is not there."""
    before = path.read_text(encoding="utf-8") if path.is_file() else _TITLE
    line = f"- {today}, {name}, commit {commit}: {escape_markdown(words)}\n"
    with replacing(path) as temporary:
        temporary.write_text(before + line, encoding="utf-8")
