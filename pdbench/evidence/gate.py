"""The gate: whether a candidate is worse than its baseline by more than a margin.

Every cell of the candidate is put to two one-sided t tests on the difference of its mean test score
from its baseline's, paired over the test examples: is it worse by more than the margin
(regressed), is it not (passed)? Neither may be shown (unresolved). The chance that anything is
called a regression where nothing is worse stays below :data:`ALPHA`: half of it is spent on the
cells and half on the means over cells, each family with Holm's correction. "Passed" is not
corrected: that all cells pass is only said where each is shown by itself (Berger, 1982).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from statistics import fmean
from typing import Any, TypeAlias, TypeVar

import pandas as pd

from pdbench.evidence.paired import Estimator, RunGroup, Sample, Terms
from pdbench.evidence.pairs import STORED, CellPair, Match
from pdbench.evidence.significance import ALPHA, Difference, holm, mcnemar
from pdbench.evidence.table import ResultsTable, Score
from pdbench.study import Cell, Study
from pdbench.study.waivers import Waiver

_K = TypeVar("_K", bound=Hashable)

_LEVEL = ALPHA / 2  # one-sided level of each family: the cells, and the means over cells

_POOLED = "pooled"


class GateOutcome(StrEnum):
    """What became of a cell."""

    REGRESSED = "regressed"
    WAIVED = "waived"
    REFUSED = "refused"
    MISSING = "missing"
    UNRESOLVED = "unresolved"
    PASSED = "passed"

    @property
    def mark(self) -> str:
        """Its mark: never colour alone."""
        return dict(zip(GateOutcome, "\N{MINUS SIGN}wx.?+", strict=True))[self]


RULES = {
    GateOutcome.REFUSED: "the budgets differ: updates, items seen, grid points, transfer set or "
    "data",
    GateOutcome.MISSING: "a run, a score, a label or the baseline's cell is not there, or single "
    "runs have no spread",
    GateOutcome.REGRESSED: "shown to be worse by more than the margin",
    GateOutcome.WAIVED: "the same, but accepted in the file of waivers, with a reason and until a "
    "day",
    GateOutcome.PASSED: "shown not to be worse by more than the margin, by runs that do not "
    "predict one class only",
    GateOutcome.UNRESOLVED: "neither is shown; the smallest regression that would have been found "
    "is printed",
}
"""The rules in the order in which they are tried."""


def failing(*, strict: bool = False) -> tuple[GateOutcome, ...]:
    """The outcomes with which a check does not pass."""
    unresolved = (GateOutcome.UNRESOLVED,) if strict else ()
    return (GateOutcome.REGRESSED, GateOutcome.REFUSED, GateOutcome.MISSING, *unresolved)


@dataclass(frozen=True)
class Row:
    """One cell of the candidate, or a mean over cells, as it was judged."""

    name: str  # the key of the candidate's cell, or ``pooled.TASK`` or ``pooled.all``
    cells: tuple[str, ...]  # the cells behind it: baseline and candidate
    outcome: GateOutcome
    reason: str = ""
    estimate: Difference | None = None  # candidate less baseline, in points; None if not compared
    p: float = math.nan  # of no regression beyond the margin, after Holm's correction
    scores: tuple[float, float] = (math.nan, math.nan)  # baseline's and candidate's, in per cent
    runs: tuple[int, int] = (0, 0)  # their numbers of runs
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gate:
    """A check and what it found."""

    study: str
    match: Match
    margins: tuple[float, ...]  # points that cells may lose: every margin used, ascending
    cells: tuple[Row, ...]
    pooled: tuple[Row, ...]  # the means over the cells of a task, and over all
    problems: tuple[str, ...]  # what is wrong with the waivers
    notes: tuple[str, ...]
    today: date

    @property
    def rows(self) -> tuple[Row, ...]:
        """All cells and means."""
        return self.cells + self.pooled

    def code(self, *, strict: bool = False) -> int:
        """The exit code: 1 with a regression, else 2 if incomplete (or, strict, unresolved)."""
        found = {row.outcome for row in self.rows}
        if GateOutcome.REGRESSED in found:
            return 1
        return 2 if self.problems or found & set(failing(strict=strict)) else 0


def _judge(
    estimates: Mapping[_K, Difference],
    margins: Mapping[_K, float],
    exact: Mapping[_K, float] | None = None,
) -> dict[_K, Row]:
    """Judge a family of differences, in points, each as a row that has no cells yet.

    Those of cells that answer as before are no part of it: they cannot be called a regression.
    ``exact`` has p of an exact test that the candidate is not worse at all, where there is one; a
    regression must pass both.
    """
    lost = {
        key: max(found.below(-margins[key]), (exact or {}).get(key, 0.0))
        for key, found in estimates.items()
        if not (math.isnan(found.error) or _is_unchanged(found))
    }
    level = _LEVEL / max(len(lost), 1)
    adjusted = holm(lost)
    judged = {}
    for key, found in estimates.items():
        outcome = GateOutcome.UNRESOLVED
        if math.isnan(found.error):
            outcome = GateOutcome.MISSING
        elif key in lost and adjusted[key] <= _LEVEL:
            outcome = GateOutcome.REGRESSED
        elif found.above(-margins[key]) <= _LEVEL or _is_unchanged(found):
            outcome = GateOutcome.PASSED
        reason = _reason(outcome, margins[key], margins[key] + found.detectable(level))
        p = adjusted.get(key, 1.0 if outcome is GateOutcome.PASSED else math.nan)
        judged[key] = Row("", (), outcome, reason, found, p)
    return judged


def _reason(outcome: GateOutcome, margin: float, detectable: float) -> str:
    known = {
        GateOutcome.REGRESSED: f"worse by more than {margin:g}",
        GateOutcome.PASSED: f"not worse by more than {margin:g}",
        GateOutcome.MISSING: "single runs have no spread; train two seeds or more",
    }
    left_open = f"neither is shown; a regression of {detectable:.1f} would have been found"
    return known.get(outcome, left_open)


def _is_unchanged(found: Difference) -> bool:
    """Whether no example of any run is answered otherwise: then nothing is lost at any margin."""
    return found.value == 0 and found.error == 0


def _pools(tasks: Mapping[_K, str]) -> dict[str, tuple[_K, ...]]:
    """The families of cells whose means are judged too, from the task of each cell.

    One for each task with several cells, and one for all where there are several tasks.
    """
    found: dict[str, tuple[_K, ...]] = {}
    for task in dict.fromkeys(tasks.values()):
        own = tuple(cell for cell, its in tasks.items() if its == task)
        if len(own) > 1:
            found[f"{_POOLED}.{task}"] = own
    if len(set(tasks.values())) > 1:
        found[f"{_POOLED}.all"] = tuple(tasks)
    return found


def _mean_terms(terms: Sequence[Terms]) -> Terms:
    """The mean of several differences."""
    total: dict[tuple[str, str], float] = {}
    for one in terms:
        for term, factor in one.items():
            total[term] = total.get(term, 0.0) + factor / len(terms)
    return total


_Sides: TypeAlias = tuple[ResultsTable, ResultsTable]  # the same twice for methods of a study


def check(
    study: Study,
    frame: Any,
    match: Match,
    today: date,
    *,
    stored: Any = None,
    waivers: Sequence[Waiver] = (),
) -> Gate:
    """Check the collected results of a study, for two versions of the code against stored ones.

    Waivers are held against ``today``.

    Raises:
        UsageError: The study has nothing to compare, or a table is of another study.
        DataError: Predictions do not give the recorded scores.
    """
    own = ResultsTable(study, frame)
    sides = own if stored is None else ResultsTable(study, stored, stored=True), own
    for side in sides:
        side.refuse_others()
    pairs = match.pairs(study, sides[0])
    stopped = {pair: row for pair in pairs if (row := _stopped(pair, sides, match))}
    margins = match.margins(study, pairs)
    tested = {pair: margin for pair, margin in margins.items() if pair not in stopped}
    tests = _Tests(tested, sides, match)
    rows = [stopped.get(pair) or tests.row(pair) for pair in pairs]
    cells = tuple(_waive(row, waivers, study, match, today) for row in rows)
    means = tests.means(dict(zip(pairs, cells, strict=True)))
    pooled = tuple(_waive(row, waivers, study, match, today) for row in means)
    problems = tuple(_problems(waivers, study, match, cells + pooled, today))
    notes, named = match.notes(study, pairs), tuple(sorted(set(margins.values())))
    return Gate(study.name, match, named, cells, pooled, problems, notes, today)


def _stopped(pair: CellPair, sides: _Sides, match: Match) -> Row | None:
    """The row of a pair that cannot be tested; None if it can."""
    candidate, baseline = pair.candidate, pair.baseline
    if baseline is None:
        why = f"the study has no cell of {match.baseline} beside it"
        return Row(candidate.key, pair.keys, GateOutcome.MISSING, why)
    names = ("stored", "here") if match.by_seed else (baseline.key, candidate.key)
    whole = zip(names, sides, (baseline, candidate), strict=True)
    metric = _metric(sides[0].study, candidate)
    if lost := [f"{name}: {what}" for name, side, c in whole if (what := side.lacks(c, metric))]:
        return Row(candidate.key, pair.keys, GateOutcome.MISSING, "; ".join(lost))
    if found := list(pair.other_budget(*sides, by_seed=match.by_seed)):
        return Row(candidate.key, pair.keys, GateOutcome.REFUSED, "; ".join(found))
    return None


def _metric(study: Study, cell: Cell) -> str:
    """The metric that is tested: the task's first; a task that is no more has none."""
    return study.tasks[cell.task].metrics[0] if cell.task in study.tasks else ""


