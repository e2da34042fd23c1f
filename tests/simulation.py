"""Invented runs whose true scores are known, to see how often pdbench's answers are right.

``python tests/simulation.py 1000`` prints, over so many studies each, how often intervals contain
the truth, how often the gate errs and what it finds, which of the paper's claims can be shown and
how often a false one is, and how often a published number is called a deviation.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdbench.evidence import paired
from pdbench.evidence.paired import Estimator, Question, RunGroup, Sample

NORMAL = NormalDist()

STEADY = (0.2,) * 9
UNSTABLE = (2.75, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.3)
"""Points that the scores of runs spread in nine cells, as they do in the demo."""

SENTENCES = 2120  # the demo's test set

_HARD = 3.0  # how much more examples differ in difficulty than runs do in their answers
_RESAMPLES = 200  # fewer samples of the test examples than usual, for speed


@dataclass(frozen=True)
class Methods:
    """A world of two methods, "a" and "b", in several cells on the same test examples.

    A run answers an example right if its ability, less the example's difficulty, plus noise of its
    own is positive.

    Attributes:
        seeds: Runs of each cell.
        effects: By how many points "a" is better than "b", in each cell.
        spreads: Points that runs spread beyond the noise of their answers, in each cell.
        examples: Test examples.
        accuracy: The true score of "b" everywhere, in per cent.
    """

    seeds: int
    effects: Sequence[float]
    spreads: Sequence[float] = STEADY
    examples: int = SENTENCES
    accuracy: float = 75.0

    def draw(self, rng: np.random.Generator) -> Estimator:
        """One study: cells "a0", "b0", "a1", ..."""
        hard = _HARD * rng.standard_normal(self.examples)
        sums, groups = [], {}
        for cell, (effect, spread) in enumerate(zip(self.effects, self.spreads, strict=True)):
            for method, score in (("a", self.accuracy + effect), ("b", self.accuracy)):
                start = len(sums) * self.seeds
                groups[f"{method}{cell}"] = RunGroup(
                    "task", {k: start + k for k in range(self.seeds)}
                )
                sums.append(self._abilities(score, spread, rng)[:, None] - hard)
        right = np.concatenate(sums)
        right = right + rng.standard_normal(right.shape) > 0
        labels = np.ones(self.examples, int)
        return Estimator({"task": Sample(right.astype(int), labels)}, groups)

    def _abilities(
        self, score: float, spread: float, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Of every run of a cell, so that their true mean score is ``score``."""
        quantile = NORMAL.inv_cdf(score / 100)
        over_examples = (1 + _HARD**2) ** 0.5
        a_point = over_examples / NORMAL.pdf(quantile) / 100  # of score, in units of ability
        own = spread * a_point
        whole = (over_examples**2 + own**2) ** 0.5
        return quantile * whole + own * rng.standard_normal(self.seeds)

    def studies(self, count: int) -> Iterator[Estimator]:
        """Draw so many studies."""
        usual = paired._RESAMPLES
        paired._RESAMPLES = _RESAMPLES
        try:
            for stream in np.random.SeedSequence(0).spawn(count):
                yield self.draw(np.random.default_rng(stream))
        finally:
            paired._RESAMPLES = usual

    def difference(self, cell: int) -> dict[tuple[str, str], float]:
        """The terms of "a" less "b" in a cell."""
        return {(f"a{cell}", "accuracy"): 1.0, (f"b{cell}", "accuracy"): -1.0}

    def covered(self, count: int, question: Question) -> NDArray[np.float64]:
        """The share of studies whose 95% interval contains the truth, for each cell and the mean.

        On this test set the truth is not known before it is drawn, so only a world without spread
        between examples could tell; there the interval of such examples is looked at alone.
        """
        cells = range(len(self.effects))
        terms = [self.difference(cell) for cell in cells]
        mean = {term: f / len(terms) for one in terms for term, f in one.items()}
        truths = [*self.effects, float(np.mean(self.effects))]
        hits = np.zeros(len(truths))
        for study in self.studies(count):
            for place, (own, truth) in enumerate(zip([*terms, mean], truths, strict=True)):
                found = study.estimate(own, question=question).interval
                hits[place] += found.low <= truth <= found.high
        return hits / count


class _Scores(Sample):
    """Runs whose scores alone are known, (R,) by metric, in units of a metric's own."""

    def __init__(self, scores: Mapping[str, NDArray[np.float64]], items: int) -> None:
        super().__init__(np.zeros((0, items)), np.zeros(items))
        self._scores = {metric: np.asarray(found) for metric, found in scores.items()}


_ANSWERED_OTHERWISE = 0.06  # examples on which two runs of a compact model at full size differ
_OF_A_RUN = 0.2  # points that runs spread beyond the noise of their answers
_BOOKS = 10_000  # test reviews


class Published:
    """A world of the paper's cells: a run's score is the truth and a spread of its own.

    Attributes:
        numbers: The paper's numbers.
        truth: What each is, in the paper; by term.
        spread: Points that runs of it spread.
    """

    def __init__(self) -> None:
        found = [r for r in load_references() if not r.is_context]
        self.numbers = Numbers.published(found)
        self.references = {r.term: r for r in found}
        self.truth = {r.term: r.value for r in found}
        self.spread = {r.term: _spread_of(r) for r in found}

    def draw(
        self, truth: Mapping[Term, float], seeds: int, rng: np.random.Generator
    ) -> Estimator:
        """One study of this truth, of so many runs a cell; teachers and counts are as they are."""
        by_key: dict[str, dict[str, NDArray[np.float64]]] = {}
        for term, value in truth.items():
            runs = value + self.spread[term] * rng.standard_normal(seeds)
            by_key.setdefault(term[0], {})[term[1]] = runs / 100
        samples, groups = {}, {}
        for key, scores in by_key.items():
            reference = next(self.references[key, metric] for metric in scores)
            samples[key] = _Scores(scores, _items_of(reference))
            is_fixed = reference.method == TEACHER or not reference.is_score
            groups[key] = RunGroup(key, {k: k for k in range(seeds)}, is_fixed=is_fixed)
        return Estimator(samples, groups)


def _items_of(reference: Reference) -> int:
    """The examples of the split that a published number is the score of."""
    name = TASKS.get(reference.task, "")
    return GLUE[name].items[reference.split] if reference.split in ("dev", "test") and name in GLUE else _BOOKS


def _spread_of(reference: Reference) -> float:
    """Points that runs of a published number spread; none of a teacher's or of what is counted."""
    if reference.method == TEACHER or not reference.is_score:
        return 0.0
    if reference.metric != "meta_score":
        return float(np.hypot(_OF_A_RUN, 100 * (_ANSWERED_OTHERWISE / 2 / _items_of(reference)) ** 0.5))
    parts = [reference.part(*column[0]) for column in META_TASKS]
    return float(np.linalg.norm([_spread_of(part) for part in parts])) / len(parts)
