"""Which cells a check compares: those of two methods, or of two versions of the code."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from pdbench.core.errors import UsageError, suggestion
from pdbench.evidence.sides import Side
from pdbench.study import Cell, Study

STORED = "stored"
"""What stands for stored results in place of a baseline method."""


@dataclass(frozen=True)
class Match:
    """What is compared.

    Attributes:
        baseline: The method that is the measure, or ``stored``.
        candidate: The method that is measured; "" for every cell of the study.
        margin: Points that the candidate may lose.
    """

    baseline: str
    candidate: str
    margin: float

    @property
    def by_seed(self) -> bool:
        """Whether runs are compared with those of the same seeds: two versions of the code."""
        return self.baseline == STORED

    @property
    def methods(self) -> tuple[str, ...]:
        """The two methods; none where versions are compared."""
        return () if self.by_seed else (self.baseline, self.candidate)

    def __str__(self) -> str:
        return (
            "this code v stored results" if self.by_seed else f"{self.candidate} v {self.baseline}"
        )


@dataclass(frozen=True)
class Twins:
    """A cell of the candidate with the baseline's; None where the study has none."""

    baseline: Cell | None
    candidate: Cell


def match_methods(
    study: Study, baseline: str | None, candidate: str | None, margin: float | None
) -> Match:
    """A candidate method and its baseline, with the study's margin if none is given.

    Raises:
        UsageError: They are not two methods, or there is no finite margin.
    """
    for name in (baseline, candidate):
        if name is not None and name not in study.methods:
            raise UsageError(f"unknown method {name!r}", suggestion(name, study.methods))
    if baseline is None or candidate is None or baseline == candidate:
        what = "--baseline and --candidate name two methods"
        raise UsageError(what, "or give stored results with --against")
    return Match(baseline, candidate, _margin(study, margin))


def match_versions(study: Study, margin: float | None) -> Match:
    """This version of the code and stored results, with the study's margin if none is given.

    Raises:
        UsageError: There is no finite margin.
    """
    return Match(STORED, "", _margin(study, margin))


def _margin(study: Study, margin: float | None) -> float:
    margin = study.evidence.margin if margin is None else margin
    if margin is None:
        what = f"study {study.name}: no margin is named"
        raise UsageError(what, "give --margin POINTS or set evidence.margin in the study file")
    if not math.isfinite(margin):
        raise UsageError(f"a margin of {margin:g} points decides nothing", "give a finite one")
    return margin


def twins(study: Study, match: Match) -> tuple[Twins, ...]:
    """The candidate's cells, each with the baseline's at the same task, size, data and corpus.

    A transfer set or a corpus that only one of the methods uses fits any of the other's: that
    the one is trained on other data is then for the budget to refuse, and a start that needs no
    corpus is the method's own. So a cell may have several twins.

    Raises:
        UsageError: The study has no cell of a method.
    """
    for method in (match.baseline, match.candidate):
        if not any(cell.method == method for cell in study.seeds):
            what = f"study {study.name}: no artefact has a cell of method {method!r}"
            raise UsageError(what, "name it under artefacts, and run the study")
    pairs = []
    for cell in study.seeds:
        if cell.method == match.candidate:
            found = tuple(_twins_of(cell, study, match.baseline))
            pairs += [Twins(twin, cell) for twin in found or (None,)]
    return tuple(pairs)


def versions(study: Study, stored: Side) -> tuple[Twins, ...]:
    """Every cell of the study or of the stored results, with itself.

    Raises:
        UsageError: Neither has one.
    """
    if not (study.cells or stored.keys):
        what = f"study {study.name}: no artefact has a cell"
        raise UsageError(what, "name some under artefacts, and run the study")
    gone = (stored.cell(key) for key in sorted(stored.keys - set(study.cells)))
    return tuple(Twins(cell, cell) for cell in (*study.seeds, *gone))


def _twins_of(cell: Cell, study: Study, method: str) -> Iterator[Cell]:
    for other in study.seeds:
        place = (other.method, other.task, other.architecture)
        same = place == (method, cell.task, cell.architecture)
        if same and _fit(other.transfer, cell.transfer) and _fit(other.corpus, cell.corpus):
            yield other


def _fit(one: str | None, other: str | None) -> bool:
    return one == other or one is None or other is None