class _Tests:
    """The pairs that can be tested, each with its margin, and what the tests say of them."""

    def __init__(self, margins: Mapping[CellPair, float], sides: _Sides, match: Match) -> None:
        self.sides, self.match, self.margins = sides, match, margins
        if match.by_seed:
            self.estimator = _run_by_run(margins, sides)
        else:
            self.estimator = _method_by_method(margins, sides[1], match)
        self.terms = {pair: _difference(pair, sides[0].study) for pair in margins}
        estimates = {pair: self.estimator.estimate(terms) for pair, terms in self.terms.items()}
        tested = {pair: _mcnemar(pair, sides, self.estimator) for pair in margins}
        exact = {pair: p for pair, p in tested.items() if p is not None}
        self.judged = _judge(estimates, margins, exact)

    def row(self, pair: CellPair) -> Row:
        """What became of a pair."""
        assert pair.baseline is not None
        before, now = self.sides[0].of(pair.baseline), self.sides[1].of(pair.candidate)
        row = replace(
            self.judged[pair],
            name=pair.candidate.key,
            cells=pair.keys,
            scores=(fmean(before.runs), fmean(now.runs)),
            runs=(len(before.runs), len(now.runs)),
            notes=tuple(self._notes(pair, before, now)),
        )
        # Of new code, more runs than before must have collapsed.
        collapsed = now.degenerate > (before.degenerate if self.match.by_seed else 0)
        if row.outcome is GateOutcome.PASSED and collapsed:
            why = f"{row.reason}, but one answer to everything is no skill"
            return replace(row, outcome=GateOutcome.UNRESOLVED, reason=why)
        return row

    def _notes(self, pair: CellPair, before: Score, now: Score) -> Iterator[str]:
        for role, found in (("baseline", before), ("candidate", now)):
            if found.degenerate:
                runs = len(found.runs)
                yield f"{role}: {found.degenerate} of {runs} runs predict one class only"
        if self.match.by_seed and self.estimator.groups[pair.candidate.key].pool is None:
            yield "single runs: tested over examples only"

    def means(self, rows: Mapping[CellPair, Row]) -> list[Row]:
        """Judge the means over cells; a waived regression counts in none of them."""
        tested = {
            pair: pair.candidate.task
            for pair, row in rows.items()
            if pair in self.terms and row.outcome is not GateOutcome.WAIVED
        }
        pools = _pools(tested)
        terms = {name: _mean_terms([self.terms[p] for p in own]) for name, own in pools.items()}
        estimates = {name: self.estimator.estimate(mean) for name, mean in terms.items()}
        margins = {name: self._mean_margin(own) for name, own in pools.items()}
        judged = _judge(estimates, margins)
        return [
            _mean_row(name, [rows[pair] for pair in own], judged[name])
            for name, own in pools.items()
        ]

    def _mean_margin(self, pairs: Sequence[CellPair]) -> float:
        """What a mean over cells may lose: as much as its cells on average."""
        margins = [self.margins[pair] for pair in pairs]
        return margins[0] if len(set(margins)) == 1 else fmean(margins)


