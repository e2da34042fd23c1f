"""Invented runs whose true scores are known, to see how often pdbench's answers are right.

``python tests/simulation.py 1000`` prints, over so many studies each, how often intervals contain
the truth, how often the gate errs and what it finds, which of the paper's claims can be shown and
how often a false one is, and how often a published number is called a deviation.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from pdbench.artefacts.tables import Table
from pdbench.data.columns import TEACHER
from pdbench.evidence import paired
from pdbench.evidence.claims import TESTS
from pdbench.evidence.compare import Measured, deviations
from pdbench.evidence.judging import (
    GateOutcome,
    judge,
    judge_means,
    mean_terms,
    means_of,
)
from pdbench.evidence.outcomes import Claim, load_claims, tested
from pdbench.evidence.paired import Estimator, Question, RunGroup, Sample, Scored
from pdbench.evidence.references import META_TASKS, TASKS, Reference, load_references
from pdbench.evidence.significance import ALPHA, POWER, Difference
from pdbench.evidence.statements import (
    ClaimOutcome,
    Statement,
    Term,
    Untestable,
    slack,
    without_same,
)
from pdbench.evidence.views import Numbers
from pdbench.study.catalogue.glue import GLUE

NORMAL = NormalDist()

MARGIN, EXCEPTION = 0.5, 2.0  # points, as the studies name them

ALIKE = (0.2,) * 9
UNLIKE = (2.75, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.3)
"""Points that the scores of runs spread in nine cells, as they do in the demo."""

SENTENCES = 2120  # the demo's test set

_HARD = 3.0  # how much more examples differ in difficulty than runs do in their answers
_OWN = 1.0  # how much more they differ in what is difficult for one method alone
_RESAMPLES = 100  # fewer samples of the test examples than usual, for speed


@dataclass(frozen=True)
class Methods:
    """A world of two methods, "a" and "b", in several cells on the same test examples.

    A run answers an example right if its ability, less the example's difficulty for all and for its
    method, plus noise of its own is positive.

    Attributes:
        seeds: Runs of each cell.
        effects: By how many points "a" is better than "b", in each cell.
        spreads: Points that runs spread beyond the noise of their answers, in each cell.
        examples: Test examples.
        accuracy: The true score of "b" everywhere, in per cent.
    """

    seeds: int
    effects: Sequence[float]
    spreads: Sequence[float] = ALIKE
    examples: int = SENTENCES
    accuracy: float = 75.0

    def draw(self, rng: np.random.Generator) -> Estimator:
        """One study: cells "a0", "b0", "a1", ..."""
        common = _HARD * rng.standard_normal(self.examples)
        own = {method: _OWN * rng.standard_normal(self.examples) for method in "ab"}
        sums: list[NDArray[np.float64]] = []
        groups = {}
        for cell, (effect, spread) in enumerate(zip(self.effects, self.spreads, strict=True)):
            for method, score in (("a", self.accuracy + effect), ("b", self.accuracy)):
                start = len(sums) * self.seeds
                groups[f"{method}{cell}"] = RunGroup(
                    "task", {k: start + k for k in range(self.seeds)}
                )
                sums.append(self._abilities(score, spread, rng)[:, None] - common - own[method])
        able = np.concatenate(sums)
        right = (able + rng.standard_normal(able.shape) > 0).astype(int)
        return Estimator({"task": Sample(right, np.ones(self.examples, int))}, groups)

    def _abilities(
        self, score: float, spread: float, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Of every run of a cell, so that their true mean score is ``score``."""
        quantile = NORMAL.inv_cdf(score / 100)
        over_examples = (1 + _HARD**2 + _OWN**2) ** 0.5
        a_point = over_examples / NORMAL.pdf(quantile) / 100  # of score, in units of ability
        over_runs = spread * a_point
        whole = (over_examples**2 + over_runs**2) ** 0.5
        return np.asarray(quantile * whole + over_runs * rng.standard_normal(self.seeds))

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

    def judged(self, study: Estimator, margin: float) -> dict[str, GateOutcome]:
        """What the gate says of each cell, and of the means over cells."""
        cells = {f"a{cell}": self.difference(cell) for cell in range(len(self.effects))}
        spreads = {key: study.estimate(terms).seeds for key, terms in cells.items()}
        means = means_of(dict.fromkeys(cells, "task"), spreads, {key: key for key in cells})
        families = (
            cells,
            {name: mean_terms([cells[key] for key in own]) for name, own in means.items()},
        )
        of_cells, of_means = (
            {
                key: {"accuracy": study.estimate(terms, question=Question.EXAMPLES)}
                for key, terms in family.items()
            }
            for family in families
        )
        values = {key: own["accuracy"].value for key, own in of_cells.items()}
        found = judge(of_cells, dict.fromkeys(of_cells, margin)) | judge_means(
            means, of_means, dict.fromkeys(of_means, margin), values
        )
        return {key: judgement.outcome for key, judgement in found.items()}

    def said(self, count: int, outcome: GateOutcome, margin: float = MARGIN) -> dict[str, float]:
        """The share of studies in which the gate says so of any cell or mean, and of any mean."""
        found = [self.judged(study, margin) for study in self.studies(count)]
        one_by_one = {f"a{cell}" for cell in range(len(self.effects))}
        means = [[said for name, said in one.items() if name not in one_by_one] for one in found]
        return {
            "any": float(np.mean([outcome in one.values() for one in found])),
            "mean": float(np.mean([outcome in own for own in means])),
        }

    def covered(self, count: int) -> NDArray[np.float64]:
        """The share of studies whose 95% interval contains the truth: each cell's, and the mean's.

        The truth is that over all examples; on this test set it is not known before it is drawn.
        """
        cells = range(len(self.effects))
        terms = [self.difference(cell) for cell in cells]
        mean = {term: f / len(terms) for one in terms for term, f in one.items()}
        truths = [*self.effects, float(np.mean(self.effects))]
        hits = np.zeros(len(truths))
        for study in self.studies(count):
            for place, (own, truth) in enumerate(zip([*terms, mean], truths, strict=True)):
                found = study.estimate(own, question=Question.EXAMPLES).interval
                hits[place] += found.low <= truth <= found.high
        return hits / count


