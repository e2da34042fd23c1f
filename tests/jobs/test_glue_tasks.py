"""Tasks beyond classes with labels: hidden test sets, another task's models, scores, releases."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from huggingface_hub import ModelCard
from prepared import reseal, trained

from pdbench.artefacts import datasets, score_tables
from pdbench.artefacts.context import Context
from pdbench.artefacts.tables import ABSENT
from pdbench.core.errors import DataError, GuardError, UsageError
from pdbench.core.files import file_digest, read_json
from pdbench.data.splits import is_leak, stored_rows
from pdbench.data.splits import tested_sentences as held_out
from pdbench.evidence import ResultsTable
from pdbench.evidence.paired import Estimator
from pdbench.evidence.table import read_results
from pdbench.jobs import pretraining, students, submission, teachers
from pdbench.jobs.collect import collect, gathered
from pdbench.jobs.record import RunRecord
from pdbench.kinds import Scores as Found
from pdbench.kinds.classes import Regression
from pdbench.study import Architecture, Start, Study, load_study
from pdbench.study.catalogue.glue import GLUE
from pdbench.study.settings import Task
from pdbench.workflow import Paths
from tests import commands
from tests.glue_study import (
    GUEST,
    HOST,
    RELEASED,
    SCORES,
    write_distilbert,
    write_glue_study,
)
from tests.taken_home import chosen_run, outputs, texts_of_test

SIZES = {"mnli": 20, "mnli-mismatched": 21, "ax": 22, "stsb": 23}
"""Examples of the small hidden test sets."""

ANSWERS = {"MNLI-m": "accuracy", "MNLI-mm": "accuracy", "AX": "matthews", "STS-B": "pearson"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole study, trained."""
    folder = tmp_path_factory.mktemp("tasks")
    return trained(load_study(write_glue_study(folder)), folder)


@pytest.fixture
def project(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Study, Paths]:
    """A copy of it, as the working directory."""
    shutil.copytree(whole, tmp_path / "tasks")
    monkeypatch.chdir(tmp_path / "tasks")
    study = load_study("tasks.yaml")
    return study, Paths(study)


def folder_of(paths: Paths, key: str, name: str) -> Path:
    """Where a run of a cell stands."""
    runs = paths.study.runs(paths.study.cells[key])
    return next(paths.run(run) for run in runs if run.name == name)


def test_students_of_pairs_and_scores_are_taken_home(
    project: tuple[Study, Paths], capsys: pytest.CaptureFixture
) -> None:
    """Transformers gives the record's answers; a task that scores another's has no student."""
    study, paths = project
    for key, metric in ((HOST, "accuracy"), (SCORES, "pearsonr")):
        cell = study.cells[key]
        run = chosen_run(study, cell)
        assert commands.run("export", "tasks.yaml", key, "--to", key) == 0
        stored = np.load(paths.run(run) / "test_predictions.npy")
        logits = outputs(Path(key), *texts_of_test(study, cell.task))
        said = logits.argmax(axis=1) if metric == "accuracy" else logits[:, 0]
        np.testing.assert_allclose(said, stored, atol=1e-5)
        result = ModelCard.load(f"{key}/README.md").data.eval_results[0]
        (row,) = gathered(study, paths, [cell]).query(f"run == '{run.name}'").to_dict("records")
        own = study.tasks[cell.task].metrics[0]
        assert (result.metric_type, result.dataset_split) == (metric, "validation")
        assert result.metric_value == pytest.approx(row[f"test_{own}"], abs=1e-5)
    capsys.readouterr()

    assert commands.run("export", "tasks.yaml", GUEST, "--to", "guest") == 2

    assert f"it scores those of {HOST}; name {HOST}" in capsys.readouterr().err


@pytest.fixture
def small_glue(monkeypatch: pytest.MonkeyPatch) -> None:
    """GLUE with the small study's four tasks alone."""
    small = {name: replace(GLUE[name], items={"test": size}) for name, size in SIZES.items()}
    monkeypatch.setattr(submission, "GLUE", small)


