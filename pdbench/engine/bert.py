"""BERT (Devlin et al., 2019) with a classification or a masked-LM head.

Shapes: B inputs of S word pieces, hidden size H, C labels, V word pieces.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pdbench.data.batches import pieces_used, renumbering
from pdbench.data.tokens import Tokens
from pdbench.engine.operations import Noise, add_dropout, attention, dropout, masked_lm_loss
from pdbench.study import Architecture
from pdbench.study.cells import VOCABULARY_SIZE

LAYER_NORM_EPSILON = 1e-12

_Rows: TypeAlias = Literal["first"] | Tensor | None
"""Which pieces: the first of each input, positions among the B * S, (M,), or all."""


@dataclass(frozen=True)
class BertShape:
    """Everything that decides the shapes of a BERT's weights.

    The heads are explicit because checkpoints from elsewhere need not have H/64 of them.
    """

    layers: int
    hidden: int
    heads: int
    feed_forward: int
    vocabulary: int = VOCABULARY_SIZE
    positions: int = 512
    segments: int = 2

    @classmethod
    def of(cls, architecture: Architecture, vocabulary: int = VOCABULARY_SIZE) -> BertShape:
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
        self._heads = shape.heads
        self.query_key_value = nn.Linear(hidden, 3 * hidden)
        self.attended = nn.Linear(hidden, hidden)
        self.attention_norm = nn.LayerNorm(hidden, LAYER_NORM_EPSILON)
        self.inner = nn.Linear(hidden, inner)
        self.outer = nn.Linear(inner, hidden)
        self.output_norm = nn.LayerNorm(hidden, LAYER_NORM_EPSILON)

    def project(self, x: Tensor) -> Tensor:
        """Queries, keys and values of A heads: (B, S, H) to (B, S, 3, A, D)."""
        batch, length, hidden = x.shape
        split: Tensor = self.query_key_value(x)
        return split.view(batch, length, 3, self._heads, hidden // self._heads)

    def forward(
        self, x: Tensor, split: Tensor, mask: Tensor | None, noise: Noise | None, rows: _Rows
    ) -> Tensor:
        """Map (B, S, H), and what :meth:`project` makes of it, to the hidden states of ``rows``."""
        context = attention(split, mask, noise, first=rows == "first")
        attended = self.attended(_pick(context, rows) if isinstance(rows, Tensor) else context)
        x = self.attention_norm(add_dropout(_pick(x, rows), attended, noise))
        outer = self.outer(functional.gelu(self.inner(x)))
        return self.output_norm(add_dropout(x, outer, noise))  # type: ignore[no-any-return]


def _pick(x: Tensor, rows: _Rows) -> Tensor:
    if rows is None:
        return x
    return x[:, 0] if isinstance(rows, str) else x.flatten(0, 1)[rows]


class Bert(nn.Module):
    """Embeddings, layers and pooler. ``dropout`` acts in training mode only."""

    published_as: ClassVar[str] = "BertModel"
    """The class of transformers that loads its checkpoints."""

    numbers: NDArray[np.int64] | None = None
    """Its number for each id of the vocabulary, (V,), where it keeps some of the pieces alone."""

    def __init__(self, shape: BertShape, dropout: float = 0.1) -> None:
        super().__init__()
        self.shape = shape
        self.dropout = dropout
        # Zeros, since pdbench.engine.initialise draws them: torch would first draw its own.
        self.word_embeddings, self.position_embeddings, self.segment_embeddings = (
            nn.Embedding(rows, shape.hidden, _weight=torch.zeros(rows, shape.hidden))
            for rows in (shape.vocabulary, shape.positions, shape.segments)
        )
        self.embedding_norm = nn.LayerNorm(shape.hidden, LAYER_NORM_EPSILON)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.pooler = nn.Linear(shape.hidden, shape.hidden)

    def noise(self) -> Noise | None:
        """New dropout masks for one forward pass; None in evaluation mode."""
        return Noise(self.dropout) if self.training and self.dropout else None

    def forward(
        self,
        ids: Tensor,
        segments: Tensor | None,
        mask: Tensor | None,
        noise: Noise | None = None,
        rows: _Rows = None,
    ) -> Tensor:
        """Hidden states of the last layer: of all pieces (B, S, H), the first, or M positions.

        It computes no others than ``rows``: a classifier needs one piece of each input, masked LM
        one in seven. Of (B, S), ``segments`` is 0 for the first and 1 for the second text, None
        for all 0, and ``mask`` True where a piece stands, None for everywhere.
        """
        x = self.embed(ids, segments, noise)
        *lower, last = cast("Iterable[Layer]", self.layers)
        for layer in lower:
            x = layer(x, layer.project(x), mask, noise, None)
        return last(x, last.project(x), mask, noise, rows)  # type: ignore[no-any-return]

    def embed(self, ids: Tensor, segments: Tensor | None, noise: Noise | None) -> Tensor:
        """The first layer's input, (B, S, H); the arguments are those of :meth:`forward`."""
        positions = self.position_embeddings.weight[: ids.shape[1]]
        if segments is None:
            kinds = self.segment_embeddings.weight[0]
        else:
            kinds = self.segment_embeddings(segments)
        embedded = self.word_embeddings(ids) + positions + kinds
        return dropout(self.embedding_norm(embedded), noise)


