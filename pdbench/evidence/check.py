"""A check of results: pairs cells, refuses what cannot be compared, puts the rest to the gate."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, TypeAlias

from pdbench.evidence.gate import POOLED, Gate, GateOutcome, Judged, Row, judge, mean_terms, pools
from pdbench.evidence.paired import Estimator, RunGroup, Terms, sample_of
from pdbench.evidence.pairs import (
    STORED,
    CellPair,
    Match,
    margins_of,
    pairs_of_methods,
    pairs_of_versions,
    same_budget,
)
from pdbench.evidence.resampling import Sample
from pdbench.evidence.significance import mcnemar
from pdbench.evidence.table import ResultsTable, refuse_others
from pdbench.study import Cell, Study
from pdbench.study.waivers import Waiver

_Sides: TypeAlias = tuple[ResultsTable, ResultsTable]
"""Baseline and candidate; one and the same table for two methods of a study."""


def check(
    study: Study,
    frame: Any,
    match: Match,
    today: date,
    *,
    stored: Any = None,
    waivers: Sequence[Waiver] = (),
    seed: int = 0,
) -> Gate:
    """Check a candidate against its baseline.

    Args:
        study: The study.
        frame: Its collected results.
        match: What is compared.
        today: The day that waivers are held against.
        stored: Stored results of the same study, where ``match`` asks for them.
        waivers: Accepted regressions.
        seed: Seed of the resampling of test examples.

    Raises:
        UsageError: The study has nothing to compare, or a table is of another study.
        DataError: Predictions do not give the recorded scores.
    """
    own = ResultsTable(study, frame)
    sides = own if stored is None else ResultsTable(study, stored, stored=True), own
    for side in sides:
        refuse_others(study, side.frame)
    pairs = pairs_of_versions(study, sides[0]) if match.by_seed else pairs_of_methods(study, match)
    stopped = {pair: row for pair in pairs if (row := _stopped(pair, sides, match))}
    margins = margins_of(study, match, pairs)
    tested = {pair: margin for pair, margin in margins.items() if pair not in stopped}
    tests = _Tests(tested, sides, match, seed)
    rows = [stopped.get(pair) or tests.row(pair) for pair in pairs]
    cells = tuple(_waive(row, waivers, study, match, today) for row in rows)
    means = tests.means(dict(zip(pairs, cells, strict=True)))
    pooled = tuple(_waive(row, waivers, study, match, today) for row in means)
    problems = tuple(_problems(waivers, study, match, cells + pooled, today))
    notes, named = _notes(study, match, pairs), tuple(sorted(set(margins.values())))
    return Gate(study.name, match, named, cells, pooled, problems, notes, today)


def _stopped(pair: CellPair, sides: _Sides, match: Match) -> Row | None:
    """The row of a pair that cannot be tested; None if it can."""
    candidate, baseline = pair.candidate, pair.baseline
    if baseline is None:
        why = f"the study has no cell of {match.baseline} beside it"
        return Row(candidate.key, (candidate.key,), GateOutcome.MISSING, why)
    names = ("stored", "here") if match.by_seed else (baseline.key, candidate.key)
    whole = zip(names, sides, (baseline, candidate), strict=True)
    cells = tuple(dict.fromkeys((baseline.key, candidate.key)))
    metric = _metric(sides[0].study, candidate)
    if lost := [f"{name}: {what}" for name, side, c in whole if (what := side.lacks(c, metric))]:
        return Row(candidate.key, cells, GateOutcome.MISSING, "; ".join(lost))
    measure, measured = (sides[0], baseline), (sides[1], candidate)
    if found := list(same_budget(measure, measured, by_seed=match.by_seed)):
        return Row(candidate.key, cells, GateOutcome.REFUSED, "; ".join(found))
    return None


def _metric(study: Study, cell: Cell) -> str:
    """The metric that is tested: the task's first; a task that is no more has none."""
    return study.tasks[cell.task].metrics[0] if cell.task in study.tasks else ""


