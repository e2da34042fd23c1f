"""What a check compares: cells of two methods or of two versions of the code, of one budget."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pdbench.core.errors import UsageError, suggestion
from pdbench.evidence.table import ResultsTable
from pdbench.study import Cell, Study
from pdbench.study.settings import LARGEST_MARGIN, GateMatch

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
    def of_block(cls, study: Study, named: GateMatch) -> Match:
        """A comparison of the study's ``gate``, whose margin was named with the study's."""
        own = named.margin
        margin = _margin(study, None) if own is None else own
        return cls(named.baseline, named.candidate, margin, is_own=own is not None)

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

    def pairs(self, study: Study, stored: ResultsTable | None) -> tuple[CellPair, ...]:
        """The candidate's cells, each with the baseline's at the same task, size, data and corpus.

        A transfer set or a corpus that only one of the methods uses fits any of the other's: that
        the one is trained on other data is then for the budget to refuse, and a start that needs
        no corpus is the method's own. So a cell may have several baselines. Of two versions, each
        cell of the study or of the stored results stands beside itself.
        """
        if self.by_seed:
            assert stored is not None
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
        """What to know of a comparison of methods: other starts, sizes that are not compared."""
        if self.by_seed:
            return ()
        notes, methods = [], (self.baseline, self.candidate)
        starts = [study.methods[method].initialisation for method in methods]
        elsewhere = [method for method in methods if study.methods[method].is_imported]
        if elsewhere:
            notes.append(f"imported: {', '.join(elsewhere)}; how it begins is not known")
        elif starts[0] != starts[1]:
            two = ", ".join(map(" ".join, zip(methods, starts, strict=True)))
            what = "a start belongs to the method and is no part of the budget"
            notes.append(f"starts differ: {two}; {what}")
        return tuple(filter(None, [*notes, self.scope(study, pairs)]))

    def scope(self, study: Study, pairs: Sequence[CellPair]) -> str:
        """At how few of the baseline's sizes the candidate stands, in words; empty if at all."""
        own = {cell.architecture for cell in study.seed_counts if cell.method == self.baseline}
        compared = {pair.candidate.architecture for pair in pairs if pair.baseline}
        if self.by_seed or not 0 < len(compared) < len(own):
            return ""
        return f"at {len(compared)} of {len(own)} sizes of {self.baseline}"

    def left_out(self, study: Study, pairs: Sequence[CellPair]) -> dict[Cell, str]:
        """The baseline's cells that the candidate leaves out, each with the artefact that says so.

        Those are all of an artefact and a task in which the candidate has any cell: who names a
        candidate at its best size only has left out the others.
        """
        if self.by_seed:
            return {}
        compared = {pair.baseline for pair in pairs}
        found: dict[Cell, str] = {}
        for artefact in study.artefacts:
            cells = study.artefact_cells(artefact)
            # An imported cell was named in no artefact; the sizes it lacks are said all the same.
            own = (cell for cell in cells if cell not in study.imported)
            tasks = {cell.task for cell in own if cell.method == self.candidate}
            for cell in cells:
                if cell.method == self.baseline and cell.task in tasks and cell not in compared:
                    found.setdefault(cell, artefact)
        return found


def _margin(study: Study, own: float | None) -> float:
    named = study.evidence.margin
    margin = named if own is None else own
    if margin is None:
        what = f"study {study.name}: no margin is named"
        raise UsageError(what, "give --margin POINTS or set evidence.margin in the study file")
    if not math.isfinite(margin):
        raise UsageError(f"a margin of {margin:g} points decides nothing", "give a finite one")
    most = LARGEST_MARGIN if named is None else min(named, LARGEST_MARGIN)
    if margin > most:
        what = f"a margin of {margin:g} points is wider than the study's, {most:g}"
        if named is None:
            what = f"a margin of {margin:g} points, and {most:g} is the widest there may be"
        raise UsageError(what, f"give {most:g} or less: margins are named before there are results")
    return margin


def _baselines_of(cell: Cell, study: Study, method: str) -> Iterator[Cell]:
    for other in study.seed_counts:
        place = (other.method, other.task, other.architecture)
        data = ((other.transfer, cell.transfer), (other.corpus, cell.corpus))
        fit = all(one == its or None in (one, its) for one, its in data)
        if fit and place == (method, cell.task, cell.architecture):
            yield other
