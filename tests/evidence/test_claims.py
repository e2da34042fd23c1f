"""Each claim says its sentence: it holds where that is so, and not where any part of it is not.

Worlds are invented from the published numbers: five runs of each number, almost without noise.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import cache

import numpy as np
import pytest

from pdbench.evidence import PAPER_SIZES, load_references, outcomes
from pdbench.evidence.claims import TESTS
from pdbench.evidence.outcomes import Result, load_claims
from pdbench.evidence.paired import Estimator, RunGroup, Scored
from pdbench.evidence.statements import Single, Statement, Term, Within, _Across, without_same
from pdbench.evidence.views import Numbers, _Number

CLAIMS = {claim.id: claim for claim in load_claims()}
ARITHMETIC = ("C08", "C39", "C40", "C41")
"""Claims about printed or counted numbers, which no run gives; test_outcomes.py flips each."""

NO_NUMBERS = ("C43",)
"""Claims about numbers that are in no source and that no study has."""

EXPERIMENTAL = [name for name in TESTS if name not in (*ARITHMETIC, *NO_NUMBERS)]
MARGIN, EXCEPTION = 0.5, 2.0
RUNS = 5


def study(values: Mapping[Term, float]) -> Estimator:
    """Five runs of each number, which differ a little."""
    rng = np.random.default_rng(0)
    samples, groups = {}, {}
    for key in dict.fromkeys(key for key, _ in values):
        own = {metric: value for (name, metric), value in values.items() if name == key}
        noise = {m: rng.normal(0, 0.005, RUNS) for m in own}
        samples[key] = Scored({m: (v + noise[m]) / 100 for m, v in own.items()}, 10**6)
        groups[key] = RunGroup(key, {number: number for number in range(RUNS)})
    return Estimator(samples, groups)


@cache
def published() -> tuple[Numbers, Mapping[Term, float]]:
    """The paper's numbers with their values, and invented ones of figure 7, which are not known."""
    references = [r for r in load_references() if not r.is_context]
    values = {r.term: r.value for r in references}
    entries = list(Numbers.published(references).entries)
    scores = {"pd": 80.0, "pf": 75.0, "d": 70.0, "basic": 60.0}
    for task, method, size in itertools.product(
        ("mnli", "rte", "book-reviews"), scores, PAPER_SIZES.values()
    ):
        term = f"figure7|{task}|{method}|{size}", "accuracy"
        values[term] = scores[method] + size.layers / 10
        place = {"size": size, "metric": "accuracy", "term": term, "shown": True}
        entries.append(_Number("figure7", task, method, **place))
    return Numbers(tuple(entries), PAPER_SIZES, own_magnitudes=True), values


def outcome_of(name: str, values: Mapping[Term, float]) -> Result:
    """What becomes of a claim where these are the true numbers."""
    (found,) = outcomes.tested([CLAIMS[name]], published()[0], study(values), MARGIN, EXCEPTION)
    return found


def parts_of(statement: Statement) -> Iterator[Statement]:
    """What must all be so: single comparisons, cells together, alternatives together."""
    if isinstance(statement, Single | Within | _Across) or not statement.all:
        yield statement
    else:
        for part in statement.parts:
            yield from parts_of(part)


def said(name: str) -> list[Statement]:
    """The parts of a claim on the paper's numbers."""
    return list(parts_of(without_same(TESTS[name](published()[0]))))


def turned(comparisons: tuple[Single | Within, ...], by: float) -> Mapping[Term, float]:
    """The numbers nearest to the published ones in which all of these are missed by so much."""
    values = published()[1]
    terms = list(dict.fromkeys(term for one in comparisons for term in one.quantity.terms))
    factors = np.array([[one.quantity.terms.get(t, 0.0) for t in terms] for one in comparisons])
    now = factors @ [values[term] for term in terms]
    missed = [
        one.margin + by if isinstance(one, Within) else -by - MARGIN * one.ties
        for one in comparisons
    ]
    wanted = np.array(missed) - [one.quantity.constant for one in comparisons]
    moves, *_ = np.linalg.lstsq(factors, wanted - now, rcond=None)
    return {**values, **{t: values[t] + move for t, move in zip(terms, moves, strict=True)}}