def test_a_task_is_scored_with_another_tasks_models(project: tuple[Study, Paths]) -> None:
    """No model is trained for it: its runs have that task's dev scores, seeds and stages."""
    study, paths = project
    assert HOST in study.cells, "the cell that trains is there though no artefact names it"

    table = read_results(collect(study, paths)).set_index(["cell", "run"])

    for run in study.runs(study.cells[GUEST]):
        folder = paths.run(run)
        own = RunRecord.read(folder)
        host = RunRecord.read(folder_of(paths, HOST, run.name))
        assert (own.stages, own.seed, own.metrics["dev"]) == (
            host.stages,
            host.seed,
            host.metrics["dev"],
        )
        labels = np.load(paths.task(own.task or "") / "test/labels.npy")
        predictions = np.load(folder / "test_predictions.npy")
        assert len(labels) == 80
        probabilities = np.load(folder / "test_probabilities.npy")
        assert (probabilities.argmax(axis=1) == predictions).all()
        scored = table.loc[(GUEST, run.name), "test_accuracy"]
        assert scored == pytest.approx((predictions == labels).mean())


def test_edited_predictions_are_not_scored(project: tuple[Study, Paths]) -> None:
    """What another task's run predicted is compared with its record."""
    study, paths = project
    folder = paths.run(study.runs(study.cells[HOST])[0])
    file = folder / "mnli-mismatched.test_predictions.npy"
    np.save(file, np.zeros(80, np.int16))

    with pytest.raises(DataError, match=r"mismatched\.test_predictions\.npy: .*record says"):
        students.attempt(study, paths, study.cells[GUEST])


def test_scores_are_learnt_and_compared(project: tuple[Study, Paths]) -> None:
    """A regression: soft labels are the teacher's scores, predictions numbers."""
    study, paths = project
    soft = np.load(paths.soft_labels("stsb", "pairs") / "soft_labels.npy")
    results = read_results(paths.table)
    rows = results[results["task"] == "stsb"]
    own = np.array(rows["test_predictions"].tolist())

    assert soft.shape == (300, 1)
    assert soft.std() > 0.5, "a range of scores, and no probabilities"
    assert rows["test_pearson"].max() > 0.7
    assert np.ptp(own, axis=1).min() > 0
    assert (own != np.round(own)).any()
    assert json.loads((paths.teacher("stsb") / "config.json").read_text())["problem_type"] == (
        "regression"
    )
    estimator = Estimator.of(ResultsTable(study, results))
    for metric in ("pearson", "spearman"):
        selected = rows[rows["selected"] & (rows["cell"] == SCORES)]
        expected = 100 * selected[f"test_{metric}"].mean()
        assert estimator.estimate({(SCORES, metric): 1.0}).value == pytest.approx(expected)


def test_a_teacher_of_scores_is_guarded() -> None:
    """A constant has no correlation; the margin is what more is asked."""
    found, true = Found({"pearson": 0.04}, np.zeros(3, np.float32)), np.ones(3, np.float32)
    about = {"source": "directory", "path": "stsb", "labels": (), "metrics": ("pearson",)}

    def guard(margin: float) -> None:
        teacher = {"source": "directory", "path": "teacher", "margin": margin}
        task = Task.model_validate({**about, "teacher": teacher})
        Regression(task).guard("stsb", found, true, {"pearson": 0.0})

    guard(0.03)
    with pytest.raises(GuardError, match=r"dev pearson is 0\.040, a constant answer has 0"):
        guard(0.05)


def test_every_grid_point_is_a_run(project: tuple[Study, Paths]) -> None:
    """Batch sizes are a part of the grid, of which dev chooses one for all seeds."""
    _, paths = project
    results = read_results(paths.table)
    rows = results[results["cell"] == "stsb.pf.1-32.none.released"]

    assert set(rows["run"]) == {f"seed{i}_lr0.01-b{b}" for i in (0, 1) for b in (16, 32)}
    assert rows["steps"].nunique() == 2, "twice the batch, half the updates"
    (chosen,) = set(rows.loc[rows["selected"], "run"].str.partition("_")[2])
    means = rows.groupby(rows["run"].str.partition("_")[2])["dev_pearson"].mean()
    assert chosen == means.idxmax()


