"""BERT (Devlin et al., 2019) with a classification or a masked-LM head.

Shapes: B inputs of S word pieces, hidden size H, C labels, V word pieces.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from pdbench.study import Architecture

LAYER_NORM_EPSILON = 1e-12


@dataclass(frozen=True)
class BertShape:
    """Everything that decides the shapes of a BERT's weights.

    The heads are explicit because checkpoints from elsewhere need not have H/64 of them.
    """

    layers: int
    hidden: int
    heads: int
    feed_forward: int
    vocabulary: int = 30_522
    positions: int = 512
    segments: int = 2

    @classmethod
    def of(cls, architecture: Architecture, vocabulary: int = 30_522) -> BertShape:
        """The shape of one of the paper's architectures."""
        a = architecture
        return cls(a.layers, a.hidden, a.heads, a.feed_forward, vocabulary)

    @property
    def architecture(self) -> Architecture:
        """Depth and width alone."""
        return Architecture(self.layers, self.hidden)


class Layer(nn.Module):
    """One transformer layer: self-attention and feed-forward, each with a residual."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        hidden, inner = shape.hidden, shape.feed_forward
        self.heads = shape.heads
        self.query_key_value = nn.Linear(hidden, 3 * hidden)
        self.attended = nn.Linear(hidden, hidden)
        self.attention_norm = nn.LayerNorm(hidden, LAYER_NORM_EPSILON)
        self.inner = nn.Linear(hidden, inner)
        self.outer = nn.Linear(inner, hidden)
        self.output_norm = nn.LayerNorm(hidden, LAYER_NORM_EPSILON)

    def forward(self, x: Tensor, mask: Tensor | None, dropout: float) -> Tensor:
        """Map (B, S, H) to (B, S, H); ``mask`` (B, 1, 1, S) is true where a piece stands."""
        attended = self.attended(self._attend(x, mask, dropout))
        x = self.attention_norm(x + functional.dropout(attended, dropout))
        inner = functional.gelu(self.inner(x))
        return self.output_norm(x + functional.dropout(self.outer(inner), dropout))  # type: ignore[no-any-return]

    def _attend(self, x: Tensor, mask: Tensor | None, dropout: float) -> Tensor:
        batch, length, hidden = x.shape
        split = self.query_key_value(x).view(batch, length, 3, self.heads, hidden // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        attended = _attention(query, key, value, mask, dropout)
        return attended.transpose(1, 2).reshape(batch, length, hidden)


def _attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout: float
) -> Tensor:
    """Scaled dot-product attention over (B, heads, S, H / heads)."""
    if query.is_cuda:
        return functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, dropout_p=dropout
        )
    # torch 2.13's fused CPU kernels are slow in bf16: forward and backward over 8 blocks of
    # 128 pieces took 16.7 ms fused and 2.3 ms written out, 2 heads of 64, one Zen 4 thread.
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    weights = functional.dropout(scores.softmax(dim=-1), dropout)
    return weights.to(value.dtype) @ value


class Bert(nn.Module):
    """Embeddings, layers and pooler. ``dropout`` acts in training mode only."""

    def __init__(self, shape: BertShape, dropout: float = 0.1) -> None:
        super().__init__()
        self.shape = shape
        self.dropout = dropout
        self.word_embeddings = nn.Embedding(shape.vocabulary, shape.hidden)
        self.position_embeddings = nn.Embedding(shape.positions, shape.hidden)
        self.segment_embeddings = nn.Embedding(shape.segments, shape.hidden)
        self.embedding_norm = nn.LayerNorm(shape.hidden, LAYER_NORM_EPSILON)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.pooler = nn.Linear(shape.hidden, shape.hidden)

    @property
    def active_dropout(self) -> float:
        """The dropout probability now: zero in evaluation mode."""
        return self.dropout if self.training else 0.0

    def forward(self, ids: Tensor, segments: Tensor | None, mask: Tensor | None) -> Tensor:
        """Encode word pieces.

        Args:
            ids: Word-piece ids, (B, S).
            segments: 0 for the first and 1 for the second text, (B, S); None means all 0.
            mask: True where a piece stands, (B, S); None means everywhere.

        Returns:
            Hidden states of the last layer, (B, S, H).
        """
        positions = self.position_embeddings.weight[: ids.shape[1]]
        if segments is None:
            kinds = self.segment_embeddings.weight[0]
        else:
            kinds = self.segment_embeddings(segments)
        embedded = self.word_embeddings(ids) + positions + kinds
        x: Tensor = functional.dropout(self.embedding_norm(embedded), self.active_dropout)
        wide = None if mask is None else mask[:, None, None, :]
        for layer in self.layers:
            x = layer(x, wide, self.active_dropout)
        return x

    def pooled(self, hidden: Tensor) -> Tensor:
        """The pooler's output for the first piece ([CLS]), (B, H)."""
        pooled: Tensor = torch.tanh(self.pooler(hidden[:, 0]))
        return pooled


