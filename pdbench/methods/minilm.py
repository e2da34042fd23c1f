"""MiniLM's self-attention relations (Wang et al., 2021; arXiv:2012.15828, "MiniLMv2").

Queries, keys and values of the last layer, of all heads side by side, are cut anew into A_r
relation heads, so that student and teacher may differ in heads and width. The relation of a head
is the softmax of its scaled dot products with itself,

    R = softmax(X X^T / sqrt(d_r)),    X = queries, keys or values,

and the loss is the sum of the three mean Kullback-Leibler divergences from the teacher's relation
to the student's, over relation heads and pieces. MiniLM (Wang et al., 2020;
arXiv:2002.10957) had scores and values of the heads as they are.

What differs is in ``differs``.
"""

from __future__ import annotations

from torch import Tensor

from pdbench.engine import BertShape
from pdbench.engine.exposed import Exposed
from pdbench.methods.objective import Objective, item_means


class MiniLM(Objective):
    """The loss of all three relations, weighted alike; A_r divides both widths."""

    title = "Distillation of self-attention relations"
    formula = "Σ over Q, K, V of KL(softmax(X_T X_Tᵀ/√d) ‖ softmax(X_S X_Sᵀ/√d))"
    exposes = "queries, keys and values of the last layer"
    differs = (
        "a stage on the transfer set, from the fine-tuned teacher, for half of pd's updates; the "
        "paper's method is task-agnostic: it distils while pre-training, and fine-tunes",
        "distillation has the other half, so that the output layer is trained, for an equal budget",
        "begins with masked LM, which the paper does without: all methods here share one "
        "pre-training",
        "8 relation heads, which divide every width here; the paper has 48, and 64 of "
        "teachers as large as BERT_LARGE",
        "the teacher's last layer; of 24 layers the paper takes an upper middle one",
    )

    def __init__(
        self, student: BertShape, teacher: BertShape, labels: int, *, relation_heads: int = 8
    ) -> None:
        super().__init__(student, teacher, labels)
        for who, width in (("student", student.hidden), ("teacher", teacher.hidden)):
            if relation_heads < 1 or width % relation_heads:
                raise ValueError(
                    f"relation_heads {relation_heads} does not divide the {who}'s width {width}"
                )
        self.relation_heads = relation_heads

    def forward(self, student: Exposed, teacher: Exposed, targets: Tensor) -> Tensor:
        """The sum over queries, keys and values; labels are not read."""
        ours, theirs = student.layers, teacher.layers
        pairs = (
            (student.queries(ours), teacher.queries(theirs)),
            (student.keys(ours), teacher.keys(theirs)),
            (student.values(ours), teacher.values(theirs)),
        )
        found = [self.relation_loss(a, b, student.mask) for a, b in pairs]
        return found[0] + found[1] + found[2]

    def relation_loss(self, ours: Tensor, theirs: Tensor, mask: Tensor) -> Tensor:
        """The divergence of one relation: (B, A, S, D) of each, over pieces without padding."""
        student, teacher = self._relation(ours, mask), self._relation(theirs, mask)
        difference = (teacher - student).masked_fill(~mask[:, None, None, :], 0.0)
        divergence = (teacher.exp() * difference).sum(dim=-1)
        return item_means(divergence.mean(dim=1), mask)

    def _relation(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Logarithms of the relations, (B, A_r, S, S), from (B, A, S, D)."""
        batch, _, length, _ = vectors.shape
        side_by_side = vectors.transpose(1, 2).reshape(batch, length, self.relation_heads, -1)
        cut = side_by_side.transpose(1, 2)
        products = cut @ cut.transpose(-1, -2) * cut.shape[-1] ** -0.5
        hidden: Tensor = products.masked_fill(~mask[:, None, None, :], float("-inf"))
        return hidden.log_softmax(dim=-1)