class _Tests:
    """The pairs that can be tested, each with its margin, and what the tests say of them."""

    def __init__(
        self, margins: Mapping[CellPair, float], sides: _Sides, match: Match, seed: int
    ) -> None:
        self.sides, self.match, self.margins = sides, match, margins
        if match.by_seed:
            self.estimator = _run_by_run(margins, sides, seed)
        else:
            self.estimator = _method_by_method(margins, sides[1], match, seed)
        self.terms = {pair: _difference(pair, sides[0].study, match) for pair in margins}
        self.estimates = {p: self.estimator.estimate(found) for p, found in self.terms.items()}
        tested = {pair: _mcnemar(pair, sides, self.estimator) for pair in margins}
        exact = {pair: p for pair, p in tested.items() if p is not None}
        self.judged = judge(self.estimates, margins, exact)

    def row(self, pair: CellPair) -> Row:
        """What became of a pair."""
        assert pair.baseline is not None
        places = list(zip(self.sides, (pair.baseline, pair.candidate), strict=True))
        scores = [side.of(cell).runs for side, cell in places]
        first, second = (math.fsum(found) / len(found) for found in scores)
        outcome, reason = self.judged[pair].outcome, _reason(self.judged[pair], self.margins[pair])
        if outcome is GateOutcome.PASSED and self._has_collapsed(places):
            outcome = GateOutcome.UNRESOLVED
            reason += ", but one answer to everything is no skill"
        return Row(
            pair.candidate.key,
            tuple(dict.fromkeys((pair.baseline.key, pair.candidate.key))),
            outcome,
            reason,
            self.estimates[pair],
            self.judged[pair].p,
            (first, second),
            (len(scores[0]), len(scores[1])),
            tuple(self._notes(pair, places)),
        )

    def _has_collapsed(self, places: Iterable[tuple[ResultsTable, Cell]]) -> bool:
        """Whether runs of the candidate predict one class only; of new code, more than before."""
        before, now = (side.of(cell).degenerate for side, cell in places)
        return now > (before if self.match.by_seed else 0)

    def _notes(self, pair: CellPair, places: Iterable[tuple[ResultsTable, Cell]]) -> Iterator[str]:
        for role, (side, cell) in zip(("baseline", "candidate"), places, strict=True):
            found = side.of(cell)
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
        found = pools(tested)
        terms = {name: mean_terms([self.terms[p] for p in own]) for name, own in found.items()}
        estimates = {name: self.estimator.estimate(mean) for name, mean in terms.items()}
        margins = {
            name: _mean_margin([self.margins[pair] for pair in own]) for name, own in found.items()
        }
        judged = judge(estimates, margins)
        return [
            replace(
                _mean_row(name, [rows[pair] for pair in own]),
                outcome=judged[name].outcome,
                reason=_reason(judged[name], margins[name]),
                estimate=estimates[name],
                p=judged[name].p,
            )
            for name, own in found.items()
        ]


def _mean_margin(margins: Sequence[float]) -> float:
    """What a mean over cells may lose: as much as its cells on average."""
    return margins[0] if len(set(margins)) == 1 else math.fsum(margins) / len(margins)


def _mean_row(name: str, rows: Sequence[Row]) -> Row:
    first, second = (math.fsum(row.scores[i] for row in rows) / len(rows) for i in (0, 1))
    cells = tuple(dict.fromkeys(key for row in rows for key in row.cells))
    runs = min(row.runs[0] for row in rows), min(row.runs[1] for row in rows)
    note = f"mean of {len(rows)} cells"
    return Row(name, cells, GateOutcome.MISSING, scores=(first, second), runs=runs, notes=(note,))


def _difference(pair: CellPair, study: Study, match: Match) -> Terms:
    metric = _metric(study, pair.candidate)
    assert pair.baseline is not None
    if match.by_seed:
        return {(pair.candidate.key, metric): 1.0}
    return {(pair.candidate.key, metric): 1.0, (pair.baseline.key, metric): -1.0}


def _method_by_method(
    pairs: Iterable[CellPair], side: ResultsTable, match: Match, seed: int
) -> Estimator:
    """Each cell by itself; all whole cells of both methods tell how runs spread over seeds."""
    study = side.study
    tasks = dict.fromkeys(pair.candidate.task for pair in pairs)
    samples, groups = {}, {}
    for task in tasks:
        own = [c for c in study.seeds if (c.task == task and c.method in match.methods)]
        whole = [cell for cell in own if not side.lacks(cell, _metric(study, cell))]
        samples[task], places = _sample([(side, cell) for cell in whole], task, seed)
        for cell, rows in zip(whole, places, strict=True):
            groups[cell.key] = RunGroup(task, rows, cell.method)
    return Estimator(samples, groups)


