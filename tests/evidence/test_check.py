"""Checks of results: what is compared, what is refused, and that nothing missing passes."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import gate_results
import pandas as pd
import pytest
from gate_results import change, table, without

from pdbench.core.errors import DataError, UsageError
from pdbench.evidence import paired
from pdbench.evidence.gate import Gate, GateOutcome, Row, check
from pdbench.evidence.pairs import Match
from pdbench.study import Study
from pdbench.study.waivers import Waiver

TODAY = date(2026, 11, 21)
MATCH = Match("d", "pd", 2.0)
ONE = "sentiment.pd.2-128.films-300.general"
TWIN = "sentiment.d.2-128.films-300.none"
STORED = Match("stored", "", 2.0)


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Differences here are plain: a tenth of the usual samples shows them."""
    monkeypatch.setattr(paired, "_RESAMPLES", 200)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Six cells each of pd and d, of three seeds and two grid points."""
    return gate_results.small_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def equal(study: Study) -> pd.DataFrame:
    """Results in which pd is a little better than d in every cell."""
    return table(study, {"pd": 0.3})


@pytest.fixture(scope="module")
def worse(study: Study) -> pd.DataFrame:
    """The same, but for one cell that is worse."""
    return table(study, {"pd": 0.3, ONE: -1.2})


def gate(study: Study, frame: Any, match: Match = MATCH, **options: Any) -> Gate:
    """Check on the day of these tests."""
    return check(study, frame, match, TODAY, **options)


def row(found: Gate, name: str = ONE) -> Row:
    """The row of a cell."""
    (one,) = (row for row in found.rows if row.name == name)
    return one


def test_a_better_method_passes(study: Study, equal: pd.DataFrame) -> None:
    """Six cells and their mean are shown not to be worse."""
    found = gate(study, equal)

    assert [r.outcome for r in found.rows] == [GateOutcome.PASSED] * 7
    assert (found.code(), found.code(strict=True)) == (0, 0)
    assert found.pooled[0].name == "pooled.sentiment"
    assert row(found).cells == (TWIN, ONE)


def test_exactly_one_regression_fails(study: Study, worse: pd.DataFrame) -> None:
    """One cell of six is enough, and it is the one that is named."""
    found = gate(study, worse)

    assert [r.name for r in found.cells if r.outcome is GateOutcome.REGRESSED] == [ONE]
    assert found.code() == 1
    assert row(found).scores[1] < row(found).scores[0] - 10


LOSSES = {
    "a cell of the candidate": lambda frame: without(frame, cell=ONE),
    "a cell of the baseline": lambda frame: without(frame, cell=TWIN),
    "a run": lambda frame: without(frame, cell=ONE, seed_index=1, selected=True),
    "a run that dev did not choose": lambda frame: without(
        frame, cell=TWIN, seed_index=2, selected=False
    ),
    "a score": lambda frame: change(
        frame, {"cell": ONE, "seed_index": 0, "selected": True}, test_accuracy=float("nan")
    ),
    "predictions": lambda frame: change(
        frame, {"cell": TWIN, "seed_index": 0, "selected": True}, test_predictions=None
    ),
    "a prediction": lambda frame: change(
        frame, {"cell": TWIN, "seed_index": 0, "selected": True}, test_predictions=[0, 1]
    ),
}


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES.keys())
def test_exactly_one_loss_is_incomplete(study: Study, equal: pd.DataFrame, lose: Any) -> None:
    """Five cells that pass do not hide that something of the sixth is not there."""
    found = gate(study, lose(equal))

    assert row(found).outcome is GateOutcome.MISSING
    assert [r.outcome for r in found.cells].count(GateOutcome.PASSED) == 5
    assert found.code() == 2


def test_a_task_without_a_teacher_is_judged(study: Study, equal: pd.DataFrame) -> None:
    """The true labels stand in the first row of a task, whichever run that is."""
    labels = equal["test_labels"].dropna().iloc[0]
    alone = without(equal, method="teacher")

    found = gate(
        study, change(alone, {"cell": ONE, "run": alone["run"].iloc[0]}, test_labels=labels)
    )

    assert {r.outcome for r in found.cells} == {GateOutcome.PASSED}


def test_runs_of_other_settings_are_incomplete(study: Study, equal: pd.DataFrame) -> None:
    """A cell that was edited and not trained again is not judged; stored results may be older."""
    older = change(equal, {"cell": ONE}, spec="0" * 16)

    found = gate(study, older)
    stored = gate(study, equal, STORED, stored=older)

    assert found.code() == 2
    assert [row.name for row in found.cells if row.outcome is GateOutcome.MISSING] == [ONE]
    assert "runs are of other settings or code; run the study again" in row(found).reason
    assert stored.code() == 0


def test_missing_labels_are_incomplete(study: Study, equal: pd.DataFrame) -> None:
    """Without the true labels nothing can be tested, and nothing passes."""
    found = gate(study, change(equal, {"method": "teacher"}, test_labels=None))

    assert {r.outcome for r in found.rows} == {GateOutcome.MISSING}
    assert "no labels of the test examples of sentiment" in row(found).reason
    assert found.code() == 2


def test_a_regression_comes_before_something_missing(study: Study, worse: pd.DataFrame) -> None:
    """Incomplete results with a regression have exit code 1."""
    lost = without(worse, cell="sentiment.d.1-64.films-300.none")

    assert gate(study, lost).code() == 1


def test_a_cell_without_a_counterpart_is_incomplete(study: Study, equal: pd.DataFrame) -> None:
    """Distillation has a cell on more text, where the study has none of pd."""
    found = gate(study, equal, Match("pd", "d", 50.0))

    assert "no cell of pd beside it" in row(found, "sentiment.d.1-64.films-1k.none").reason
    assert found.code() == 2


BUDGETS = {
    "updates 400 v 500": {"steps": 500},
    "items seen 12,000 v 12,240": {"examples": 12_240},
    "updates 400 v nan": {"steps": float("nan")},
    "items seen 12,000 v nan": {"examples": float("nan")},
    "data of train not the same": {"train_digest": "c"},
    "data of soft_labels not the same": {"soft_labels_digest": "c"},
}


@pytest.mark.parametrize(("line", "values"), BUDGETS.items(), ids=BUDGETS.keys())
def test_another_budget_is_refused(
    study: Study, equal: pd.DataFrame, line: str, values: dict[str, Any]
) -> None:
    """One line says what differs, and a cell that is refused is no pass."""
    found = gate(study, change(equal, {"cell": ONE}, **values))

    assert (row(found).outcome, row(found).reason) == (GateOutcome.REFUSED, line)
    assert found.code() == 2


def test_a_larger_grid_is_refused(tmp_path: Path) -> None:
    """The best of two grid points is no fair match for the only one of the other method."""
    study = gate_results.small_study(
        tmp_path,
        {
            "training.finetune.learning_rate": [1e-3],
            "artefacts.figure6.cells.0.method": ["pf", "basic"],
        },
    )
    frame = table(study)
    double = frame[frame["method"] == "pf"].assign(selected=False)
    double["run"] += "-other"

    found = gate(study, pd.concat([frame, double], ignore_index=True), Match("basic", "pf", 50.0))

    assert {r.reason for r in found.cells} == {"grid points 1 v 2"}
    assert found.code() == 2


def test_other_data_are_refused(study: Study, equal: pd.DataFrame) -> None:
    """Fine-tuning on the labelled set is no match for distilling with a transfer set."""
    found = gate(study, equal, Match("pd", "pf", 2.0))

    assert "transfer set films-300 v none; updates 400 v 150" in found.cells[0].reason
    assert {r.outcome for r in found.rows} == {GateOutcome.REFUSED}


def test_the_shorter_last_batch_is_no_other_budget(study: Study, equal: pd.DataFrame) -> None:
    """Less than a hundredth of the items, and tables without digests, may differ."""
    frame = change(equal, {"cell": ONE}, examples=12_050).drop(columns="soft_labels_digest")

    assert gate(study, frame).code() == 0


def test_a_start_is_the_methods_own_and_is_noted(study: Study, equal: pd.DataFrame) -> None:
    """Pre-trained beside random is compared, and said."""
    assert gate(study, equal).notes[0].startswith("starts differ: d random, pd pretrained")


def test_constant_predictions_are_noted(study: Study, equal: pd.DataFrame) -> None:
    """A degenerate run is flagged and no pass; only its score makes it a regression."""
    flagged = change(equal, {"cell": ONE, "seed_index": 1, "selected": True}, degenerate=True)

    found = gate(study, flagged)
    assert row(found).notes == ("candidate: 1 of 3 runs predict one class only",)
    assert (row(found).outcome, found.code(), found.code(strict=True)) == (
        GateOutcome.UNRESOLVED,
        0,
        2,
    )
    assert "one answer to everything is no skill" in row(found).reason


def test_two_constant_predictors_do_not_pass_each_other(study: Study, equal: pd.DataFrame) -> None:
    """Their scores are the same to the last digit, which says nothing about the method."""
    labels = equal["test_labels"].dropna().iloc[0]
    score = sum(labels) / len(labels)
    frame = equal
    for cell in (ONE, TWIN):
        constant = {"test_predictions": [1] * len(labels), "test_accuracy": score}
        frame = change(frame, {"cell": cell}, degenerate=True, **constant)

    assert row(gate(study, frame)).outcome is GateOutcome.UNRESOLVED
    assert row(gate(study, frame, STORED, stored=frame)).outcome is GateOutcome.PASSED
    assert row(gate(study, frame, Match("stored", "", 99.0), stored=equal)).outcome is not (
        GateOutcome.PASSED
    )


def test_unresolved_cells_count_when_asked(study: Study) -> None:
    """Too little evidence passes, and does not with ``strict``."""
    found = gate(study, table(study), Match("d", "pd", 0.01))

    reasons = [r.reason for r in found.cells if r.outcome is GateOutcome.UNRESOLVED]
    assert "would have been found" in reasons[0]
    assert (found.code(), found.code(strict=True)) == (0, 2)


def test_single_runs_of_two_methods_cannot_be_judged(tmp_path: Path) -> None:
    """Without a spread over seeds nothing is shown, and that is no pass."""
    study = gate_results.small_study(
        tmp_path, {"artefacts.figure6.seeds": 1, "artefacts.figure8.seeds": 1}
    )

    found = gate(study, table(study, {"pd": -1.0}))

    assert {r.outcome for r in found.cells} == {GateOutcome.MISSING}
    assert "single runs have no spread" in row(found).reason
    assert found.code() == 2


def test_the_same_results_pass(study: Study, equal: pd.DataFrame) -> None:
    """Bit for bit the same, at any margin: no cell is lost, none unresolved."""
    found = gate(study, equal, Match("stored", "", 0.0), stored=equal)

    assert {r.outcome for r in found.rows} == {GateOutcome.PASSED}
    assert len(found.cells) == len(study.cells)
    assert found.code(strict=True) == 0


def test_a_worse_version_of_one_cell_fails(
    study: Study, equal: pd.DataFrame, worse: pd.DataFrame
) -> None:
    """Run by run with the same seeds, the changed cell is found and no other."""
    found = gate(study, worse, STORED, stored=equal)

    assert [r.name for r in found.cells if r.outcome is GateOutcome.REGRESSED] == [ONE]
    assert found.code() == 1


@pytest.mark.parametrize("side", ["stored", "here"])
def test_exactly_one_missing_run_of_either_version_is_incomplete(
    study: Study, equal: pd.DataFrame, side: str
) -> None:
    """One run of the reference, or one of ours, is enough."""
    less = without(equal, cell=ONE, seed_index=0, selected=True)
    frames = (equal, less) if side == "stored" else (less, equal)

    found = gate(study, frames[0], STORED, stored=frames[1])

    assert row(found).reason == f"{side}: 1 of 6 runs missing, of seed 0"
    assert [r.outcome for r in found.cells].count(GateOutcome.PASSED) == len(study.cells) - 1
    assert found.code() == 2


def test_a_cell_that_the_study_lost_is_incomplete(tmp_path: Path, equal: pd.DataFrame) -> None:
    """What the stored results have must still be there."""
    less = gate_results.small_study(tmp_path, {"artefacts.figure8.cells.0.transfer": ["films-300"]})
    gone = "sentiment.d.1-64.films-1k.none"

    found = gate(less, equal, STORED, stored=equal)

    assert "the study has no such cell any more" in row(found, gone).reason
    assert found.code() == 2


def test_other_seeds_or_examples_are_refused(study: Study, equal: pd.DataFrame) -> None:
    """Runs are compared with those of their seeds, on the same examples."""
    other = change(equal, {"cell": ONE, "seed_index": 0}, seed=7)
    labels = 1 - pd.Series(equal["test_labels"].dropna().iloc[0])
    turned = change(equal, {"method": "teacher"}, test_labels=labels.tolist())

    assert row(gate(study, other, STORED, stored=equal)).reason.startswith("seeds ")
    reason = row(gate(study, equal, STORED, stored=turned)).reason
    assert reason == "labels of the test examples not the same"


def test_single_runs_of_two_versions_are_tested_over_examples(tmp_path: Path) -> None:
    """One run each, of the same seed: McNemar's exact test finds a loss, and the note says how."""
    study = gate_results.small_study(
        tmp_path, {"artefacts.figure6.seeds": 1, "artefacts.figure8.seeds": 1}
    )
    before = table(study)

    found = gate(study, table(study, {ONE: -1.0}), STORED, stored=before)

    assert [r.name for r in found.cells if r.outcome is GateOutcome.REGRESSED] == [ONE]
    assert row(found).notes == ("single runs: tested over examples only",)
    assert gate(study, before, STORED, stored=before).code(strict=True) == 0