def test_tables_show_tasks_without_labels_or_teacher(project: tuple[Study, Paths]) -> None:
    """What is not there is said to be missing."""
    study, paths = project
    context = Context(study, paths)

    tasks = datasets.draw(context).tables[0]
    shown = {row[0]: row[3:6] for row in tasks.rows}
    assert shown["Mnli mismatched"] == (ABSENT, ABSENT, "80")
    assert shown["Ax"] == (ABSENT, ABSENT, ABSENT)
    own = score_tables.DRAWINGS["table3"](context).tables[1]
    assert own.columns[1:4] == ("Mnli mismatched accuracy", "Stsb Pearson", "Stsb Spearman")
    assert "missing" in own.rows[-1]


def test_released_checkpoints_take_the_place_of_pretraining(project: tuple[Study, Paths]) -> None:
    """Converted once, with the digest of what was read, and words for other programs."""
    study, paths = project
    source = Path(RELEASED.format(layers=1, hidden=32, heads=1))
    start = Start("released", Architecture(1, 32), None)
    folder = paths.pretrained(start)
    record, before = RunRecord.read(folder), (folder / "record.json").stat()

    pretraining.pretrain(study, paths, start)
    assert (folder / "record.json").stat().st_ino == before.st_ino, "nothing is written again"
    assert record.inputs == {"released": file_digest(source / "pytorch_model.bin")}
    assert record.stages == ()
    assert "model.safetensors" in record.outputs
    about = json.loads((folder / "tokenizer_config.json").read_text())
    assert (about["do_lower_case"], about["model_max_length"]) == (True, 512)


def test_a_released_distilbert_is_fine_tuned(project: tuple[Study, Paths]) -> None:
    """As pf is: its weights are converted once, and each cell of its method begins with them."""
    path = write_distilbert(Path("data/distilbert"), Architecture(1, 32))
    raw = yaml.safe_load(Path("tasks.yaml").read_text())
    raw["corpora"]["theirs"] = {"source": "directory", "path": str(path), "by": "distilbert"}
    cells = {"task": "stsb", "method": "distilbert", "corpus": "theirs"}
    raw["artefacts"]["table3"]["cells"].append(cells)
    Path("tasks.yaml").write_text(yaml.safe_dump(raw))
    study = load_study("tasks.yaml")
    paths, cell = Paths(study), study.cells["stsb.distilbert.1-32.none.theirs"]

    pretraining.pretrain(study, paths, Start("theirs", Architecture(1, 32), None))
    students.attempt(study, paths, cell)

    converted = RunRecord.read(paths.pretrained(Start("theirs", Architecture(1, 32), None)))
    assert converted.inputs == {"released": file_digest(path / "model.safetensors")}
    for run in study.runs(cell):
        record = RunRecord.read(paths.run(run))
        assert record.inputs["checkpoint"] == converted.outputs["model.safetensors"]
        assert [stage.objective for stage in record.stages] == ["finetune"]


def test_a_released_checkpoint_of_another_size_is_refused(project: tuple[Study, Paths]) -> None:
    """The template leads to the wrong folder."""
    study, paths = project
    names = [RELEASED.format(layers=n, hidden=32, heads=1) for n in (1, 2)]
    shutil.copytree(*names)

    with pytest.raises(DataError, match=r"a 1/32 model in the place of 2/32"):
        pretraining.pretrain(study, paths, Start("released", Architecture(2, 32), None))


@pytest.mark.parametrize("change", ["swapped", "shorter"])
def test_a_released_vocabulary_must_be_the_studys(
    change: str, project: tuple[Study, Paths]
) -> None:
    """Word embeddings belong to their pieces."""
    study, paths = project
    file = Path(RELEASED.format(layers=1, hidden=32, heads=1)) / "vocab.txt"
    lines = file.read_text().splitlines()
    lines = [*lines[:-2], *reversed(lines[-2:])] if change == "swapped" else lines[:-1]
    file.write_text("\n".join(lines) + "\n")

    with pytest.raises(DataError, match=r"vocabulary differs from the study's, first in piece \d+"):
        pretraining.pretrain(study, paths, Start("released", Architecture(1, 32), None))


