"""What a check compares: cells of two methods or of two versions of the code, of one budget."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pdbench.core.errors import UsageError, suggestion
from pdbench.evidence.table import ResultsTable
from pdbench.study import Cell, Study

_ITEMS_APART = 0.01
"""Share by which items seen may differ: where the last pass is not a whole one, it depends on the
seed whether the shorter batch of the pass was in it."""

_DATA = ("train", "dev", "test")
_SHARED = "soft_labels"

STORED = "stored"
"""What stands for stored results in place of a baseline method."""


@dataclass(frozen=True)
class CellPair:
    """A cell of the candidate with the baseline's; None where the study has none."""

    baseline: Cell | None
    candidate: Cell

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of its cells, baseline first, each once."""
        return tuple(dict.fromkeys(c.key for c in (self.baseline, self.candidate) if c))

    def other_budget(
        self, one: ResultsTable, other: ResultsTable, *, by_seed: bool
    ) -> Iterator[str]:
        """Every quantity in which both cells differ: "updates 250 v 200", the baseline first.

        The data themselves are compared where both tables have their digests. The number of seeds
        is no part of it: more seeds are no better a score, only a better known one. Neither is
        where the weights begin, which is what a method is. Two versions of the code (``by_seed``)
        must have the same seeds and test examples; their teachers and so their soft labels may
        differ.
        """
        assert self.baseline is not None
        first, second = self.baseline, self.candidate
        ours, theirs = one.runs(first.key), other.runs(second.key)
        if first.transfer != second.transfer:
            yield f"transfer set {first.transfer or 'none'} v {second.transfer or 'none'}"
        counted = (("updates", "steps", 0.0), ("items seen", "examples", _ITEMS_APART))
        for name, column, apart in counted:
            mean, its = float(ours[column].mean()), float(theirs[column].mean())
            if not abs(mean - its) <= apart * mean:  # nor where one was not recorded
                yield f"{name} {mean:,.0f} v {its:,.0f}"
        points = one.grid_points(first.key), other.grid_points(second.key)
        if points[0] != points[1]:
            yield f"grid points {points[0]} v {points[1]}"
        for role in _DATA if by_seed else (*_DATA, _SHARED):
            if _digests(ours, role) and _digests(theirs, role) not in ([], _digests(ours, role)):
                yield f"data of {role} not the same"
        if by_seed:
            yield from _other_draws(first, one, other)


@dataclass(frozen=True)
class Match:
    """What is compared."""

    baseline: str  # the method that is the measure, or ``stored``
    candidate: str  # the method that is measured; "" for every cell of the study
    margin: float  # points that the candidate may lose
    is_own: bool = True  # whether the margin is its own; else an artefact's goes first

    @classmethod
    def of_methods(
        cls, study: Study, baseline: str | None, candidate: str | None, margin: float | None
    ) -> Match:
        """A candidate method and its baseline, with the study's margin if none is given."""
        for name in (baseline, candidate):
            if name is not None and name not in study.methods:
                raise UsageError(f"unknown method {name!r}", suggestion(name, study.methods))
        if baseline is None or candidate is None or baseline == candidate:
            what = "--baseline and --candidate name two methods"
            raise UsageError(what, "or give stored results with --against")
        return cls(baseline, candidate, _margin(study, margin), is_own=margin is not None)

    @classmethod
    def of_versions(cls, study: Study, margin: float | None) -> Match:
        """This code and stored results, with the study's margin if none is given."""
        return cls(STORED, "", _margin(study, margin), is_own=margin is not None)

    @property
    def by_seed(self) -> bool:
        """Whether runs are compared with those of the same seeds: two versions of the code."""
        return self.baseline == STORED

    def __str__(self) -> str:
        two = f"{self.candidate} v {self.baseline}"
        return "this code v stored results" if self.by_seed else two

    def pairs(self, study: Study, stored: ResultsTable) -> tuple[CellPair, ...]:
        """The candidate's cells, each with the baseline's at the same task, size, data and corpus.

        A transfer set or a corpus that only one of the methods uses fits any of the other's: that
        the one is trained on other data is then for the budget to refuse, and a start that needs
        no corpus is the method's own. So a cell may have several baselines. Of two versions, each
        cell of the study or of the stored results stands beside itself.
        """
        if self.by_seed:
            gone = (stored.cell(key) for key in sorted(stored.keys - set(study.cells)))
            if found := tuple(CellPair(cell, cell) for cell in (*study.seed_counts, *gone)):
                return found
            what = f"study {study.name}: no artefact has a cell"
            raise UsageError(what, "name some under artefacts, and run the study")
        for method in (self.baseline, self.candidate):
            if not any(cell.method == method for cell in study.seed_counts):
                what = f"study {study.name}: no artefact has a cell of method {method!r}"
                raise UsageError(what, "name it under artefacts, and run the study")
        pairs = []
        for cell in study.seed_counts:
            if cell.method == self.candidate:
                others = tuple(_baselines_of(cell, study, self.baseline))
                pairs += [CellPair(other, cell) for other in others or (None,)]
        return tuple(pairs)

    def margins(self, study: Study, pairs: Sequence[CellPair]) -> dict[CellPair, float]:
        """What the candidate may lose in each pair, in points.

        It is the match's own margin; else the smallest of the artefacts that name one and show
        both cells; else the study's.
        """
        named = {} if self.is_own else study.artefacts
        shown = [
            (about.margin, set(study.artefact_cells(name)))
            for name, about in named.items()
            if about.margin is not None
        ]
        return {
            pair: min(
                (own for own, cells in shown if {pair.baseline, pair.candidate} <= cells),
                default=self.margin,
            )
            for pair in pairs
        }

    def notes(self, study: Study, pairs: Sequence[CellPair]) -> tuple[str, ...]:
        """What to know of a comparison of methods: other starts, cells without a partner."""
        if self.by_seed:
            return ()
        first, second = study.methods[self.baseline], study.methods[self.candidate]
        notes = []
        if first.initialisation != second.initialisation:
            starts = f"{self.baseline} {first.initialisation}, {self.candidate}"
            notes.append(
                f"starts differ: {starts} {second.initialisation}; a start belongs to the method "
                "and is no part of the budget"
            )
        compared = {pair.baseline for pair in pairs}
        cells = [cell for cell in study.seed_counts if cell.method == self.baseline]
        if alone := sum(cell not in compared for cell in cells):
            what = f"{alone} cells of {self.baseline} have none of {self.candidate} beside them"
            notes.append(what)
        return tuple(notes)


