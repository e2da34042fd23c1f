"""Pre-training beside a deeper pre-trained model, with an objective of a method's own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pdbench.engine import Bert, BertShape, Device, MaskedLM
from pdbench.engine.bert import keep_pieces
from pdbench.engine.checkpoints import read_masked_lm
from pdbench.jobs.stages import frozen
from pdbench.methods.objective import (
    ExposedLM,
    PretrainingObjective,
    build_objective,
    checked_loss,
)
from pdbench.study import Start, Study
from pdbench.study.cells import seed_of
from pdbench.workflow import Paths

Inputs = tuple[Tensor, Tensor | None, Tensor | None]


@dataclass(frozen=True)
class Taught:
    """A deeper pre-trained model that teaches, and the objective.

    Attributes:
        teacher: The deeper model.
        objective: The loss over what both expose.
    """

    teacher: MaskedLM
    objective: PretrainingObjective

    def student(self, dropout: float) -> MaskedLM:
        """A student that begins with the embeddings, the head and some layers of the teacher.

        Raises:
            UsageError: As :func:`open_taught`.
        """
        model = MaskedLM(Bert(self.objective.student, dropout))
        weights = self.teacher.state_dict()
        for own, theirs in enumerate(self.objective.start_layers()):
            prefix = f"bert.layers.{theirs - 1}."
            found = {k: v for k, v in self.teacher.state_dict().items() if k.startswith(prefix)}
            weights |= {k.replace(prefix, f"bert.layers.{own}."): v for k, v in found.items()}
        model.load_state_dict({name: weights[name].clone() for name in model.state_dict()})
        return model

    def prepare(self, kept: Tensor, device: Device) -> None:
        """Leave the teacher only some word pieces (K,), freeze it and move it to a device."""
        keep_pieces(self.teacher, kept)
        frozen(self.teacher).to(device.torch)
        self.objective.to(device.torch)

    def trained(self, student: MaskedLM) -> nn.Module:
        """All that trains: the student, and the objective's own parameters."""
        return nn.ModuleDict({"student": student, "objective": self.objective})

    def loss(
        self,
        student: MaskedLM,
        inputs: Inputs,
        positions: Tensor,
        targets: Tensor,
        scored: int,
        device: Device,
    ) -> Tensor:
        """The objective at M masked pieces; the arguments are those of ``MaskedLM.loss``."""
        ours = _expose(student, inputs, positions, scored, device)
        with torch.no_grad():
            theirs = _expose(self.teacher, inputs, positions, scored, device)
        return checked_loss(self.objective, ours, theirs, targets)


def open_taught(study: Study, paths: Paths, start: Start, vocabulary: int) -> Taught | None:
    """Read the teacher of a pre-trained student, if its method has an objective of its own.

    Raises:
        UsageError: The objective is missing or does not fit the sizes.
        DataError: The teacher's checkpoint is not whole.
    """
    deeper = study.pretrained_by(start)
    if deeper is None or start.method is None:
        return None
    definition = study.methods[start.method].pretraining
    assert definition is not None
    teacher = read_masked_lm(paths.pretrained(deeper))
    objective = build_objective(
        definition.objective,
        PretrainingObjective,
        definition.options,
        BertShape.of(start.architecture, vocabulary),
        teacher.bert.shape,
        0,
        seed_of("objective", start.corpus, start.architecture, start.method),
    )
    return Taught(teacher, objective)


def _expose(
    model: MaskedLM, inputs: Inputs, positions: Tensor, scored: int, device: Device
) -> ExposedLM:
    with device.autocast():
        states = model.states(*inputs, positions)
        return ExposedLM(states, model.scores(states, scored))
