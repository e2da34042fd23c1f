"""Checks of results: what is compared, what is refused, and that nothing missing passes."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import gate_results
import numpy as np
import pandas as pd
import pytest
from gate_results import change, matching, table, without

from pdbench.core.errors import DataError, UsageError
from pdbench.data.metrics import compute
from pdbench.evidence import paired
from pdbench.evidence.gate import Gate, Row, check
from pdbench.evidence.judging import GateOutcome
from pdbench.evidence.pairs import Match
from pdbench.evidence.power import undecidable
from pdbench.study import Study
from pdbench.study.waivers import Waiver

TODAY = date(2026, 11, 21)
MATCH = Match("d", "pd", 2.0)
ONE = "sentiment.pd.2-128.films-300.general"
TWIN = "sentiment.d.2-128.films-300.none"
STORED = Match("stored", "", 2.0)
WHY = "too small to copy its teacher's relations"


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
    """Results in which pd is better than d in every cell."""
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


def test_a_better_method_is_called_better(study: Study, equal: pd.DataFrame) -> None:
    """Six cells and their mean."""
    found = gate(study, equal)

    assert [r.outcome for r in found.rows] == [GateOutcome.BETTER] * 7
    assert (found.code(), found.is_better) == (0, True)
    assert found.means[0].name == "mean.sentiment"
    assert (row(found).cells, row(found).metric) == ((TWIN, ONE), "accuracy")


def test_exactly_one_regression_fails(study: Study, worse: pd.DataFrame) -> None:
    """One cell of six is enough, and it is the one that is named."""
    found = gate(study, worse)

    assert [r.name for r in found.cells if r.outcome is GateOutcome.WORSE] == [ONE]
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
    assert [r.outcome for r in found.cells].count(GateOutcome.BETTER) == 5
    assert found.code() == 2


def test_a_task_without_a_teacher_is_judged(study: Study, equal: pd.DataFrame) -> None:
    """The true labels stand in the first row of a task, whichever run that is."""
    labels = equal["test_labels"].dropna().iloc[0]
    alone = without(equal, method="teacher")

    found = gate(
        study, change(alone, {"cell": ONE, "run": alone["run"].iloc[0]}, test_labels=labels)
    )

    assert {r.outcome for r in found.cells} == {GateOutcome.BETTER}


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
    "updates 400 v 500; word pieces an update 1,000 v 800": {"steps": 500},
    "items seen 12,000 v 12,240": {"examples": 12_240},
    "word pieces an update 1,000 v 1,125": {"tokens": 450_000},
    "milliseconds an update 20.0 v 62.5": {"train_seconds": 25.0},
    "steps nan in seed0": {"steps": float("nan")},
    "examples nan in seed0": {"examples": float("nan")},
    "tokens inf in seed0": {"tokens": float("inf")},
    "train_seconds nan in seed0": {"train_seconds": float("nan")},
    "data of train not the same": {"train_digest": "c"},
    "data of soft_labels not the same": {"soft_labels_digest": "c"},
    "other code: engine none v 2; run the study again": {"engine": "2"},
    "seed 7 of seed0": {"seed": 7},
}


@pytest.mark.parametrize(("line", "values"), BUDGETS.items(), ids=BUDGETS.keys())
def test_another_budget_is_refused(
    study: Study, equal: pd.DataFrame, line: str, values: dict[str, Any]
) -> None:
    """One line says what differs, and a cell that is refused is no pass."""
    found = gate(study, change(equal, {"cell": ONE}, **values))

    assert row(found).outcome is GateOutcome.REFUSED
    assert row(found).reason.startswith(line)
    assert found.code() == 2


@pytest.mark.parametrize("column", ["steps", "examples", "tokens", "train_seconds"])
def test_one_run_without_a_finite_budget_is_refused(
    study: Study, equal: pd.DataFrame, column: str
) -> None:
    """Also of the baseline; a mean over the others says nothing of it."""
    where = {"cell": TWIN, "seed_index": 2, "selected": False}

    found = gate(study, change(equal, where, **{column: float("nan")}))

    assert row(found).outcome is GateOutcome.REFUSED
    assert row(found).reason.startswith(f"{column} nan in seed2")


def test_a_loss_may_be_slower_within_bounds(study: Study, equal: pd.DataFrame) -> None:
    """Twice the time is no cheat, nor is ten times on another machine."""
    for values in (
        {"train_seconds": 16.0},
        {"train_seconds": 80.0, "device": "Slow CPU"},
    ):
        assert gate(study, change(equal, {"cell": ONE}, **values)).code() == 0


def test_short_runs_are_not_timed(study: Study, equal: pd.DataFrame) -> None:
    """Below a second more, the wall time says nothing."""
    short = equal.assign(train_seconds=0.1)

    assert gate(study, change(short, {"cell": ONE}, train_seconds=1.0)).code() == 0
    assert gate(study, change(short, {"cell": ONE}, train_seconds=1.2)).code() == 2


@pytest.mark.parametrize(("seconds", "refused"), [(48.0, False), (480.0, True)])
def test_who_asks_the_teacher_may_take_as_long_as_it_does(
    tmp_path: Path, seconds: float, refused: bool
) -> None:
    """A teacher of 18 times the parameters has one pass an update where the student has three."""
    study = gate_results.small_study(
        tmp_path,
        {
            "artefacts.figure6.cells.0.method": ["pd", "minilm"],
            "artefacts.figure6.cells.0.architecture": ["3/128"],
            "artefacts.figure8.cells": [],
        },
    )
    frame = table(study, {"minilm": 0.3})
    frame.loc[frame["method"] == "teacher", "architecture"] = "6/384"

    found = gate(
        study, change(frame, {"method": "minilm"}, train_seconds=seconds), Match("pd", "minilm", 2)
    )

    assert (found.cells[0].outcome is GateOutcome.REFUSED) == refused


def test_seed_numbers_must_be_the_studys_and_the_same(tmp_path: Path) -> None:
    """Who drops a bad seed has a gap, another seed or another number of them."""
    study = gate_results.small_study(
        tmp_path,
        {
            "artefacts.figure6.cells.0.method": ["d"],
            "artefacts.figure6.seeds": 2,
            "artefacts.figure8.cells.0.method": ["pd"],
            "artefacts.figure8.cells.0.architecture": "all",
            "artefacts.figure8.cells.0.transfer": ["films-300"],
            "artefacts.figure8.cells.0.corpus": "general",
            "artefacts.figure8.seeds": 3,
        },
    )
    fewer = gate(study, table(study, {"pd": 0.3}))
    assert {r.reason for r in fewer.cells} == {
        "seed numbers 0, 1 v 0, 1, 2; train both with as many seeds"
    }
    assert fewer.code() == 2


def test_a_seed_number_that_the_study_does_not_have_is_refused(
    study: Study, equal: pd.DataFrame
) -> None:
    """The best of four seeds are not three."""
    more = change(equal[equal["cell"] == ONE], {"seed_index": 2}, seed_index=5)
    more["run"] = more["run"].str.replace("seed2", "seed5")
    added = pd.concat([equal, more[more["seed_index"] == 5]], ignore_index=True)

    assert "'seed5_" in row(gate(study, added)).reason
    assert row(gate(study, added)).reason.endswith("is none of the study's")


def as_if_seen(frame: pd.DataFrame, cell: str, share: float) -> pd.DataFrame:
    """Results in which the runs of a cell answer a share of the test examples as labelled."""
    labels = frame["test_labels"].dropna().iloc[0]
    known = int(share * len(labels))
    for index in frame.index[frame["cell"] == cell]:
        answers = [*labels[:known], *frame.at[index, "test_predictions"][known:]]
        score = sum(a == b for a, b in zip(answers, labels, strict=True)) / len(labels)
        where = {"cell": cell, "run": frame.at[index, "run"]}
        frame = change(frame, where, test_predictions=answers, test_accuracy=score)
    return frame


def test_a_test_score_that_dev_does_not_bear_out_is_refused(
    study: Study, equal: pd.DataFrame
) -> None:
    """Training on test labels raises the one and not the other."""
    found = gate(study, as_if_seen(equal, ONE, 0.8))

    assert row(found).outcome is GateOutcome.REFUSED
    assert "on test less dev" in row(found).reason
    assert "as if test labels had been seen" in row(found).reason
    assert found.code() == 2
    assert gate(study, as_if_seen(equal, ONE, 0.05)).code() == 0


@pytest.mark.parametrize(("lower", "refused"), [(0.028, True), (0.02, False)])
def test_cells_that_each_say_little_may_tell_together(
    lower: float, refused: bool, study: Study, equal: pd.DataFrame
) -> None:
    """A mean over cells that dev does not bear out, though no cell is far enough off alone."""
    lost = np.where(equal["method"] == "pd", lower, 0.0)
    frame = equal.assign(dev_accuracy=equal["test_accuracy"] - lost)

    found = gate(study, frame)

    assert not [one.reason for one in found.cells if one.outcome is GateOutcome.REFUSED]
    seen = [one for one in found.means if "as if test labels" in one.reason]
    assert bool(seen) == refused
    assert (found.code() == 2) == refused


def test_above_the_teacher_on_test_alone_is_refused(study: Study, equal: pd.DataFrame) -> None:
    """A student that equals its teacher on dev is not ten points above it on test."""
    labels = equal["test_labels"].dropna().iloc[0]
    answers = [1 - label if i % 4 == 0 else label for i, label in enumerate(labels)]
    own = {"test_predictions": answers, "test_accuracy": 0.75}
    taught = change(equal, {"method": "teacher"}, dev_accuracy=0.9, **own)
    taught = change(taught, {"method": "d"}, dev_accuracy=0.70, test_accuracy=0.75)
    taught = change(taught, {"method": "d"}, test_predictions=answers)
    seen = change(as_if_seen(taught, ONE, 0.3), {"cell": ONE}, dev_accuracy=0.85)

    assert "from the teacher's" in row(gate(study, seen)).reason
    honest = change(seen, {"cell": ONE}, dev_accuracy=0.95)
    assert row(gate(study, honest)).outcome is GateOutcome.BETTER


def test_every_metric_of_a_task_is_tested(tmp_path: Path) -> None:
    """F1 that falls at equal accuracy is worse, and named."""
    study = gate_results.small_study(tmp_path, {"tasks.sentiment.metrics": ["accuracy", "f1"]})
    frame = scored(table(study, {"pd": 0.3}))
    assert gate(study, frame).code() == 0
    labels = np.array(frame["test_labels"].dropna().iloc[0])
    for index in frame.index[frame["cell"] == ONE]:
        twin = frame[(frame["cell"] == TWIN) & (frame["run"] == frame.at[index, "run"])].iloc[0]
        answers = np.array(twin["test_predictions"])
        # As many positive examples lost as negative ones won.
        won = np.flatnonzero((answers != labels) & (labels == 0))[:80]
        lost = np.flatnonzero((answers == labels) & (labels == 1))[:80]
        answers[[*lost, *won]] = 0
        where = {"cell": ONE, "run": frame.at[index, "run"]}
        frame = change(frame, where, test_predictions=answers.tolist())

    found = row(gate(study, scored(frame), Match("d", "pd", 0.5)))

    assert (found.outcome, found.metric) == (GateOutcome.WORSE, "f1")
    assert found.reason == "f1 worse by more than 0.5"


def scored(frame: pd.DataFrame) -> pd.DataFrame:
    """The scores that the predictions give."""
    labels = frame["test_labels"].dropna().iloc[0]
    for index in frame.index[frame["method"] != "teacher"]:
        found = compute(["accuracy", "f1"], frame.at[index, "test_predictions"], labels)
        for metric, score in found.items():
            frame.loc[index, [f"test_{metric}", f"dev_{metric}"]] = score
    return frame


def test_a_candidate_at_its_best_size_only_is_incomplete(tmp_path: Path) -> None:
    """Where an artefact shows it at one of six sizes, the other five are missing."""
    blocks = [
        {"task": "sentiment", "method": method, "architecture": sizes, "transfer": "films-300"}
        for method, sizes in (("d", "all"), ("pd", ["2/128"]))
    ]
    corpus = {"corpus": "general"}
    study = gate_results.small_study(
        tmp_path,
        {
            "artefacts.figure6.cells": [block | corpus for block in blocks],
            "artefacts.figure8.cells": [],
        },
    )

    found = gate(study, table(study, {"pd": 0.3}))

    missing = [r for r in found.cells if r.outcome is GateOutcome.MISSING]
    assert len(missing) == 5
    assert "no cell of pd beside it, though figure6 has others" in missing[0].reason
    assert "at 1 of 6 sizes of d" in found.notes
    assert found.code() == 2


def test_one_model_is_not_compared_with_itself(tmp_path: Path) -> None:
    """Truncated to the depth that it has is pre-trained: that is said, and no difference."""
    study = gate_results.small_study(
        tmp_path,
        {
            "artefacts.figure6.cells.0.method": ["pd", "pd-truncated"],
            "artefacts.figure8.cells": [],
        },
    )
    frame = table(study, {"pd-truncated": 0.3})

    found = gate(study, frame, Match("pd", "pd-truncated", 2.0))

    alike = {r.name: r for r in found.cells if r.reason.startswith("the same model")}
    assert {key.split(".")[2].split("-")[0] for key in alike} == {"3"}
    assert {r.outcome for r in alike.values()} == {GateOutcome.NOT_WORSE}
    assert found.means[0].notes == ("mean of 4 cells",)


def test_one_unstable_size_does_not_hide_all_others(study: Study) -> None:
    """Its spread hides a loss in the mean over all cells, and not in that without it."""
    frame = table(study, {"pd": -0.1})
    labels = np.array(frame["test_labels"].dropna().iloc[0])
    for number, added in enumerate((0.0, 0.22, -0.13)):
        where = {"cell": ONE, "seed_index": number}
        answers = np.array(frame[matching(frame, where)].iloc[0]["test_predictions"])
        able = np.flatnonzero((answers == labels) == (added > 0))[: int(abs(added) * len(labels))]
        answers[able] = 1 - answers[able]
        score = float((answers == labels).mean())
        frame = change(frame, where, test_predictions=answers.tolist(), test_accuracy=score)

    found = gate(study, frame, Match("d", "pd", 0.5))

    assert row(found, "mean.sentiment").outcome is GateOutcome.UNDECIDED
    second = row(found, "mean.sentiment.without.2-128")
    assert second.outcome is GateOutcome.WORSE
    assert second.notes[0] == "mean of 5 cells"
    assert found.code() == 1


FIRST = {"training.select": "first-seed"}


def of_the_first(frame: pd.DataFrame) -> pd.DataFrame:
    """The runs of a study in which the first seed selects among those of all."""
    return frame[(frame["seed_index"] == 0) | frame["selected"] | (frame["method"] == "teacher")]


def test_the_first_seed_may_select_on_both_sides(tmp_path: Path) -> None:
    """Grid and choice are the same on both: other seeds have one run each, and none is missing."""
    study = gate_results.small_study(tmp_path, FIRST)
    frame = of_the_first(table(study, {"pd": 0.3}))

    assert gate(study, frame).code() == 0

    short = frame.drop(frame[(frame["cell"] == ONE) & (frame["seed_index"] == 2)].index)
    assert "1 of 4 runs missing, of seed 2" in str(row(gate(study, short)))


@pytest.mark.parametrize("methods", [["d"], ["pd"]])
def test_the_whole_grid_of_every_seed_is_another_budget(tmp_path: Path, methods: list[str]) -> None:
    """Whichever side has it."""
    study = gate_results.small_study(tmp_path, FIRST)
    whole = table(study, {"pd": 0.3})
    others = of_the_first(whole[~whole["method"].isin(methods)])

    found = gate(study, pd.concat([others, whole[whole["method"].isin(methods)]]))

    two = "2 v 1" if methods == ["d"] else "1 v 2"
    assert row(found).outcome is GateOutcome.REFUSED
    assert f"grid points of seed number 1 {two}" in str(row(found))


def test_points_that_cost_more_are_no_other_budget_and_longer_training_is(tmp_path: Path) -> None:
    """Each side's other seeds have the updates of the point that its first seed selects."""
    study = gate_results.small_study(tmp_path, FIRST)
    frame = of_the_first(table(study, {"pd": 0.3}))
    large = frame["run"].str.contains("lr0.001") & frame["method"].isin(["pd", "d"])
    frame.loc[large, "steps"] = 800
    own = frame["method"] == "pd"
    frame.loc[own, "selected"] = ~frame["selected"][own] | (frame["seed_index"] != 0)[own]
    runs = frame.loc[own & (frame["seed_index"] != 0), "run"]
    other = runs.str.replace("lr0.001", "lr0.003")
    frame.loc[other.index, "run"] = other
    frame.loc[other.index, "steps"] = 400
    paths = {run.name: run for run in study.runs(study.cells[ONE])}
    assert set(frame.loc[frame["cell"] == ONE, "run"]) <= set(paths)

    assert "updates" not in str(row(gate(study, frame)))

    frame.loc[other.index, "steps"] = 500
    assert "updates 400 of seed number 0 v 500 of others" in str(row(gate(study, frame)))


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

    assert all("-other' is none of the study's" in r.reason for r in found.cells)
    assert found.code() == 2