def test_a_teachers_vocabulary_must_be_the_studys(project: tuple[Study, Paths]) -> None:
    """Of the same size, in another order: its embeddings would stand for other pieces."""
    _, paths = project
    shutil.copytree("data/model", "data/other")
    lines = Path("data/other/vocab.txt").read_text().splitlines()
    Path("data/other/vocab.txt").write_text("\n".join([*lines[:-2], *reversed(lines[-2:])]) + "\n")
    config = yaml.safe_load(Path("tasks.yaml").read_text())
    for task in ("mnli", "stsb"):
        config["tasks"][task]["teacher"]["path"] = "data/other"
    Path("tasks.yaml").write_text(yaml.safe_dump(config))
    study = load_study("tasks.yaml")

    with pytest.raises(DataError, match=r"other: its vocabulary differs from the study's, first"):
        teachers.teacher(study, paths, "mnli")


def test_hidden_test_pairs_are_in_no_text(project: tuple[Study, Paths]) -> None:
    """A whole pair is left out and found by the audit; one of its sentences may occur."""
    study, paths = project
    first, second = next(stored_rows(paths.task("mnli") / "submission"))
    tested = held_out(study, paths)

    assert is_leak((first.upper(), second), tested)
    assert not is_leak((first, "word1 word2"), tested)


@pytest.mark.usefixtures("small_glue")
def test_a_submission_has_a_file_for_every_task(project: tuple[Study, Paths]) -> None:
    """In the server's words and order, of the run that dev chooses, and the same bytes again."""
    study, paths = project
    cells = [study.cells[HOST], study.cells[SCORES]]
    target = Path("out/mine.zip")

    about = submission.write_submission(study, paths, cells, target)
    first = target.read_bytes()
    submission.write_submission(study, paths, cells, target)

    assert target.read_bytes() == first
    assert about["filled"] == []
    assert about["files"]["MNLI-mm"]["cell"] == GUEST
    with zipfile.ZipFile(target) as archive:
        assert sorted(archive.namelist()) == ["AX.tsv", "MNLI-m.tsv", "MNLI-mm.tsv", "STS-B.tsv"]
        lines = archive.read("MNLI-m.tsv").decode().splitlines()
        scores = archive.read("STS-B.tsv").decode().splitlines()
    assert (lines[0], len(lines), lines[1].split("\t")[0]) == ("index\tprediction", 21, "0")
    assert {line.split("\t")[1] for line in lines[1:]} <= {"entailment", "neutral", "contradiction"}
    assert all(0 <= float(line.split("\t")[1]) <= 5 for line in scores[1:])
    run = about["files"]["MNLI-m"]["run"]
    predictions = np.load(folder_of(paths, HOST, run) / "submission_predictions.npy")
    words = [study.tasks["mnli"].labels[i] for i in predictions]
    assert [line.split("\t")[1] for line in lines[1:]] == words


@pytest.mark.usefixtures("small_glue")
def test_the_answer_comes_back_as_test_scores(project: tuple[Study, Paths]) -> None:
    """Of the one run that was submitted, beside its others, in table and evidence."""
    study, paths = project
    cells = [study.cells[HOST], study.cells[SCORES]]
    about = submission.write_submission(study, paths, cells, Path("mine.zip"))
    rows = [f"{file},{metric},{51.5 + i}" for i, (file, metric) in enumerate(ANSWERS.items())]
    Path("scores.csv").write_text("\n".join(["task,metric,score", *rows]) + "\n")

    kept = submission.import_scores(study, paths, Path("scores.csv"), Path("mine.json"))
    assert paths.imported == [kept], "an input of the next collection"
    scores = ResultsTable(study, read_results(collect(study, paths)))

    assert scores.of(study.cells[HOST], "submission").runs == (51.5,)
    assert scores.of(study.cells[GUEST], "submission").runs == (52.5,)
    assert scores.of(study.cells[SCORES], "submission", "pearson").runs == pytest.approx((54.5,))
    assert scores.of(study.cells["mnli.pf.1-32.none.released"], "submission").runs == ()
    frame: pd.DataFrame = scores.frame
    answered = frame[frame["submission_accuracy"].notna() & (frame["cell"] == HOST)]
    assert list(answered["run"]) == [about["files"]["MNLI-m"]["run"]]
    title = score_tables.DRAWINGS["table3"](Context(study, paths)).tables[2].title
    assert title == "This study, GLUE's server, one run"


