"""Claims: 41 of 44 hold on the paper's own numbers, and on runs only what is shown holds."""

from __future__ import annotations

import csv
import math
import re
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic

from pdbench.core.errors import DataError
from pdbench.data.metrics import compute
from pdbench.evidence import PAPER_SIZES, Reference, ResultsTable, load_references
from pdbench.evidence.claims import TESTS
from pdbench.evidence.outcomes import (
    _COLUMNS,
    Claim,
    Result,
    _decide,
    load_claims,
    on_reference,
    on_study,
)
from pdbench.evidence.paired import Estimator
from pdbench.evidence.significance import Difference
from pdbench.evidence.statements import ClaimOutcome, Quantity, Trial, Untestable, without_same
from pdbench.evidence.views import SERVER, Numbers, with_answers
from pdbench.study import PAPER_ARCHITECTURES, ROOT, Cell, Study, load_study

CLAIMS = load_claims()
UNTESTABLE = {"C36", "C38", "C43"}
TESTED = [claim.id for claim in CLAIMS if claim.id not in UNTESTABLE]


@pytest.fixture(scope="module")
def references() -> tuple[Reference, ...]:
    """All published numbers."""
    return load_references()


@pytest.fixture(scope="module")
def similarity(demo: Study) -> dict[str, dict[str, float]]:
    """Invented similarities, a different one for each text."""
    texts = list(dict.fromkeys(chosen.text for chosen in demo.transfer_sets.values()))
    return {
        name: dict.fromkeys(demo.tasks, 0.9 - 0.07 * texts.index(chosen.text))
        for name, chosen in demo.transfer_sets.items()
    }


@pytest.fixture(scope="module")
def results(demo: Study, similarity: dict[str, dict[str, float]]) -> dict[str, Result]:
    """Every claim on invented results of the whole demo."""
    return by_id(on_study(CLAIMS, ResultsTable(demo, synthetic.results(demo)), similarity))


def by_id(results: Iterable[Result]) -> dict[str, Result]:
    """Results by the id of their claim."""
    return {one.claim.id: one for one in results}


def cells_of(result: Result) -> set[str]:
    """The keys of the cells behind a result."""
    return {key for part in result.parts for key, _ in part.quantity.terms}


def one_claim(name: str) -> tuple[Claim, ...]:
    """A single claim."""
    return tuple(claim for claim in CLAIMS if claim.id == name)


def test_every_claim_has_a_test() -> None:
    """Both stand in the same order."""
    assert [claim.id for claim in CLAIMS] == list(TESTS) == [f"C{i:02d}" for i in range(1, 45)]


def test_outcomes_on_the_papers_numbers_are_those_on_file() -> None:
    """41 claims hold, and three cannot be tested: their numbers stand in no source."""
    found = {one.claim.id: one.outcome for one in on_reference(CLAIMS)}

    assert found == {claim.id: claim.on_reference for claim in CLAIMS}
    assert Counter(found.values()) == {ClaimOutcome.HOLDS: 41, ClaimOutcome.UNTESTABLE: 3}
    assert {
        name for name, outcome in found.items() if outcome is ClaimOutcome.UNTESTABLE
    } == UNTESTABLE


@pytest.mark.parametrize("name", TESTED)
def test_every_comparison_of_a_claim_can_flip_it(
    name: str, references: tuple[Reference, ...]
) -> None:
    """Moving one published number far enough makes the claim fail, whichever comparison it is in.

    C16 has a disjunction, of which no single comparison is needed.
    """
    (claim,) = one_claim(name)
    statement = without_same(TESTS[name](Numbers.published(references)))
    alternatives = {id(c) for c in statement.comparisons if "≤ 0.5" in c.text and name == "C16"}

    for comparison in statement.comparisons:
        if id(comparison) in alternatives:
            continue
        term, factor = next(iter(comparison.quantity.terms.items()))
        moved = tuple(
            replace(r, value=r.value - math.copysign(1000, factor)) if r.term == term else r
            for r in references
        )
        (found,) = on_reference([claim], moved)
        assert found.outcome is ClaimOutcome.FAILS, comparison.text