def test_predictions_that_do_not_give_the_scores_are_an_error(
    study: Study, equal: pd.DataFrame
) -> None:
    """A table whose parts do not fit together is no evidence."""
    where = {"cell": ONE, "seed_index": 0, "selected": True}

    with pytest.raises(DataError, match="do not give the recorded scores"):
        gate(study, change(equal, where, test_accuracy=0.9))


def test_results_of_another_study_are_misuse(study: Study, equal: pd.DataFrame) -> None:
    """Cells of the same name in another study are not the same."""
    with pytest.raises(UsageError, match="those of study 'other', not 'small'"):
        gate(study, equal.assign(study="other"))


def waiver(**changes: Any) -> Waiver:
    """A waiver of the one regression."""
    words = {"study": "small", "baseline": "d", "cell": ONE, "reason": "known"}
    return Waiver.model_validate({**words, "expires": TODAY, **changes})


def test_a_waived_regression_does_not_fail(study: Study, worse: pd.DataFrame) -> None:
    """It is still there, with its reason, and counts in no mean."""
    found = gate(study, worse, waivers=[waiver(cell="sentiment.pd.2-128.*")])

    assert row(found).outcome is GateOutcome.WAIVED
    assert "waived until 2026-11-21: known" in row(found).reason
    assert found.pooled[0].notes == ("mean of 5 cells",)
    assert found.code() == 0