@pytest.mark.usefixtures("small_glue")
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("SST-2,accuracy,90", r"scores\.csv:2: 'SST-2' was not submitted"),
        ("MNLI-m,f1,90", r"scores\.csv:2: 'f1' is no metric of MNLI-m"),
        ("MNLI-m,accuracy,high", r"scores\.csv:2: score 'high'"),
        ("MNLI-m,accuracy,900", r"scores\.csv:2: score '900'"),
        ("MNLI-m,accuracy,0.501", r"scores\.csv:2: score '0\.501'; write per cent"),
        ("MNLI-m,accuracy", r"scores\.csv:2: 2 fields, the header"),
        ("MNLI-m,accuracy,80\nMNLI-m,accuracy,90", r"scores\.csv:3: MNLI-m accuracy again"),
        ("", r"scores\.csv: no scores"),
    ],
)
def test_a_wrong_answer_is_named(line: str, message: str, project: tuple[Study, Paths]) -> None:
    """File and line, and nothing is kept."""
    study, paths = project
    cells = [study.cells[HOST], study.cells[SCORES]]
    submission.write_submission(study, paths, cells, Path("mine.zip"))
    Path("scores.csv").write_text(f"task,metric,score\n{line}\n")

    with pytest.raises(DataError, match=message):
        submission.import_scores(study, paths, Path("scores.csv"), Path("mine.json"))
    assert not paths.submissions.exists()


@pytest.mark.usefixtures("small_glue")
def test_answers_add_up_and_never_replace_each_other(project: tuple[Study, Paths]) -> None:
    """A second file adds scores; another score is refused; of filled files none is kept."""
    study, paths = project
    cells = [study.cells[HOST]]
    submission.write_submission(study, paths, cells, Path("mine.zip"), fill=True)
    for lines in ("MNLI-m,accuracy,51\nSTS-B,pearson,0.4%", "MNLI-mm,accuracy,52"):
        Path("scores.csv").write_text(f"task,metric,score\n{lines}\n")
        kept = submission.import_scores(study, paths, Path("scores.csv"), Path("mine.json"))

    scores = {"MNLI-m": {"accuracy": 0.51}, "MNLI-mm": {"accuracy": 0.52}}
    assert read_json(kept)["scores"] == scores
    Path("scores.csv").write_text("task,metric,score\nMNLI-m,accuracy,53\n")
    with pytest.raises(DataError, match=r"scores\.csv:2: MNLI-m accuracy 53, and .* another score"):
        submission.import_scores(study, paths, Path("scores.csv"), Path("mine.json"))
    assert read_json(kept)["scores"] == scores


@pytest.mark.usefixtures("small_glue")
@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("[]", DataError, r"mine\.json: no manifest"),
        ('{"study": "tasks"}', DataError, r"mine\.json: no manifest"),
        (
            '{"study": "other", "sha256": "", "files": {}, "filled": []}',
            UsageError,
            "study 'other', not of",
        ),
    ],
)
def test_a_wrong_manifest_is_named(
    content: str, error: type[Exception], message: str, project: tuple[Study, Paths]
) -> None:
    """Another file in its place, or that of another study."""
    Path("mine.json").write_text(content)
    Path("scores.csv").write_text("task,metric,score\nMNLI-m,accuracy,80\n")

    with pytest.raises(error, match=message):
        submission.import_scores(*project, Path("scores.csv"), Path("mine.json"))


@pytest.mark.usefixtures("small_glue")
def test_scores_of_two_submissions_of_one_name_are_kept_apart(
    project: tuple[Study, Paths], tmp_path: Path
) -> None:
    """The second would take the first one's place."""
    study, paths = project
    Path("scores.csv").write_text("task,metric,score\nSTS-B,pearson,80\n")
    for number, cells in enumerate(([SCORES, HOST], [SCORES])):
        target = tmp_path / str(number) / "mine.zip"
        chosen = [study.cells[cell] for cell in cells]
        submission.write_submission(study, paths, chosen, target, fill=True)
    names = [submission.manifest_path(tmp_path / n / "mine.zip") for n in "01"]

    for _ in range(2):  # the same again is no other
        submission.import_scores(study, paths, Path("scores.csv"), names[0])
    with pytest.raises(UsageError, match=r"mine\.json: the scores of another submission"):
        submission.import_scores(study, paths, Path("scores.csv"), names[1])


