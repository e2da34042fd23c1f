"""Jobs train for real, keep what is finished, and refuse what is broken."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import transformers

from pdbench.core.errors import DataError, GuardError
from pdbench.core.files import read_json
from pdbench.evidence.table import read_results
from pdbench.jobs import students, teachers
from pdbench.jobs.collect import collect
from pdbench.jobs.record import RunRecord
from pdbench.study import Study, load_study
from pdbench.workflow import Paths
from pdbench.workflow.specs import STORE

PD = "films.pd.1-32.more-100.plain"
BASIC = "films.basic.1-32.none.none"
Project = tuple[Study, Paths]


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _folders(paths: Paths, key: str) -> dict[str, Path]:
    """Where the runs of a cell stand, by their names."""
    return {run.name: paths.run(run) for run in paths.study.runs(paths.study.cells[key])}


def _metrics(paths: Paths, key: str) -> dict[str, dict[str, dict[str, float]]]:
    folders = {n: f for n, f in _folders(paths, key).items() if (f / "record.json").exists()}
    return {name: RunRecord.read(folder).metrics for name, folder in folders.items()}


def test_a_teacher_learns_and_transformers_loads_it(project: Project) -> None:
    """The teacher beats the majority class, and is a Hugging Face checkpoint."""
    study, paths = project

    (row,) = read_results(collect(study, paths)).to_dict("records")
    loaded = transformers.AutoModelForSequenceClassification.from_pretrained(paths.teacher("films"))

    assert row["method"] == "teacher"
    assert row["test_accuracy"] > 0.9 > row["majority_test"]
    assert loaded.config.id2label == {0: "negative", 1: "positive"}


def test_soft_labels_are_probabilities_of_the_teacher(project: Project) -> None:
    """One row for each item, summing to one, not all alike."""
    _, paths = project

    soft = np.load(paths.soft_labels("films", "more") / "soft_labels.npy", allow_pickle=False)

    assert soft.shape == (100, 2), "as many items as the largest transfer set"
    np.testing.assert_allclose(soft.astype(float).sum(1), 1, atol=2e-3)
    assert soft[:, 0].astype(float).std() > 0.1
    assert soft.dtype == np.float32


def test_soft_labels_say_where_and_how_long(project: Project) -> None:
    """The machine and the wall time stand beside the labels, as in the record of a run."""
    _, paths = project

    record = read_json(paths.soft_labels("films", "more") / "record.json")

    assert record["environment"]["device"]
    assert record["environment"]["precision"] in {"bf16", "fp32"}
    assert record["environment"]["seconds"] > 0
    assert record["items"] == 100


def test_ranges_of_soft_labels_are_one_whole(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written range after range they are what they would be at once, in the items' order."""
    study, paths = project
    path = paths.soft_labels("films", "more") / "soft_labels.npy"
    whole = np.load(path, allow_pickle=False).astype(float)
    monkeypatch.setattr(sys.modules["pdbench.engine.device"], "_RANGE_ITEMS", 33)
    path.with_name("record.json").unlink()

    teachers.soft_labels(study, paths, "films", "more")

    np.testing.assert_allclose(np.load(path).astype(float), whole, atol=0.02)  # bf16
    assert abs(whole[1:] - whole[:-1]).max() > 0.1, "another order would be seen"


def test_soft_labels_are_made_once(project: Project) -> None:
    """A second process that waited finds them; edited ones and those of fewer items are redone."""
    study, paths = project
    record = paths.soft_labels("films", "more") / "record.json"
    labels, before = record.with_name("soft_labels.npy"), record.read_bytes()

    teachers.soft_labels(study, paths, "films", "more")
    assert record.read_bytes() == before

    content = labels.read_bytes()
    labels.write_bytes(content[:-2] + b"xx")
    teachers.soft_labels(study, paths, "films", "more")
    assert record.read_bytes() != before
    assert labels.read_bytes() == content


def test_a_text_shorter_than_its_transfer_set_is_labelled_whole(project: Project) -> None:
    """The cell, not the teacher, says that items are missing."""
    study, paths = project
    more = study.transfer_sets["more-100"].model_copy(update={"size": 500})
    longer = study.model_copy(update={"transfer_sets": {"more-100": more}})

    teachers.soft_labels(longer, paths, "films", "more")

    assert len(np.load(paths.soft_labels("films", "more") / "soft_labels.npy")) == 200
    with pytest.raises(DataError, match="200 items, but transfer set 'more-100' asks 500"):
        students.attempt(longer, paths, longer.cells[PD])