@pytest.mark.parametrize(
    "changes",
    [{"baseline": "pf"}, {"study": "other"}, {"cell": TWIN}, {"baseline": "stored"}],
    ids=str,
)
def test_a_waiver_covers_what_it_names(
    study: Study, worse: pd.DataFrame, changes: dict[str, Any]
) -> None:
    """One of another cell, baseline or study does not count."""
    assert row(gate(study, worse, waivers=[waiver(**changes)])).outcome is GateOutcome.REGRESSED


def test_an_expired_waiver_fails(study: Study, worse: pd.DataFrame, equal: pd.DataFrame) -> None:
    """With its regression the check fails; without one it asks to be removed."""
    old = waiver(expires=date(2026, 11, 20))

    found = gate(study, worse, waivers=[old])
    assert row(found).outcome is GateOutcome.REGRESSED
    assert row(found).notes == ("waiver expired on 2026-11-20: known",)
    assert (found.code(), found.problems) == (1, ())

    found = gate(study, equal, waivers=[old])
    assert "expired on 2026-11-20 and covers no regression; remove it" in found.problems[0]
    assert found.code() == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cell": "sentiment.pd.9-64.*"}, "fits no cell of study small"),
        ({"baseline": "dd"}, "no such method"),
    ],
)
def test_a_waiver_of_nothing_is_a_problem(
    study: Study, equal: pd.DataFrame, changes: dict[str, Any], words: str
) -> None:
    """A slip of the pen must not look like a waiver that counts."""
    found = gate(study, equal, waivers=[waiver(**changes)])

    assert words in found.problems[0]
    assert found.code() == 2