@pytest.mark.usefixtures("small_glue")
def test_scores_belong_to_the_predictions_that_were_submitted(
    project: tuple[Study, Paths],
) -> None:
    """A run that was trained again has not been scored by anyone."""
    study, paths = project
    cells = [study.cells[HOST], study.cells[SCORES]]
    about = submission.write_submission(study, paths, cells, Path("mine.zip"))
    Path("scores.csv").write_text("task,metric,score\nMNLI-mm,accuracy,80\n")
    submission.import_scores(study, paths, Path("scores.csv"), Path("mine.json"))
    collect(study, paths)
    folder = folder_of(paths, HOST, about["files"]["MNLI-mm"]["run"])
    file = folder / "mnli-mismatched.submission_predictions.npy"
    np.save(file, np.load(file)[::-1])
    reseal(folder)

    with pytest.raises(DataError, match=r"mine\.json: MNLI-mm was scored with predictions that"):
        collect(study, paths)
    partial = Paths(study, partial=True)
    assert submission.imported_scores(study, partial) == {}


@pytest.mark.usefixtures("small_glue")
def test_a_zip_that_is_refused_is_not_left_behind(
    project: tuple[Study, Paths], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stood there stays, with its manifest."""
    study, paths = project
    cells = [study.cells[HOST], study.cells[SCORES]]
    target = Path("mine.zip")
    submission.write_submission(study, paths, cells, target)
    before = target.read_bytes(), submission.manifest_path(target).read_bytes()
    nan_scores = np.full(SIZES["stsb"], np.nan, np.float32)
    monkeypatch.setattr(submission, "read_array", lambda _: nan_scores)

    with pytest.raises(DataError, match=r"^STS-B\.tsv: a prediction is no number"):
        submission.write_submission(study, paths, cells[1:], target, fill=True)

    assert (target.read_bytes(), submission.manifest_path(target).read_bytes()) == before
    with pytest.raises(UsageError, match=r"mine\.json: its manifest has this name"):
        submission.write_submission(study, paths, cells, Path("mine.json"))


@pytest.mark.usefixtures("small_glue")
def test_a_part_of_glue_is_submitted_only_when_asked(project: tuple[Study, Paths]) -> None:
    """The server wants all files; one class fills those without predictions, and says so."""
    study, paths = project
    cells = [study.cells[SCORES]]

    with pytest.raises(UsageError, match="no predictions for MNLI-m, MNLI-mm, AX"):
        submission.write_submission(study, paths, cells, Path("mine.zip"))
    assert not Path("mine.zip").exists()
    about = submission.write_submission(study, paths, cells, Path("mine.zip"), fill=True)

    assert about["filled"] == ["MNLI-m", "MNLI-mm", "AX"]
    with zipfile.ZipFile("mine.zip") as archive:
        assert archive.read("AX.tsv").decode().splitlines()[1:] == [
            f"{i}\tentailment" for i in range(22)
        ]


def test_predictions_of_other_examples_are_no_submission(project: tuple[Study, Paths]) -> None:
    """GLUE's test sets have known sizes."""
    study, paths = project

    with pytest.raises(DataError, match=r"STS-B\.tsv: 23 predictions; GLUE's test set has 1379"):
        submission.write_submission(study, paths, [study.cells[SCORES]], Path("m.zip"), fill=True)


def test_a_guest_has_the_runs_that_its_hosts_first_seed_selects(
    project: tuple[Study, Paths],
) -> None:
    """It takes the host's runs and no other, and selects the same point."""
    raw = yaml.safe_load(Path("tasks.yaml").read_text())
    raw["training"]["select"] = "first-seed"
    raw["training"]["finetune"]["learning_rate"] = [1e-5, 3e-3]
    raw["training"]["distill"]["learning_rate"] = [1e-5, 3e-3]
    for needs in raw["artefacts"].values():
        needs["seeds"] = 2
    Path("first.yaml").write_text(yaml.safe_dump(raw))
    study = load_study("first.yaml")
    paths = Paths(study)
    host, guest = (study.cells[key] for key in (HOST, GUEST))
    assert study.first_selects(host)

    students.attempt(study, paths, host)
    students.attempt(study, paths, guest)

    made, taken = (read_json(paths.cell(cell)) for cell in (host, guest))
    assert (taken["selected"], taken["dev"]) == (made["selected"], made["dev"])
    assert set(taken["runs"]) == set(made["runs"])
    assert len(made["runs"]) == study.number_of_runs(host) == study.number_of_runs(guest)
