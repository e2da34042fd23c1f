"""Invented runs whose true accuracies are known, to see how often intervals contain the truth.

``python tests/simulation.py 4000`` prints the coverage of the intervals for two, three and five
seeds, beside that of a plain percentile bootstrap over seeds, and how often the gate finds a
regression that is there and one that is not; 4000 is the number of studies.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist
from typing import Any

import numpy as np

from pdbench.evidence import paired
from pdbench.evidence.gate import GateOutcome, _judge, _mean_terms, _pools
from pdbench.evidence.paired import Estimator, RunGroup, Sample, Terms

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
        cells: Cells of each method.
        only: The only cell of the first method that has the effect; None for all.
    """

    seeds: int
    effect: float = 0.0
    over_seeds: float = 0.15
    over_examples: float = 1.0
    unlike: float = 0.0
    cells: int = CELLS
    only: int | None = None

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
        """One study: the cells of the methods "a" and "b" on the same examples."""
        runs = 2 * self.cells * self.seeds
        cells = 2 * self.cells
        scale = rng.lognormal(0, self.unlike, cells) if self.unlike else np.ones(cells)
        scale = scale / np.sqrt(np.exp(2 * self.unlike**2))
        own = self.over_seeds * np.repeat(scale, self.seeds) * rng.standard_normal(runs)
        first = np.repeat(np.append(self._effects, np.zeros(self.cells)), self.seeds)
        hard = self.over_examples * rng.standard_normal(EXAMPLES)
        sums = 0.7 + (first + own)[:, None] + hard + rng.standard_normal((runs, EXAMPLES))
        labels = rng.integers(0, 2, EXAMPLES)
        predictions = np.where(sums > 0, labels, 1 - labels)
        groups = {
            f"{method}{i}": RunGroup("task", self._rows(place), method)
            for place, (method, i) in enumerate((m, i) for m in "ab" for i in range(self.cells))
        }
        return Estimator({"task": Sample(predictions, labels)}, groups)

    @property
    def _effects(self) -> Any:
        """What each cell of the first method adds, (C,)."""
        affected = np.arange(self.cells) == self.only if self.only is not None else True
        return self.effect * np.ones(self.cells) * affected

    def _rows(self, place: int) -> tuple[int, ...]:
        return tuple(range(place * self.seeds, (place + 1) * self.seeds))


@dataclass(frozen=True)
class Versions(World):
    """Two versions of the code: the runs of the second answer a few examples otherwise.

    Attributes:
        changed: Standard deviation of what the second version adds to each sum of a run.
        drift: Standard deviation of what it adds to all sums of a run.
        redone: The first so many cells are trained anew, as if from other seeds, and all others
            answer as before; None for what ``changed`` and ``drift`` say.
    """

    changed: float = 0.1
    drift: float = 0.02
    redone: int | None = None

    def draw(self, rng: np.random.Generator) -> Estimator:
        """One study: cells "a0", "a1", ... whose runs are compared with those of their seeds."""
        runs = self.cells * self.seeds
        own = self.over_seeds * rng.standard_normal((runs, 1))
        hard = self.over_examples * rng.standard_normal(EXAMPLES)
        stored = 0.7 + own + hard + rng.standard_normal((runs, EXAMPLES))
        added = np.repeat(self._effects, self.seeds) + self.drift * rng.standard_normal(runs)
        # What is added spreads the sums, which alone would lower the accuracy a little.
        spread = 1 + self.over_seeds**2 + self.over_examples**2
        added += 0.7 * ((1 + (self.drift**2 + self.changed**2) / spread) ** 0.5 - 1)
        here = stored + added[:, None] + self.changed * rng.standard_normal(stored.shape)
        if self.redone is not None:
            here, again = stored.copy(), self.redone * self.seeds
            drawn = rng.standard_normal((again, 1)) * self.over_seeds
            drawn = drawn + np.repeat(self._effects, self.seeds)[:again, None]
            here[:again] = 0.7 + drawn + hard + rng.standard_normal((again, EXAMPLES))
        labels = rng.integers(0, 2, EXAMPLES)
        predictions = np.where(np.concatenate([here, stored]) > 0, labels, 1 - labels)
        groups = {
            f"a{i}": RunGroup("task", self._rows(i), "a", tuple(r + runs for r in self._rows(i)))
            for i in range(self.cells)
        }
        return Estimator({"task": Sample(predictions, labels)}, groups)


PAIR = {("a0", "accuracy"): 1.0, ("b0", "accuracy"): -1.0}
"""The difference of the first cells of both methods."""


def studies(world: World, count: int, seed: int = 0) -> Iterator[Estimator]:
    """Draw ``count`` studies; resampling uses fewer samples than usual, for speed."""
    usual = paired._RESAMPLES
    paired._RESAMPLES = RESAMPLES
    try:
        for stream in np.random.SeedSequence(seed).spawn(count):
            yield world.draw(np.random.default_rng(stream))
    finally:
        paired._RESAMPLES = usual


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


def regressed(study: Estimator, margin: float = 0.0) -> set[str]:
    """The cells and means that the gate calls regressions of method "a"."""
    terms: dict[str, Terms] = {
        key: {(key, "accuracy"): 1.0}
        if group.against
        else {(key, "accuracy"): 1.0, (key.replace("a", "b"), "accuracy"): -1.0}
        for key, group in study.groups.items()
        if group.pool == "a"
    }
    families = _pools(dict.fromkeys(terms, "task"))
    means = {name: _mean_terms([terms[key] for key in own]) for name, own in families.items()}
    return {
        key
        for family in (terms, means)
        for key, one in _judge(
            {k: study.estimate(t) for k, t in family.items()}, dict.fromkeys(family, margin)
        ).items()
        if one.outcome is GateOutcome.REGRESSED
    }


def main(count: int) -> None:
    """Write how often intervals contain the truth, and how often the gate errs."""
    error = 196 * (0.05 * 0.95 / count) ** 0.5
    sys.stdout.write(f"{count} studies each; Monte-Carlo error ±{error:.1f} points\n")
    coverage(count)
    gates(count)


def gates(count: int) -> None:
    """Write how often the gate finds a regression, without any and with one among the cells.

    Compared are methods; versions that differ in a few answers of every cell; and versions of
    which the second has trained one cell anew.
    """
    say = sys.stdout.write
    say("compared  seeds  cells  effect  any regression  the planted cell  another cell\n")
    kinds = {"methods": World, "versions": Versions, "anew": partial(Versions, redone=1)}
    for (name, kind), seeds, cells, effect in itertools.product(
        kinds.items(), (2, 3, 5), (1, 4, 12), (0.0, -0.8)
    ):
        world = kind(seeds, effect, cells=cells, only=0)
        found = [regressed(study) for study in studies(world, count)]
        any_, planted = sum(map(bool, found)), sum("a0" in one for one in found)
        others = sum(bool(one - {"a0", "pooled.task"}) for one in found)
        shares = (f"{100 * n / count:5.1f}" for n in (any_, planted, others))
        say(f"{name:8}  {seeds:5}  {cells:5}  {world.difference:6.1f}  {'  '.join(shares)}\n")
        sys.stdout.flush()


def coverage(count: int) -> None:
    """Write the coverage of both intervals in several worlds."""
    say = sys.stdout.write
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
