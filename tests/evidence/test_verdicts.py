"""Each verdict has its rule, its mark and its reason."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t as student

from pdbench.evidence import Verdict
from pdbench.evidence.compare import RULES, Measured, _judged, deviations
from pdbench.evidence.significance import ALPHA
from pdbench.study import ROOT

STEADY = (81.9, 82.0, 82.1, 82.0, 81.95)
WILD = (80.0, 84.0)

CHANCE = 3 * (0.05 * 0.95 / 400) ** 0.5
"""Three standard errors of a share of 5%, counted in 400 artefacts."""


def case(runs: tuple[float, ...] = STEADY, published: float = 82.0, **changes: object) -> Measured:
    """A published 82.0, printed with one decimal, beside runs of ours; margin half a point."""
    return replace(Measured(published, 0.05, runs, 0.5), **changes)


def verdict_of(found: Measured, reason: str = "") -> Verdict:
    """The verdict on a number that is alone in its artefact; words of its reason."""
    ((verdict, said),) = _judged({"": found}).values()
    assert reason in said
    return verdict


def test_verdicts_are_the_words_of_the_design() -> None:
    """The seven words, and no other."""
    assert [str(v) for v in Verdict] == [
        "reproduced",
        "consistent",
        "inconclusive",
        "deviates",
        "degenerate",
        "not-comparable",
        "missing",
    ]


def test_every_verdict_has_a_mark_of_its_own_and_a_rule() -> None:
    """Marks tell verdicts apart without colour."""
    assert set(RULES) == set(Verdict)
    assert len({verdict.mark for verdict in Verdict}) == len(Verdict)


def test_the_documented_table_is_that_of_the_code() -> None:
    """Readers find the marks, words and rules that are applied, in the order of application."""
    text = (ROOT / "config/reference" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\S+)` \| ([a-z-]+) \| (.+) \|$", text, re.MULTILINE)

    found = {verdict: (mark, rule) for mark, verdict, rule in rows if verdict in set(Verdict)}

    expected = {str(v): (v.mark, rule) for v, rule in RULES.items()}
    del found["inconclusive"]
    inconclusive = expected.pop("inconclusive")
    assert found == expected
    assert ("?", "inconclusive", inconclusive[1]) in rows


@pytest.mark.parametrize(
    ("found", "verdict", "words"),
    [
        (case(), Verdict.REPRODUCED, "within ±0.55"),
        (case(published=84.0), Verdict.DEVIATES, "\N{MINUS SIGN}2.0"),
        (case(published=80.0), Verdict.DEVIATES, "+2.0"),
        (case(WILD), Verdict.INCONCLUSIVE, "smallest detectable difference"),
        (case((82.0,)), Verdict.INCONCLUSIVE, "one run has no spread"),
        (
            case((82.0, 82.0)),
            Verdict.INCONCLUSIVE,
            "runs with one and the same score have no spread; on this test set, 2 runs",
        ),
        (case((84.0, 84.0)), Verdict.INCONCLUSIVE, "have no spread"),
        (case(margin=None), Verdict.INCONCLUSIVE, "no margin was named"),
        (case(published=82.48), Verdict.DEVIATES, "p 0.0056, Holm over 1 number"),
        (case(published=82.48), Verdict.DEVIATES, "on this test set, 5 runs here, 1 there"),
        (case((81.7, 82.0, 82.6), published=82.5, margin=1.0), Verdict.CONSISTENT, "neither"),
        (case(unstated=("the source states no split",)), Verdict.CONSISTENT, "no split"),
        (case(constant=1), Verdict.DEGENERATE, "1 of 5 runs predict one class"),
        (case(differs=("size 2/64", "task x")), Verdict.NOT_COMPARABLE, "size 2/64; task x"),
        (case(()), Verdict.MISSING, "no finished runs"),
    ],
)
def test_a_case_has_its_verdict(found: Measured, verdict: Verdict, words: str) -> None:
    """One case for each rule."""
    assert verdict_of(found, words) is verdict


def test_the_margin_decides_what_is_the_same() -> None:
    """The same runs reproduce a number within a wide margin and deviate within a narrow one."""
    off = case(published=82.3)

    assert verdict_of(replace(off, margin=0.5)) is Verdict.REPRODUCED
    assert verdict_of(replace(off, margin=0.01)) is Verdict.DEVIATES


def test_reading_error_is_added_to_the_margin() -> None:
    """A number read off a plot may be as far off as it was read inexactly."""
    off = case(published=82.6, margin=0.1)

    assert verdict_of(off) is Verdict.DEVIATES
    assert verdict_of(replace(off, uncertainty=0.6)) is Verdict.REPRODUCED


def test_no_difference_is_no_reproduction() -> None:
    """Few wild runs differ from nothing, and reproduce nothing."""
    assert verdict_of(case(WILD)) is not Verdict.REPRODUCED


def test_zero_beside_zero_is_no_reproduction() -> None:
    """CoLA 0.0 of Tiny and Mini: a constant prediction on both sides shows nothing."""
    cola = case((0.0, 0.0, 0.0), published=0.0, trivial=(0.0,))

    assert verdict_of(cola) is Verdict.DEGENERATE


def test_learning_something_beside_a_constant_is_no_deviation() -> None:
    """A published score that is trivial says nothing about ours."""
    assert verdict_of(case((15.0, 16.0), published=0.0, trivial=(0.0,))) is Verdict.DEGENERATE


def test_runs_that_collapsed_to_the_majority_are_degenerate() -> None:
    """MRPC 68.4 three times over is the share of the larger class, whatever the flag says."""
    collapsed = case((68.38, 68.38, 68.38), published=80.0, trivial=(68.38,))

    assert verdict_of(collapsed) is Verdict.DEGENERATE
    assert verdict_of(replace(collapsed, runs=(68.38, 70.0, 69.0))) is Verdict.DEVIATES


def test_a_constant_predictor_is_never_compared() -> None:
    """Not even to say that it is not comparable."""
    assert verdict_of(case(constant=2, differs=("size 2/64, there 4/256",))) is Verdict.DEGENERATE


def test_a_count_needs_no_spread() -> None:
    """Parameters are counted, so one value is all there is."""
    count = case((4.43,), published=4.4, margin=0.05, exact=True)

    assert verdict_of(count) is Verdict.REPRODUCED
    assert verdict_of(replace(count, published=4.2)) is Verdict.DEVIATES


def test_a_published_number_may_be_one_run_that_spreads_as_ours_do() -> None:
    """What a mean of many runs could not be by chance, one run can; p is that of the textbook."""
    runs = (80.0, 81.0, 82.0, 83.0, 84.0)
    one = case(runs, published=86.0, uncertainty=0.0)

    assert deviations({"": one})[""] == pytest.approx(
        2 * student.sf(4 / (2.5 * (1 / 5 + 1)) ** 0.5, 4)
    )
    assert verdict_of(one) is not Verdict.DEVIATES
    assert verdict_of(replace(one, seeds=100)) is Verdict.DEVIATES


def test_the_best_of_several_lies_above_ours_by_choice() -> None:
    """The side on which ours is lower counts as often as was chosen from, the other once."""
    lower, higher = case(published=82.48), case(published=81.51)
    chosen = {"lower": replace(lower, best_of=20), "higher": replace(higher, best_of=20)}

    alone = {key: deviations({key: one})[key] for key, one in chosen.items()}

    assert alone["lower"] == pytest.approx(20 * deviations({"": lower})[""])
    assert alone["higher"] == deviations({"": higher})[""]
    assert (verdict_of(lower), verdict_of(chosen["lower"])) == (
        Verdict.DEVIATES,
        Verdict.CONSISTENT,
    )


@pytest.mark.parametrize("read", [81.5, 82.5])
def test_reading_error_is_no_deviation(read: float) -> None:
    """On either side a number counts as near to ours as it may have been read inexactly."""
    exact, blurred = (case(published=read, uncertainty=u) for u in (0.0, 0.3))
    nearer = case(published=read + (0.3 if read < 82 else -0.3), uncertainty=0.0)

    found = deviations({"": blurred})[""]

    assert found > deviations({"": exact})[""]
    assert found == pytest.approx(deviations({"": nearer})[""])


def test_what_could_have_been_found_counts_choice_and_family() -> None:
    """The printed difference is found by most studies, and grows with what is corrected for."""
    rng = np.random.default_rng(0)
    runs = (78.735, 79.368, 80.0, 80.632, 81.265)  # their standard deviation is 1
    size = case(runs, best_of=5).detectable(1)

    def found() -> bool:
        ours = tuple(rng.normal(80 - size, 1, 5))
        return deviations({"": Measured(rng.normal(80, 1), 0.0, ours, best_of=5)})[""] <= ALPHA

    assert 0.7 < np.mean([found() for _ in range(400)]) < 0.9
    assert size < case(runs, best_of=5).detectable(10) < case(runs, best_of=50).detectable(10)


def test_an_artefact_is_one_family() -> None:
    """What deviates by itself does not among many, and untested numbers are none of them."""
    alone, others = case(published=82.48), [case((81.0, 82.0, 83.0))] * 20
    untested = [
        case((82.0,)),
        case(()),
        case(differs=("size 2/64, there 4/256",)),
        case(constant=1),
    ]

    among = _judged(dict(enumerate([alone, *others])))[0]
    beside = _judged(dict(enumerate([alone, *untested])))[0]

    assert among[0] is not Verdict.DEVIATES
    assert beside == _judged({0: alone})[0]
    assert "Holm over 1 number" in beside[1]


@pytest.mark.parametrize(("numbers", "n"), [(45, 3), (96, 5)])
@pytest.mark.parametrize(("seeds", "best_of"), [(1, 1), (5, 1), (1, 5), (2, 3)])
def test_the_same_distribution_rarely_deviates(
    numbers: int, n: int, seeds: int, best_of: int
) -> None:
    """Any "deviates" of an artefact is false in at most 5% of studies, however cells spread."""
    rng = np.random.default_rng(numbers + seeds)
    spread = rng.lognormal(-1.0, 0.8, numbers)

    def artefact() -> dict[int, Measured]:
        ours = rng.normal(80.0, spread[:, None], (numbers, n))
        theirs = rng.normal(80.0, spread[:, None, None], (numbers, best_of, seeds))
        reported = theirs.mean(axis=2).max(axis=1)
        return {
            i: Measured(float(reported[i]), 0.0, tuple(ours[i]), seeds=seeds, best_of=best_of)
            for i in range(numbers)
        }

    wrong = np.mean([min(deviations(artefact()).values()) <= ALPHA for _ in range(400)])

    assert wrong <= ALPHA + CHANCE


def test_a_large_difference_deviates_among_many() -> None:
    """Fourteen standard deviations are found among 96 numbers by most studies of five seeds."""
    rng = np.random.default_rng(0)
    others = {i: Measured(80.0, 0.0, tuple(rng.normal(80, 1, 5))) for i in range(95)}

    def found() -> bool:
        case = Measured(rng.normal(66, 1), 0.0, tuple(rng.normal(80, 1, 5)))
        return deviations({**others, "case": case})["case"] <= ALPHA

    assert np.mean([found() for _ in range(200)]) > 0.7
