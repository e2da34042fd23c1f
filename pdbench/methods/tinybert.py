"""TinyBERT's distillation of layers (Jiao et al., 2020; arXiv:1909.10351).

The student's layer m learns from the teacher's layer g(m) = m N / M. The losses are those of the
paper's section 3.1, mean squared errors of

    L_attn   attention scores before the softmax, A_S against A_T, of every layer;
    L_hidn   hidden states, H_S W_h against H_T, of every layer;
    L_embd   embeddings, E_S W_e against E_T,

where one matrix W is learnt for the embeddings and one for the layers. The prediction layer
(L_pred) is the stage ``distill``, which follows: the paper too first distils the layers and
then the predictions. Epochs are those of the authors' commands
(github.com/huawei-noah/Pretrained-Language-Model, TinyBERT/README.md).

What differs is in ``differs``.
"""

from __future__ import annotations

from torch import Tensor

from pdbench.engine import BertShape
from pdbench.engine.exposed import Exposed
from pdbench.methods.objective import Objective, item_means, projection, uniform_layers


class TinyBert(Objective):
    """L_embd, and L_attn and L_hidn of all layers."""

    title = "Layer-by-layer distillation"
    formula = "MSE(E_S W_e, E_T) + Σ_m MSE(H_S W_h, H_T) + MSE(A_S, A_T)"
    exposes = "embeddings, hidden states, attention scores"
    differs = (
        "begins with masked LM, where the paper first distils the layers on general text: all "
        "methods here share one pre-training",
        "layers and predictions share pd's updates, half each, for an equal budget; the authors' "
        "code has 10 and 3 epochs",
        "the transfer set stands in the place of the paper's augmented task data",
        "means leave out padding, which the authors' code counts",
        "the last model counts, where the authors' code keeps the best on dev",
        "different numbers of heads are compared by their mean scores, and g rounds down; the "
        "paper's sizes need neither",
        "W_e and W_h are the paper's two, or the identity where widths are equal; the authors' "
        "code learns one, with a bias, for both and for all widths",
    )

    def __init__(self, student: BertShape, teacher: BertShape, labels: int) -> None:
        super().__init__(student, teacher, labels)
        self.mapped = uniform_layers(student.layers, teacher.layers)
        self.of_embeddings = projection(student.hidden, teacher.hidden)
        self.of_states = projection(student.hidden, teacher.hidden)

    def forward(self, student: Exposed, teacher: Exposed, targets: Tensor) -> Tensor:
        """L_embd + Σ_m (L_hidn + L_attn); labels are not read."""
        loss = _states_loss(self.of_embeddings(student.hidden(0)), teacher.hidden(0), student.mask)
        for own, theirs in enumerate(self.mapped, 1):
            ours, goal = student.hidden(own), teacher.hidden(theirs)
            loss = loss + _states_loss(self.of_states(ours), goal, student.mask)
            loss = loss + self.attention_loss(student.scores(own), teacher.scores(theirs), student)
        return loss

    def attention_loss(self, ours: Tensor, theirs: Tensor, student: Exposed) -> Tensor:
        """L_attn: scores of (B, A, S, S) each, over pairs of pieces without padding."""
        if self.student.heads != self.teacher.heads:
            ours, theirs = ours.mean(dim=1, keepdim=True), theirs.mean(dim=1, keepdim=True)
        errors = (ours - theirs).square().mean(dim=1)
        pairs = student.mask[:, :, None] & student.mask[:, None, :]
        return item_means(errors.flatten(1), pairs.flatten(1))


def _states_loss(ours: Tensor, theirs: Tensor, mask: Tensor) -> Tensor:
    """L_hidn and L_embd: (B, S, H) each, over pieces without padding."""
    return item_means((ours - theirs).square().mean(dim=2), mask)
