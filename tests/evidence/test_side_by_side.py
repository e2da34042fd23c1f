"""Two sides beside each other: what differs, by how much, and which items changed sides."""

from __future__ import annotations

import gate_results
import numpy as np
import pandas as pd
import pytest
from gate_results import change, table

from pdbench.core.errors import UsageError
from pdbench.evidence import paired
from pdbench.evidence.side_by_side import Pair, Subject, side_by_side
from pdbench.study import Study

PD = "sentiment.pd.2-128.films-300.general"
D = "sentiment.d.2-128.films-300.none"


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired, "_RESAMPLES", 200)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Six cells each of four methods, of three seeds and two grid points."""
    return gate_results.small_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def results(study: Study) -> pd.DataFrame:
    """Results in which pd is better than d."""
    return table(study, {"pd": 0.3})


def subject(
    frame: pd.DataFrame, cell: str | None = None, run: str | None = None, study: Study | None = None
) -> Subject:
    """A part of a table."""
    return Subject.of("x", frame, study, cell, run)


def test_cells_are_paired_by_seed_and_item(results: pd.DataFrame) -> None:
    """B less A is that of their means, and much surer than two means that are not paired."""
    both = subject(results, D), subject(results, PD)
    (pair,) = side_by_side(*both).pairs
    (own,) = pair.scores
    a, b = (100 * one.rows["test_accuracy"].to_numpy(float) for one in both)

    assert pair.is_paired
    assert own.on_test_set.value == pytest.approx(b.mean() - a.mean())
    assert own.on_examples.value == pytest.approx(b.mean() - a.mean())
    assert (own.each[0].value, own.each[1].value) == pytest.approx((a.mean(), b.mean()))
    other = change(results, {"cell": PD}, test_digest="one")
    other = change(other, {"cell": D}, test_digest="another")
    (apart,) = side_by_side(subject(other, D), subject(other, PD)).pairs
    assert not apart.is_paired
    assert apart.changes is None
    (alone,) = apart.scores
    assert alone.on_test_set.value == pytest.approx(own.on_test_set.value)
    assert alone.on_examples.examples > own.on_examples.examples


def test_items_that_changed_sides_are_counted_and_named(
    study: Study, results: pd.DataFrame
) -> None:
    """Of two single runs they are what McNemar's test is about."""
    name = results.loc[results["cell"] == PD, "run"].iloc[0]
    first = subject(results, D, results.loc[results["cell"] == D, "run"].iloc[0], study)
    (pair,) = side_by_side(first, subject(results, PD, name, study)).pairs
    labels = np.asarray(results["test_labels"].dropna().iloc[0])
    right = [np.asarray(own["test_predictions"].iloc[0]) == labels for own in pair.rows]

    found = pair.changes

    assert found is not None
    assert [one.item for one in found.gained] == np.flatnonzero(~right[0] & right[1]).tolist()
    assert [one.item for one in found.lost] == np.flatnonzero(right[0] & ~right[1]).tolist()
    assert found.both + found.neither + len(found.gained) + len(found.lost) == found.items == 800
    assert found.p < 0.001
    one = found.gained[0]
    names = study.tasks["sentiment"].labels
    assert (one.label, one.said[1]) == (names[labels[one.item]],) * 2
    assert one.said[0] != one.label
    (score,) = pair.scores
    assert score.on_test_set.error == 0.0, "two models, as they are, on this test set"
    assert score.on_examples.error > 0.0


def test_of_several_runs_the_most_decide(results: pd.DataFrame) -> None:
    """Two of three."""
    frame = results[results["cell"] == PD].reset_index(drop=True)
    frame = frame[frame["selected"]].reset_index(drop=True)
    labels = np.asarray(results["test_labels"].dropna().iloc[0])
    frame.at[0, "test_labels"] = labels.tolist()
    one, two = frame.copy(), frame.copy()
    for place in range(3):
        one.at[place, "test_predictions"] = labels.tolist()
        said = labels.copy()
        said[:2] = 1 - said[:2]
        if place:
            said[2] = 1 - said[2]
        else:
            said[3] = 1 - said[3]
        two.at[place, "test_predictions"] = said.tolist()

    found = Pair((subject(one, PD), subject(two, PD)), (one, two)).changes

    assert found is not None
    assert [own.item for own in found.lost] == [0, 1, 2], "first those that all runs lost"
    assert (found.gained, found.both) == ((), 797)


def test_the_same_table_differs_by_nothing(results: pd.DataFrame) -> None:
    """Cell by cell; what is in one alone is named, and so is what was made elsewhere."""
    other = gate_results.without(change(results, {"cell": PD}, device="GPU"), cell=D)

    same = side_by_side(subject(results), subject(results))
    found = side_by_side(subject(results), subject(other))

    assert all(own.on_examples.error == 0 for pair in same.pairs for own in pair.scores)
    assert (same.settings, same.environments, same.alone) == ({}, {}, ((), ()))
    assert found.alone == ((D,), ())
    assert found.environments == {"device": ("Invented CPU", "GPU, Invented CPU")}


def test_settings_that_differ_are_named(study: Study, results: pd.DataFrame) -> None:
    """Those of the runs, of their methods, and of the studies where these are two."""
    found = side_by_side(subject(results, D, study=study), subject(results, PD, study=study))
    assert found.settings["method"] == ("d", "pd")
    assert found.settings["corpus"] == ("none", "general")
    assert found.settings["method.initialisation"] == ("random", "pretrained")
    assert "steps" not in found.settings

    training = study.training.model_copy(
        update={"distill": study.training.distill.model_copy(update={"epochs": 9})}
    )
    other = study.changed(training=training)
    other.asked_for("other.yaml", "other.yaml")
    found = side_by_side(subject(results, PD, study=study), subject(results, PD, study=other))
    assert found.settings["training.distill.epochs"][1] == "9"
    assert len(found.settings) == 1


@pytest.mark.parametrize(
    ("cell", "run", "message"),
    [
        ("sentiment.pd.2-128.films-300.generel", None, "no run of a cell .*; did you mean"),
        (PD, "seed9", "no run 'seed9'; there are seed0_lr"),
    ],
)
def test_what_is_not_there_is_said(
    results: pd.DataFrame, cell: str, run: str | None, message: str
) -> None:
    """In one line, with what there is."""
    with pytest.raises(UsageError, match=message):
        subject(results, cell, run)


def test_a_whole_table_stands_beside_a_whole_table_alone(results: pd.DataFrame) -> None:
    """Else nothing says which of its cells is meant."""
    with pytest.raises(UsageError, match="a whole table beside a part of one; name two tables"):
        side_by_side(subject(results), subject(results, PD))
    one, other = (subject(results[results["cell"] == key]) for key in (PD, D))
    with pytest.raises(UsageError, match="no cell in common; name a cell of each"):
        side_by_side(one, other)