def test_other_data_are_refused(study: Study, equal: pd.DataFrame) -> None:
    """Fine-tuning on the labelled set is no match for distilling with a transfer set."""
    found = gate(study, equal, Match("pd", "pf", 2.0))

    assert "transfer set films-300 v none; updates 400 v 150" in found.cells[0].reason
    assert {r.outcome for r in found.cells if len(r.cells) == 2} == {GateOutcome.REFUSED}


def test_the_shorter_last_batch_is_no_other_budget(study: Study, equal: pd.DataFrame) -> None:
    """Less than a hundredth of the items, and tables without digests, may differ."""
    frame = change(equal, {"cell": ONE}, examples=12_050).drop(columns="soft_labels_digest")

    assert gate(study, frame).code() == 0


def test_a_start_is_the_methods_own_and_is_noted(study: Study, equal: pd.DataFrame) -> None:
    """Pre-trained beside random is compared, and said."""
    assert gate(study, equal).notes[0].startswith("starts differ: d random, pd pretrained")


def constant(frame: pd.DataFrame, answers: list[int], **where: Any) -> pd.DataFrame:
    """Results in which some runs give these answers."""
    labels = frame["test_labels"].dropna().iloc[0]
    score = sum(a == b for a, b in zip(answers, labels, strict=True)) / len(labels)
    return change(frame, where, test_predictions=answers, test_accuracy=score)