def test_small_changes_flip_tight_claims(references: tuple[Reference, ...]) -> None:
    """PF ties with PD on SST-2's dev split; a tenth of a point more and C05 fails."""

    def with_pf(value: float) -> ClaimOutcome:
        moved = tuple(
            replace(r, value=value)
            if (r.method, r.task, r.split) == ("pf", "SST-2", "dev") and not r.is_context
            else r
            for r in references
        )
        return on_reference(one_claim("C05"), moved)[0].outcome

    assert with_pf(91.1) is ClaimOutcome.HOLDS
    assert with_pf(91.2) is ClaimOutcome.FAILS


@pytest.mark.parametrize("name", TESTED)
def test_a_missing_published_number_makes_a_claim_untestable(
    name: str, references: tuple[Reference, ...]
) -> None:
    """Exactly one number fewer, and the claim is neither true nor false."""
    (claim,) = one_claim(name)
    statement = without_same(TESTS[name](Numbers.published(references)))
    term = next(iter(statement.comparisons[-1].quantity.terms))
    fewer = [r for r in references if r.term != term]

    (found,) = on_reference([claim], fewer)

    # Where a claim is about all sizes or transfer sets that there are, one may be gone with all
    # that is compared with it; whatever is left then holds.
    assert found.outcome is ClaimOutcome.UNTESTABLE or len(found.parts) < len(statement.comparisons)


def test_what_holds_only_within_reading_error_says_so(references: tuple[Reference, ...]) -> None:
    """A claim that a misread pixel could flip is marked."""
    found = by_id(on_reference(CLAIMS, references))

    assert "own uncertainty" in found["C35"].reason
    assert "own uncertainty" not in found["C13"].reason


def test_numbers_of_others_are_no_evidence(references: tuple[Reference, ...]) -> None:
    """Secondary rows are never looked up by a claim."""
    numbers = Numbers.published(references)

    assert len(numbers.entries) == sum(not r.is_context for r in references)


def test_the_documented_columns_are_those_of_the_code() -> None:
    """The README describes every column of the claims."""
    text = (ROOT / "config/reference" / "README.md").read_text(encoding="utf-8")

    assert [name for name in _COLUMNS if f"\n| `{name}` | " not in text] == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("\nC02,", "\nC99,", r"claims\.csv:3: C99 has no test"),
        ("\nC02,", "\nC01,", r"claims\.csv:3: C01 has no test, or stands here twice"),
        (",primary,holds,\n", ",primary,perhaps,\n", r"claims\.csv:2: unknown outcome"),
        (",primary,holds,\n", ",tertiary,holds,\n", r"claims\.csv:2: unknown grade 'tertiary'"),
        ("id,artefact", "id,figure", r"claims\.csv: no column 'artefact'"),
    ],
)
def test_a_broken_line_is_one_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    """A claim without a test, or an outcome that is none, names file and line."""
    folder = shutil.copytree(ROOT / "config/reference", tmp_path / "reference")
    path = folder / "claims.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")

    with pytest.raises(DataError, match=words):
        load_claims(folder)


def test_a_lost_claim_is_one_line(tmp_path: Path) -> None:
    """A test without its line is an error, not one claim fewer."""
    folder = shutil.copytree(ROOT / "config/reference", tmp_path / "reference")
    path = folder / "claims.csv"
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.reader(handle))
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows(rows[:-1])

    with pytest.raises(DataError, match="no line for C44"):
        load_claims(folder)


def test_every_claim_has_an_outcome_with_a_reason(results: dict[str, Result]) -> None:
    """None is dropped, and what was compared has an interval and its cells."""
    assert list(results) == list(TESTS)
    assert all(one.reason for one in results.values())
    for one in results.values():
        assert bool(one.parts) == (one.outcome is not ClaimOutcome.UNTESTABLE)
        if one.parts:
            assert one.deciding is not None
            assert one.deciding.on_examples is not None
            assert cells_of(one)
            for chance in (one.holds, one.fails):
                assert 0 <= chance.p <= chance.adjusted <= 1


