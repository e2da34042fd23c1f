"""How many seeds and test examples it takes to decide, before and after a check."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from pdbench.evidence.pairs import Match
from pdbench.evidence.significance import ALPHA, Difference
from pdbench.study import Study

LEVEL = ALPHA / 2
"""One-sided level of each family of the gate: the cells, and the means over cells."""

ANSWERED_OTHERWISE = 0.01
"""The share of the test examples that two equal methods are taken to answer otherwise in the mean
over seeds: in the demo 0.1 to 1.4% for methods that begin and are taught alike as pd is."""

_SEEDS = (2, 3, 5, 8, 12, 20, 30)  # numbers of seeds that are thought of


def undecidable(study: Study, items: Callable[[str], int]) -> Iterator[str]:
    """The study's comparisons that no number of seeds decides of equal methods, a line each.

    ``items`` has the number of test examples of a task.
    """
    for place, named in enumerate(study.gate):
        match = Match.of_block(study, named)
        least: dict[str, float] = {}
        for pair, margin in match.margins(study, match.pairs(study, None)).items():
            task = pair.candidate.task
            least[task] = min(margin, least.get(task, margin))
        for task, margin in least.items():
            if margin < (could := least_margin(count := items(task))):
                yield (
                    f"gate.{place}: {match} on {task}: a margin of {margin:g} points is decided by "
                    f"no number of seeds on {count:,} test examples; {could:.1f} can be, or "
                    f"{items_for(margin):,} examples can decide it, where equal methods answer "
                    f"{ANSWERED_OTHERWISE:.0%} of them otherwise whatever the seed"
                )


def deciding(found: Difference, margin: float, items: int) -> str:
    """How many seeds and test examples would decide of equal methods, in words.

    They are enough where equal methods are shown not to be worse by more than the margin in four
    of five cases. The error over seeds falls with their number, and so does Student's quantile;
    that over the ``items`` test examples falls with theirs.
    """
    most = _error_over_examples(margin, replace(found, seeds=0.0, freedom=math.inf))
    alone = "" if found.examples <= most else "; seeds alone never would"
    ways = []
    for seeds in sorted({max(found.n, 2), *(n for n in _SEEDS if n > found.n)}):
        spread = found.seeds * math.sqrt(found.n / seeds)
        examples = _error_over_examples(margin, replace(found, seeds=spread, freedom=seeds - 1))
        if examples >= found.examples > 0 or (examples > 0 and found.examples == 0):
            return f"about {seeds} seeds would decide"
        if examples > 0:
            needed = items * (found.examples / examples) ** 2
            ways.append((seeds * needed, seeds, needed))
    if not ways:
        return f"{_SEEDS[-1]} seeds would not decide, however many examples"
    _, seeds, needed = min(ways)
    return f"about {seeds} seeds and {_rounded_up(needed):,} examples would decide{alone}"


def least_margin(items: int) -> float:
    """The smallest margin, in points, at which so many test examples can decide of equal methods.

    However many the seeds are; the methods answer :data:`ANSWERED_OTHERWISE` of the examples
    otherwise.
    """
    error = 100 * math.sqrt(ANSWERED_OTHERWISE / items)
    return Difference(0.0, 0.0, math.inf, 1, error).detectable(LEVEL)


def items_for(margin: float) -> int:
    """The number of test examples at which that margin can decide, to two digits."""
    return _rounded_up((least_margin(1) / margin) ** 2)


def _error_over_examples(margin: float, found: Difference) -> float:
    """The largest error over examples at which a margin is decided; 0 where none is."""
    from scipy.optimize import brentq

    def short(error: float) -> float:
        return replace(found, examples=error).detectable(LEVEL) - margin

    return float(brentq(short, 0.0, margin)) if short(0.0) < 0 else 0.0


def _rounded_up(count: float) -> int:
    """A number to two digits, as 9,100."""
    unit = 10 ** max(math.floor(math.log10(max(count, 1))) - 1, 0)
    return int(math.ceil(count / unit) * unit)
