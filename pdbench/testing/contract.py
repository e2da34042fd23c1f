"""What every method must keep: tests that the test of a method inherits, here or elsewhere.

    from pdbench.testing.contract import MethodContract

    class TestMyMethod(MethodContract):
        method = "my-method"  # its id in methods.yaml

Each method trains students of 2/32 with a teacher of 4/64 on sixty words, in about a second.
"""

from __future__ import annotations

import contextlib
import functools
import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor

from pdbench.core.errors import Stopped
from pdbench.core.files import digest, file_digest
from pdbench.data.batches import ItemBatches
from pdbench.data.vocabulary import Vocabulary, open_vocabulary
from pdbench.engine import Keeper
from pdbench.engine.checkpoints import WEIGHTS
from pdbench.engine.exposed import Exposed
from pdbench.jobs.pretraining import pretrain, pretrain_student
from pdbench.jobs.students import CellData, TrainedRun, train_student
from pdbench.jobs.training import objective_of
from pdbench.kinds import Labelled
from pdbench.methods.objective import Objective
from pdbench.study import Architecture, Run, Stage, Start, Study, load_study
from pdbench.testing.small_study import CONFIG, prepare_cells, write_small_study
from pdbench.workflow import Paths
from pdbench.workflow.paths import ARCHIVES

_TEACHER = Architecture(4, 64)
_STUDY = "small.yaml"
_STOP_AFTER = 3

_ITEMS = {"transfer": 96, "labelled": 288}
"""Whole batches of 32, so that the mean loss of a pass is that of all items."""

_STAGE = {"epochs": 3, "least_steps": 48, "learning_rate": [5e-3]}
_CHANGES = {
    "architectures": {"grid": {"layers": [2, 4], "hidden": [32]}, "named": {"Tiny": "2/32"}},
    "tasks": {"films": {**CONFIG["tasks"]["films"], "train": _ITEMS["labelled"]}},
    "transfer_sets": {"more": {"text": "more", "size": _ITEMS["transfer"]}},
    "training": {**CONFIG["training"], "distill": _STAGE, "finetune": _STAGE},
}
_CELLS = {"task": "films", "architecture": "Tiny", "transfer": "more", "corpus": "plain"}


@dataclass(frozen=True)
class TrainedMethod:
    """A method in the small study: its data, and its two runs, which differ in their seeds."""

    study: Study
    paths: Paths
    vocabulary: Vocabulary
    data: CellData
    runs: tuple[Run, ...]
    first: TrainedRun

    def train(self, run: Run, keeper: Keeper | None = None) -> TrainedRun:
        """Train one run."""
        return train_student(self.study, run, self.data, keeper)

    def items(self, stage: Stage) -> Labelled:
        """The items that a stage reads, with their targets."""
        found = self.data.transfer if stage.data == "transfer" else self.data.splits["train"]
        assert found is not None
        return found

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The method's stages."""
        return self.study.methods[self.runs[0].cell.method].stages

    @property
    def losses(self) -> Iterator[tuple[str, Callable[[list[int]], Tensor]]]:
        """The objectives of the method's own: what some items of the stage's cost the student."""
        for stage in self.stages:
            if stage.is_custom:
                teacher = self.data.teacher
                objective = objective_of(stage, self.data.kind, self.first.model, teacher, seed=0)
                yield stage.name, partial(self._loss, objective, self.items(stage))

    def _loss(self, objective: Objective, data: Labelled, items: list[int]) -> Tensor:
        """What an objective says of some items, in full precision and without dropout."""
        student, teacher = self.first.model, self.data.teacher
        assert teacher is not None
        batch = data.batch(np.array(items), student.bert.numbers)
        inputs, whole = teacher.device.inputs(batch.batch), objective.last_states
        ours = Exposed(student, *inputs, last_states=whole)
        theirs = Exposed(teacher.model, *inputs, torch.no_grad, last_states=whole)
        targets = teacher.device.tensor(batch.targets)
        return objective.to(teacher.device.torch).checked_loss(ours, theirs, targets)


