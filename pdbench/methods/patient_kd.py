"""Patient knowledge distillation (Sun, Cheng, Gan and Liu, 2019; arXiv:1908.09355).

The loss is the paper's L_PKD,

    L_PKD = (1 - alpha) L_CE + alpha L_DS + beta L_PT,

with the hard labels' cross-entropy L_CE, the soft cross-entropy L_DS at a temperature T, and
L_PT, the squared distance between the [CLS] states of mapped layers, each of norm 1 if they are
``normalised``. As in the authors' code (github.com/intersun/PKD-for-BERT-Model-Compression),
L_DS is multiplied with T^2, and L_PT is a mean over layers and numbers, which is what their
values of beta are made for. As in the paper, the student begins with the first layers of the
pre-trained teacher, and the last layer is left out on both sides: PKD-skip maps the others in even
steps (2, 4, 6, 8, 10 of 12 to 6), PKD-last to those below the teacher's last (7 to 11).

The authors choose, for each task on its dev set, among T = 5, 10, 20, alpha = .2, .5, .7, beta =
10, 100, 500, 1000, and whether states are normalised. Their choices for PKD-skip and six layers
(result/glue/result_summary/pkd_6layer_mean.csv):

    task     MRPC   SST-2   RTE   MNLI   QNLI   QQP
    T        20     10      10    10     20     20
    alpha    .7     .5      .7    .5     .5     .7
    beta     1      100     500   100    100    100
    states   normalised           as they are

The defaults are those of SST-2, which are those of MNLI too but for the states.

What differs is in ``differs``.
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
    formula = "(1 - a) L_CE + a T² L_DS + b mean (h_S - h_T)²; h/|h| for h where normalised"
    exposes = "class probabilities, [CLS] states of lower layers"
    differs = (
        "trains on the transfer set, for pd's updates, where the paper takes the labelled set: "
        "L_CE, which needs labels, falls away",
        "one T, alpha and beta for all tasks, where the paper chooses among 36 and among "
        "normalised states or not, by dev: more choices than other methods have",
        "L_DS is a sum over classes, as the paper writes it; the authors' code takes the mean",
        "the last model counts, where the authors take the best of four epochs on dev",
        "states of another width are first mapped linearly, as in TinyBERT; the paper has one",
    )
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
        temperature: float = 10.0,
        normalised: bool = True,
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
        self.normalised = normalised
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
            if self.normalised:
                ours, theirs = (functional.normalize(h, dim=1) for h in (ours, theirs))
            found.append(functional.mse_loss(ours, theirs))
        return sum(found[1:], found[0]) / len(found)