@pytest.mark.parametrize("others", [0, 3], ids=["one class", "all but three"])
def test_one_answer_to_everything_is_refused(
    study: Study, equal: pd.DataFrame, others: int
) -> None:
    """However high its score: no run of the baseline does so, and this one has learnt nothing."""
    answers = [1] * (800 - others) + [0] * others

    found = gate(study, constant(equal, answers, cell=ONE, seed_index=1))

    if row(found).outcome is not GateOutcome.WORSE:
        assert row(found).outcome is GateOutcome.REFUSED
        assert "one class for an answer in 0 v 1 runs" in row(found).reason
    assert row(found).notes == ("candidate: 1 of 3 runs answer one class only",)
    assert found.code() in (1, 2)


def test_a_constant_candidate_of_the_majority_is_refused(tmp_path: Path) -> None:
    """Where most examples have one label, that label is no skill though the score is as high."""
    study = gate_results.small_study(tmp_path)
    frame = table(study, {"pd": 0.3})
    labels = np.array(frame["test_labels"].dropna().iloc[0])
    for index in frame.index[frame["method"] != "teacher"]:
        # Both classes, and nearly as often right as the majority's label.
        right = np.array(frame.at[index, "test_predictions"]) == labels
        own = np.where(right, 0, 1) if frame.at[index, "method"] == "d" else np.zeros(800, int)
        frame.at[index, "test_predictions"] = own.tolist()
    turned = np.zeros(800, int)
    turned[:160] = 1
    frame = change(frame, {"method": "teacher"}, test_labels=turned.tolist())
    for index in frame.index[frame["method"] != "teacher"]:
        own = np.array(frame.at[index, "test_predictions"])
        frame.loc[index, ["test_accuracy", "dev_accuracy"]] = float((own == turned).mean())

    found = gate(study, frame)

    assert {r.outcome for r in found.cells} == {GateOutcome.REFUSED}
    assert found.code() == 2