class Classifier(nn.Module):
    """A BERT with one linear layer on the pooled first piece: C logits for each input."""

    def __init__(self, bert: Bert, labels: int) -> None:
        super().__init__()
        self.bert = bert
        self.output = nn.Linear(bert.shape.hidden, labels)

    def forward(self, ids: Tensor, segments: Tensor | None, mask: Tensor | None) -> Tensor:
        """Return logits, (B, C); the arguments are those of :meth:`Bert.forward`."""
        pooled = self.bert.pooled(self.bert(ids, segments, mask))
        logits: Tensor = self.output(functional.dropout(pooled, self.bert.active_dropout))
        return logits


class MaskedLM(nn.Module):
    """A BERT with the masked-LM head, whose output matrix is the word embeddings."""

    def __init__(self, bert: Bert) -> None:
        super().__init__()
        self.bert = bert
        self.transform = nn.Linear(bert.shape.hidden, bert.shape.hidden)
        self.transform_norm = nn.LayerNorm(bert.shape.hidden, LAYER_NORM_EPSILON)
        self.bias = nn.Parameter(torch.zeros(bert.shape.vocabulary))

    def forward(
        self,
        ids: Tensor,
        segments: Tensor | None,
        mask: Tensor | None,
        positions: Tensor,
        scored: int | None = None,
    ) -> Tensor:
        """Score word pieces at masked positions only.

        Args:
            ids: Word-piece ids with masked ones replaced, (B, S).
            segments: As in :meth:`Bert.forward`.
            mask: As in :meth:`Bert.forward`.
            positions: Indices into the flattened (B * S) pieces to predict, (M,).
            scored: Score the first K pieces only; None scores all V.

        Returns:
            Logits, (M, K) or (M, V).
        """
        hidden = self.bert(ids, segments, mask).flatten(0, 1)[positions]
        hidden = self.transform_norm(functional.gelu(self.transform(hidden)))
        weight = self.bert.word_embeddings.weight[:scored]
        return functional.linear(hidden, weight, self.bias[:scored])


def embedding_of(weight: Tensor) -> nn.Embedding:
    """A trainable embedding whose matrix is ``weight`` (V, H)."""
    return nn.Embedding(weight.shape[0], weight.shape[1], _weight=weight)


def keep_pieces(model: Classifier | MaskedLM, kept: Tensor) -> None:
    """Keep only the word embeddings of ``kept`` (K,), in that order, and forget the others.

    Rows that no input touches get no gradient, so training the others alone gives the same
    model, faster: the embedding matrix is most of a small student. Inputs must then be
    renumbered by position in ``kept``.
    """
    bert = model.bert
    weight = bert.word_embeddings.weight.detach()[kept]
    bert.word_embeddings = embedding_of(weight)
    if isinstance(model, MaskedLM):
        model.bias = nn.Parameter(model.bias.detach()[kept])