def _mean_row(name: str, rows: Sequence[Row], judged: Row) -> Row:
    return replace(
        judged,
        name=name,
        cells=tuple(dict.fromkeys(key for row in rows for key in row.cells)),
        scores=(fmean(row.scores[0] for row in rows), fmean(row.scores[1] for row in rows)),
        runs=(min(row.runs[0] for row in rows), min(row.runs[1] for row in rows)),
        notes=(f"mean of {len(rows)} cells",),
    )


def _difference(pair: CellPair, study: Study) -> Terms:
    """The candidate less its baseline, or a cell whose runs have their own subtracted already."""
    metric = _metric(study, pair.candidate)
    return {(k, metric): sign for k, sign in zip(reversed(pair.keys), (1.0, -1.0), strict=False)}


def _method_by_method(pairs: Iterable[CellPair], side: ResultsTable, match: Match) -> Estimator:
    """Each cell by itself; all whole cells of both methods tell how runs spread over seeds."""
    tasks, methods = {p.candidate.task for p in pairs}, (match.baseline, match.candidate)
    own = [c for c in side.study.seed_counts if c.task in tasks and c.method in methods]
    return Estimator.of(side, [c for c in own if not side.lacks(c, _metric(side.study, c))])


def _run_by_run(pairs: Iterable[CellPair], sides: _Sides) -> Estimator:
    """Each run less the stored one of the same seed; single runs are taken as they are."""
    samples, groups = {}, {}
    for task in dict.fromkeys(pair.candidate.task for pair in pairs):
        cells = [pair.candidate for pair in pairs if pair.candidate.task == task]
        found = [side.chosen(cell.key) for cell in cells for side in sides]
        samples[task] = Sample.of(sides[0], task, pd.concat(found))
        ends = itertools.accumulate(map(len, found), initial=0)
        places = [tuple(range(a, b)) for a, b in itertools.pairwise(ends)]
        several = {c.method for c, rows in zip(cells, places[::2], strict=True) if len(rows) > 1}
        for cell, against, rows in zip(cells, places[::2], places[1::2], strict=True):
            pool = cell.method if cell.method in several else None
            groups[cell.key] = RunGroup(task, rows, pool, against)
    return Estimator(samples, groups)