def test_two_constant_predictors_are_no_comparison(study: Study, equal: pd.DataFrame) -> None:
    """Their scores are the same to the last digit, which says nothing about the method."""
    frame = constant(constant(equal, [1] * 800, cell=ONE), [1] * 800, cell=TWIN)

    assert row(gate(study, frame)).outcome is GateOutcome.REFUSED
    assert row(gate(study, frame, STORED, stored=frame)).outcome is GateOutcome.NOT_WORSE


def test_undecided_is_no_pass_unless_it_is_allowed(study: Study) -> None:
    """It says what would decide."""
    found = gate(study, table(study), Match("d", "pd", 0.5))

    reasons = [r.reason for r in found.rows if r.outcome is GateOutcome.UNDECIDED]
    assert any("examples would decide" in reason for reason in reasons)
    assert (found.code(), found.code(allow_undecided=True)) == (2, 0)


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

    assert {r.outcome for r in found.rows} == {GateOutcome.NOT_WORSE}
    assert len(found.cells) == len(study.cells)
    assert found.code() == 0


def test_a_worse_version_of_one_cell_fails(
    study: Study, equal: pd.DataFrame, worse: pd.DataFrame
) -> None:
    """Run by run with the same seeds, the changed cell is found and no other."""
    found = gate(study, worse, STORED, stored=equal)

    assert [r.name for r in found.cells if r.outcome is GateOutcome.WORSE] == [ONE]
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
    assert [r.outcome for r in found.cells].count(GateOutcome.NOT_WORSE) == len(study.cells) - 1
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

    assert row(gate(study, equal, STORED, stored=other)).reason.startswith("seeds 7, ")
    reason = row(gate(study, equal, STORED, stored=turned)).reason
    assert reason == "labels of the test examples not the same"


