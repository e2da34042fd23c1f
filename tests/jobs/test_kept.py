"""Which students stay after training, that they are those of the runs, and how they leave."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
import yaml
from huggingface_hub import ModelCard
from prepared import reseal
from safetensors.torch import load_file

from pdbench.core.entries import RECORD, read_record
from pdbench.core.errors import DataError
from pdbench.data.tokens import read_array
from pdbench.jobs import students
from pdbench.jobs.collect import gathered
from pdbench.jobs.record import RunRecord, best_runs
from pdbench.jobs.students import CellData, TrainedRun, attempt, kept_student
from pdbench.kinds import kind_of
from pdbench.ops.clean import superfluous
from pdbench.ops.verify import verify
from pdbench.study import Cell, Run, Study, load_study
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job
from pdbench.workflow.paths import SAVED
from pdbench.workflow.specs import STORE
from tests import commands
from tests.attempts import Attempt, Server
from tests.hub.server import TOKEN, serving
from tests.taken_home import outputs, texts_of_test

PD = "films.pd.1-32.more-100.plain"
Project = tuple[Study, Paths]
Trained = tuple[Study, Paths, Cell, Run]


def changed(**training: Any) -> Project:
    """The small study with some keys of training, a grid of two rates and two seeds."""
    raw = yaml.safe_load(Path("small.yaml").read_text())
    raw["training"]["distill"] = {"epochs": 15, "learning_rate": [1e-5, 1e-2]}
    raw["training"] |= training
    Path("kept.yaml").write_text(yaml.safe_dump(raw))
    study = load_study("kept.yaml")
    return study, Paths(study)


@pytest.fixture(scope="module")
def finished(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prepared small study, of which the cell that the tests look at is trained."""
    folder = tmp_path_factory.mktemp("kept") / "project"
    shutil.copytree(prepared, folder)
    with contextlib.chdir(folder):
        study, paths = changed()
        attempt(study, paths, study.cells[PD])
    return folder