def _mcnemar(pair: CellPair, sides: _Sides, estimator: Estimator) -> float | None:
    """One-sided exact p of two single runs; None where there are several or another metric."""
    group = estimator.groups[pair.candidate.key]
    if group.pool is not None or _metric(sides[0].study, pair.candidate) != "accuracy":
        return None
    sample = estimator.samples[group.task]
    right = sample.predictions == sample.labels
    before, now = right[group.against[0]], right[group.rows[0]]
    return mcnemar(before, now) / 2 if now.sum() < before.sum() else 1.0


def _waive(row: Row, waivers: Sequence[Waiver], study: Study, match: Match, today: date) -> Row:
    """Accept a regression that a waiver covers, unless its last day is over."""
    if row.outcome is not GateOutcome.REGRESSED:
        return row
    for waiver in waivers:
        if not waiver.covers(study.name, match.baseline, row.name):
            continue
        if not waiver.is_expired(today):
            why = f"{row.reason}; waived until {waiver.expires}: {waiver.reason}"
            return replace(row, outcome=GateOutcome.WAIVED, reason=why)
        why = f"waiver expired on {waiver.expires}: {waiver.reason}"
        row = replace(row, notes=(*row.notes, why))
    return row


def _problems(
    waivers: Sequence[Waiver], study: Study, match: Match, rows: Sequence[Row], today: date
) -> Iterator[str]:
    """What is wrong with the waivers of this study: each a line that ends with the remedy."""
    means = [f"{_POOLED}.{task}" for task in (*study.tasks, "all")]
    names = {*study.cells, *means, *(row.name for row in rows)}
    for waiver in waivers:
        if waiver.study != study.name:
            continue
        about = f"waiver of {waiver.cell} against {waiver.baseline}"
        covered = {r.outcome for r in rows if waiver.covers(study.name, match.baseline, r.name)}
        if waiver.baseline not in (STORED, *study.methods):
            yield f"{about}: no such method; mend its spelling or remove it"
        elif not any(waiver.covers(study.name, waiver.baseline, name) for name in names):
            yield f"{about}: fits no cell of study {study.name}; mend its spelling or remove it"
        elif waiver.is_expired(today) and covered and GateOutcome.REGRESSED not in covered:
            yield f"{about}: expired on {waiver.expires} and covers no regression; remove it"