def test_large_effects_are_shown_and_refuted(
    demo: Study, similarity: dict[str, dict[str, float]]
) -> None:
    """PD far above PF at every size holds; far below at one size it fails."""
    rates = {"pd": 95.0, "pf": 60.0}
    holding = {key: rates.get(cell.method, 75.0) for key, cell in demo.cells.items()}
    smallest = demo.all_architectures[0]
    failing = holding | {
        key: 5.0
        for key, cell in demo.cells.items()
        if (cell.method, cell.architecture) == ("pd", smallest)
    }

    holds, fails = (
        on_study(one_claim("C13"), with_accuracies(demo, chosen), similarity)[0]
        for chosen in (holding, failing)
    )

    assert (holds.outcome, holds.outcome.mark) == (ClaimOutcome.HOLDS, "+")
    assert len(holds.parts) == len(demo.all_architectures)
    assert (fails.outcome, fails.outcome.mark) == (ClaimOutcome.FAILS, "\N{MINUS SIGN}")
    assert fails.deciding is not None
    assert fails.deciding.outcome is ClaimOutcome.FAILS


def test_how_far_an_exception_may_be_is_the_studys(
    demo: Study, similarity: dict[str, dict[str, float]]
) -> None:
    """A size that hardly leads is no exception of two points, though it may be one of a tenth."""
    rates, others = {"pd": 95.0, "pf": 60.0}, {"pd": 79.0}
    smallest = demo.all_architectures[0]
    world = {
        key: (others if cell.architecture == smallest else rates).get(cell.method, 75.0)
        for key, cell in demo.cells.items()
    }

    def outcome(exception: float) -> Result:
        evidence = {"margin": 0.5, "exception": exception}
        study = Study.model_validate({**demo.model_dump(), "evidence": evidence})
        return on_study(one_claim("C13"), with_accuracies(study, world), similarity)[0]

    assert outcome(2.0).outcome is ClaimOutcome.HOLDS
    assert outcome(0.1).outcome is ClaimOutcome.OPEN


def with_accuracies(study: Study, accuracies: dict[str, float]) -> ResultsTable:
    """Invented results in which some cells are right so often, in per cent."""
    frame = synthetic.results(study)
    labels = np.array(synthetic.LABELS)
    for i, (key, task) in enumerate(zip(frame["cell"], frame["task"], strict=True)):
        if key in accuracies:
            rng = np.random.default_rng(i)
            wrong = rng.random(len(labels)) > accuracies[key] / 100
            frame.at[i, "test_predictions"] = (labels ^ wrong).tolist()
            for metric, value in compute(study.tasks[task].metrics, labels ^ wrong, labels).items():
                frame.at[i, f"test_{metric}"] = value
    return ResultsTable(study, frame)


def test_no_effect_is_open_with_the_smallest_detectable_difference(
    demo: Study, similarity: dict[str, dict[str, float]]
) -> None:
    """Methods that do not differ show nothing, and the reader learns what could have been seen."""
    same = {key: 70.0 for key, cell in demo.cells.items()}

    (found,) = on_study(one_claim("C13"), with_accuracies(demo, same), similarity)

    assert found.outcome is ClaimOutcome.OPEN
    assert re.search(r"smallest detectable difference \d+\.\d points$", found.reason)


def test_exactly_one_missing_cell_makes_its_claims_untestable(
    demo: Study, similarity: dict[str, dict[str, float]], results: dict[str, Result]
) -> None:
    """The claims that need it cannot be tested, never become true, and no other one changes."""
    gone = next(
        key
        for key, cell in demo.cells.items()
        if (cell.method, cell.architecture) == ("pf", demo.all_architectures[0])
        and cell.corpus == "film-sentences"
    )
    scores = ResultsTable(demo, synthetic.results(demo, missing=(gone,)))

    found = by_id(on_study(CLAIMS, scores, similarity))

    touched = {name for name, one in results.items() if gone in cells_of(one)}
    assert "C13" in touched
    for name, one in found.items():
        if name in touched:
            assert one.outcome is ClaimOutcome.UNTESTABLE, name
            assert gone in one.reason
        else:
            assert (one.outcome is ClaimOutcome.UNTESTABLE) == (
                results[name].outcome is ClaimOutcome.UNTESTABLE
            )