def test_every_method_trains_and_is_collected(project: Project) -> None:
    """Each cell gives its runs; each row says what it is."""
    study, paths = project
    for cell in study.seed_counts:
        students.attempt(study, paths, cell)

    frame = read_results(collect(study, paths))

    assert set(frame["method"]) == {"teacher", "basic", "pd", "pd-f", "tf", "pd-embeddings"}
    assert len(frame) == 1 + sum(len(study.runs(cell)) for cell in study.seed_counts)
    assert frame["test_accuracy"].between(0, 1).all()
    assert (frame["test_predictions"].map(len) == 100).all()
    (labels,) = frame["test_labels"].dropna()
    teacher = frame[frame["method"] == "teacher"].iloc[0]
    assert (teacher["test_predictions"] == labels).mean() == pytest.approx(teacher["test_accuracy"])
    by_cell = frame[frame["method"] == "basic"].groupby("learning_rates")["selected"].all()
    assert by_cell.sum() == 1, "one grid point is selected, for all its seeds"
    assert set(frame["precision"]) <= {"bf16", "fp32"}
    assert frame["padding_share"].between(0, 0.5).all()
    assert frame["padding_share"].max() > 0
    assert (frame["resumed"] == 0).all()
    assert (frame["teacher_seconds"] == 0).all(), "no method here asks a teacher"
    assert "host" not in frame, "others read the table"


def test_a_finished_cell_does_nothing_again(project: Project) -> None:
    """A second start changes no byte."""
    study, paths = project
    students.attempt(study, paths, study.cells[PD])
    before = _contents(STORE)

    students.attempt(study, paths, study.cells[PD])

    assert _contents(STORE) == before


def test_an_interrupted_cell_ends_as_if_it_had_not_been(project: Project) -> None:
    """The missing run is trained again to the same scores; the finished one is kept."""
    study, paths = project
    students.attempt(study, paths, study.cells[PD])
    expected = _metrics(paths, PD)
    kept, lost = (path / "record.json" for path in _folders(paths, PD).values())
    record = kept.read_bytes()
    lost.unlink()
    paths.cell(study.cells[PD]).unlink()

    students.attempt(study, paths, study.cells[PD])

    assert _metrics(paths, PD) == expected
    assert kept.read_bytes() == record


def test_small_transfer_sets_get_the_least_steps(project: Project) -> None:
    """100 items in batches of 32 make 8 updates in 2 epochs, unless more are asked."""
    study, _ = project
    distill = study.training.distill.model_copy(update={"least_steps": 30})
    training = study.training.model_copy(update={"distill": distill})
    longer = study.model_copy(update={"training": training})

    steps = []
    for chosen in (study, longer):
        own = Paths(chosen)
        students.attempt(chosen, own, chosen.cells[PD])
        record = RunRecord.read(_folders(own, PD)["seed0_lr0.001-b32"])
        steps.append((record.stages[0].steps, record.stages[0].examples))

    assert steps[0] == (8, 200)
    assert steps[1][0] == 30


def test_one_failed_run_keeps_the_others_and_leaves_the_cell_missing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No cell.json, one clear line, and every other run's record."""
    study, paths = project
    trained = students.train_student

    def fail_once(study, run, data, *more):
        if run.seed_number == 0:
            raise FloatingPointError("the training loss is nan")
        return trained(study, run, data, *more)

    monkeypatch.setattr(students, "train_student", fail_once)

    with pytest.raises(DataError, match=r"1 of 2 runs failed, first seed0_lr0.001-b32: .*nan"):
        students.attempt(study, paths, study.cells[PD])

    assert not paths.cell(study.cells[PD]).exists()
    assert list(_metrics(paths, PD)) == ["seed1_lr0.001-b32"]


def test_an_edited_record_stops_the_cell_and_the_collection(project: Project) -> None:
    """Never silently overwritten, never collected."""
    study, paths = project
    students.attempt(study, paths, study.cells[PD])
    record = _folders(paths, PD)["seed0_lr0.001-b32"] / "record.json"
    content = json.loads(record.read_text())
    content["metrics"]["dev"]["accuracy"] = 0.99
    record.write_text(json.dumps(content))

    for act in (
        lambda: students.attempt(study, paths, study.cells[PD]),
        lambda: collect(study, paths),
    ):
        with pytest.raises(DataError, match=r"seed0_lr0\.001-b32-\w+/record\.json: .*edited"):
            act()