def _run_by_run(pairs: Iterable[CellPair], sides: _Sides, seed: int) -> Estimator:
    """Each run less the stored one of the same seed; single runs are taken as they are."""
    samples, groups = {}, {}
    for task in dict.fromkeys(pair.candidate.task for pair in pairs):
        cells = [pair.candidate for pair in pairs if pair.candidate.task == task]
        members = [(side, cell) for cell in cells for side in sides]
        samples[task], places = _sample(members, task, seed)
        several = {c.method for c, rows in zip(cells, places[::2], strict=True) if len(rows) > 1}
        for cell, against, rows in zip(cells, places[::2], places[1::2], strict=True):
            pool = cell.method if cell.method in several else None
            groups[cell.key] = RunGroup(task, rows, pool, against)
    return Estimator(samples, groups)


def _sample(
    members: Sequence[tuple[ResultsTable, Cell]], task: str, seed: int
) -> tuple[Sample, list[tuple[int, ...]]]:
    """The chosen runs of some cells on a task's test examples, and the rows of each there."""
    import pandas as pd

    found = [side.chosen(cell.key) for side, cell in members]
    ends = itertools.accumulate(map(len, found), initial=0)
    places = [tuple(range(a, b)) for a, b in itertools.pairwise(ends)]
    return sample_of(members[0][0], task, pd.concat(found), seed), places


def _mcnemar(pair: CellPair, sides: _Sides, estimator: Estimator) -> float | None:
    """One-sided exact p of two single runs; None where there are several or another metric."""
    group = estimator.groups[pair.candidate.key]
    if group.pool is not None or _metric(sides[0].study, pair.candidate) != "accuracy":
        return None
    sample = estimator.samples[group.task]
    right = sample.predictions == sample.labels
    before, now = right[group.against[0]], right[group.rows[0]]
    return mcnemar(before, now) / 2 if now.sum() < before.sum() else 1.0


def _reason(judged: Judged, margin: float) -> str:
    if judged.outcome is GateOutcome.REGRESSED:
        return f"worse by more than {margin:g}"
    if judged.outcome is GateOutcome.PASSED:
        return f"not worse by more than {margin:g}"
    if judged.outcome is GateOutcome.MISSING:
        return "single runs have no spread; train two seeds or more"
    return f"neither is shown; a regression of {judged.detectable:.1f} would have been found"


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
    means = [f"{POOLED}.{task}" for task in (*study.tasks, "all")]
    names = {*study.cells, *means, *(row.name for row in rows)}
    for waiver in waivers:
        if waiver.study != study.name:
            continue
        about = f"waiver of {waiver.cell} against {waiver.baseline}"
        if waiver.baseline not in (STORED, *study.methods):
            yield f"{about}: no such method; mend its spelling or remove it"
        elif not any(waiver.covers(study.name, waiver.baseline, name) for name in names):
            yield f"{about}: fits no cell of study {study.name}; mend its spelling or remove it"
        elif waiver.is_expired(today) and not _concerns_others(waiver, study, match, rows):
            yield f"{about}: expired on {waiver.expires} and covers no regression; remove it"


def _concerns_others(waiver: Waiver, study: Study, match: Match, rows: Sequence[Row]) -> bool:
    """Whether an expired waiver is for another check, or covers a regression, which fails."""
    here = [row for row in rows if waiver.covers(study.name, match.baseline, row.name)]
    return not here or any(row.outcome is GateOutcome.REGRESSED for row in here)


def _notes(study: Study, match: Match, pairs: Sequence[CellPair]) -> tuple[str, ...]:
    if match.by_seed:
        return ()
    first, second = study.methods[match.baseline], study.methods[match.candidate]
    notes = []
    if first.initialisation != second.initialisation:
        starts = f"{match.baseline} {first.initialisation}, {match.candidate}"
        notes.append(
            f"starts differ: {starts} {second.initialisation}; a start belongs to the method and "
            "is no part of the budget"
        )
    compared = {pair.baseline for pair in pairs}
    if alone := sum(c.method == match.baseline and c not in compared for c in study.seeds):
        notes.append(
            f"{alone} cells of {match.baseline} have none of {match.candidate} beside them"
        )
    return tuple(notes)
