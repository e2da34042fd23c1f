"""Invented runs whose true accuracies are known, to see how often intervals contain the truth.

``python tests/simulation.py 4000`` prints the coverage of the intervals for two, three and five
seeds, beside that of a plain percentile bootstrap over seeds; 4000 is the number of studies.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from pdbench.evidence import resampling
from pdbench.evidence.paired import Estimator, Group
from pdbench.evidence.resampling import Sample

EXAMPLES = 150
RESAMPLES = 200
CELLS = 3
"""Cells of each method, which share what is known about the spread over seeds."""


@dataclass(frozen=True)
class World:
    """How runs come about: an answer is right if a sum of normal numbers is positive.

    Attributes:
        seeds: Runs of each cell.
        effect: Added to every sum of the first method.
        over_seeds: Standard deviation of what a run adds to all its sums.
        over_examples: Standard deviation of what an example adds to the sums of all runs.
        unlike: How much the spread over seeds differs between cells: 0 for not at all.
    """

    seeds: int
    effect: float = 0.0
    over_seeds: float = 0.15
    over_examples: float = 1.0
    unlike: float = 0.0

    def truth(self, effect: float) -> float:
        """The accuracy over all seeds and examples, in per cent."""
        # A spread that differs between cells is squared to the same mean.
        spread = (1 + self.over_seeds**2 + self.over_examples**2) ** 0.5
        return 100 * NormalDist().cdf((0.7 + effect) / spread)

    @property
    def difference(self) -> float:
        """The true difference between the methods, in points."""
        return self.truth(self.effect) - self.truth(0.0)

    def draw(self, rng: np.random.Generator) -> Estimator:
        """One study: ``CELLS`` cells of the methods "a" and "b" on the same examples."""
        runs = 2 * CELLS * self.seeds
        scale = rng.lognormal(0, self.unlike, 2 * CELLS) if self.unlike else np.ones(2 * CELLS)
        scale = scale / np.sqrt(np.exp(2 * self.unlike**2))
        own = self.over_seeds * np.repeat(scale, self.seeds) * rng.standard_normal(runs)
        first = np.repeat([self.effect, 0.0], CELLS * self.seeds)
        hard = self.over_examples * rng.standard_normal(EXAMPLES)
        sums = 0.7 + (first + own)[:, None] + hard + rng.standard_normal((runs, EXAMPLES))
        labels = rng.integers(0, 2, EXAMPLES)
        predictions = np.where(sums > 0, labels, 1 - labels)
        groups = {
            f"{method}{i}": Group("task", self._rows(place), method)
            for place, (method, i) in enumerate((m, i) for m in "ab" for i in range(CELLS))
        }
        return Estimator({"task": Sample(predictions, labels)}, groups)

    def _rows(self, place: int) -> tuple[int, ...]:
        return tuple(range(place * self.seeds, (place + 1) * self.seeds))


PAIR = {("a0", "accuracy"): 1.0, ("b0", "accuracy"): -1.0}
"""The difference of the first cells of both methods."""


def studies(world: World, count: int, seed: int = 0) -> Iterator[Estimator]:
    """Draw ``count`` studies; resampling uses fewer samples than usual, for speed."""
    usual = resampling.RESAMPLES
    resampling.RESAMPLES = RESAMPLES
    try:
        for stream in np.random.SeedSequence(seed).spawn(count):
            yield world.draw(np.random.default_rng(stream))
    finally:
        resampling.RESAMPLES = usual


def share(found: Callable[[Estimator], bool], world: World, count: int) -> float:
    """The share of studies in which something is found."""
    return float(np.mean([found(study) for study in studies(world, count)]))


def covers(world: World) -> Callable[[Estimator], bool]:
    """Whether a study's interval contains the true difference."""

    def found(study: Estimator) -> bool:
        interval = study.estimate(PAIR).interval
        return bool(interval.low <= world.difference <= interval.high)

    return found


def percentile_covers(world: World) -> Callable[[Estimator], bool]:
    """Whether a plain percentile bootstrap over seeds contains the true difference."""
    rng = np.random.default_rng(1)

    def found(study: Estimator) -> bool:
        sides = []
        for key in ("a0", "b0"):
            scores = 100 * study.samples["task"].scores("accuracy")[list(study.groups[key].rows)]
            drawn: Any = rng.integers(len(scores), size=(500, len(scores)))
            sides.append(scores[drawn].mean(axis=1))
        low, high = np.quantile(sides[0] - sides[1], [0.025, 0.975])
        return bool(low <= world.difference <= high)

    return found


def main(count: int) -> None:
    """Write the coverage of both intervals in several worlds."""
    error = 196 * (0.05 * 0.95 / count) ** 0.5
    say = sys.stdout.write
    say(f"{count} studies each; Monte-Carlo error ±{error:.1f} points\n")
    say("seeds  effect  spread   cells   here  percentile bootstrap over seeds\n")
    for unlike, over_seeds, seeds, effect in itertools.product(
        (0.0, 0.4), (0.05, 0.15, 0.4), (2, 3, 5), (0.0, 0.4)
    ):
        world = World(seeds, effect, over_seeds, unlike=unlike)
        here = 100 * share(covers(world), world, count)
        plain = 100 * share(percentile_covers(world), world, count)
        cells = "unlike" if unlike else "alike"
        line = f"{world.difference:6.1f}  {over_seeds:6.2f}  {cells:>6}"
        say(f"{seeds:5}  {line}  {here:5.1f}  {plain:5.1f}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))