def without_teacher(study: Study) -> pd.DataFrame:
    """Invented results in which the first task has no teacher, whose row carries the labels."""
    frame = synthetic.results(study)
    return frame[(frame["method"] != "teacher") | (frame["task"] != "sentiment")]


def test_missing_labels_are_one_line(demo: Study, similarity: dict[str, dict[str, float]]) -> None:
    """Without the true labels of the test examples nothing can be compared at all."""
    with pytest.raises(DataError, match="no test labels of task 'sentiment'"):
        on_study(one_claim("C16"), ResultsTable(demo, without_teacher(demo)), similarity)


def test_a_missing_teacher_makes_its_claims_untestable(
    demo: Study, similarity: dict[str, dict[str, float]]
) -> None:
    """Claims about the teacher need it; where a student's row carries the labels, others do not."""
    frame = without_teacher(demo).reset_index(drop=True)
    first = frame.index[frame["task"] == "sentiment"][0]
    frame.at[first, "test_labels"] = list(synthetic.LABELS)

    found = by_id(on_study(CLAIMS, ResultsTable(demo, frame), similarity))

    assert found["C16"].outcome is ClaimOutcome.UNTESTABLE
    assert found["C16"].reason == "the teacher of sentiment is missing"
    assert found["C13"].parts


@pytest.mark.parametrize("predictions", [None, [0, 1]], ids=["none", "two"])
def test_a_run_without_all_predictions_is_one_line(
    demo: Study, similarity: dict[str, dict[str, float]], predictions: list[int] | None
) -> None:
    """Nothing is scored on part of the test examples."""
    frame = synthetic.results(demo)
    frame.at[frame.index[-1], "test_predictions"] = predictions

    with pytest.raises(DataError, match="no prediction for every test example"):
        on_study(one_claim("C16"), ResultsTable(demo, frame), similarity)


def test_the_cost_of_truncation_is_largest_for_the_shallowest(
    references: tuple[Reference, ...],
) -> None:
    """C10 compares Tiny with every other size: losing more at Small than at Tiny refutes it."""
    where = ("figure5", "pd-truncated", "4/512")
    moved = tuple(
        replace(r, value=r.value - 5) if (r.artefact, r.method, r.architecture) == where else r
        for r in references
    )

    (found,) = on_reference(one_claim("C10"), moved)

    assert found.outcome is ClaimOutcome.FAILS


def test_missing_similarities_make_claims_untestable(demo: Study) -> None:
    """Without an audit nobody knows which transfer set is near."""
    scores = ResultsTable(demo, synthetic.results(demo))

    (found,) = on_study(one_claim("C27"), scores, {})

    assert (found.outcome, found.parts) == (ClaimOutcome.UNTESTABLE, ())
    assert "similarities" in found.reason


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("C01", "no number for PD sst2"),
        ("C05", "dev chooses among the runs"),
        ("C10", "sizes do not go from shallow to deep"),
        ("C04", "the same model"),
        ("C20", "as many parameters"),
        ("C21", "as deep"),
        ("C23", "8,000,000"),
        ("C28", "S = 0.43"),
        ("C35", "figure10 on sentiment by snippets-4k"),
        ("C36", "no task mnli"),
        ("C40", "no number for"),
        ("C42", "no number for"),
    ],
)
def test_what_the_study_does_not_have_is_untestable(
    results: dict[str, Result], name: str, words: str
) -> None:
    """Tasks, sizes, transfer sets and tables that are the paper's alone are not replaced."""
    assert results[name].outcome is ClaimOutcome.UNTESTABLE
    assert words in results[name].reason


def test_magnitudes_are_kept_where_the_statement_has_them(
    demo: Study, references: tuple[Reference, ...]
) -> None:
    """At the demo's scale only magnitudes that no statement claims become directions."""
    scores = ResultsTable(demo, synthetic.results(demo))
    here, there = Numbers.measured(scores, {}), Numbers.published(references)

    assert [TESTS["C17"](n).comparisons[0].quantity.constant for n in (here, there)] == [0, -1]
    assert [TESTS["C33"](n).comparisons[0].quantity.constant for n in (here, there)] == [-1.5] * 2