@pytest.fixture
def trained(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trained:
    """A copy of it as the working directory: the study, its paths, the cell and the chosen run."""
    shutil.copytree(finished, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    study = load_study("kept.yaml")
    paths, cell = Paths(study), study.cells[PD]
    (chosen,) = best_runs(study, paths, cell)
    return study, paths, cell, chosen


@contextlib.contextmanager
def trained_runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of the runs that are trained while the block runs."""
    made: list[str] = []
    train = students.train_student

    def noted(study: Study, run: Run, data: CellData, *more: Any) -> TrainedRun:
        made.append(run.name)
        return train(study, run, data, *more)

    with monkeypatch.context() as patch:
        patch.setattr(students, "train_student", noted)
        yield made


def kept(paths: Paths, cell: Cell) -> set[str]:
    """The runs of a cell whose students are there."""
    return {run.name for run in paths.study.runs(cell) if paths.student(run).is_dir()}


def waiting(paths: Paths, cell: Cell) -> set[str]:
    """The runs of a cell whose students wait for the choice."""
    return {run.name for run in paths.study.runs(cell) if paths.waiting(run).is_dir()}


def scores(paths: Paths, cell: Cell) -> dict[str, bytes]:
    """The records of a cell's runs, with all that they say."""
    return {r.name: (paths.run(r) / RECORD).read_bytes() for r in paths.study.runs(cell)}


def test_the_run_that_dev_chooses_is_kept_alone(trained: Trained) -> None:
    """It is the best on dev at the chosen point; its weights answer what its record says."""
    study, paths, cell, chosen = trained

    dev = {
        run: RunRecord.read(paths.run(run)).metrics["dev"]["accuracy"] for run in study.runs(cell)
    }
    assert dev[chosen] == max(dev.values()) > min(dev.values())
    assert kept(paths, cell) == {chosen.name}
    assert waiting(paths, cell) == set()
    folder = kept_student(study, paths, chosen)
    assert read_record(paths.folder(Job("cell", cell)))["students"] == {chosen.name: str(folder)}
    data = CellData.open(study, paths, cell)
    model = students.Checkpoint(folder).classifier(data.labels)
    stored = np.load(paths.run(chosen) / "test_predictions.npy")
    said = data.kind.predict(model, data.asked["test", "films"])
    assert len(set(stored.tolist())) == 2
    assert (said == stored).all()


def test_pieces_that_no_text_has_are_what_they_began_with(trained: Trained) -> None:
    """The student was trained without them; all others have learnt."""
    study, paths, cell, chosen = trained
    start = study.initial_checkpoint(cell, chosen.seed_number)
    assert start is not None
    name = "bert.embeddings.word_embeddings.weight"

    before, after = (
        load_file(folder / "model.safetensors")[name]
        for folder in (paths.pretrained(start), paths.student(chosen))
    )

    alike = (before == after).all(dim=1)
    vocabulary = CellData.open(study, paths, cell).vocabulary
    assert after.shape == before.shape
    assert alike[vocabulary.index("[MASK]")]
    assert not alike[vocabulary.index("[CLS]")]
    assert not alike[vocabulary.index("great")]


def test_runs_keep_what_they_answer_and_their_losses(project: Project) -> None:
    """Probabilities say the predictions; the losses are of every update, stage after stage."""
    study, paths = project
    cell = study.cells["films.pd-f.1-32.more-100.plain"]
    attempt(study, paths, cell)

    for run in study.runs(cell):
        folder, record = paths.run(run), RunRecord.read(paths.run(run))
        for split in ("dev", "test"):
            said, probable = (
                np.load(folder / f"{split}_{what}.npy") for what in ("predictions", "probabilities")
            )
            np.testing.assert_allclose(probable.sum(axis=1), 1, rtol=1e-6)
            assert (probable.argmax(axis=1) == said).all()
        data = kind_of(study.tasks["films"]).open_split(paths.task("films") / "dev")
        assert (
            record.metrics["dev"]["accuracy"]
            == (read_array(folder / "dev_predictions.npy") == data.targets).mean()
        )
        losses = np.load(folder / "losses.npy")
        first, second = record.stages
        assert len(losses) == first.steps + second.steps
        assert losses[: first.steps][-50:].mean() == pytest.approx(first.loss)
        assert losses[first.steps :][-50:].mean() == pytest.approx(second.loss)


def test_what_is_kept_changes_no_run(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """None, chosen and all share the runs; what is asked for later is trained again, and no more.

    The weights are then, bit for bit, those that would have been kept at first.
    """
    study, paths, cell, chosen = trained
    at_first = (paths.student(chosen) / "model.safetensors").read_bytes()
    before = scores(paths, cell)
    shutil.rmtree(STORE / "student")

    none, its = changed(keep_students="none")
    with trained_runs(monkeypatch) as made:
        attempt(none, its, cell)
    assert made == []
    assert kept(its, cell) == set()
    assert its.cell(cell) != paths.cell(cell), "Snakemake sees that something else is asked for"
    with pytest.raises(DataError, match=r"kept.yaml: key training.keep_students: none.*set it to"):
        kept_student(none, its, chosen)

    study, paths = changed(keep_students="chosen")
    assert commands.run("export", "kept.yaml", PD, "--to", "out") == 1
    line = capsys.readouterr().err.strip()
    assert f"{paths.student(chosen)}: missing" in line
    advised = line.partition("; run pdbench ")[2].partition(", which")[0]
    with trained_runs(monkeypatch) as made:
        assert commands.run(*advised.split()) == 0
    assert made == [chosen.name]
    assert commands.run("export", "kept.yaml", PD, "--to", "out") == 0
    assert (Path("out") / "model.safetensors").read_bytes() == at_first

    every, its = changed(keep_students="all")
    with trained_runs(monkeypatch) as made:
        attempt(every, its, cell)
    assert set(made) == {run.name for run in study.runs(cell)} - {chosen.name}
    assert kept(its, cell) == {run.name for run in study.runs(cell)}
    assert waiting(its, cell) == set()
    assert scores(paths, cell) == before

    others = {its.student(run) for run in study.runs(cell) if run != chosen}
    assert others.isdisjoint(superfluous([every, study]))
    assert others <= set(superfluous([study]))
    assert paths.student(chosen) not in superfluous([study])


def test_the_number_of_threads_is_that_of_the_run(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They decide in which order numbers are added up; afterwards there are as many as before."""
    study, paths, cell, _ = trained
    shutil.rmtree(STORE / "student")
    used: list[int] = []
    train = students.train_student

    def noted(*given: Any) -> TrainedRun:
        used.append(torch.get_num_threads())
        return train(*given)

    monkeypatch.setattr(students, "train_student", noted)
    torch.set_num_threads(2)
    try:
        attempt(study, paths, cell)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert used == [1]
    assert len(kept(paths, cell)) == 1


def test_a_killed_training_for_weights_goes_on(trained: Trained, server: Server) -> None:
    """It ends with the weights that were kept at first, and leaves no state."""
    _, paths, cell, chosen = trained
    weights = paths.student(chosen) / "model.safetensors"
    at_first, before = weights.read_bytes(), scores(paths, cell)
    shutil.rmtree(STORE / "student")

    codes, log = server.run(
        ["cell", "kept.yaml", PD, "--save-every", "0"], Attempt("SIGKILL", call=20), Attempt()
    )

    assert codes == [[-signal.SIGKILL], [0]], log
    assert f"going on from {paths.waiting(chosen)}/state.safetensors" in log
    assert weights.read_bytes() == at_first
    assert scores(paths, cell) == before
    assert not list(SAVED.iterdir())


@pytest.mark.parametrize(("select", "most"), [("all-seeds", 2), ("first-seed", 1)])
def test_what_may_be_chosen_waits(
    project: Project, monkeypatch: pytest.MonkeyPatch, select: str, most: int
) -> None:
    """The best of each point, or so far; an interrupted cell goes on from there."""
    assert project
    study, paths = changed(select=select)
    cell = study.cells[PD]
    train, waited = students.train_student, []

    def failing(study: Study, run: Run, *more: Any) -> TrainedRun:
        waited.append(len(waiting(paths, cell)))
        if run == study.runs(cell)[-1]:
            raise RuntimeError("no memory")
        return train(study, run, *more)

    with monkeypatch.context() as patch:
        patch.setattr(students, "train_student", failing)
        with pytest.raises(DataError, match="no memory"):
            attempt(study, paths, cell)
    assert kept(paths, cell) == set()
    assert max(waited) == most == study.number_waiting(cell)

    with trained_runs(monkeypatch) as made:
        attempt(study, paths, cell)
    assert made == [study.runs(cell)[-1].name]
    assert kept(paths, cell) == {run.name for run in best_runs(study, paths, cell)}
    assert waiting(paths, cell) == set()
    assert [error for error in verify(study, paths) if error is not None] == []


def test_seeds_of_their_own_leave_the_choice_to_the_cell(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their students wait; the job of the whole cell trains nothing."""
    assert project
    study, paths = changed()
    cell = study.cells[PD]
    for seed in (0, 1):
        attempt(study, paths, cell, seed=seed)
    assert kept(paths, cell) == set()
    (chosen,) = best_runs(study, paths, cell)
    assert chosen.name in waiting(paths, cell)

    with trained_runs(monkeypatch) as made:
        attempt(study, paths, cell)

    assert made == []
    assert kept(paths, cell) == {chosen.name}


def test_a_training_that_comes_to_something_else_is_refused(trained: Trained) -> None:
    """Nothing is lost, and the advised deletion and command make both anew."""
    study, paths, cell, chosen = trained
    shutil.rmtree(STORE / "student")
    file = paths.run(chosen) / "test_predictions.npy"
    np.save(file, 1 - np.load(file))
    reseal(file.parent)

    with pytest.raises(DataError, match=r"trained again for its weights, it answers") as found:
        attempt(study, paths, cell)

    assert file.is_file()
    named, _, command = found.value.remedy.partition("delete ")[2].partition(" and run pdbench ")
    shutil.rmtree(named)
    assert commands.run(*command.split()) == 0
    assert kept(paths, cell) == {chosen.name}


@pytest.mark.parametrize("harm", ["lost", "edited", "of another training"])
def test_verify_names_a_student_and_its_remedy_is_right(trained: Trained, harm: str) -> None:
    """One that is not there any more, one that was changed, and one that is not the run's."""
    study, paths, cell, chosen = trained
    folder = paths.student(chosen)
    if harm == "lost":
        shutil.rmtree(folder)
    elif harm == "edited":
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    else:
        other = next(run for run in study.runs(cell) if run.points != chosen.points)
        shutil.copytree(paths.run(other), paths.run(chosen), dirs_exist_ok=True)

    errors = [error for error in verify(study, paths) if error is not None]
    (error,) = [one for one in errors if str(folder) in one.what]

    if harm != "lost":
        assert error.remedy.startswith(f"delete {folder} and run pdbench ")
        shutil.rmtree(folder)
    if harm == "of another training":
        shutil.rmtree(paths.run(chosen))
    assert commands.run(*error.remedy.partition("run pdbench ")[2].partition(",")[0].split()) == 0
    assert [error for error in verify(study, paths) if error is not None] == []


def test_a_setting_that_is_not_written_changes_no_digest(trained: Trained) -> None:
    """The default, written or not, is in no specification, and no value is in a run's."""
    study, paths, cell, _ = trained
    said = {key: changed(keep_students=key) for key in ("none", "chosen", "all")}

    assert said["chosen"][1].cell(cell) == paths.cell(cell)
    assert len({its.cell(cell) for _, its in said.values()}) == 3
    assert len({its.run(run) for _, its in said.values() for run in study.runs(cell)}) == 4


def test_transformers_answers_what_the_record_says(trained: Trained) -> None:
    """Model, tokenizer and pipeline, to texts as they are; the probabilities too."""
    study, paths, cell, chosen = trained
    assert commands.run("export", "kept.yaml", PD, "--to", "out") == 0
    texts, _ = texts_of_test(study, "films")
    stored = paths.run(chosen)

    logits = outputs(Path("out"), texts, [])
    classify = transformers.pipeline("text-classification", model="out")
    said = [study.tasks["films"].labels.index(one["label"]) for one in classify(texts)]

    assert (
        said == logits.argmax(axis=1).tolist() == np.load(stored / "test_predictions.npy").tolist()
    )
    probable = torch.from_numpy(logits).softmax(dim=1).numpy()
    np.testing.assert_allclose(probable, np.load(stored / "test_probabilities.npy"), atol=1e-5)
    labels = np.load(paths.task("films") / "test/labels.npy")
    data = ModelCard.load("out/README.md").data
    (result,) = data.eval_results
    assert result.metric_value == pytest.approx(np.mean(said == labels), abs=1e-5)
    (row,) = gathered(study, paths, [cell]).query(f"run == '{chosen.name}'").to_dict("records")
    assert result.metric_value == pytest.approx(row["test_accuracy"], abs=1e-5)
    assert (result.metric_type, result.dataset_split) == ("accuracy", "test")


def test_the_card_says_scores_licences_and_the_command(trained: Trained) -> None:
    """With intervals over examples and over seeds, of this run, its cell and the teacher."""
    study, paths, cell, chosen = trained
    assert commands.run("export", "kept.yaml", PD, "--to", "out") == 0
    card = Path("out/README.md").read_text()
    rows = gathered(study, paths, [cell]).query("selected")
    own = rows[rows["run"] == chosen.name]["test_accuracy"].item()
    taught = rows[rows["method"] == "teacher"]["test_accuracy"].item()
    mean = 100 * rows[rows["method"] == "pd"]["test_accuracy"].mean()

    (line,) = [line for line in card.splitlines() if line.startswith("| accuracy |")]

    found = re.fullmatch(r"\| accuracy \| (.*) \[(.*), (.*)\] \| .* \| (.*) ± .* \| (.*) \|", line)
    assert found is not None, line
    test, low, high, of_seeds, of_teacher = map(float, found.groups())
    # Normal approximation of the error over 100 examples, within a tenth.
    half = 1.96 * 100 * np.sqrt(own * (1 - own) / 100)
    assert (test, of_seeds, of_teacher) == pytest.approx((100 * own, mean, 100 * taught), abs=0.051)
    assert (high - low) / 2 == pytest.approx(half, rel=0.15, abs=0.5)
    assert f"pdbench export kept.yaml {PD} --to DIR" in card
    for role in ("labelled data", "teacher", "transfer set", "pre-training, more"):
        assert f"| {role} | see the source | directory data/" in card


def test_what_cannot_be_exported_is_one_line(
    trained: Trained, capsys: pytest.CaptureFixture
) -> None:
    """An unknown cell, one that is not trained, and a folder with something in it, which stays."""
    study, *_ = trained
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("mine")
    other = next(key for key in study.cells if key != PD)
    wrong = {
        (PD, "mine"): "mine: there is something in it; name a new folder with --to",
        (PD[:-1], "out"): f"unknown cell {PD[:-1]!r}; did you mean {PD!r}?",
        (other, "out"): f"{other} is not trained with these settings; run pdbench run kept.yaml, "
        f"or pdbench cell kept.yaml {other}",
    }

    for (key, folder), line in wrong.items():
        assert commands.run("export", "kept.yaml", key, "--to", folder) != 0
        (said,) = capsys.readouterr().err.splitlines()
        assert said.startswith("pdbench: error: ")
        assert line in said
    assert [path.name for path in Path("mine").iterdir()] == ["notes.txt"]
    assert not Path("out").exists()


def test_a_student_is_pushed_to_the_hub(
    trained: Trained,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    tmp_path: Path,
) -> None:
    """Into a private repository; what the hub refuses is a line, and the folder stays."""
    assert trained
    export = ["export", "kept.yaml", PD, "--push", "org/small", "--to"]
    with serving(tmp_path / "hub") as hub:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.endpoint)
        monkeypatch.setenv("HF_TOKEN", "hf_another")
        assert commands.run(*export, "first") == 1
        *_, line = capsys.readouterr().err.splitlines()
        assert "org/small: cannot be written" in line
        assert "set HF_TOKEN to a token that may write" in line
        assert "upload first, which is whole" in line

        monkeypatch.setenv("HF_TOKEN", TOKEN)
        assert commands.run(*export, "second") == 0
        assert capsys.readouterr().out.splitlines()[-1] == f"{hub.endpoint}/org/small"

    assert [(said["name"], said["visibility"]) for said in hub.made] == [("small", "private")]
    pushed, folder = hub.folder("models", "org/small"), Path("second")
    files = {path.name: path.read_bytes() for path in pushed.iterdir()}
    assert files == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert files == {path.name: path.read_bytes() for path in Path("first").iterdir()}
    assert {"README.md", "config.json", "model.safetensors", "vocab.txt"} <= files.keys()
