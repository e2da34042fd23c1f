"""Patient knowledge distillation (Sun, Cheng, Gan and Liu, 2019; arXiv:1908.09355).

The loss is the paper's L_PKD,

    L_PKD = (1 - alpha) L_CE + alpha L_DS + beta L_PT,

with the hard labels' cross-entropy L_CE, the soft cross-entropy L_DS at a temperature T, and
L_PT, the squared distance between the normalised [CLS] states of mapped layers. As in the
authors' code, L_DS is multiplied with T^2 and L_PT is a mean over layers and numbers, which is
what their values of beta (10 to 1,000) are made for; L_DS is a sum over classes, as the paper
writes it, where their code takes the mean.

The last layer is left out on both sides. PKD-skip maps the others in even steps (2, 4, 6, 8, 10
of 12 to 6), PKD-last to those below the teacher's last (7 to 11).

Beyond the paper: on unlabelled data L_CE has nothing to read and falls away; and where widths
differ, a learnt linear map takes the student's states to the teacher's width, as in TinyBERT.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from pdbench.engine import BertShape
from pdbench.engine.exposed import Exposed
from pdbench.methods.objective import Objective, projection, soft_loss, uniform_layers


class PatientKD(Objective):
    """L_PKD; ``layers`` says which of the teacher's layers are mapped, by PKD-skip or PKD-last."""

    title = "Patient distillation"
    formula = "(1 - a) L_CE + a T² L_DS + b mean (h_S/|h_S| - h_T/|h_T|)²; no L_CE without labels"
    exposes = "class probabilities, [CLS] states of lower layers"
    last_states = False

    def __init__(
        self,
        student: BertShape,
        teacher: BertShape,
        labels: int,
        *,
        layers: Literal["skip", "last"] = "skip",
        alpha: float = 0.5,
        beta: float = 100.0,
        temperature: float = 5.0,
    ) -> None:
        super().__init__(student, teacher, labels)
        if student.layers < 2:
            raise ValueError("a student of one layer has none below its last to be patient with")
        if not (0 <= alpha <= 1 and beta >= 0 and temperature > 0):
            raise ValueError("alpha is from 0 to 1, beta at least 0 and temperature above 0")
        even = uniform_layers(student.layers, teacher.layers)[:-1]
        last = tuple(range(teacher.layers - student.layers + 1, teacher.layers))
        self.mapped = even if layers == "skip" else last
        self.alpha, self.beta, self.temperature = alpha, beta, temperature
        self.projections = nn.ModuleList(
            projection(student.hidden, teacher.hidden) for _ in self.mapped
        )

    def forward(self, student: Exposed, teacher: Exposed, targets: Tensor) -> Tensor:
        """L_PKD of a batch with soft or with hard labels."""
        loss = self.beta * self.patience(student, teacher)
        if targets.ndim == 1:
            hard = functional.cross_entropy(student.logits, targets)
            loss = loss + (1 - self.alpha) * hard
            targets = teacher.logits.softmax(dim=1)
        soft = soft_loss(student.logits, targets, self.temperature)
        return loss + self.alpha * self.temperature**2 * soft

    def patience(self, student: Exposed, teacher: Exposed) -> Tensor:
        """L_PT, as a mean over items, layers and the teacher's width."""
        found = []
        for own in reversed(range(len(self.mapped))):  # the deepest first: see Exposed.first
            ours = self.projections[own](student.first(own + 1))
            theirs = teacher.first(self.mapped[own])
            goal = functional.normalize(theirs, dim=1)
            found.append(functional.mse_loss(functional.normalize(ours, dim=1), goal))
        return sum(found[1:], found[0]) / len(found)