def test_single_runs_of_two_versions_are_tested_over_examples(tmp_path: Path) -> None:
    """One run each, of the same seed: McNemar's exact test finds a loss, and the note says how."""
    study = gate_results.small_study(
        tmp_path, {"artefacts.figure6.seeds": 1, "artefacts.figure8.seeds": 1}
    )
    before = table(study)

    found = gate(study, table(study, {ONE: -1.0}), STORED, stored=before)

    assert [r.name for r in found.cells if r.outcome is GateOutcome.WORSE] == [ONE]
    assert row(found).notes == ("single runs: tested over examples only",)
    assert gate(study, before, STORED, stored=before).code() == 0


def test_predictions_that_do_not_give_the_scores_are_an_error(
    study: Study, equal: pd.DataFrame
) -> None:
    """A table whose parts do not fit together is no evidence."""
    where = {"cell": ONE, "seed_index": 0, "selected": True}

    with pytest.raises(DataError, match="do not give the recorded accuracy"):
        gate(study, change(equal, where, test_accuracy=0.9))


def test_results_of_another_study_are_misuse(study: Study, equal: pd.DataFrame) -> None:
    """Cells of the same name in another study are not the same."""
    with pytest.raises(UsageError, match="those of study 'other', not 'small'"):
        gate(study, equal.assign(study="other"))


