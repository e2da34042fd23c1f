"""DistilBERT's distillation during pre-training (Sanh et al., 2019; arXiv:1910.01108).

The student takes layers of a deeper pre-trained model, with its embeddings and its masked-LM
head, and trains on the corpus with the triple loss of the paper's section 3:

    L = w_ce T^2 L_ce + w_mlm L_mlm + w_cos L_cos,

the soft cross-entropy L_ce with the deeper model's scores of the masked pieces at a temperature
T, the masked-LM cross-entropy L_mlm, and one minus the cosine of the last hidden states L_cos.
The paper gives neither weights nor temperature. As in the authors' training command and code
(github.com/huggingface/transformers, examples/research_projects/distillation) they are 5, 2, 1 and
T = 2; the layers are as even as they can be from the first to the last (0, 2, 4, 7, 9, 11 of 12,
counted from 0: scripts/extract_distilbert.py); position embeddings stay those of the teacher; and
a piece with n occurrences is masked in proportion to n^-.7, so that rare ones are more often.

The authors' own checkpoint, distilbert/distilbert-base-uncased, may stand in the place of a corpus:
``corpora`` of config/paper.yaml has it.

What differs is in ``differs``.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from pdbench.engine import BertShape
from pdbench.engine.exposed import ExposedLM
from pdbench.methods.objective import PretrainingObjective


class DistilBert(PretrainingObjective):
    """The triple loss, with w_ce = ``soft``, w_mlm = ``masked`` and w_cos = ``cosine``.

    ``smoothing`` is the .7 of n^-.7; 0 masks all pieces alike.
    """

    title = "Distillation while pre-training"
    formula = "w_ce T² L_ce + w_mlm L_mlm + w_cos (1 - cos(h_S, h_T))"
    exposes = "masked-LM probabilities, last hidden states"
    differs = (
        "all three losses are of the masked pieces, the only ones that masked LM computes here; "
        "the authors' command takes L_ce and L_cos of all pieces",
        "optimiser, schedule and corpus are the study's, the same for all pre-training",
        "the student keeps segment embeddings, which DistilBERT has none of; those of its released "
        "checkpoint begin as zeros",
        "fine-tuned as pf is, with BERT's pooler (tanh), where the authors' code has a layer with "
        "ReLU and more dropout",
    )
    freezes_positions = True

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
        smoothing: float = 0.7,
    ) -> None:
        super().__init__(student, teacher, labels)
        if student.hidden != teacher.hidden:
            raise ValueError("student and teacher must have one width")
        if not (min(soft, masked, cosine, smoothing) >= 0 and temperature > 0):
            what = "soft, masked, cosine and smoothing are at least 0"
            raise ValueError(f"{what} and temperature above 0")
        self.temperature = temperature
        self.weights = (soft, masked, cosine)
        self.smoothing = smoothing

    def start_layers(self) -> tuple[int, ...]:
        """From the first to the last in steps as even as can be, halves rounded up."""
        steps, whole = max(1, self.student.layers - 1), self.teacher.layers - 1
        return tuple(1 + (2 * n * whole + steps) // (2 * steps) for n in range(self.student.layers))

    def forward(self, student: ExposedLM, teacher: ExposedLM, targets: Tensor) -> Tensor:
        """The triple loss at M masked pieces."""
        t = self.temperature
        soft, masked, cosine = self.weights
        probabilities = (teacher.logits / t).softmax(dim=1)
        loss = soft * t**2 * functional.cross_entropy(student.logits / t, probabilities)
        loss = loss + masked * functional.cross_entropy(student.logits, targets)
        similarity = functional.cosine_similarity(student.states, teacher.states, dim=1)
        return loss + cosine * (1 - similarity).mean()
