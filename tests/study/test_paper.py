"""The paper's study: what it asks is what the paper and the released models' README have."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from pdbench.evidence.references import data_id
from pdbench.study import PAPER_ARCHITECTURES, ROOT, Architecture, Start, Study, load_study
from pdbench.study.catalogue.glue import GLUE
from pdbench.study.settings import Released, is_commit, is_sourced

SOURCED = {"epochs", "batch_size", "learning_rate", "train", "dev", "test", "max_length", "margin"}
SOURCED |= {"seeds", "warmup", "masked", "dropout", "batch_tokens", "tokens", "least_steps"}
SOURCED |= {"least", "size", "broken", "ratings", "balanced", "weight_decay", "clip"}
SOURCED |= {"initializer_range", "embedding_start", "select"}
DEFAULT = {"softmax_pieces", "at_once", "rates_hold_at", "fit", "keep_students"}
"""Settings that nothing in the paper has, and that stay switched off."""


MNLI = ("entailment", "neutral", "contradiction")
HUB_LABELS = {
    "cola": ("unacceptable", "acceptable"),
    "sst2": ("negative", "positive"),
    "mrpc": ("not_equivalent", "equivalent"),
    "stsb": (),
    "qqp": ("not_duplicate", "duplicate"),
    "qnli": ("entailment", "not_entailment"),
    "rte": ("entailment", "not_entailment"),
    "wnli": ("not_entailment", "entailment"),
}
"""As the hub's GLUE numbers them; MNLI's three belong to its other sets too."""


@pytest.fixture(scope="module")
def paper() -> Study:
    """The study."""
    return load_study("paper")


def test_all_sizes_start_from_their_released_checkpoint(paper: Study) -> None:
    """24 architectures, five of them named, each from the repository of its size."""
    assert set(paper.all_architectures) == set(PAPER_ARCHITECTURES)
    assert len(paper.named_architectures) == 5
    released = paper.corpora["released"]
    assert isinstance(released, Released)
    names = {released.of(size).name for size in paper.all_architectures}
    assert len(names) == 24
    assert "google/bert_uncased_L-10_H-512_A-8" in names
    taken = {start.architecture for start in paper.pretrained if start.corpus == "released"}
    assert taken == set(PAPER_ARCHITECTURES)


def test_table3_has_the_rows_of_other_papers(paper: Study) -> None:
    """DistilBERT from its authors' checkpoint, and Patient KD as its authors ran each task."""
    cells = paper.artefact_cells("table3")
    tasks = {cell.task for cell in cells}

    distilbert = [cell for cell in cells if cell.method == "distilbert"]
    assert {cell.task for cell in distilbert} == tasks
    (start,) = {paper.initial_checkpoint(cell, 0) for cell in distilbert}
    assert start == Start("distilbert", Architecture(6, 768), None)
    corpus = paper.corpora["distilbert"]
    assert isinstance(corpus, Released)
    assert corpus.of(start.architecture).name == "distilbert/distilbert-base-uncased"
    assert is_commit(corpus.of(start.architecture).revision)
    unnormalised = {cell.task for cell in cells if cell.method == "patient-kd-unnormalised"}
    assert unnormalised == {"qqp", "qnli", "mnli-by-base", "mnli-mismatched-by-base"}


def test_the_readmes_grid_is_assumed_beyond_its_table(paper: Study) -> None:
    """It is stated for the released models' table alone, and decides all fine-tuning here."""
    found = {one.key: one for one in paper.assumptions}

    for key in ("epochs", "batch_size", "learning_rate"):
        one = found[f"training.finetune.{key}"]
        assert one.origin == "assumed"
        assert "README" in one.note


def test_tasks_have_their_official_labels_and_metrics(paper: Study) -> None:
    """In the order of GLUE's own classes; the regression has none."""
    tasks = {
        (task.configuration or "").replace("_", "-"): task
        for task in paper.tasks.values()
        if task.name == "nyu-mll/glue"
    }

    assert set(tasks) == set(GLUE)
    for name, task in tasks.items():
        assert task.labels == HUB_LABELS.get(name, MNLI), name
        assert task.metrics == GLUE[name].metrics, name
    assert paper.tasks["mnli-mismatched"].model_of == "mnli"
    assert paper.tasks["stsb"].labels == ()


