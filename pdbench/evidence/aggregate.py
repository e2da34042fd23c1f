"""Many numbers as one: across tasks and sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pdbench.evidence.significance import ALPHA, Interval
from pdbench.evidence.table import ResultsTable

_RESAMPLES = 2000

_Floats: TypeAlias = NDArray[np.float64]
_Strata: TypeAlias = Mapping[str, _Floats]
"""Scores of the runs of a method, (n,), by task or by task and size; or (B, n) redrawn ones."""


def _interquartile_mean(scores: _Strata) -> _Floats:
    """The mean of the middle half of all scores (Agarwal et al., 2021)."""
    from scipy.stats import trim_mean

    return np.asarray(trim_mean(np.concatenate(list(scores.values()), axis=-1), 0.25, axis=-1))


def _probability_of_improvement(first: _Strata, second: _Strata) -> _Floats:
    """How often a run of ``first`` beats one of ``second`` in a stratum drawn at random.

    Ties count half (Agarwal et al., 2021). Both must have the same strata.
    """
    signs = [np.sign(first[s][..., :, None] - second[s][..., None, :]) for s in first]
    shares = [(sign.mean(axis=(-2, -1)) + 1) / 2 for sign in signs]
    return np.asarray(np.mean(shares, axis=0))


def _stratified(
    statistic: Callable[..., _Floats], *methods: _Strata, rng: np.random.Generator
) -> Interval:
    """A statistic of methods' scores with its percentile interval.

    Runs are drawn with replacement within each stratum (a stratified bootstrap), so the interval
    speaks about these tasks, not about others. Redrawn runs vary too little by a factor of
    (n - 1) / n, which is half at two runs; they are spread by its inverse.
    """
    redrawn = [{s: _redrawn(runs, rng) for s, runs in scores.items()} for scores in methods]
    level = 1 - ALPHA
    low, high = np.quantile(statistic(*redrawn), [(1 - level) / 2, (1 + level) / 2])
    runs = min(len(runs) for scores in methods for runs in scores.values())
    return Interval(float(statistic(*methods)), float(low), float(high), runs)


def _redrawn(runs: _Floats, rng: np.random.Generator) -> _Floats:
    n = len(runs)
    wider = np.sqrt(n / (n - 1)) if n > 1 else 1.0
    drawn = runs[rng.integers(n, size=(_RESAMPLES, n))]
    return np.asarray(runs.mean() + wider * (drawn - runs.mean()))


@dataclass(frozen=True)
class _Standing:
    """A method over all tasks and sizes of a figure, in per cent."""

    method: str
    middle: Interval  # interquartile mean of its runs' test scores
    beaten: Interval | None  # how often a run of the method in question beats its; None for itself


def standings(scores: ResultsTable, artefact: str, method: str) -> tuple[_Standing, ...]:
    """Compare a method with the others of a figure over all its tasks and sizes.

    Nothing is returned where a cell is missing or a method lacks a task or size of another.
    """
    runs: dict[str, dict[str, _Floats]] = {}
    for cell in scores.study.artefact_cells(artefact):
        if not (found := scores.of(cell).runs):
            return ()
        place = f"{cell.task} {cell.architecture}"
        runs.setdefault(cell.method, {})[place] = np.asarray(found)
    for other in [name for name in runs if scores.study.methods[name].is_imported]:
        if set(runs[other]) != set(runs.get(method, ())):
            del runs[other]  # one that does not stand at every place hides no other
    if method not in runs or any(set(own) != set(runs[method]) for own in runs.values()):
        return ()
    rng = np.random.default_rng(0)
    compared = []
    for other, own in runs.items():
        middle, beaten = _stratified(_interquartile_mean, own, rng=rng), None
        if other != method:
            share = _stratified(_probability_of_improvement, runs[method], own, rng=rng)
            beaten = Interval(100 * share.mean, 100 * share.low, 100 * share.high, share.n)
        compared.append(_Standing(other, middle, beaten))
    return tuple(compared)
