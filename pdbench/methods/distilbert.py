"""DistilBERT's distillation during pre-training (Sanh et al., 2019; arXiv:1910.01108).

The student takes evenly spaced layers of a deeper pre-trained model, with its embeddings and its
masked-LM head, and trains on the corpus with the triple loss of the paper's section 3:

    L = w_ce T^2 L_ce + w_mlm L_mlm + w_cos L_cos,

the soft cross-entropy L_ce with the deeper model's scores of the masked pieces at a temperature
T, the masked-LM cross-entropy L_mlm, and one minus the cosine of the last hidden states L_cos.
The paper gives neither weights nor temperature; the defaults are those of the authors' training
command (5, 2, 1 and T = 2).

All three are computed at the masked pieces alone, the only ones whose scores masked LM needs; the
authors' code takes L_ce there too if it is told so (restrict_ce_to_mask).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from pdbench.engine import BertShape
from pdbench.engine.exposed import ExposedLM
from pdbench.methods.objective import PretrainingObjective


class DistilBert(PretrainingObjective):
    """The triple loss, with w_ce = ``soft``, w_mlm = ``masked`` and w_cos = ``cosine``."""

    title = "Distillation while pre-training"
    formula = "w_ce T² L_ce + w_mlm L_mlm + w_cos (1 - cos(h_S, h_T))"
    exposes = "masked-LM probabilities, last hidden states"

    def __init__(
        self,
        student: BertShape,
        teacher: BertShape,
        labels: int,
        *,
        temperature: float = 2.0,
        soft: float = 5.0,
        masked: float = 2.0,
        cosine: float = 1.0,
    ) -> None:
        super().__init__(student, teacher, labels)
        if student.hidden != teacher.hidden:
            raise ValueError("student and teacher must have one width")
        if not (min(soft, masked, cosine) >= 0 and temperature > 0):
            raise ValueError("soft, masked and cosine are at least 0 and temperature above 0")
        self.temperature = temperature
        self.weights = (soft, masked, cosine)

    def forward(self, student: ExposedLM, teacher: ExposedLM, targets: Tensor) -> Tensor:
        """The triple loss at M masked pieces."""
        t = self.temperature
        soft, masked, cosine = self.weights
        probabilities = (teacher.logits / t).softmax(dim=1)
        loss = soft * t**2 * functional.cross_entropy(student.logits / t, probabilities)
        loss = loss + masked * functional.cross_entropy(student.logits, targets)
        similarity = functional.cosine_similarity(student.states, teacher.states, dim=1)
        return loss + cosine * (1 - similarity).mean()