def test_edited_predictions_are_not_collected(project: Project) -> None:
    """The examples that a record vouches for are verified too."""
    study, paths = project
    students.attempt(study, paths, study.cells[PD])
    path = _folders(paths, PD)["seed0_lr0.001-b32"] / "test_predictions.npy"
    np.save(path, 1 - np.load(path))

    with pytest.raises(DataError, match=r"test_predictions\.npy: .*not what its record says"):
        collect(study, paths)


def test_edited_soft_labels_are_found_out(project: Project) -> None:
    """Soft labels are verified when they are opened."""
    study, paths = project
    path = paths.soft_labels("films", "more") / "soft_labels.npy"
    soft = np.load(path, allow_pickle=False)
    np.save(path, soft[::-1])

    with pytest.raises(DataError, match=r"soft_labels\.npy: not what its record says"):
        students.attempt(study, paths, study.cells[PD])


def test_a_changed_setting_trains_beside_what_there_is(project: Project) -> None:
    """Records of other settings have places of their own, and are in no table of the new ones."""
    study, paths = project
    students.attempt(study, paths, study.cells[BASIC])
    before = _contents(STORE)
    before.pop("contents.json", None)  # what is known of files that are a few seconds old
    text = (
        Path("small.yaml")
        .read_text()
        .replace("finetune:\n    epochs: 2", "finetune:\n    epochs: 3")
    )
    Path("small.yaml").write_text(text)
    changed = load_study("small.yaml")
    own = Paths(changed)
    assert set(read_results(collect(changed, own))["method"]) == {"teacher"}

    students.attempt(changed, own, changed.cells[BASIC])

    assert before.items() <= _contents(STORE).items()
    name = "seed0_lr0.001-b32"
    old, new = (RunRecord.read(_folders(p, BASIC)[name]) for p in (paths, own))
    assert new.spec != old.spec
    assert new.stages[0].steps > old.stages[0].steps
    assert set(read_results(collect(changed, own))["spec"]) >= {new.spec}


def test_a_teacher_that_learnt_nothing_is_refused(project: Project) -> None:
    """Its soft labels are never used; the message says what to check."""
    study, paths = project
    before = _contents(paths.teacher("films"))
    teacher = study.tasks["films"].teacher.model_copy(update={"learning_rate": 1e-9})
    task = study.tasks["films"].model_copy(update={"teacher": teacher})
    untaught = study.model_copy(update={"tasks": {"films": task}})

    with pytest.raises(GuardError, match=r"a constant answer has .* check the label order"):
        teachers.teacher(untaught, Paths(untaught), "films")

    assert _contents(paths.teacher("films")) == before


def test_a_teacher_with_other_labels_is_refused(project: Project) -> None:
    """Label names of checkpoint and task must agree, in order."""
    study, paths = project
    task = study.tasks["films"].model_copy(update={"labels": ("positive", "negative")})
    swapped = study.model_copy(update={"tasks": {"films": task}})
    own = Paths(swapped)
    shutil.copytree(paths.teacher("films"), own.teacher("films"))

    with pytest.raises(DataError, match=r"labels \['negative', 'positive'\] are not the task's"):
        teachers.soft_labels(swapped, own, "films", "more")


def test_a_constant_predictor_is_marked_degenerate(project: Project) -> None:
    """A collapsed run is a result of its own kind."""
    study, _ = project
    frozen = study.training.finetune.model_copy(update={"learning_rate": (1e-12,)})
    training = study.training.model_copy(update={"finetune": frozen, "initializer_range": "bert"})
    untrained = study.model_copy(update={"training": training})

    paths = Paths(untrained)
    students.attempt(untrained, paths, untrained.cells[BASIC])

    folders = _folders(paths, BASIC).values()
    flags = [RunRecord.read(folder).degenerate for folder in folders]
    found = [np.load(folder / "test_predictions.npy") for folder in folders]
    assert any(flags)
    assert flags == [len(set(predictions.tolist())) == 1 for predictions in found]