_ANSWERED_OTHERWISE = 0.06  # examples on which two runs of a compact model at full size differ
_OF_A_RUN = 0.2  # points that runs spread beyond the noise of their answers
_BOOKS = 10_000  # test reviews


def _items_of(reference: Reference) -> int:
    """The examples of the split that a published number is the score of."""
    name = TASKS.get(reference.task, "")
    return (
        GLUE[name].items[reference.split]
        if reference.split in ("dev", "test") and name in GLUE
        else _BOOKS
    )


def _spread_of(reference: Reference) -> float:
    """Points that runs of a published number spread; none of a teacher's or of what is counted."""
    if reference.method == TEACHER or not reference.is_score:
        return 0.0
    if reference.metric != "meta_score":
        return float(
            np.hypot(_OF_A_RUN, 100 * (_ANSWERED_OTHERWISE / 2 / _items_of(reference)) ** 0.5)
        )
    parts = [reference.part(*column[0]) for column in META_TASKS]
    return float(np.linalg.norm([_spread_of(part) for part in parts])) / len(parts)


class Claims:
    """The paper's claims about scores, in worlds in which a run's score is a truth and a spread.

    Attributes:
        numbers: The paper's numbers.
        references: The same with where each stands, by term.
        truth: What each is in the paper; by term.
        spread: Points that runs of it spread.
        claims: Those that runs can show.
    """

    def __init__(self) -> None:
        found = [r for r in load_references() if not r.is_context]
        self.numbers = Numbers.published(found)
        self.references = {r.term: r for r in found}
        self.truth = {r.term: r.value for r in found}
        self.spread = {r.term: _spread_of(r) for r in found}
        self.claims = tuple(claim for claim in load_claims() if self._can_be_shown(claim))

    def _can_be_shown(self, claim: Claim) -> bool:
        """Whether it is about runs; C08 and C35 say that numbers are the same by definition."""
        try:
            parts = self._said(claim).comparisons
        except Untestable:
            return False
        spread = any(self.spread[term] for part in parts for term in part.quantity.terms)
        return spread and claim.id not in ("C08", "C35")

    def _said(self, claim: Claim) -> Statement:
        return without_same(TESTS[claim.id](self.numbers))

    def draw(self, truth: Mapping[Term, float], seeds: int, rng: np.random.Generator) -> Estimator:
        """One study of this truth, of so many runs a cell; teachers and counts are as they are."""
        by_key: dict[str, dict[str, NDArray[np.float64]]] = {}
        for term, value in truth.items():
            runs = value + self.spread[term] * rng.standard_normal(seeds)
            by_key.setdefault(term[0], {})[term[1]] = runs / 100
        samples, groups = {}, {}
        for key, scores in by_key.items():
            reference = next(self.references[key, metric] for metric in scores)
            samples[key] = Scored(scores, _items_of(reference))
            is_fixed = reference.method == TEACHER or not reference.is_score
            groups[key] = RunGroup(key, {k: k for k in range(seeds)}, is_fixed=is_fixed)
        return Estimator(samples, groups)

    def holding(
        self, truth: Mapping[Term, float], seeds: int, count: int, *ids: str
    ) -> dict[str, float]:
        """The share of studies of a truth in which each claim holds."""
        own = [claim for claim in self.claims if not ids or claim.id in ids]
        found = dict.fromkeys((claim.id for claim in own), 0)
        for study in self._studies(truth, seeds, count):
            for one in tested(own, self.numbers, study, MARGIN, EXCEPTION):
                found[one.claim.id] += one.outcome is ClaimOutcome.HOLDS
        return {name: hits / count for name, hits in found.items()}

    def falsely(self, truth: Mapping[Term, float], seeds: int, count: int) -> dict[str, float]:
        """By artefact, the share of studies in which any claim holds that is false in a world."""
        false = {c.id: c.artefact for c in self.claims if slack(self._said(c), truth) < 0}
        found = dict.fromkeys(false.values(), 0)
        for study in self._studies(truth, seeds, count):
            results = tested(self.claims, self.numbers, study, MARGIN, EXCEPTION)
            held = {r.claim.id for r in results if r.outcome is ClaimOutcome.HOLDS}
            for artefact in {false[name] for name in held & set(false)}:
                found[artefact] += 1
        return {artefact: hits / count for artefact, hits in found.items()}

    def holding_falsely(self, claim: Claim, seeds: int, count: int, points: float = 2.0) -> float:
        """The share of studies in which a claim holds of which one comparison is false by so much.

        Each study has another comparison that is false.
        """
        said = self._said(claim)
        worlds = [world for world in self.false(claim, points) if slack(said, world) < 0]
        worlds = worlds[:: -(-len(worlds) // 24)]
        shares = [
            self.holding(world, seeds, -(-count // len(worlds)), claim.id)[claim.id]
            for world in worlds
        ]
        return float(np.mean(shares))

    def effect(self, name: str, seeds: int) -> tuple[float, float]:
        """By how many points the paper's numbers meet a claim, and how many so many seeds can show.

        Both are about the comparison that decides in a study; where the first is smaller, there are
        too few seeds.
        """
        study = next(self._studies(self.truth, seeds, 1))
        found = tested(self.claims, self.numbers, study, MARGIN, EXCEPTION)
        result = next(one for one in found if one.claim.id == name)
        part = result.deciding
        assert part is not None
        about = part.quantity
        value = about.constant + sum(f * self.truth[t] for t, f in about.terms.items())
        error = float(np.linalg.norm([f * self.spread[t] for t, f in about.terms.items()]))
        least = Difference(0.0, error / seeds**0.5, seeds - 1).detectable(ALPHA / result.family)
        return value, least

    def _studies(self, truth: Mapping[Term, float], seeds: int, count: int) -> Iterator[Estimator]:
        for stream in np.random.SeedSequence(0).spawn(count):
            yield self.draw(truth, seeds, np.random.default_rng(stream))

    def all_methods_equal(self) -> dict[Term, float]:
        """The paper's numbers with every method's in the place of their mean."""
        alike: dict[tuple[object, ...], list[Term]] = {}
        for term, r in self.references.items():
            place = (r.artefact, r.architecture, r.task, r.split, r.metric, r.transfer_size)
            if r.is_score and r.method != TEACHER:
                alike.setdefault((*place, r.similarity), []).append(term)
        means = {
            t: float(np.mean([self.truth[o] for o in own])) for own in alike.values() for t in own
        }
        return self.truth | means

    def false(self, claim: Claim, points: float = 2.0) -> Iterator[dict[Term, float]]:
        """Worlds in which one comparison of a claim is false by so much, for each in turn."""
        for part in self._said(claim).comparisons:
            about, values = part.quantity, self.truth
            now = about.constant + sum(f * values[t] for t, f in about.terms.items())
            wanted = -points - getattr(part, "margin", 0.0)
            moved = {t: f for t, f in about.terms.items() if self.spread[t]}
            size = sum(factor**2 for factor in moved.values())
            yield values | {t: values[t] + (wanted - now) * f / size for t, f in moved.items()}


def deviating(numbers: int, seeds: int, best_of: int, count: int) -> float:
    """The share of artefacts in which any published number "deviates" though none does.

    Each is the best of so many runs that were drawn as ours are; ours are judged as if the source
    may have taken the best of five. Cells spread as unlike as the demo's.
    """
    found = []
    for stream in np.random.SeedSequence(0).spawn(count):
        rng = np.random.default_rng(stream)
        spreads = np.resize(UNLIKE, numbers)[:, None]
        ours = 80 + spreads * rng.standard_normal((numbers, seeds))
        theirs = (80 + spreads * rng.standard_normal((numbers, best_of))).max(axis=1)
        cases = {
            i: Measured(float(published), 0.05, tuple(map(float, runs)), best_of=5)
            for i, (published, runs) in enumerate(zip(theirs, ours, strict=True))
        }
        found.append(min(deviations(cases).values()) <= ALPHA)
    return float(np.mean(found))


def main(count: int) -> None:
    """Write all of it as tables of Markdown; shares are in per cent."""
    error = 196 * (0.05 * 0.95 / count) ** 0.5
    fewer = max(count // 5, 20)  # of the claims, which take longer
    sys.stdout.write(
        f"{count} studies each, {fewer} of claims; 5% of {count} are ±{error:.1f}.\n\n"
    )
    for part, studies in ((_gate, count), (_numbers, count), (_claims, fewer)):
        for table in part(studies):
            sys.stdout.write(f"{table.markdown}\n\n")
            sys.stdout.flush()


def _row(name: object, *shares: float) -> tuple[str, ...]:
    return (str(name), *(f"{100 * share:.1f}" for share in shares))


def _gate(count: int) -> Iterator[Table]:
    worse, better, even = GateOutcome.WORSE, GateOutcome.BETTER, (0.0,) * 9
    rows = []
    for seeds, (name, spreads) in itertools.product((3, 5), (("alike", ALIKE), ("unlike", UNLIKE))):
        cover = Methods(seeds, even, spreads).covered(count)
        alarm = Methods(seeds, (-MARGIN,) * 9, spreads).said(count, worse)["any"]
        loss = Methods(seeds, (0.0, *(-3.0,) * 8), spreads).said(count, worse)["any"]
        gain = Methods(seeds, (2.0,) * 9, spreads).said(count, better)["mean"]
        shares = (cover[0], cover[-1], alarm, loss, gain)
        rows.append(_row(f"{seeds}, {name}", *shares))
    title = "The gate: nine cells, 2,120 test examples, margin 0.5"
    columns = ("Seeds, spreads", "Interval of cell 1", "of the mean", "Worse, at the margin")
    more = ("Worse, 8 cells 3 points worse", "A mean better, all 2 points better")
    yield Table(title, (*columns, *more), tuple(rows), "lrrrrr")


def _numbers(count: int) -> Iterator[Table]:
    rows = [
        _row(f"{name}, {seeds} seeds", *(deviating(numbers, seeds, k, count) for k in (1, 5)))
        for (name, numbers), seeds in itertools.product((("figure6", 96), ("table3", 45)), (3, 5))
    ]
    title = "Any number of an artefact deviates, though none does"
    yield Table(title, ("Artefact", "From one run", "From the best of five"), tuple(rows), "lrr")


def _claims(count: int) -> Iterator[Table]:
    world, rows = Claims(), []
    power = world.holding(world.truth, 5, count)
    false = {
        points: {claim.id: world.holding_falsely(claim, 5, count, points) for claim in world.claims}
        for points in (2.0, 1.0)
    }
    for name, share in power.items():
        effect, least = world.effect(name, 5)
        points = (f"{effect:.1f}", f"{least:.1f}")
        rows.append((*_row(name, share, *(own[name] for own in false.values())), *points))
    enough = sum(share > POWER for share in power.values())
    title = f"Claims, five seeds: {enough} of {len(power)} hold with a power over 80%"
    columns = ("Claim", "Holds, where the paper's numbers are true", "one part 2 off", "1 off")
    more = ("Points of what decides", "Points that can be shown")
    yield Table(title, (*columns, *more), tuple(rows), "lrrrrr")
    chance = world.falsely(world.all_methods_equal(), 5, count)
    title = "Any false claim of an artefact holds, where all methods are equal"
    yield Table(title, ("Artefact", "Share"), tuple(_row(*own) for own in chance.items()), "lr")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
