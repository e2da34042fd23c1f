"""Each verdict has its rule, its mark and its reason."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pdbench.evidence import Verdict
from pdbench.evidence.compare import RULES, _judge, _Measured
from pdbench.evidence.references import FOLDER

STEADY = (81.9, 82.0, 82.1, 82.0, 81.95)
WILD = (80.0, 84.0)


def case(runs: tuple[float, ...] = STEADY, published: float = 82.0, **changes: object) -> _Measured:
    """A published 82.0, printed with one decimal, beside runs of ours; margin half a point."""
    return replace(_Measured(published, 0.05, runs, 0.5), **changes)


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
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
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
        (case((82.0, 82.0)), Verdict.INCONCLUSIVE, "2 runs with one and the same score"),
        (case((84.0, 84.0)), Verdict.INCONCLUSIVE, "have no spread"),
        (case(margin=None), Verdict.INCONCLUSIVE, "no margin was named"),
        (case(published=82.48), Verdict.DEVIATES, "more than chance"),
        (case((81.7, 82.0, 82.6), published=82.5, margin=1.0), Verdict.CONSISTENT, "neither"),
        (case(unstated="the source states no split"), Verdict.CONSISTENT, "no split"),
        (case(constant=1), Verdict.DEGENERATE, "1 of 5 runs predict one class"),
        (case(differs="demo scale"), Verdict.NOT_COMPARABLE, "demo scale"),
        (case(()), Verdict.MISSING, "no finished runs"),
    ],
)
def test_a_case_has_its_verdict(found: _Measured, verdict: Verdict, words: str) -> None:
    """One case for each rule."""
    judged, reason = _judge(found)

    assert judged == verdict
    assert words in reason


def test_the_margin_decides_what_is_the_same() -> None:
    """The same runs reproduce a number within a wide margin and deviate within a narrow one."""
    off = case(published=82.3)

    assert _judge(replace(off, margin=0.5))[0] is Verdict.REPRODUCED
    assert _judge(replace(off, margin=0.01))[0] is Verdict.DEVIATES


def test_reading_error_is_added_to_the_margin() -> None:
    """A number read off a plot may be as far off as it was read inexactly."""
    off = case(published=82.6, margin=0.1)

    assert _judge(off)[0] is Verdict.DEVIATES
    assert _judge(replace(off, uncertainty=0.6))[0] is Verdict.REPRODUCED


def test_no_difference_is_no_reproduction() -> None:
    """Few wild runs differ from nothing, and reproduce nothing."""
    assert _judge(case(WILD))[0] is not Verdict.REPRODUCED


def test_zero_beside_zero_is_no_reproduction() -> None:
    """CoLA 0.0 of Tiny and Mini: a constant prediction on both sides shows nothing."""
    cola = case((0.0, 0.0, 0.0), published=0.0, trivial=(0.0,))

    assert _judge(cola)[0] is Verdict.DEGENERATE


def test_learning_something_beside_a_constant_is_no_deviation() -> None:
    """A published score that is trivial says nothing about ours."""
    assert _judge(case((15.0, 16.0), published=0.0, trivial=(0.0,)))[0] is Verdict.DEGENERATE


def test_runs_that_collapsed_to_the_majority_are_degenerate() -> None:
    """MRPC 68.4 three times over is the share of the larger class, whatever the flag says."""
    collapsed = case((68.38, 68.38, 68.38), published=80.0, trivial=(68.38,))

    assert _judge(collapsed)[0] is Verdict.DEGENERATE
    assert _judge(replace(collapsed, runs=(68.38, 70.0, 69.0)))[0] is Verdict.DEVIATES


def test_a_constant_predictor_is_never_compared() -> None:
    """Not even to say that it is not comparable."""
    assert _judge(case(constant=2, differs="demo scale"))[0] is Verdict.DEGENERATE


def test_a_count_needs_no_spread() -> None:
    """Parameters are counted, so one value is all there is."""
    count = case((4.43,), published=4.4, margin=0.05, exact=True)

    assert _judge(count)[0] is Verdict.REPRODUCED
    assert _judge(replace(count, published=4.2))[0] is Verdict.DEVIATES