def test_a_study_at_the_papers_scale_is_asked_as_the_paper_is(demo: Study) -> None:
    """With the paper's own 24 sizes every claim about them is tested, magnitudes and all."""
    grid = {"layers": [2, 4, 6, 8, 10, 12], "hidden": [128, 256, 512, 768]}
    named = {name: str(size) for name, size in PAPER_SIZES.items()}
    block = {
        "task": "sst2",
        "method": ["pd", "pf", "d", "basic"],
        "architecture": "all",
        "transfer": "snippets-4k",
        "corpus": "film-sentences",
    }
    changes = {
        "scale": "paper",
        "architectures": {"grid": grid, "named": named},
        "tasks": {"sst2": synthetic.glue_task(demo)},
        "artefacts": {"figure6": {"seeds": 2, "cells": [block]}},
    }
    study = Study.model_validate({**demo.model_dump(), **changes})

    found = by_id(on_study(CLAIMS, ResultsTable(study, synthetic.results(study)), {}))

    tested = {name for name, one in found.items() if one.parts}
    assert tested == {f"C{i}" for i in range(13, 22)}
    assert len(found["C13"].parts) == 24
    assert "PD 6/768 \N{MINUS SIGN} PD 2/768 ≥ 1" in {part.text for part in found["C17"].parts}


def test_named_sizes_stand_for_the_papers(demo: Study) -> None:
    """Tiny ... Base are the study's own; a statement on all sizes takes the whole grid."""
    numbers = Numbers.measured(ResultsTable(demo, synthetic.results(demo)), {})

    assert numbers.figure("figure5").named == tuple(demo.named_architectures.values())
    assert numbers.figure("figure6").sizes == demo.all_architectures


def test_depth_and_width_keep_their_place(references: tuple[Reference, ...], demo: Study) -> None:
    """6/128 is three times as deep as the smallest size and as wide; the paper's is itself."""
    here = Numbers.measured(ResultsTable(demo, synthetic.results(demo)), {}).figure("figure6")
    there = Numbers.published(references).figure("figure6")

    assert str(here.like("6/128")) == "3/32"
    assert str(here.like("2/256")) == "1/64"
    assert all(there.like(str(size)) == size for size in PAPER_ARCHITECTURES)
    assert [tuple(map(str, pair)) for pair in here.across_widths(2, 6)] == [
        ("1/32", "3/32"),
        ("1/64", "3/64"),
    ]


def test_the_papers_named_sizes_are_found_by_name(references: tuple[Reference, ...]) -> None:
    """On the reference, Tiny is 2/128."""
    assert Numbers.published(references).figure("figure5").named == tuple(PAPER_SIZES.values())


def test_claims_of_one_artefact_are_corrected_together(results: dict[str, Result]) -> None:
    """The family is the claims of the artefact that were tested, and Holm never helps."""
    tested = [one for one in results.values() if one.parts]

    for one in tested:
        family = [other for other in tested if other.claim.artefact == one.claim.artefact]
        assert one.family == len(family)
        for way in ("holds", "fails"):
            smallest = min((getattr(other, way) for other in family), key=lambda chance: chance.p)
            assert smallest.adjusted == pytest.approx(min(1, smallest.p * len(family)))


@pytest.mark.parametrize(
    ("holds", "fails", "outcome"),
    [
        (0.049, 1.0, ClaimOutcome.HOLDS),
        (0.051, 1.0, ClaimOutcome.OPEN),
        (1.0, 0.049, ClaimOutcome.FAILS),
        (1.0, 0.051, ClaimOutcome.OPEN),
    ],
)
def test_an_outcome_is_decided_after_the_correction(
    holds: float, fails: float, outcome: ClaimOutcome
) -> None:
    """What is shown alone stays open if it is not after Holm's correction, either way."""
    about = Quantity({("a", "accuracy"): 1.0}, 0.0, "a")
    part = Trial("a > 0", about, Difference(2.0, 0.7, 100, 3), 0.005, 0.995)
    alone = Result(CLAIMS[0], ClaimOutcome.OPEN, "", deciding=part, parts=(part,))

    assert _decide(alone, holds, fails, 5).outcome is outcome