def test_each_teacher_is_the_papers(paper: Study) -> None:
    """BERT_LARGE in the analysis, 12/768 in Table 3, none where students are only fine-tuned."""
    teachers = {
        artefact: {
            teacher.name
            for cell in paper.artefact_cells(artefact)
            if (teacher := paper.tasks[paper.trained_by(cell).task].teacher)
        }
        for artefact in paper.artefacts
    }

    assert teachers["table3"] == {"google-bert/bert-base-uncased"}
    for artefact in ("figure5", "figure6", "figure7", "figure8", "figure9", "figure10"):
        assert teachers[artefact] == {"google-bert/bert-large-uncased"}
    assert all(paper.tasks[task].teacher is None for task in ("cola", "stsb", "wnli"))


def test_the_grid_is_that_of_the_readme(paper: Study) -> None:
    """Five batch sizes and four rates, four epochs, five seeds."""
    cell = paper.cells["sst2.pf.2-128.none.released"]

    runs = paper.runs(cell)

    points = {(p.batch_size, p.learning_rate) for run in runs for p in run.points}
    assert points == {(b, r) for b in (8, 16, 32, 64, 128) for r in (3e-4, 1e-4, 5e-5, 3e-5)}
    assert len({run.name for run in runs}) == len(runs) == 5 * 4 * 5
    assert paper.training.finetune.epochs == 4


def test_every_deciding_value_says_its_source() -> None:
    """The numbers of tasks, teachers, training and seeds are written {value, source}."""
    raw = yaml.safe_load((ROOT / "config/paper.yaml").read_text(encoding="utf-8"))

    assert list(_unsourced(raw)) == []


def test_every_task_says_what_is_held_out(paper: Study) -> None:
    """GLUE's dev split is test here; a tenth of every training set would be more than is needed."""
    trained = {name: task for name, task in paper.tasks.items() if task.model_of is None}

    assert [name for name, task in trained.items() if task.dev is None] == []


def test_no_training_setting_is_left_to_a_default(paper: Study) -> None:
    """A default decides as much as a value, and the report lists only what is written."""
    raw = yaml.safe_load((ROOT / "config/paper.yaml").read_text(encoding="utf-8"))["training"]

    assert _settings(paper.training) - set(raw) == DEFAULT & set(type(paper.training).model_fields)
    for name in ("pretrain", "distill", "finetune"):
        missing = _settings(getattr(paper.training, name)) - set(raw[name]) - DEFAULT
        assert missing <= ({"least_steps"} if name == "finetune" else set()), name


def _settings(model: BaseModel) -> set[str]:
    return set(type(model).model_fields)


def _unsourced(raw: Any, key: str = "") -> Any:
    if is_sourced(raw) or not isinstance(raw, dict | list):
        return
    items = raw.items() if isinstance(raw, dict) else enumerate(raw)
    for name, value in items:
        if name in SOURCED and not is_sourced(value):
            yield f"{key}.{name}"
        yield from _unsourced(value, f"{key}.{name}")


def test_published_scores_meet_the_papers_own_cells(paper: Study) -> None:
    """Every artefact's tasks are the published ones, and transfer sets have the paper's sizes."""
    for artefact in ("table3", "figure5", "figure6", "figure8", "figure9", "released_models"):
        for cell in paper.artefact_cells(artefact):
            identity = data_id(paper, cell.task)
            assert identity in {*GLUE, "book-reviews"}, (artefact, cell.task)
    sizes = {t.size for name, t in paper.transfer_sets.items() if "book-reviews-" in name}
    assert sizes == {50_000, 100_000, 1_000_000, 3_000_000, 5_000_000, 8_000_000}
    assert paper.transfer_sets["nli-star"].size == 1_300_000
    assert {
        c.transfer and paper.transfer_sets[c.transfer].size for c in paper.artefact_cells("figure9")
    } == {None, 1_700_000}
