"""How the gate judges: differences of a family, by cell and metric, and the means over cells.

Nothing here knows a table or a study, so that a simulation judges as the gate does.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import fmean, median
from typing import TypeAlias, TypeVar

from pdbench.evidence.paired import Terms
from pdbench.evidence.power import LEVEL
from pdbench.evidence.significance import Difference, holm

_K = TypeVar("_K", bound=Hashable)

UNSTABLE = 3.0
"""How many times the median cell's spread over seeds leaves a cell out of a second mean."""

_MEAN = "mean"
_WITHOUT = ".without."


class GateOutcome(StrEnum):
    """What became of a cell or a mean."""

    WORSE = "worse"
    WAIVED = "waived"
    REFUSED = "refused"
    MISSING = "missing"
    UNDECIDED = "undecided"
    NEW = "new"
    NOT_WORSE = "not worse"
    BETTER = "better"

    @property
    def mark(self) -> str:
        """Its mark: never colour alone."""
        return dict(zip(GateOutcome, "\N{MINUS SIGN}wx.?n=+", strict=True))[self]


@dataclass(frozen=True)
class Judgement:
    """What is shown of one cell or mean, by the metric that decides."""

    outcome: GateOutcome
    metric: str
    estimate: Difference  # candidate less baseline, in points of that metric
    p: float  # after Holm's correction: of no gain if better, else of no loss beyond the margin


Estimates: TypeAlias = Mapping[_K, Mapping[str, Difference]]
"""Differences in points, by cell or mean and by metric."""


def judge(
    estimates: Estimates[_K],
    margins: Mapping[_K, float],
    exact: Mapping[tuple[_K, str], tuple[float, float]] | None = None,
) -> dict[_K, Judgement]:
    """Judge a family of differences; ``margins`` are the points that each key may lose.

    Worse: shown in any metric to be worse by more than the margin. Better: shown in any metric to
    be above 0, and in all not to be worse. Both are corrected (Holm) over all keys and metrics of
    the family, at ``LEVEL`` each. Not worse: shown in every metric, each by itself (Berger, 1982).
    Missing: a difference has no error. Undecided: all else. What answers every example as before
    is no part of the family, and is not worse at any margin.

    ``exact`` has, for single runs, the p of exact tests of no loss and of no gain at all, which
    must be passed too.
    """
    tested = {
        (key, metric): found
        for key, own in estimates.items()
        for metric, found in own.items()
        if not (math.isnan(found.error) or _is_unchanged(found))
    }
    least = {name: (exact or {}).get(name, (0.0, 0.0)) for name in tested}
    lost = {n: max(found.below(-margins[n[0]]), least[n][0]) for n, found in tested.items()}
    gained = {n: max(found.above(0.0), least[n][1]) for n, found in tested.items()}
    lost, gained = holm(lost), holm(gained)
    return {
        key: _judgement(
            own,
            margins[key],
            {metric: lost.get((key, metric), math.nan) for metric in own},
            {metric: gained.get((key, metric), math.nan) for metric in own},
        )
        for key, own in estimates.items()
    }


def _judgement(
    own: Mapping[str, Difference],
    margin: float,
    lost: Mapping[str, float],
    gained: Mapping[str, float],
) -> Judgement:
    def judged(outcome: GateOutcome, metric: str, p: float) -> Judgement:
        return Judgement(outcome, metric, own[metric], p)

    # NaN is smaller and larger than nothing, and so never shows anything.
    worst = min(own, key=lambda metric: (not lost[metric] <= LEVEL, lost[metric]))
    if lost[worst] <= LEVEL:
        return judged(GateOutcome.WORSE, worst, lost[worst])
    if lacking := [metric for metric, found in own.items() if math.isnan(found.error)]:
        return judged(GateOutcome.MISSING, lacking[0], math.nan)
    kept = {
        metric: 0.0 if _is_unchanged(found) else found.above(-margin)
        for metric, found in own.items()
    }
    weakest = max(own, key=kept.__getitem__)
    if kept[weakest] > LEVEL:
        return judged(GateOutcome.UNDECIDED, weakest, lost[weakest])
    best = min(own, key=lambda metric: (not gained[metric] <= LEVEL, gained[metric]))
    if gained[best] <= LEVEL:
        return judged(GateOutcome.BETTER, best, gained[best])
    unchanged = math.isnan(lost[weakest])
    return judged(GateOutcome.NOT_WORSE, weakest, 1.0 if unchanged else lost[weakest])


def _is_unchanged(found: Difference) -> bool:
    """Whether no example of any run is answered otherwise: then nothing is lost at any margin."""
    return found.value == 0 and found.error == 0


def means_of(
    tasks: Mapping[_K, str], spreads: Mapping[_K, float], sizes: Mapping[_K, str]
) -> dict[str, tuple[_K, ...]]:
    """The cells of each mean that is judged, by its name, from each cell's task.

    One for each task with several cells, and one for all where there are several tasks. Beside
    each stands one without the cells whose spread over seeds (the standard error, in points) is
    more than :data:`UNSTABLE` times the median, named by their ``sizes``: one cell's spread must
    not hide a loss in all others. It is chosen by spreads alone, never by values, so that its
    test is valid; several cells are left in it.
    """
    whole: dict[str, tuple[_K, ...]] = {}
    for task in dict.fromkeys(tasks.values()):
        own = tuple(cell for cell, its in tasks.items() if its == task)
        if len(own) > 1:
            whole[f"{_MEAN}.{task}"] = own
    if len(set(tasks.values())) > 1:
        whole[f"{_MEAN}.all"] = tuple(tasks)
    found: dict[str, tuple[_K, ...]] = {}
    for name, own in whole.items():
        found[name] = own
        most = UNSTABLE * median(spreads[cell] for cell in own)
        calm = tuple(cell for cell in own if not spreads[cell] > most)
        if 1 < len(calm) < len(own):
            left_out = dict.fromkeys(sizes[cell] for cell in own if cell not in calm)
            found[f"{name}{_WITHOUT}{'+'.join(left_out)}"] = calm
    return found


def whole_of(name: str) -> str:
    """The name of the mean over all cells that a mean without some stands beside; or its own."""
    return name.partition(_WITHOUT)[0]


def judge_means(
    means: Mapping[str, tuple[_K, ...]],
    estimates: Estimates[str],
    margins: Mapping[str, float],
    values: Mapping[_K, float],
) -> dict[str, Judgement]:
    """Judge the means of :func:`means_of` as a family.

    A mean without some cells says nothing that these contradict, by the mean of their ``values``
    in points. Where runs collapse, spread and sign of a cell hang together, and leaving it out
    would choose by its sign.
    """
    judged = judge(estimates, margins)
    for name, cells in means.items():
        left_out = [values[cell] for cell in means[whole_of(name)] if cell not in cells]
        apart, outcome = fmean(left_out) if left_out else 0.0, judged[name].outcome
        if (outcome is GateOutcome.WORSE and apart > 0) or (
            outcome is GateOutcome.BETTER and apart < 0
        ):
            judged[name] = replace(judged[name], outcome=GateOutcome.UNDECIDED)
    return judged


def mean_terms(terms: Sequence[Terms]) -> Terms:
    """The mean of several differences."""
    total: dict[tuple[str, str], float] = {}
    for one in terms:
        for term, factor in one.items():
            total[term] = total.get(term, 0.0) + factor / len(terms)
    return total