def test_testing_twice_gives_the_same_outcomes(
    demo: Study, similarity: dict[str, dict[str, float]], results: dict[str, Result]
) -> None:
    """Intervals repeat exactly."""
    scores = ResultsTable(demo, synthetic.results(demo))

    (again,) = on_study(one_claim("C13"), scores, similarity)

    assert again.parts == results["C13"].parts


def test_the_order_of_the_runs_does_not_matter(
    demo: Study, similarity: dict[str, dict[str, float]], results: dict[str, Result]
) -> None:
    """Runs are found by what they are, not by their row."""
    shuffled: pd.DataFrame = synthetic.results(demo).sample(frac=1, random_state=3)

    found = by_id(on_study(CLAIMS, ResultsTable(demo, shuffled), similarity))

    assert {n: one.outcome for n, one in found.items()} == {
        n: one.outcome for n, one in results.items()
    }


def test_single_seeds_decide_nothing(demo: Study, similarity: dict[str, dict[str, float]]) -> None:
    """With one run a cell every claim that can be asked stays open."""
    needs = {name: about.model_copy(update={"seeds": 1}) for name, about in demo.artefacts.items()}
    study = Study.model_validate({**demo.model_dump(), "artefacts": needs})

    (found,) = on_study(one_claim("C13"), ResultsTable(study, synthetic.results(study)), similarity)

    assert found.outcome is ClaimOutcome.OPEN
    assert found.reason == "single runs have no spread"


def test_the_same_model_is_counted_and_never_compared(results: dict[str, Result]) -> None:
    """At one of five sizes truncation takes nothing away, so that both starts are one."""
    found = results["C09"]

    assert (found.same, len(found.parts)) == (1, 14)
    assert found.counts.endswith("1 the same model")
    assert not any("truncated 3/" in part.text for part in found.parts if "PD 3/" in part.text)


def answered(study: Study, scores: dict[str, list[float]]) -> Result:
    """C04 where GLUE's server gave the first runs of these methods these scores on SST-2."""
    block = {
        "task": "sst2",
        "method": ["tf", "pf"],
        "architecture": "Mini",
        "corpus": "film-sentences",
    }
    changes = {
        "tasks": {"sst2": synthetic.glue_task(study)},
        "artefacts": {"table3": {"seeds": 3, "cells": [block]}},
        "gate": [],
    }
    own = Study.model_validate({**study.model_dump(), **changes})
    frame = synthetic.results(own).assign(submission_accuracy=math.nan)
    for method, values in scores.items():
        rows = frame.index[frame["method"] == method]
        frame.loc[rows[: len(values)], "submission_accuracy"] = values
    return on_study(one_claim("C04"), ResultsTable(own, frame), {})[0]


def test_glues_own_test_split_is_asked_for(demo: Study) -> None:
    """A claim about it needs what the server answered, and says how to get that."""
    found = answered(demo, {})

    assert found.outcome is ClaimOutcome.UNTESTABLE
    assert re.fullmatch(
        r"GLUE's server has scored no run of sst2\.\S+: "
        r"pdbench submission, then pdbench import-scores",
        found.reason,
    )


def test_one_scored_run_shows_nothing(demo: Study) -> None:
    """However large the difference is; it is printed, without an interval."""
    found = answered(demo, {"pf": [0.9], "tf": [0.7]})

    assert (found.outcome, found.reason) == (ClaimOutcome.OPEN, "single runs have no spread")
    assert found.deciding is not None
    assert found.deciding.estimate.value == pytest.approx(20)
    assert found.deciding.on_examples is None