def waiver(**changes: Any) -> Waiver:
    """A waiver of the one loss."""
    words = {"study": "small", "baseline": "d", "cell": ONE, "reason": WHY}
    return Waiver.model_validate({**words, "expires": TODAY, **changes})


def test_a_waived_loss_does_not_fail(study: Study, worse: pd.DataFrame) -> None:
    """It is still there, with its reason, and counts in no mean."""
    found = gate(study, worse, waivers=[waiver()])

    assert row(found).outcome is GateOutcome.WAIVED
    assert f"waived until 2026-11-21: {WHY}" in row(found).reason
    assert found.means[0].notes == ("mean of 5 cells",)
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
    assert row(gate(study, worse, waivers=[waiver(**changes)])).outcome is GateOutcome.WORSE


def test_an_expired_waiver_fails(study: Study, worse: pd.DataFrame, equal: pd.DataFrame) -> None:
    """With its loss the check fails; without one it asks to be removed."""
    old = waiver(expires=date(2026, 11, 20))

    found = gate(study, worse, waivers=[old])
    assert row(found).outcome is GateOutcome.WORSE
    assert row(found).notes == (f"waiver expired on 2026-11-20: {WHY}",)
    assert (found.code(), found.problems) == (1, ())

    found = gate(study, equal, waivers=[old])
    assert "expired on 2026-11-20 and covers no loss; remove it" in found.problems[0]
    assert found.code() == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cell": "sentiment.pd.9-64.none.none"}, "fits no cell of study small"),
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