class MethodContract:
    """The tests that any method inherits; ``method`` is its id."""

    method: str = ""

    @pytest.fixture(scope="class")
    @classmethod
    def method_id(cls) -> str:
        """The method's id."""
        return cls.method

    @pytest.fixture(scope="class")
    @classmethod
    def case(
        cls, method_id: str, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[TrainedMethod]:
        """The method's first run, trained; the tests run in the study's folder."""
        folder = tmp_path_factory.mktemp("contract") / "project"
        shutil.copytree(_prepared(tmp_path_factory.getbasetemp()), folder)
        with contextlib.chdir(folder):
            yield _open_case(method_id)

    def test_the_loss_is_finite_and_falls(self, case: TrainedMethod) -> None:
        """The last pass of every stage over its data costs less than the first.

        One that begins where another left little to learn costs no more than chance explains.
        """
        for stage, point in zip(case.stages, case.runs[0].points, strict=True):
            losses = case.first.stages[stage.name].losses
            a_pass = _ITEMS[stage.data] // point.batch_size
            assert np.isfinite(losses).all(), f"{stage.name}: a loss is not finite"
            first, last = losses[:a_pass], losses[-a_pass:]
            told = f"the loss goes from {first.mean():g} to {last.mean():g}"
            assert last.mean() < first.mean() + _chance(first, last), f"{stage.name}: {told}"

    def test_every_loss_reaches_the_student(self, case: TrainedMethod) -> None:
        """An objective of its own trains the student's layers, not its own parameters alone."""
        for name, loss_of in case.losses:
            layers = list(case.first.model.bert.layers.parameters())
            found = torch.autograd.grad(loss_of(list(range(8))), layers, allow_unused=True)
            reached = any(gradient is not None and gradient.any() for gradient in found)
            assert reached, f"the loss of {name} has no gradient in the student's layers"

    def test_a_batch_costs_the_mean_of_its_items(self, case: TrainedMethod) -> None:
        """Large batches are cut, and their gradients added up: no item counts its company."""
        for name, loss_of in case.losses:
            together = loss_of(list(range(8))).item()
            alone = np.mean([loss_of([item]).item() for item in range(8)])
            assert together == pytest.approx(alone, rel=1e-3), (
                f"{name}: 8 items cost {together:g} together, and {alone:g} in the mean alone"
            )

    def test_every_stage_has_its_budget(self, case: TrainedMethod) -> None:
        """The stages on one data set make its updates and see its items, no more and no fewer."""
        run, stages = case.runs[0], case.stages
        for data in dict.fromkeys(stage.data for stage in stages):
            own = [i for i, stage in enumerate(stages) if stage.data == data]
            asked = sum(stages[i].share for i in own)
            found = [case.first.stages[stages[i].name] for i in own]
            items = case.items(stages[own[0]])
            settings = case.study.stage(stages[own[0]].settings)
            batch_size = run.points[own[0]].batch_size
            passes = settings.epochs * -(-items.items // batch_size)
            steps = round(asked * max(passes, settings.least_steps))
            order = ItemBatches(items.tokens.lengths[: items.items], batch_size, run.seed)
            assert sum(progress.steps for progress in found) == steps
            assert sum(progress.examples for progress in found) == sum(
                len(order[step]) for step in range(steps)
            )

    def test_the_teacher_is_untouched(self, case: TrainedMethod) -> None:
        """Neither the teacher in memory nor its files change; it answers without dropout."""
        files = _teacher_files(case.paths)
        if case.data.teacher is None:
            case.train(case.runs[0])
        else:
            asked = case.data.teacher.model
            before = _digest_of(asked.state_dict())
            modes: set[bool] = set()
            hook = asked.bert.embedding_norm.register_forward_pre_hook(
                lambda *_: modes.add(asked.bert.training)
            )
            case.train(case.runs[0])
            hook.remove()
            assert _digest_of(asked.state_dict()) == before, "the weights of the teacher changed"
            assert modes == {False}, "the teacher was in training mode when it was asked"
            assert not any(p.requires_grad for p in asked.parameters())
        assert _teacher_files(case.paths) == files, "the files of the teacher changed"

    def test_a_stopped_run_goes_on_bit_for_bit(self, case: TrainedMethod, tmp_path: Path) -> None:
        """Stopped in each stage and started again, it ends with the same weights and losses."""
        run, stages = case.runs[0], len(case.first.stages)
        for stage in range(stages):
            with pytest.raises(Stopped):
                case.train(run, _Stops(tmp_path, {"run": run.name}, stage))

        resumed = case.train(run, Keeper(tmp_path, {"run": run.name}))

        lost = "a resumed run ends elsewhere: a step may depend on its weights and batch alone"
        for name, progress in resumed.stages.items():
            assert (progress.losses == case.first.stages[name].losses).all(), f"{name}: {lost}"
        weights = [_digest_of(o.model.state_dict()) for o in (resumed, case.first)]
        assert weights[0] == weights[1], lost

    def test_seeds_decide_and_touch_nothing_global(self, case: TrainedMethod) -> None:
        """One seed gives one model, another another; random and numpy.random stay as they were."""
        states = random.getstate(), np.random.get_state()  # noqa: NPY002 - it is what is tested

        again, other = case.train(case.runs[0]), case.train(case.runs[1])

        weights = [_digest_of(o.model.state_dict()) for o in (case.first, again, other)]
        assert weights[0] == weights[1], "one seed gave two models"
        assert weights[0] != weights[2], "two seeds gave one model"
        after = random.getstate(), np.random.get_state()  # noqa: NPY002
        assert repr(after) == repr(states), "random or numpy.random was drawn from"


class PretrainingContract(MethodContract):
    """The same, for a method whose pre-training has an objective of its own."""

    def test_pretraining_learns_goes_on_and_leaves_its_teacher(
        self, case: TrainedMethod, tmp_path: Path
    ) -> None:
        """It keeps what stages keep: its loss does not rise; a whole teacher; the same bits."""
        start = case.study.initial_checkpoint(case.runs[0].cell, 0)
        deeper = None if start is None else case.study.pretrained_by(start)
        assert start is not None
        assert deeper is not None, "this method has no pre-training of its own"
        weights = case.paths.pretrained(deeper) / WEIGHTS
        before = file_digest(weights)
        whole, progress = _pretrain(case, start)
        with pytest.raises(Stopped):
            _pretrain(case, start, _Stops(tmp_path, {"run": "pretraining"}))

        resumed, _ = _pretrain(case, start, Keeper(tmp_path, {"run": "pretraining"}))

        quarter = len(progress.losses) // 4
        assert np.isfinite(progress.losses).all()
        first, last = progress.losses[:quarter], progress.losses[-quarter:]
        # A student that begins with its teacher's layers may have little to learn.
        assert last.mean() < 1.01 * first.mean()
        assert _digest_of(resumed.state_dict()) == _digest_of(whole.state_dict())
        assert file_digest(weights) == before


def _chance(first: NDArray[np.float32], last: NDArray[np.float32]) -> float:
    """Twice the standard error of the difference of two means of losses."""
    return 2 * float(np.hypot(*(part.std(ddof=1) / len(part) ** 0.5 for part in (first, last))))


def _digest_of(tensors: Mapping[str, Tensor]) -> str:
    return digest({name: t.detach().cpu().numpy().tobytes().hex() for name, t in tensors.items()})


class _Stops(Keeper):
    """A keeper that saves after every step and stops the run early in a stage."""

    def __init__(self, folder: Path, identity: dict[str, str | int], stage: int = 0) -> None:
        super().__init__(folder, identity, every=0)
        self._left, self._in = _STOP_AFTER, stage

    def save(self, tensors: Mapping[str, Tensor], note: Mapping[str, Any]) -> None:
        super().save(tensors, note)
        self._left -= self.stage == self._in
        if not self._left:
            raise Stopped


@functools.cache
def _prepared(base: Path) -> Path:
    """Prepare the small study with a deeper teacher below a folder: all that methods share."""
    folder = base / "contract-study"
    folder.mkdir()
    artefacts = {"figure6": {"seeds": 2, "cells": [{**_CELLS, "method": ["pd", "tf"]}]}}
    write_small_study(folder, {**CONFIG, **_CHANGES, "artefacts": artefacts}, _TEACHER)
    with contextlib.chdir(folder):
        study = load_study(_STUDY)
        prepare_cells(study, Paths(study))
    return folder


def _open_case(method: str) -> TrainedMethod:
    """Train a method's first run in the prepared study, which is the working directory."""
    raw = yaml.safe_load(Path(_STUDY).read_text(encoding="utf-8"))
    raw["artefacts"]["figure6"]["cells"] = [{**_CELLS, "method": method}]
    Path(_STUDY).write_text(yaml.safe_dump(raw), encoding="utf-8")
    study = load_study(_STUDY)
    paths = Paths(study)
    for start in study.pretrained:
        pretrain(study, paths, start)
    (cell,) = study.seed_counts
    vocabulary = open_vocabulary(study.vocabulary, ARCHIVES)
    data = CellData.open(study, paths, cell)
    runs = study.runs(cell)
    first = train_student(study, runs[0], data)
    return TrainedMethod(study, paths, vocabulary, data, runs, first)


def _pretrain(case: TrainedMethod, start: Start, keeper: Keeper | None = None) -> Any:
    return pretrain_student(case.study, case.paths, start, case.vocabulary, keeper)


def _teacher_files(paths: Paths) -> dict[str, str]:
    return {path.name: file_digest(path) for path in sorted(paths.teacher("films").iterdir())}
