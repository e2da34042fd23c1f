"""What a model shows of itself beside its output: an objective of one's own reads it.

Everything is computed when it is first asked for, layer by layer, and never twice: a loss on
layer 4 costs four layers, whatever the model's depth. Shapes: B inputs of S word pieces, hidden
size H in A heads of D, C labels.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from typing import cast

import torch
from torch import Tensor

from pdbench.engine.bert import Classifier, Layer, MaskedLM


class Exposed:
    """One forward pass of a classifier, laid open. Everything comes in float32.

    ``context`` is entered whenever the model computes: precision, or no gradients. Without
    ``last_states`` the last layer computes the first piece of each input alone, as in a plain
    classifier.
    """

    def __init__(
        self,
        model: Classifier,
        ids: Tensor,
        segments: Tensor | None,
        mask: Tensor | None,
        context: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext,
        *,
        last_states: bool = True,
    ) -> None:
        self._model, self._mask, self._context = model, mask, context
        self._noise = model.bert.noise()
        with context():
            self._states = [model.bert.embed(ids, segments, self._noise)]
        self._splits: list[Tensor] = []
        self._last_states = last_states

    @property
    def layers(self) -> int:
        """The number of the last layer."""
        return len(self._model.bert.layers)

    @cached_property
    def mask(self) -> Tensor:
        """True where a piece stands, (B, S)."""
        if self._mask is not None:
            return self._mask
        states = self._states[0]
        return torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)

    @cached_property
    def logits(self) -> Tensor:
        """The model's outputs: logits of the classes, (B, C)."""
        with self._context():
            if self._model.rows is None:
                states = self._state(self.layers)
            elif self._last_states:
                states = self._state(self.layers)[:, 0]
            else:
                states = self._last_firsts
            return self._model.logits(states, self._mask, self._noise)

    def hidden(self, layer: int) -> Tensor:
        """Hidden states after a layer, or the embeddings for 0, (B, S, H)."""
        if layer == self.layers and not self._last_states:
            raise ValueError("this objective says last_states = False, but asks for them")
        with self._context():
            return self._state(layer).float()

    def first(self, layer: int) -> Tensor:
        """Hidden states of the first piece ([CLS]) after a layer, (B, H).

        Without dropout, a layer that nothing else was asked of computes these alone: ask for
        the deepest layer first.
        """
        with self._context():
            if layer == self.layers and not self._last_states:
                return self._last_firsts.float()
            if len(self._states) > layer or self._noise is not None:
                return self._state(layer)[:, 0].float()
            return self._firsts(layer).float()

    def queries(self, layer: int) -> Tensor:
        """Queries of a layer, counted from 1, (B, A, S, D)."""
        return self._third(layer, 0)

    def keys(self, layer: int) -> Tensor:
        """Keys of a layer, counted from 1, (B, A, S, D)."""
        return self._third(layer, 1)

    def values(self, layer: int) -> Tensor:
        """Values of a layer, counted from 1, (B, A, S, D)."""
        return self._third(layer, 2)

    def scores(self, layer: int) -> Tensor:
        """Attention scores of a layer before the softmax, scaled, (B, A, S, S).

        They are those of all pairs of positions: padding is for the caller to leave out.
        """
        queries, keys = self.queries(layer), self.keys(layer)
        return queries @ keys.transpose(-1, -2) / math.sqrt(queries.shape[-1])

    @cached_property
    def _last_firsts(self) -> Tensor:
        return self._firsts(self.layers)

    def _firsts(self, layer: int) -> Tensor:
        module, x, split = self._projected(layer)
        return module(x, split, self._mask, self._noise, "first")  # type: ignore[no-any-return]

    def _state(self, layer: int) -> Tensor:
        while len(self._states) <= layer:
            module, x, split = self._projected(len(self._states))
            self._states.append(module(x, split, self._mask, self._noise, None))
        return self._states[layer]

    def _projected(self, layer: int) -> tuple[Layer, Tensor, Tensor]:
        """A layer, its input (B, S, H), and its projections (B, S, 3, A, D)."""
        x = self._state(layer - 1)
        module = cast("Layer", self._model.bert.layers[layer - 1])
        if len(self._splits) < layer:
            self._splits.append(module.project(x))
        return module, x, self._splits[layer - 1]

    def _third(self, layer: int, which: int) -> Tensor:
        with self._context():
            *_, split = self._projected(layer)
        return split[:, :, which].transpose(1, 2).float()


class ExposedLM:
    """A masked-LM model at M positions, where it may predict the first K = ``scored`` pieces.

    ``inputs`` are ids, segments and mask, ``positions`` (M,) stand among the B * S, and
    ``context`` is that of :class:`Exposed`.
    """

    def __init__(
        self,
        model: MaskedLM,
        inputs: tuple[Tensor, Tensor | None, Tensor | None],
        positions: Tensor,
        scored: int,
        context: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext,
    ) -> None:
        self._model, self._scored, self._context = model, scored, context
        with context():
            self._states = model.states(*inputs, positions)

    @cached_property
    def states(self) -> Tensor:
        """Hidden states of the last layer, (M, H) float32."""
        return self._states.float()

    @cached_property
    def logits(self) -> Tensor:
        """Scores of the pieces, (M, K) float32."""
        with self._context():
            return self._model.scores(self._states, self._scored).float()

    def cross_entropy(self, targets: Tensor) -> Tensor:
        """The mean cross-entropy with the true pieces (M,), without keeping the scores."""
        with self._context():
            return self._model.cross_entropy(self._states, targets, self._scored)