@pytest.mark.parametrize("name", EXPERIMENTAL)
def test_a_claim_holds_where_the_paper_is_right(name: str) -> None:
    """The published numbers are the truth, and the runs show it."""
    found = outcome_of(name, published()[1])

    assert found.outcome == "holds", found


@pytest.mark.parametrize("name", EXPERIMENTAL)
def test_a_claim_fails_where_any_part_of_it_is_turned_round(name: str) -> None:
    """Two points on the other side, with all else as near to the published numbers as can be."""
    for part in said(name):
        found = outcome_of(name, turned(part.comparisons, by=2.0))

        assert found.outcome == "fails", part


@pytest.mark.parametrize(
    "name", [n for n in EXPERIMENTAL if any(isinstance(part, _Across) for part in said(n))]
)
def test_a_claim_fails_with_a_single_exception(name: str) -> None:
    """At the first or last size, task or domain it is the other way round by a point."""
    for part in said(name):
        ends = (part.comparisons[0], part.comparisons[-1])
        for cell in ends if isinstance(part, _Across) else ():
            found = outcome_of(name, turned((cell,), by=1.0))

            assert found.outcome == "fails", cell


def moved(by: float, **where: object) -> Mapping[Term, float]:
    """The published numbers, with those of one artefact, method, size ... changed."""
    numbers, values = published()
    chosen = {n.term for n in numbers.entries if all(getattr(n, k) == v for k, v in where.items())}
    assert chosen
    return {term: value + by * (term in chosen) for term, value in values.items()}


def figure6(change: Callable[[_Number], float]) -> Mapping[Term, float]:
    """The published numbers, with each student's of figure 6 changed by so much."""
    numbers, values = published()
    own = {n.term: change(n) for n in numbers.entries if n.artefact == "figure6" and n.size}
    return {term: value + own.get(term, 0.0) for term, value in values.items()}


def deeper(methods: tuple[str, ...], by: float) -> Mapping[Term, float]:
    """Students of these methods gain so much more from two layers to six and more."""
    return figure6(lambda n: by * (n.method in methods and n.size.layers >= 6))


BASE, TINY, MINI = (PAPER_SIZES[name] for name in ("Base", "Tiny", "Mini"))
NOT_SAID = {
    "C03 PF is far better than Patient KD": ("C03", moved(5, artefact="table3", method="pf")),
    "C04 one task is the other way round": (
        "C04",
        moved(-3, artefact="table3", method="pf", task="rte"),
    ),
    "C12 distillation loses by size": (
        "C12",
        moved(-5, artefact="figure5", method="d", size=BASE),
    ),
    "C18 random starts lose by depth": ("C18", deeper(("d", "basic"), -4)),
    "C18 one width gains a little more than the bound": (
        "C18",
        figure6(lambda n: (n.method, str(n.size)) == ("basic", "6/128")),
    ),
    "C21 nothing is gained beyond six layers": (
        "C21",
        figure6(lambda n: -0.5 * (n.method == "pd" and n.size.layers == 12)),
    ),
    "C26 PD ties with basic training": (
        "C26",
        moved(-2.6, artefact="figure8", method="pd", transfer=50_000),
    ),
    "C31 PD ties with PF elsewhere": (
        "C31",
        moved(-3.34, artefact="figure9", method="pd", similarity=0.52),
    ),
    "C31 PD-F is below PF": ("C31", moved(-9, artefact="figure9", method="pd-f")),
    "C32 PF is below distillation": ("C32", moved(-20, artefact="figure10", method="pf")),
    "C34 one size is the other way round": (
        "C34",
        moved(-10, artefact="figure5", method="pd", size=TINY),
    ),
    "C36 one size is the other way round": (
        "C36",
        moved(-6, artefact="figure7", method="pf", task="rte", size=MINI),
    ),
    "C44 PD is below distillation everywhere": (
        "C44",
        moved(-20, artefact="figure8", method="pd"),
    ),
}
"""What a sentence does not deny."""