def test_a_mean_can_be_waived(study: Study) -> None:
    """Small losses that only the mean shows."""
    frame = table(study, {"pd": -0.15})
    match = Match("d", "pd", 0.5)
    assert row(gate(study, frame, match), "pooled.sentiment").outcome is GateOutcome.REGRESSED

    found = gate(study, frame, match, waivers=[waiver(cell="pooled.*"), waiver(cell="*.pd.*")])

    assert row(found, "pooled.sentiment").outcome in (GateOutcome.WAIVED, GateOutcome.UNRESOLVED)
    assert found.code() == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("d", "dp", 1.0), "unknown method 'dp'"),
        (("d", "d", 1.0), "name two methods"),
        (("d", None, 1.0), "name two methods"),
    ],
)
def test_what_is_no_comparison_is_misuse(study: Study, arguments: Any, words: str) -> None:
    """Unknown methods, one with itself, and one alone."""
    with pytest.raises(UsageError, match=words):
        Match.of_methods(study, *arguments)


def test_the_margin_is_the_studys_unless_given(study: Study, tmp_path: Path) -> None:
    """And there must be one."""
    assert Match.of_methods(study, "d", "pd", None).margin == 0.5
    assert Match.of_versions(study, 0.0).margin == 0.0
    none = gate_results.small_study(tmp_path, {"evidence": {}})
    with pytest.raises(UsageError, match="no margin is named"):
        Match.of_versions(none, None)


@pytest.mark.parametrize(
    ("own", "outcome"),
    [(None, GateOutcome.PASSED), (2.0, GateOutcome.REGRESSED)],
    ids=["artefact", "own"],
)
def test_an_artefacts_margin_goes_before_the_studys(
    tmp_path: Path, own: float | None, outcome: GateOutcome
) -> None:
    """Unless one is said of the comparison itself."""
    study = gate_results.small_study(tmp_path, {"artefacts.figure6.margin": 50.0})

    found = gate(study, table(study, {ONE: -1.2}), Match.of_methods(study, "d", "pd", own))

    assert row(found).outcome is outcome
    assert found.margins == (own or 50.0,)
    assert f"than {own or 50:g}" in row(found).reason


def test_a_method_without_cells_is_misuse(study: Study, equal: pd.DataFrame) -> None:
    """Nothing comparable at all."""
    with pytest.raises(UsageError, match="no artefact has a cell of method 'tf'"):
        gate(study, equal, Match("pd", "tf", 1.0))