def test_half_an_answer_is_none(demo: Study) -> None:
    """A run counts once the server's scores in all metrics of its task are here."""
    task = demo.tasks["sentiment"].model_copy(update={"metrics": ("accuracy", "f1")})
    study = Study.model_validate({**demo.model_dump(), "tasks": {**demo.tasks, "sentiment": task}})
    frame = synthetic.results(study).assign(submission_accuracy=0.9)
    (cell,) = {
        c for c in study.artefact_cells("table3") if (c.task, c.method) == ("sentiment", "pf")
    }

    for column, count in (({}, 0), ({"submission_f1": 0.9}, 3)):
        scores = ResultsTable(study, frame.assign(**column))
        groups = with_answers(Estimator.of(scores, [cell]), scores).groups
        scored = groups.get(cell.key + SERVER)
        assert (len(scored.rows) if scored else 0) == count


def test_several_scored_runs_are_tested(demo: Study) -> None:
    """On GLUE's test split, whatever the scores on the study's own are."""
    holds = answered(demo, {"pf": [0.9, 0.91, 0.9], "tf": [0.8, 0.8, 0.79]})
    fails = answered(demo, {"tf": [0.9, 0.91, 0.9], "pf": [0.8, 0.8, 0.79]})

    assert (holds.outcome, fails.outcome) == (ClaimOutcome.HOLDS, ClaimOutcome.FAILS)


def test_a_tie_counts_within_the_margin_that_the_study_names(demo: Study) -> None:
    """PF ties with PD on dev: within two points it is as good, and without a margin open."""

    def with_margin(margin: float | None) -> ClaimOutcome:
        block = {
            "task": "sst2",
            "method": ["pd", "pf"],
            "architecture": "Mini",
            "transfer": "snippets-4k",
            "corpus": "film-sentences",
        }
        changes = {
            "tasks": {"sst2": synthetic.glue_task(demo)},
            "artefacts": {"table3": {"seeds": 3, "cells": [block], "margin": margin}},
            "evidence": {"margin": None},
            "gate": [],
        }
        study = Study.model_validate({**demo.model_dump(), **changes})
        frame = synthetic.results(study)
        one = frame.loc[frame["method"] == "pf", "test_predictions"].iloc[0]
        frame["test_predictions"] = [one] * len(frame)
        for metric, value in compute(["accuracy"], one, synthetic.LABELS).items():
            frame[f"test_{metric}"] = value
        return on_study(one_claim("C05"), ResultsTable(study, frame), {})[0].outcome

    assert with_margin(2.0) is ClaimOutcome.HOLDS
    assert with_margin(None) is ClaimOutcome.OPEN


class Whole(ResultsTable):
    """A study of which every run is there, with or without the answers of GLUE's server."""

    def __init__(self, study: Study, *, answered: bool) -> None:
        self.study, self._answered = study, answered

    def is_whole(self, cell: Cell) -> bool:
        """Always."""
        return True

    def teacher_key(self, task: str) -> str | None:
        """One for each task."""
        return f"teacher.{task}"

    def chosen(self, key: str) -> pd.DataFrame:
        """One run, scored in every metric."""
        metrics = ("accuracy", "f1", "matthews_correlation", "pearson", "spearman")
        answers = {f"submission_{metric}": [0.9] for metric in metrics}
        return pd.DataFrame(answers if self._answered else {"seed_index": [0]})


def test_the_papers_study_can_test_what_runs_can_show() -> None:
    """All but numbers that no run gives; four claims need what GLUE's server answers."""
    study = load_study("paper")
    similar = {"book-reviews": 1.0, "movie-reviews": 0.76}
    similar |= {"electronics-reviews": 0.52, "clothing-reviews": 0.43}
    similarity = {name: {"book-reviews": value} for name, value in similar.items()}

    def untestable(*, answered: bool) -> set[str]:
        numbers, lacking = Numbers.measured(Whole(study, answered=answered), similarity), set()
        for name, test in TESTS.items():
            try:
                without_same(test(numbers))
            except Untestable:
                lacking.add(name)
        return lacking

    of_distilbert = {"C02", "C07"} if "distilbert" not in table3_methods(study) else set()
    never = {"C08", "C35", "C39", "C40", "C41", "C42", "C43"} | of_distilbert

    assert untestable(answered=True) == never
    assert untestable(answered=False) == never | {"C01", "C03", "C04", "C06"}


def table3_methods(study: Study) -> set[str]:
    """The methods of table3."""
    return {cell.method for cell in study.artefact_cells("table3")}
