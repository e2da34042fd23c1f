"""Methods with objectives of their own as jobs: their inputs, records and budgets."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from commands import run
from safetensors.torch import load_file

from pdbench.core.errors import DataError
from pdbench.core.files import file_digest
from pdbench.engine.checkpoints import WEIGHTS
from pdbench.engine.exposed import Exposed
from pdbench.jobs import students
from pdbench.jobs.record import RunRecord
from pdbench.methods.minilm import MiniLM
from pdbench.study import Architecture, Start, Study, load_study
from pdbench.workflow import Paths

CELLS = "films.{}.1-32.more-100.plain"
START = Start("plain", Architecture(1, 32), 0, "distilbert")
Project = tuple[Study, Paths]


@pytest.fixture
def own(project: Project) -> Project:
    """The prepared project, with pd, MiniLM and DistilBERT in its study."""
    raw: dict[str, Any] = yaml.safe_load(Path("small.yaml").read_text())
    block = raw["artefacts"]["figure6"]["cells"][0]
    block["method"] = ["pd", "minilm", "distilbert"]
    Path("small.yaml").write_text(yaml.safe_dump(raw))
    study = load_study("small.yaml")
    return study, Paths(study)


def _train(project: Project, key: str) -> list[Any]:
    """Train a cell; return the records of its runs."""
    study, paths = project
    cell = study.cells[key]
    students.attempt(study, paths, cell)
    return [RunRecord.read(paths.run(run)) for run in study.runs(cell)]


def test_a_method_that_asks_the_teacher_has_the_budget_of_pd(own: Project) -> None:
    """Its stages together make pd's updates on pd's items, and its record names the teacher."""
    _, paths = own
    found = {method: _train(own, CELLS.format(method)) for method in ("pd", "minilm")}

    teacher = file_digest(paths.teacher("films") / WEIGHTS)
    for pd, minilm in zip(found["pd"], found["minilm"], strict=True):
        assert [stage.objective for stage in minilm.stages] == ["MiniLM", "distill"]
        for count in ("steps", "examples", "pieces"):
            assert sum(getattr(s, count) for s in minilm.stages) == getattr(pd.stages[0], count)
        assert minilm.inputs["teacher"] == teacher
        asked, plain = minilm.stages
        assert 0 < asked.teacher_seconds < asked.seconds
        assert plain.teacher_seconds == pd.stages[0].teacher_seconds == 0
        assert "teacher" not in pd.inputs


def test_pretraining_by_a_method_is_a_job_of_its_own(own: Project) -> None:
    """The command writes its own folder, names its teacher, and its cell starts from it."""
    _, paths = own
    untaught = paths.pretrained(Start("plain", Architecture(1, 32), 0)) / WEIGHTS
    plain = file_digest(untaught)

    for number in ("0", "1"):
        asked = "plain", "1/32", "--method", "distilbert", "--seed", number
        assert run("pretrain", "small.yaml", *asked) == 0
    trained = _train(own, "films.distilbert.1-32.none.plain")

    record = RunRecord.read(paths.pretrained(START))
    deepest = paths.pretrained(Start("plain", Architecture(2, 32), 0)) / WEIGHTS
    assert record.cell == "pretraining.plain.1-32.distilbert.seed0"
    assert [stage.objective for stage in record.stages] == ["DistilBert"]
    assert record.inputs["teacher"] == file_digest(deepest)
    assert record.outputs[WEIGHTS] != plain
    assert file_digest(untaught) == plain
    weights = load_file(paths.pretrained(START) / WEIGHTS), load_file(deepest)
    same = {n for n in weights[0] if torch.equal(weights[0][n], weights[1][n])}
    assert {n for n in same if "position" in n} == {n for n in weights[0] if "position" in n}
    assert not {n for n in same if "word_embeddings" in n}
    starts = [RunRecord.read(paths.pretrained(START._replace(seed_number=n))) for n in (0, 1)]
    assert starts[0].outputs[WEIGHTS] != starts[1].outputs[WEIGHTS]
    for cell in trained:
        assert cell.inputs["checkpoint"] == starts[cell.seed_index].outputs[WEIGHTS]


def test_a_seed_trains_without_the_starts_of_others(own: Project) -> None:
    """It opens its own pre-training alone; the whole cell says which is missing."""
    study, paths = own
    cell = study.cells[CELLS.format("pd")]
    first, second = study.starts(cell)
    shutil.rmtree(paths.pretrained(second))

    students.attempt(study, paths, cell, seed=0)

    with pytest.raises(DataError, match=r"1 of 2 runs failed, first seed1_.*1-32\.seed1-"):
        students.attempt(study, paths, cell)
    (made,) = (run for run in study.runs(cell) if paths.run(run).exists())
    digest = file_digest(paths.pretrained(first) / WEIGHTS)
    assert RunRecord.read(paths.run(made)).inputs["checkpoint"] == digest


def test_a_method_without_pretraining_of_its_own_is_refused(
    own: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only a method that has an objective for it can be named."""
    assert run("pretrain", "small.yaml", "plain", "1/32", "--method", "pd") == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert "unknown method with a pre-training of its own 'pd'" in line


def test_what_a_loss_makes_of_the_model_is_not_scored(
    own: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights answer, in a model of the engine's own, and nothing that was put in its place."""
    _, paths = own
    honest = [record.outputs for record in _train(own, CELLS.format("minilm"))]
    shutil.rmtree(paths.run(own[0].runs(own[0].cells[CELLS.format("minilm")])[0]).parent)
    forward = MiniLM.forward

    def cheats(self: MiniLM, student: Exposed, teacher: Exposed, targets: torch.Tensor) -> Any:
        found = forward(self, student, teacher, targets)
        student._model.forward = lambda *_: pytest.fail("it was asked")  # type: ignore[method-assign]
        return found

    monkeypatch.setattr(MiniLM, "forward", cheats)

    assert [record.outputs for record in _train(own, CELLS.format("minilm"))] == honest