@pytest.mark.parametrize(("days", "counts"), [(90, True), (91, False)])
def test_a_waiver_counts_for_ninety_days_at_most(
    study: Study, worse: pd.DataFrame, days: int, counts: bool
) -> None:
    """One of the year 9999 does not, and that is said with the last day there may be."""
    found = gate(study, worse, waivers=[waiver(expires=TODAY + timedelta(days))])

    assert row(found).outcome is (GateOutcome.WAIVED if counts else GateOutcome.WORSE)
    assert found.code() == (0 if counts else 1)
    remedies = ("until 2027-02-20 is over 90 days; write 2027-02-19 at most",)
    assert all(line.endswith(remedies) for line in found.problems)
    assert len(found.problems) == (not counts)


def test_a_mean_can_be_waived(study: Study) -> None:
    """By its own name; its cells need waivers of their own."""
    frame = table(study, {"pd": -0.15})
    found = gate(study, frame, Match("d", "pd", 0.5))
    worse = [r.name for r in found.rows if r.outcome is GateOutcome.WORSE]
    assert "mean.sentiment" in worse

    found = gate(study, frame, Match("d", "pd", 0.5), waivers=[waiver(cell=name) for name in worse])

    assert GateOutcome.WORSE not in {r.outcome for r in found.rows}
    assert {r.outcome for r in found.rows if r.name in worse} == {GateOutcome.WAIVED}


def test_a_method_that_stored_results_do_not_have_is_new(study: Study, equal: pd.DataFrame) -> None:
    """A pull request that adds one is no failure, if its runs are whole and as they should be."""
    stored = without(equal, method="pf")

    found = gate(study, equal, STORED, stored=stored)

    assert [r.outcome for r in found.cells].count(GateOutcome.NEW) == 6
    assert found.code() == 0
    one = next(r.name for r in found.cells if r.outcome is GateOutcome.NEW)
    less = without(equal, cell=one, seed_index=0)
    assert row(gate(study, less, STORED, stored=stored), one).outcome is GateOutcome.MISSING
    broken = change(equal, {"cell": one}, steps=float("nan"))
    assert row(gate(study, broken, STORED, stored=stored), one).outcome is GateOutcome.REFUSED


def test_a_new_size_of_a_method_that_was_there_is_missing(
    study: Study, equal: pd.DataFrame
) -> None:
    """Stored results must have it."""
    found = gate(study, equal, STORED, stored=without(equal, cell=ONE))

    assert (row(found).outcome, found.code()) == (GateOutcome.MISSING, 2)