class Classifier(nn.Module):
    """A BERT with one linear layer on the pooled first piece: C logits for each input.

    A kind of task whose models differ derives its own head from it.
    """

    rows: ClassVar[Literal["first"] | None] = "first"
    """Which hidden states of the last layer the output layer reads: the first piece's, or all."""

    published_as: ClassVar[str] = "BertForSequenceClassification"
    """The class of transformers that loads its checkpoints."""

    output_name: ClassVar[str] = "classifier"
    """How that class calls the output layer."""

    @staticmethod
    def outputs(labels: int) -> int:
        """The number of outputs: one for each label, and one score of a task without any."""
        return max(1, labels)

    def __init__(self, bert: Bert, labels: int) -> None:
        super().__init__()
        self.bert = bert
        self.output = nn.Linear(bert.shape.hidden, labels)

    def forward(self, ids: Tensor, segments: Tensor | None, mask: Tensor | None) -> Tensor:
        """Logits, (B, C); the arguments are those of :meth:`Bert.forward`."""
        noise = self.bert.noise()
        return self.logits(self.bert(ids, segments, mask, noise, self.rows), mask, noise)

    def logits(self, states: Tensor, mask: Tensor | None, noise: Noise | None) -> Tensor:
        """What :meth:`classify` says, in float32 under any autocast.

        Scores are compared, ranked and stored, and bfloat16 has few different ones.
        """
        with torch.autocast(states.device.type, enabled=False):
            return self.classify(states.to(self.output.weight.dtype), mask, noise)

    def classify(self, states: Tensor, mask: Tensor | None, noise: Noise | None) -> Tensor:
        """Logits (B, C) from the last layer's first pieces (B, H); ``mask`` is (B, S)."""
        pooled = torch.tanh(self.bert.pooler(states))
        return self.output(dropout(pooled, noise))  # type: ignore[no-any-return]

    def restrict_pieces(self, all_tokens: Sequence[Tokens]) -> Callable[[], None]:
        """Keep only the pieces that any of ``all_tokens`` has, as :func:`keep_pieces` does."""
        return keep_pieces(self, pieces_used(all_tokens, self.bert.shape.vocabulary))


class MaskedLM(nn.Module):
    """A BERT with the masked-LM head, whose output matrix is the word embeddings."""

    published_as: ClassVar[str] = "BertForMaskedLM"

    def __init__(self, bert: Bert) -> None:
        super().__init__()
        self.bert = bert
        self.transform = nn.Linear(bert.shape.hidden, bert.shape.hidden)
        self.transform_norm = nn.LayerNorm(bert.shape.hidden, LAYER_NORM_EPSILON)
        self.bias = nn.Parameter(torch.zeros(bert.shape.vocabulary))

    def cross_entropy(self, states: Tensor, targets: Tensor, scored: int | None = None) -> Tensor:
        """Mean cross-entropy of states (M, H) with true ids (M,), without keeping the logits.

        The model chooses among the first ``scored`` pieces only; None takes all V.
        """
        hidden = self._transformed(states)
        weight = self.bert.word_embeddings.weight[:scored]
        if torch.is_autocast_enabled(hidden.device.type):
            hidden = hidden.to(torch.get_autocast_dtype(hidden.device.type))
        return masked_lm_loss(hidden, weight, self.bias[:scored], targets)

    def states(
        self, ids: Tensor, segments: Tensor | None, mask: Tensor | None, positions: Tensor
    ) -> Tensor:
        """Hidden states of the last layer at M positions, (M, H)."""
        return self.bert(ids, segments, mask, self.bert.noise(), positions)  # type: ignore[no-any-return]

    def scores(self, states: Tensor, scored: int | None = None) -> Tensor:
        """Logits of the first K word pieces, or of all, (M, K), from hidden states (M, H)."""
        weight = self.bert.word_embeddings.weight[:scored]
        return functional.linear(self._transformed(states), weight, self.bias[:scored])

    def _transformed(self, states: Tensor) -> Tensor:
        """What the output matrix is multiplied with: (M, H) to (M, H)."""
        return self.transform_norm(functional.gelu(self.transform(states)))  # type: ignore[no-any-return]


def keep_pieces(model: Bert | Classifier | MaskedLM, kept: NDArray[np.int64]) -> Callable[[], None]:
    """Keep only the word embeddings of ``kept`` (K,), in that order, until told otherwise.

    Rows that no input touches get no gradient, so training the others alone gives the same
    model, faster: the embedding matrix is most of a small student. Inputs must then be
    renumbered, as the encoder's ``numbers`` say. What is returned gives the model all pieces
    again, of which the others are what they were.
    """
    bert, rows = encoder_of(model), torch.from_numpy(kept)
    words = bert.word_embeddings.weight.detach()
    bias = model.bias.detach() if isinstance(model, MaskedLM) else None
    bert.word_embeddings.weight = nn.Parameter(words[rows])
    if isinstance(model, MaskedLM):
        model.bias = nn.Parameter(model.bias.detach()[rows])
    bert.numbers = renumbering(kept, len(words))

    def put_back() -> None:
        bert.numbers = None
        bert.word_embeddings.weight = _merged(words, rows, bert.word_embeddings.weight)
        if isinstance(model, MaskedLM) and bias is not None:
            model.bias = _merged(bias, rows, model.bias)

    return put_back


@contextlib.contextmanager
def only_pieces(model: Bert | Classifier | MaskedLM, kept: NDArray[np.int64]) -> Iterator[None]:
    """Keep only some pieces, as :func:`keep_pieces` does, while the block trains them."""
    put_back = keep_pieces(model, kept)
    yield
    put_back()


def _merged(whole: Tensor, rows: Tensor, trained: Tensor) -> nn.Parameter:
    whole = whole.to(trained.device)
    whole[rows.to(trained.device)] = trained.detach()
    return nn.Parameter(whole)


def encoder_of(model: Bert | Classifier | MaskedLM) -> Bert:
    """The encoder of a model, which may be one itself."""
    return model if isinstance(model, Bert) else model.bert