def _margin(study: Study, own: float | None) -> float:
    margin = study.evidence.margin if own is None else own
    if margin is None:
        what = f"study {study.name}: no margin is named"
        raise UsageError(what, "give --margin POINTS or set evidence.margin in the study file")
    if not math.isfinite(margin):
        raise UsageError(f"a margin of {margin:g} points decides nothing", "give a finite one")
    return margin


def _baselines_of(cell: Cell, study: Study, method: str) -> Iterator[Cell]:
    for other in study.seed_counts:
        place = (other.method, other.task, other.architecture)
        data = ((other.transfer, cell.transfer), (other.corpus, cell.corpus))
        fit = all(one == its or None in (one, its) for one, its in data)
        if fit and place == (method, cell.task, cell.architecture):
            yield other


def _other_draws(cell: Cell, one: ResultsTable, other: ResultsTable) -> Iterator[str]:
    """Whether two versions of the code had other seeds or other test examples."""
    seeds = [list(side.chosen(cell.key)["seed"]) for side in (one, other)]
    if seeds[0] != seeds[1]:
        yield "seeds " + " v ".join(", ".join(map(str, found)) for found in seeds)
    if list(one.labels(cell.task)) != list(other.labels(cell.task)):
        yield "labels of the test examples not the same"


def _digests(rows: Any, role: str) -> list[str]:
    """The digests of one kind of data that a cell's runs have read."""
    column = f"{role}_digest"
    return sorted(set(rows[column].dropna())) if column in rows else []
