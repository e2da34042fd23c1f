"""The gate: whether a candidate is better, not worse or worse than its baseline beyond a margin.

Every cell of the candidate is judged beside its baseline's by the difference of their mean test
scores *on such examples*: over seeds, runs paired by number, and over the test examples; so are
the means over cells. What the differences must show stands in :mod:`pdbench.evidence.judging`, what
keeps a cell from being judged in :mod:`pdbench.evidence.refusals`. The chance that anything is
called worse where nothing is stays below :data:`ALPHA`, and so does that of calling anything
better: half of it is spent on the cells and half on the means, each with Holm's correction.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from statistics import fmean
from typing import Any, TypeAlias

import pandas as pd

from pdbench.evidence.judging import (
    UNSTABLE,
    Estimates,
    GateOutcome,
    Judgement,
    judge,
    judge_means,
    mean_terms,
    means_of,
    whole_of,
)
from pdbench.evidence.paired import Estimator, Question, RunGroup, Sample, Terms
from pdbench.evidence.pairs import STORED, CellPair, Match
from pdbench.evidence.power import deciding
from pdbench.evidence.refusals import (
    GAP,
    GAP_OF_MEAN,
    ITEMS_APART,
    PIECES_APART,
    WALL_APART,
    Side,
    other_budget,
    other_code,
    other_seeds,
    too_far_above_dev,
    unearned,
    unmeasured,
)
from pdbench.evidence.significance import Difference, mcnemar
from pdbench.evidence.table import ResultsTable
from pdbench.study import Cell, Study
from pdbench.study.waivers import DAYS, Waiver

RULES = {
    GateOutcome.NEW: "a method that the stored results do not have",
    GateOutcome.MISSING: "a run, a score, a label or the other's cell is not there, or single "
    "runs have no spread",
    GateOutcome.REFUSED: "the budgets differ: updates, items seen (by more than "
    f"{ITEMS_APART:.0%}), word pieces an update ({PIECES_APART:.0%}), wall time an update on the "
    f"same device ({WALL_APART:g} times), grid points, seeds, transfer set, data or code; or the "
    "score is not earned: one class for an answer in more runs, or a test score further above "
    f"dev's than the baseline's is (by more than {GAP:g} points, in a mean over cells "
    f"{GAP_OF_MEAN:g}, and chance), or above the teacher's on test alone",
    GateOutcome.WORSE: "shown to be worse by more than the margin in any of the task's metrics",
    GateOutcome.WAIVED: "the same, but accepted in the file of waivers, with a reason and until a "
    "day",
    GateOutcome.BETTER: "shown to be above the baseline in a metric, and not worse in any",
    GateOutcome.NOT_WORSE: "shown not to be worse by more than the margin in every metric, or the "
    "same model",
    GateOutcome.UNDECIDED: "nothing is shown; how many seeds and test examples would decide is "
    "printed",
}
"""The rules in the order in which they are tried."""


def failing(*, allow_undecided: bool = False) -> tuple[GateOutcome, ...]:
    """The outcomes with which a check does not pass."""
    undecided = () if allow_undecided else (GateOutcome.UNDECIDED,)
    return (GateOutcome.WORSE, GateOutcome.REFUSED, GateOutcome.MISSING, *undecided)


@dataclass(frozen=True)
class Row:
    """One cell of the candidate, or a mean over cells, as it was judged."""

    name: str  # the key of the candidate's cell, or ``mean.TASK`` or ``mean.all``
    cells: tuple[str, ...]  # the cells behind it: baseline and candidate
    outcome: GateOutcome
    reason: str = ""
    metric: str = ""  # the one that decides
    estimate: Difference | None = None  # candidate less baseline, in points, on such examples
    on_test_set: Difference | None = None  # the same on this test set
    p: float = math.nan  # of no gain if better, else of no loss beyond the margin; Holm's
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
    means: tuple[Row, ...]  # the means over the cells of a task, and over all
    problems: tuple[str, ...]  # what is wrong with the waivers
    notes: tuple[str, ...]
    today: date
    scope: str = ""  # at how few of the baseline's sizes it was looked; empty if at all

    @property
    def rows(self) -> tuple[Row, ...]:
        """All cells and means."""
        return self.cells + self.means

    def code(self, *, allow_undecided: bool = False) -> int:
        """The exit code: 1 if anything is worse, else 2 if anything is not shown."""
        found = {row.outcome for row in self.rows}
        if GateOutcome.WORSE in found:
            return 1
        return 2 if self.problems or found & set(failing(allow_undecided=allow_undecided)) else 0

    @property
    def is_better(self) -> bool:
        """Whether the candidate is better on average: over all cells, or its only one."""
        whole = [row for row in self.means if whole_of(row.name) == row.name]
        return bool(whole or self.cells) and (*self.cells, *whole)[-1].outcome is GateOutcome.BETTER


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
    study = own.study
    sides = own if stored is None else ResultsTable(study, stored, stored=True), own
    for side in sides:
        side.refuse_others()
    pairs = match.pairs(study, sides[0])
    stopped = {pair: row for pair in pairs if (row := _stopped(pair, sides, match))}
    margins = match.margins(study, pairs)
    tested = {pair: margin for pair, margin in margins.items() if pair not in stopped}
    tests = _Tests(tested, sides, match)
    rows = [stopped.get(pair) or tests.row(pair) for pair in pairs]
    rows = [_waive(row, waivers, study, match, today) for row in rows]
    means = tests.means(dict(zip(pairs, rows, strict=True)))
    means = [_waive(row, waivers, study, match, today) for row in means]
    for cell, artefact in match.left_out(study, pairs).items():
        why = f"no cell of {match.candidate} beside it, though {artefact} has others"
        rows.append(Row(cell.key, (cell.key,), GateOutcome.MISSING, why))
    problems = tuple(_problems(waivers, study, match, (*rows, *means), today))
    notes, named = match.notes(study, pairs), tuple(sorted(set(margins.values())))
    scope = match.scope(study, pairs)
    return Gate(study.name, match, named, tuple(rows), tuple(means), problems, notes, today, scope)


def _stopped(pair: CellPair, sides: _Sides, match: Match) -> Row | None:
    """The row of a pair that is not tested; None if it is."""
    candidate, baseline = pair.candidate, pair.baseline

    def row(outcome: GateOutcome, *reasons: str) -> Row:
        return Row(candidate.key, pair.keys, outcome, "; ".join(reasons))

    if baseline is None:
        return row(GateOutcome.MISSING, f"the study has no cell of {match.baseline} beside it")
    study = sides[1].study
    names = ("stored", "here") if match.by_seed else (baseline.key, candidate.key)
    # Beside no results at all everything would be new.
    is_new = match.by_seed and bool(sides[0].keys) and candidate.method not in sides[0].methods
    whole = list(zip(names, sides, (baseline, candidate), strict=True))[is_new:]
    metrics = _metrics(study, candidate)
    if lost := [f"{name}: {what}" for name, side, c in whole if (what := side.lacks(c, *metrics))]:
        return row(GateOutcome.MISSING, *lost)
    first, second = Side(sides[0], baseline), Side(sides[1], candidate)
    if match.by_seed and second.is_imported:  # which no version of the code has trained
        return row(GateOutcome.NEW, "the stored results have no such method") if is_new else None
    found = [*unmeasured(second), *other_seeds(second)]
    if not is_new:
        found += [*unmeasured(first), *(() if match.by_seed else other_seeds(first))]
    if not found and not is_new:
        found += other_budget(first, second, by_seed=match.by_seed)
    if found:
        return row(GateOutcome.REFUSED, *dict.fromkeys(found))
    if is_new:
        return row(GateOutcome.NEW, "the stored results have no such method")
    if not match.by_seed and study.same_model(baseline) == study.same_model(candidate):
        return row(
            GateOutcome.NOT_WORSE, "the same model: made in the same way from the same start"
        )
    return None


def _metrics(study: Study, cell: Cell) -> tuple[str, ...]:
    """The metrics that are tested; a task that is no more has none."""
    return study.tasks[cell.task].metrics if cell.task in study.tasks else ()


class _Tests:
    """The pairs that are tested, each with its margin, and what the tests say of them."""

    def __init__(self, margins: Mapping[CellPair, float], sides: _Sides, match: Match) -> None:
        self.sides, self.match, self.margins = sides, match, margins
        if match.by_seed:
            self.estimator = _run_by_run(margins, sides)
        else:
            self.estimator = _method_by_method(margins, sides[1])
        study = sides[1].study
        self.terms = {
            pair: {metric: _difference(pair, metric) for metric in _metrics(study, pair.candidate)}
            for pair in margins
        }
        self.estimates = self._estimates(self.terms)
        exact = {
            (pair, "accuracy"): found
            for pair in margins
            if (found := _mcnemar(pair, self.estimator)) is not None
        }
        self.judged = judge(self.estimates, margins, exact)

    def _estimates(self, terms: Mapping[Any, Mapping[str, Terms]]) -> Estimates[Any]:
        return {
            key: {
                metric: self.estimator.estimate(one, question=Question.EXAMPLES)
                for metric, one in own.items()
            }
            for key, own in terms.items()
        }

    def row(self, pair: CellPair) -> Row:
        """What became of a pair."""
        assert pair.baseline is not None
        found, before, now = self.judged[pair], *self._of(pair)
        row = replace(
            self._row(found, self.margins[pair], pair.candidate.task, self.terms[pair]),
            name=pair.candidate.key,
            cells=pair.keys,
            scores=_scores([(before, now)], [found.metric]),
            runs=(len(before.chosen), len(now.chosen)),
            notes=tuple(self._notes(pair, before, now)),
        )
        if found.outcome in (GateOutcome.WORSE, GateOutcome.MISSING):
            return row
        reasons = list(unearned(before, now, found.metric, self.estimates[pair][found.metric]))
        if self.match.by_seed and (other := other_code(before, now)):
            reasons.append(f"{other}; accept it with pdbench accept, which asks for a reason")
        if reasons:
            row = replace(row, outcome=GateOutcome.REFUSED, reason="; ".join(reasons))
        return row

    def _of(self, pair: CellPair) -> tuple[Side, Side]:
        assert pair.baseline is not None
        return Side(self.sides[0], pair.baseline), Side(self.sides[1], pair.candidate)

    def _row(self, found: Judgement, margin: float, task: str, terms: Mapping[str, Terms]) -> Row:
        """A row with what is known of cells and means alike."""
        items = self.estimator.samples[task].items
        fixed = self.estimator.estimate(terms[found.metric], question=Question.TEST_SET)
        reason = _reason(found, margin, items)
        return Row("", (), found.outcome, reason, found.metric, found.estimate, fixed, found.p)

    def _notes(self, pair: CellPair, before: Side, now: Side) -> Iterator[str]:
        for role, found in (("baseline", before), ("candidate", now)):
            if count := found.constant:
                yield f"{role}: {count} of {len(found.chosen)} runs answer one class only"
        if before.is_imported or now.is_imported:
            yield "imported: budget, data and start are as stated, code and wall time not known"
        if self.match.by_seed and self.estimator.groups[pair.candidate.key].is_fixed:
            yield "single runs: tested over examples only"

    def means(self, rows: Mapping[CellPair, Row]) -> list[Row]:
        """Judge the means over cells; what is waived or refused counts in none of them."""
        aside = (GateOutcome.WAIVED, GateOutcome.REFUSED, GateOutcome.MISSING)
        tested = [pair for pair, row in rows.items() if pair in self.terms]
        tested = [pair for pair in tested if rows[pair].outcome not in aside]
        spreads = {p: max(d.seeds for d in self.estimates[p].values()) for p in tested}
        tasks = {pair: pair.candidate.task for pair in tested}
        sizes = {pair: pair.candidate.architecture.slug for pair in tested}
        means = means_of(tasks, spreads, sizes)
        terms = {name: self._mean_terms(own) for name, own in means.items()}
        margins = {name: fmean(self.margins[pair] for pair in own) for name, own in means.items()}
        values = {pair: next(iter(self.estimates[pair].values())).value for pair in tested}
        judged = judge_means(means, self._estimates(terms), margins, values)
        return [
            self._mean_row(name, own, judged[name], margins[name], terms[name])
            for name, own in means.items()
        ]

    def _mean_terms(self, pairs: Sequence[CellPair]) -> dict[str, Terms]:
        """The mean difference in each metric that all have; where the first differs, in that."""
        metrics = [tuple(self.terms[pair]) for pair in pairs]
        common = [one for one in metrics[0] if all(one in own for own in metrics)]
        if any(own[0] != metrics[0][0] for own in metrics):
            return {"score": mean_terms([next(iter(self.terms[p].values())) for p in pairs])}
        return {one: mean_terms([self.terms[pair][one] for pair in pairs]) for one in common}

    def _mean_row(
        self,
        name: str,
        pairs: Sequence[CellPair],
        found: Judgement,
        margin: float,
        terms: Mapping[str, Terms],
    ) -> Row:
        sides = [self._of(pair) for pair in pairs]
        own = [self.terms[pair] for pair in pairs]
        metrics = [found.metric if found.metric in one else next(iter(one)) for one in own]
        notes = [f"mean of {len(pairs)} cells"]
        if whole_of(name) != name:
            notes.append(f"without those whose spread is over {UNSTABLE:g} times the median cell's")
        row = self._row(found, margin, pairs[0].candidate.task, terms)
        seen: list[str] = []
        if found.outcome in (GateOutcome.BETTER, GateOutcome.NOT_WORSE) and found.metric in own[0]:
            seen += too_far_above_dev(sides, found.metric, found.estimate, GAP_OF_MEAN)
        if seen:
            row = replace(row, outcome=GateOutcome.REFUSED, reason="; ".join(seen))
        return replace(
            row,
            name=name,
            cells=tuple(dict.fromkeys(key for pair in pairs for key in pair.keys)),
            scores=_scores(sides, metrics),
            runs=(min(len(s.chosen) for s, _ in sides), min(len(s.chosen) for _, s in sides)),
            notes=tuple(notes),
        )


def _scores(sides: Sequence[tuple[Side, Side]], metrics: Sequence[str]) -> tuple[float, float]:
    """The mean scores of baselines and candidates, of the seed numbers that all have."""
    several = (set(side.chosen["seed_index"]) for two in sides for side in two)
    numbers = set.intersection(*several)
    found = (
        [side.score("test", metric, numbers) for side in two]
        for two, metric in zip(sides, metrics, strict=True)
    )
    before, now = zip(*found, strict=True)
    return fmean(before), fmean(now)


def _reason(found: Judgement, margin: float, items: int) -> str:
    if found.outcome is GateOutcome.MISSING:
        return "single runs have no spread; train two seeds or more"
    if found.outcome is GateOutcome.UNDECIDED:
        return f"{found.metric}: nothing is shown; {deciding(found.estimate, margin, items)}"
    if found.outcome is GateOutcome.BETTER:
        return f"{found.metric} better"
    return f"{found.metric} {found.outcome} by more than {margin:g}"


def _difference(pair: CellPair, metric: str) -> Terms:
    """The candidate less its baseline, or a cell whose runs have their own subtracted already."""
    return {(k, metric): sign for k, sign in zip(reversed(pair.keys), (1.0, -1.0), strict=False)}


def _method_by_method(pairs: Iterable[CellPair], side: ResultsTable) -> Estimator:
    """Each cell by itself."""
    return Estimator.of(side, [side.study.cells[k] for k in dict.fromkeys(_keys(pairs))])


def _keys(pairs: Iterable[CellPair]) -> Iterator[str]:
    return itertools.chain.from_iterable(pair.keys for pair in pairs)


def _run_by_run(pairs: Iterable[CellPair], sides: _Sides) -> Estimator:
    """Each run less the stored one of the same seed; single runs are taken as they are."""
    samples, groups = {}, {}
    for task in dict.fromkeys(pair.candidate.task for pair in pairs):
        cells = [pair.candidate for pair in pairs if pair.candidate.task == task]
        found = [side.chosen(cell.key) for cell in cells for side in sides]
        samples[task] = Sample.of(sides[0], task, pd.concat(found))
        ends = itertools.accumulate(map(len, found), initial=0)
        places = [
            dict(zip(map(int, rows["seed_index"]), range(*two), strict=True))
            for rows, two in zip(found, itertools.pairwise(ends), strict=False)
        ]
        for cell, against, rows in zip(cells, places[::2], places[1::2], strict=True):
            groups[cell.key] = RunGroup(task, rows, len(rows) == 1, against)
    return Estimator(samples, groups)


def _mcnemar(pair: CellPair, estimator: Estimator) -> tuple[float, float] | None:
    """Exact p of no loss and of no gain of two single runs; None where there are several."""
    group = estimator.groups[pair.candidate.key]
    if not (group.is_fixed and group.against):
        return None
    sample = estimator.samples[group.task]
    right = sample.predictions == sample.labels
    (before,), (now,) = group.against.values(), group.rows.values()
    p, gained = mcnemar(right[before], right[now]) / 2, right[now].sum() - right[before].sum()
    return p if gained < 0 else 1.0, p if gained > 0 else 1.0


def _waive(row: Row, waivers: Sequence[Waiver], study: Study, match: Match, today: date) -> Row:
    """Accept a loss that a waiver covers and that is in its days."""
    if row.outcome is not GateOutcome.WORSE:
        return row
    for waiver in waivers:
        if not waiver.covers(study.name, match.baseline, row.name):
            continue
        if waiver.counts(today):
            why = f"{row.reason}; waived until {waiver.expires}: {waiver.reason}"
            return replace(row, outcome=GateOutcome.WAIVED, reason=why)
        if waiver.is_expired(today):
            why = f"waiver expired on {waiver.expires}: {waiver.reason}"
            row = replace(row, notes=(*row.notes, why))
    return row


def _problems(
    waivers: Sequence[Waiver], study: Study, match: Match, rows: Sequence[Row], today: date
) -> Iterator[str]:
    """What is wrong with the waivers of this study: each a line that ends with the remedy."""
    names = {*study.cells, *(row.name for row in rows)}
    means = ("mean.all", *(f"mean.{task}" for task in study.tasks))
    for waiver in waivers:
        if waiver.study != study.name:
            continue
        about = f"waiver of {waiver.cell} against {waiver.baseline}"
        covered = {r.outcome for r in rows if waiver.covers(study.name, match.baseline, r.name)}
        if waiver.baseline not in (STORED, *study.methods):
            yield f"{about}: no such method; mend its spelling or remove it"
        elif waiver.cell not in names and not waiver.cell.startswith(means):
            yield f"{about}: fits no cell of study {study.name}; mend its spelling or remove it"
        elif not waiver.is_expired(today) and not waiver.counts(today):
            last = waiver.last(today)
            yield f"{about}: until {waiver.expires} is over {DAYS} days; write {last} at most"
        elif waiver.is_expired(today) and covered and GateOutcome.WORSE not in covered:
            yield f"{about}: expired on {waiver.expires} and covers no loss; remove it"