@pytest.mark.parametrize(("name", "values"), NOT_SAID.values(), ids=NOT_SAID)
def test_what_a_sentence_does_not_deny_does_not_keep_it_from_holding(
    name: str, values: Mapping[Term, float]
) -> None:
    """No more is asked than is said."""
    assert outcome_of(name, values).outcome == "holds"


SAID = {
    "C12 it gains much at Medium already": (
        "C12",
        moved(3, artefact="figure5", method="d", size=PAPER_SIZES["Medium"]),
    ),
    "C14 PF beats distillation at the thinnest": (
        "C14",
        moved(-9, artefact="figure6", method="d", size=TINY),
    ),
    "C16 PF reaches the teacher at one size": (
        "C16",
        moved(4, artefact="figure6", method="pf", size=BASE),
    ),
    "C18 random starts gain as much": ("C18", deeper(("basic",), 5)),
    "C20 random starts gain as much": (
        "C20",
        figure6(lambda n: 6 * (n.method == "d" and n.size.layers >= 8)),
    ),
    "C21 as much is gained beyond six layers": (
        "C21",
        figure6(lambda n: 4 * (n.method == "pd" and n.size.layers == 12)),
    ),
    "C23 it matches the teacher at 3m too": (
        "C23",
        moved(1.5, artefact="figure8", method="d", size=BASE, transfer=3_000_000),
    ),
    "C29 distillation is the most robust": (
        "C29",
        moved(4, artefact="figure9", method="d", similarity=0.43),
    ),
    "C31 PD is above PF everywhere": (
        "C31",
        moved(2, artefact="figure9", method="pd", similarity=0.43),
    ),
    "C32 distillation is better at one size": (
        "C32",
        moved(8, artefact="figure10", method="d", size=TINY),
    ),
    "C37 Mini needs no pre-training": (
        "C37",
        moved(3.2, artefact="figure8", method="d", size=MINI, transfer=8_000_000),
    ),
    "C44 PD needs as large a transfer set": (
        "C44",
        moved(-3, artefact="figure8", method="pd", transfer=50_000),
    ),
}
"""What contradicts a sentence."""


@pytest.mark.parametrize(("name", "values"), SAID.values(), ids=SAID)
def test_what_contradicts_a_sentence_makes_it_fail(name: str, values: Mapping[Term, float]) -> None:
    """No less is asked than is said."""
    assert outcome_of(name, values).outcome == "fails"


def test_where_nothing_differs_nothing_holds_that_says_better() -> None:
    """All methods are equal: what holds then says that two things are alike."""
    numbers, values = published()
    noise = np.random.default_rng(1)
    equal = {term: 80 + noise.normal(0, 1e-6) for term in values}
    claims = [CLAIMS[name] for name in EXPERIMENTAL]

    found = outcomes.tested(claims, numbers, study(equal), MARGIN, EXCEPTION)

    alike = {"C03", "C05", "C24", "C25", "C35"}
    assert {one.claim.id for one in found if one.outcome == "holds"} <= alike


def test_claims_are_tested_alone_where_they_are_of_other_artefacts() -> None:
    """Holm's family is the claims of one artefact that can be tested."""
    numbers, values = published()
    found = outcomes.tested(list(CLAIMS.values()), numbers, study(values), MARGIN, EXCEPTION)

    sizes = {one.claim.artefact: one.family for one in found if one.family}
    assert (sizes["figure6"], sizes["figure9"]) == (9, 5)
    assert dataclasses.replace(found[0], claim=CLAIMS["C02"]).family == sizes["table3"]