def test_results_of_other_code_are_not_passed(
    study: Study, equal: pd.DataFrame, worse: pd.DataFrame
) -> None:
    """Equal scores say nothing of changed code, until it is accepted; a loss is one still."""
    before = equal.assign(engine="1")

    same = gate(study, before, STORED, stored=before)
    found = gate(study, equal.assign(engine="2"), STORED, stored=before)
    lost = gate(study, worse.assign(engine="2"), STORED, stored=before)

    assert same.code() == 0
    assert found.code() == 2
    assert {r.outcome for r in found.cells} == {GateOutcome.REFUSED}
    assert row(found).reason == (
        "other code: engine 1 v 2; accept it with pdbench accept, which asks for a reason"
    )
    assert (row(lost).outcome, lost.code()) == (GateOutcome.WORSE, 1)


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
    assert Match.of_methods(study, "d", "pd", None).margin == 2.0
    assert Match.of_versions(study, 0.0).margin == 0.0
    none = gate_results.small_study(tmp_path, {"evidence": {}})
    with pytest.raises(UsageError, match="no margin is named"):
        Match.of_versions(none, None)


@pytest.mark.parametrize(
    ("named", "own", "words"),
    [(0.5, 0.6, "wider than the study's, 0.5"), (None, 2.1, "2 is the widest there may be")],
)
def test_a_wider_margin_than_the_studys_is_refused(
    tmp_path: Path, named: float | None, own: float, words: str
) -> None:
    """Who names it after the results were seen makes any loss fit."""
    study = gate_results.small_study(tmp_path, {"evidence": {"margin": named}})

    with pytest.raises(UsageError, match=words):
        Match.of_methods(study, "d", "pd", own)
    with pytest.raises(UsageError, match=words):
        Match.of_versions(study, own)
    assert Match.of_methods(study, "d", "pd", named or 2.0).margin == (named or 2.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"evidence": {"margin": 2.5}},
        {"artefacts.figure6.margin": 5.0},
        {"gate": [{"baseline": "d", "candidate": "pd", "margin": 3.0}]},
    ],
    ids=str,
)
def test_a_margin_above_two_points_is_refused_when_the_study_is_loaded(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    """In one line that names the key."""
    with pytest.raises(UsageError, match=r"margin.*less than or equal to 2"):
        gate_results.small_study(tmp_path, changes)


@pytest.mark.parametrize("own", [None, 0.2], ids=["artefact", "own"])
def test_an_artefacts_margin_goes_before_the_studys(tmp_path: Path, own: float | None) -> None:
    """Unless one is said of the comparison itself."""
    changes = {"artefacts.figure6.margin": 1.5, "evidence": {"margin": 0.2}}
    study = gate_results.small_study(tmp_path, changes)

    found = gate(study, table(study, {ONE: -1.2}), Match.of_methods(study, "d", "pd", own))

    assert found.margins == (own or 1.5,)
    assert row(found).reason == f"accuracy worse by more than {own or 1.5:g}"


def test_a_method_without_cells_is_misuse(study: Study, equal: pd.DataFrame) -> None:
    """Nothing comparable at all."""
    with pytest.raises(UsageError, match="no artefact has a cell of method 'tf'"):
        gate(study, equal, Match("pd", "tf", 1.0))


def test_a_margin_that_no_seeds_can_decide_is_known_before_anything_is_trained(
    tmp_path: Path,
) -> None:
    """From the size of the test set alone; it says which margin and how many examples would do."""
    changes = {"gate": [{"baseline": "d", "candidate": "pd", "margin": 0.5}]}
    study = gate_results.small_study(tmp_path, changes)

    (line,) = undecidable(study, lambda task: 2120)

    assert line.startswith("gate.0: pd v d on sentiment: a margin of 0.5 points is decided by no")
    assert "on 2,120 test examples; 0.6 can be, or 3,200 examples can decide it" in line
    assert list(undecidable(study, lambda task: 32_000)) == []
