"""Training a stage whose objective is a class of its own, beside the teacher that it asks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pdbench.engine import Classifier, Device, Keeper, Progress
from pdbench.engine.exposed import Exposed
from pdbench.kinds.classification import Labelled, LabelledBatch, Pass, train_stage
from pdbench.methods.objective import Objective, build_objective, checked_loss
from pdbench.study import Stage

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Asked:
    """A teacher that is asked while a student trains: frozen, in evaluation mode.

    Attributes:
        model: The teacher, on its device, with the student's word pieces.
        device: Where and how precisely it computes.
    """

    model: Classifier
    device: Device

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """The context of its forward passes: its precision, and no gradients."""
        with torch.no_grad(), self.device.autocast():
            yield


def frozen(model: M) -> M:
    """A model that only answers: in evaluation mode, and with weights that no one trains."""
    return model.eval().requires_grad_(False)


def objective_of(stage: Stage, student: Classifier, asked: Asked, seed: int) -> Objective:
    """Make the objective of a stage for a student and its teacher.

    Raises:
        UsageError: As :func:`pdbench.methods.objective.build_objective`.
    """
    return build_objective(
        stage.objective,
        Objective,
        stage.options,
        student.bert.shape,
        asked.model.bert.shape,
        student.output.out_features,
        seed,
    )


def train_objective(
    student: Classifier,
    asked: Asked,
    objective: Objective,
    data: Labelled,
    settings: Pass,
    device: Device,
    seed: int,
    numbers: NDArray[np.int64],
    keeper: Keeper | None = None,
) -> Progress:
    """Train a student and the objective's own parameters on what the teacher exposes.

    Args:
        student: The student, already on ``device``.
        asked: The teacher.
        objective: The loss.
        data: As in :func:`pdbench.kinds.classification.train_classifier`, like all that follow.
        settings: Epochs, batch size, rate.
        device: Where and how precisely the student computes.
        seed: Decides the order of the items and the dropout.
        numbers: As there.
        keeper: Saves and restores the state of the run.
    """
    whole = objective.last_states

    def loss_of(labelled: LabelledBatch) -> Tensor:
        inputs = device.inputs(labelled.batch)
        ours = Exposed(student, *inputs, device.autocast, last_states=whole)
        theirs = Exposed(asked.model, *inputs, asked.computing, last_states=whole)
        return checked_loss(objective, ours, theirs, device.tensor(labelled.targets))

    trained = nn.ModuleDict({"student": student, "objective": objective.to(device.torch)})
    return train_stage(trained, loss_of, data, settings, seed, numbers, keeper)
