"""Tasks beyond classes, from their published files to the table of scores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import transformers
from prepared import trained

from pdbench.artefacts import datasets, score_tables
from pdbench.artefacts.context import Context
from pdbench.data.tokens import Tokens
from pdbench.evidence import ResultsTable
from pdbench.evidence.paired import Estimator
from pdbench.evidence.table import read_results
from pdbench.kinds.spans import _unpacked
from pdbench.study import Study, load_study
from pdbench.workflow import Paths
from tests import commands
from tests.extended_study import PLACES, write_extended_study
from tests.taken_home import chosen_run, outputs, texts_of_test


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole study, trained."""
    folder = tmp_path_factory.mktemp("beyond")
    return trained(load_study(write_extended_study(folder)), folder)


@pytest.fixture
def project(whole: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Study, Paths]:
    """The study in its folder, which no test changes."""
    monkeypatch.chdir(whole)
    study = load_study("beyond.yaml")
    return study, Paths(study)


def test_answers_are_found(project: tuple[Study, Paths]) -> None:
    """By the teacher, by students of labels alone and by students of its soft labels alone."""
    _, paths = project
    rows = read_results(paths.table).query("task == 'squad'")

    assert rows["test_exact_match"].min() > 0.9
    assert (rows["test_f1"] >= rows["test_exact_match"]).all()
    assert set(rows["method"]) == {"teacher", "d", "basic"}
    assert not rows["degenerate"].any()


def test_predicted_places_say_the_scores(project: tuple[Study, Paths]) -> None:
    """What is kept of an example gives its answer, and the mean of all examples the score."""
    study, paths = project
    results = read_results(paths.table)
    frame = results.query("task == 'squad'")
    published = json.loads(Path("data/squad/dev-v1.1.json").read_text())
    contexts = {p["context"] for article in published["data"] for p in article["paragraphs"]}
    import pyarrow.parquet as pq

    stored = pq.read_table(paths.task("squad") / "test/text.parquet")["text_b"].to_pylist()
    starts, ends = _unpacked(np.array(frame["test_predictions"].iloc[0]))
    said = [c[a:b] for c, a, b in zip(stored, starts, ends, strict=True)]

    assert set(stored) == contexts
    assert np.mean([word in PLACES for word in said]) > 0.9
    for metric in ("exact_match", "f1"):
        each = np.stack(frame[f"test_{metric}_examples"].tolist())
        assert each.shape == (len(frame), 50)
        assert each.mean(axis=1) == pytest.approx(frame[f"test_{metric}"], abs=1e-6)
    estimator = Estimator.of(ResultsTable(study, results))
    cell = "squad.d.1-32.questions.none"
    expected = 100 * frame[frame["cell"] == cell]["test_f1"].mean()
    assert estimator.estimate({(cell, "f1"): 1.0}).value == pytest.approx(expected, abs=1e-4)


def test_soft_labels_of_spans_are_distributions_over_pieces(project: tuple[Study, Paths]) -> None:
    """Two for each item: where the answer begins, and where it ends."""
    _, paths = project
    soft = np.load(paths.soft_labels("squad", "questions") / "soft_labels.npy")
    tokens = Tokens.open(paths.text("questions"))
    items = json.loads((paths.soft_labels("squad", "questions") / "record.json").read_text())

    assert soft.shape == (tokens.offsets[items["items"]], 2)
    sums = np.add.reduceat(soft.astype(np.float64), tokens.offsets[: items["items"]])
    assert sums == pytest.approx(np.ones((items["items"], 2)), abs=0.01)


def test_items_are_ranked(project: tuple[Study, Paths]) -> None:
    """The rank of the true item is kept; recalls are shares of ranks."""
    study, paths = project
    results = read_results(paths.table)
    rows = results.query("task == 'redial'")
    ranks = np.stack(rows["test_predictions"].tolist())

    assert rows["test_recall@1"].min() > 1.5 / 6, "more than chance"
    assert rows["test_recall@1"].median() > 0.6
    assert (ranks.min(), rows["test_recall@10"].min()) == (1, 1.0), "there are six items"
    assert np.mean(ranks == 1, axis=1) == pytest.approx(rows["test_recall@1"])
    assert not rows["degenerate"].any(), "all ranks may be 1, the items differ"
    estimator = Estimator.of(ResultsTable(study, results))
    cell = "redial.d.1-32.dialogues.none"
    expected = 100 * rows[rows["cell"] == cell]["test_recall@1"].mean()
    assert estimator.estimate({(cell, "recall@1"): 1.0}).value == pytest.approx(expected)


def test_an_unseen_item_is_a_miss(project: tuple[Study, Paths]) -> None:
    """It has no rank, and counts as wrong in every recall."""
    _, paths = project
    labels = np.load(paths.task("inspired") / "test/labels.npy")
    rows = read_results(paths.table).query("task == 'inspired'")
    ranks = np.stack(rows["test_predictions"].tolist())

    assert (labels == -1).sum() == 1
    assert (ranks[:, labels == -1] == 0).all()
    assert rows["test_recall@50"].tolist() == pytest.approx([29 / 30] * len(rows))


def test_tables_show_them(project: tuple[Study, Paths]) -> None:
    """A table of scores for every task and split; what models answer in the table of data."""
    context = Context(*project)
    stored = {"recall@50": 0.9, "recall@10": 0.5, "recall@1": 0.1}  # in whatever order
    context.audit["tasks"]["redial"]["constants"]["test"] = stored

    drawn = score_tables.DRAWINGS["scores"](context)
    titles = [table.title for table in drawn.tables]
    assert titles[:2] == ["Squad, dev", "Squad, test"]
    assert drawn.tables[3].columns[2:] == ("recall at 1", "recall at 10", "recall at 50")
    assert [row[0] for row in drawn.tables[1].rows] == ["Distillation", "Basic training", "Teacher"]
    assert drawn.tables[3].rows[-1] == ("Best constant answer of train", "", "10.0", "50.0", "90.0")
    assert drawn.missing == ()
    found = {row[0]: row[2] for row in datasets.draw(context).tables[0].rows}
    assert found == {"Squad": "spans", "Redial": "6 items", "Inspired": "6 items"}


def test_students_of_spans_and_rankings_are_taken_home(
    project: tuple[Study, Paths], tmp_path: Path
) -> None:
    """Transformers loads both; of a dialogue that is too long its tokenizer keeps the end."""
    study, paths = project
    for task in ("squad", "redial"):
        cell = next(c for c in study.seed_counts if c.task == task and c.method == "d")
        assert commands.run("export", "beyond.yaml", cell.key, "--to", str(tmp_path / task)) == 0

    logits = outputs(tmp_path / "redial", *texts_of_test(study, "redial"))

    stored = np.load(paths.run(chosen_run(study, cell)) / "test_predictions.npy")
    assert (logits.argmax(axis=1) == stored[:, 0, 0]).all()
    model, about = transformers.AutoModelForQuestionAnswering.from_pretrained(
        tmp_path / "squad", output_loading_info=True
    )
    assert not any(about["missing_keys"])
    assert model.config.architectures == ["BertForQuestionAnswering"]
    assert "pipeline_tag: question-answering" in (tmp_path / "squad/README.md").read_text()
