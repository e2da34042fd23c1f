"""One stage of training: an objective over a student, its teacher and labelled items."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pdbench.core.errors import UsageError
from pdbench.data.batches import ItemBatches
from pdbench.engine import Classifier, Device, Keeper, Optimisation, Progress, optimise
from pdbench.engine.exposed import Exposed
from pdbench.kinds import Kind, Labelled, LabelledBatch
from pdbench.methods.objective import (
    Distill,
    Finetune,
    Objective,
    build_objective,
    checked_loss,
)
from pdbench.study import Run, Stage, Study
from pdbench.study.cells import Point
from pdbench.study.settings import StageSettings

M = TypeVar("M", bound=nn.Module)

_PAPERS: dict[str, type[Objective]] = {"distill": Distill, "finetune": Finetune}


@dataclass(frozen=True)
class OnlineTeacher(Generic[M]):
    """A teacher that is asked while a student trains: frozen, in evaluation mode.

    Attributes:
        model: The teacher, on its device, with the student's word pieces.
        device: Where and how precisely it computes.
    """

    model: M
    device: Device

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """The context of its forward passes: its precision, and no gradients."""
        with torch.no_grad(), self.device.autocast():
            yield


@dataclass(frozen=True)
class Walk:
    """How a stage walks over its data.

    Attributes:
        settings: The study's: passes, least updates, and how weights are updated.
        point: The learning rate and the batch size.
        span: The part of these updates that the stage takes, where several share them.
        order_seed: Decides the order of the items, in which stages that share them go on.
    """

    settings: StageSettings
    point: Point
    span: tuple[float, float]
    order_seed: int

    def updates(self, items: int) -> range:
        """The numbers of the stage's updates among all that share so many items."""
        passes = self.settings.epochs * -(-items // self.point.batch_size)
        whole = max(passes, self.settings.least_steps)
        start, end = self.span
        return range(round(start * whole), round(end * whole))


def walk_of(study: Study, run: Run, number: int, items: int) -> Walk:
    """How a stage of a run walks over its data, of so many items.

    Raises:
        UsageError: Its share of the updates is none.
    """
    method = study.methods[run.cell.method]
    stage = method.stages[number]
    order_seed = run.seed + method.first(number)
    settings, point = study.stage(stage.settings), run.points[number]
    found = Walk(settings, point, method.span(number), order_seed)
    if not found.updates(items):
        whole = len(Walk(settings, point, (0.0, 1.0), order_seed).updates(items))
        what = f"method {run.cell.method!r}, stage {stage.name}: share {stage.share:g}"
        raise UsageError(f"{what} of {whole} updates is none", "raise the key share")
    return found


def frozen(model: M) -> M:
    """A model that only answers: in evaluation mode, and with weights that no one trains."""
    return model.eval().requires_grad_(False)


def objective_of(
    stage: Stage,
    kind: Kind,
    student: Classifier,
    teacher: OnlineTeacher[Classifier] | None,
    seed: int,
) -> Objective:
    """Make the objective of a stage for a student and the teacher that it asks, if it does.

    Raises:
        UsageError: As :func:`pdbench.methods.objective.build_objective`.
    """
    own, labels = student.bert.shape, student.output.out_features
    if stage.is_custom:
        assert teacher is not None
        theirs, options = teacher.model.bert.shape, stage.options
        objective = build_objective(stage.objective, Objective, options, own, theirs, labels, seed)
    else:
        objective = _PAPERS[stage.objective](own, own, labels)
    objective.task_loss = kind.loss
    return objective


def train_stage(
    student: Classifier,
    objective: Objective,
    data: Labelled,
    walk: Walk,
    device: Device,
    seed: int,
    numbers: NDArray[np.int64] | None = None,
    teacher: OnlineTeacher[Classifier] | None = None,
    keeper: Keeper | None = None,
) -> Progress:
    """Train a student, already on ``device``, and the objective's own parameters.

    The seed decides the dropout; ``numbers`` are those of :func:`pdbench.data.batches.collate`;
    a teacher is given if the objective asks one beyond its soft labels.
    """
    whole = objective.last_states
    order = ItemBatches(data.tokens.lengths[: data.items], walk.point.batch_size, walk.order_seed)
    updates = walk.updates(data.items)

    def batch_of(step: int) -> LabelledBatch:
        return data.batch(order[updates[step]], numbers)

    def loss_of(labelled: LabelledBatch) -> Tensor:
        inputs = device.inputs(labelled.batch)
        ours = Exposed(student, *inputs, device.autocast, last_states=whole)
        theirs = teacher and Exposed(teacher.model, *inputs, teacher.computing, last_states=whole)
        return checked_loss(objective, ours, theirs, device.tensor(labelled.targets))

    student.bert.dropout = walk.settings.dropout
    trained = nn.ModuleDict({"student": student, "objective": objective.to(device.torch)})
    how = Optimisation(len(updates), walk.point.learning_rate, walk.settings)
    return optimise(trained, batch_of, loss_of, how, seed, keeper)
