"""The operations of a BERT that torch leaves slow on a CPU, with their backward passes.

Written out because a compact model spends much of its time beside its matrix products, more
than in them up to a width of 128: torch's dropout takes 4.9 ns a number and this one 0.6;
attention keeps one buffer for the gradients of queries, keys and values; masked LM never holds
the scores of all word pieces twice. Dropout, attention and the loss are the usual ones; only
their order of computation is not.

Shapes: B inputs of S word pieces, hidden size H in A heads of D, M masked positions, V word
pieces.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

_INTEGERS = {
    torch.bfloat16: (torch.int16, 16),
    torch.float32: (torch.int32, 32),
    torch.float64: (torch.int64, 64),
}
"""The integer type as wide as a float type, and its bits."""

_TINY = torch.finfo(torch.float32).tiny

_ROWS_AT_ONCE = 64
"""Rows of the masked-LM scores computed together: 64 x 30,522 in bf16 stay in the cache."""

_GPU_SCORES = 2**27
"""Masked-LM scores that a GPU computes together, 256 MB in bf16: 4,397 rows of 30,522."""


class Noise:
    """The dropout of one forward pass: what share of the numbers becomes zero.

    Its seed comes from torch's generator, so ``torch.manual_seed`` decides all masks.
    """

    def __init__(self, probability: float) -> None:
        self.probability = probability
        self.scale = 1 / (1 - probability)
        seed = int(torch.randint(2**63 - 1, ()))
        self._words = np.random.Generator(np.random.SFC64(seed))

    def keep(self, like: Tensor) -> Tensor:
        """Integers as wide as numbers, with all bits set where one is kept, none elsewhere."""
        kind, width = _INTEGERS[like.dtype]
        count = -(-like.numel() * width // 64)
        words = self._words.integers(0, 2**64 - 1, count, dtype=np.uint64, endpoint=True)
        drawn = torch.from_numpy(words.view(np.int64)).view(kind)[: like.numel()]
        # One bit fewer, so that the difference has a sign; its sign then fills the number.
        threshold = round(self.probability * 2 ** (width - 1)) - 2 ** (width - 2)
        drawn.bitwise_right_shift_(1).sub_(threshold).bitwise_right_shift_(width - 1)
        return drawn.bitwise_not_().view(like.shape)


def dropout(x: Tensor, noise: Noise | None) -> Tensor:
    """Inverted dropout of a tensor of any shape; the identity where ``noise`` is None."""
    if noise is None:
        return x
    if x.is_cuda:
        return functional.dropout(x, noise.probability)
    return _Dropout.apply(x, noise)  # type: ignore[no-any-return, no-untyped-call]


def add_dropout(residual: Tensor, x: Tensor, noise: Noise | None) -> Tensor:
    """``residual + dropout(x)``, for two tensors of one shape; ``x`` may be overwritten."""
    if noise is None or x.is_cuda:
        return residual + dropout(x, noise)
    return _AddDropout.apply(residual, x, noise)  # type: ignore[no-any-return, no-untyped-call]


def attention(
    query_key_value: Tensor, mask: Tensor | None, noise: Noise | None, *, first: bool = False
) -> Tensor:
    """Scaled dot-product self-attention of (B, S, 3, A, D), with dropout of its weights.

    It is the context of every piece, (B, S, H), or of the ``first`` pieces alone, (B, H).
    """
    if query_key_value.is_cuda:
        return _fused_attention(query_key_value, mask, noise, first)
    function = _FirstAttention if first else _Attention
    return function.apply(query_key_value, mask, noise)  # type: ignore[no-any-return, no-untyped-call]


def masked_lm_loss(hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of ``hidden @ weight.T + bias`` with the true word pieces.

    Shapes: (M, H), (V, H), (V,) and (M,). The products have the type of ``hidden``, and the
    scalar, float32, is exact to its digits. A piece counts for at most 87 nats; its gradients
    are not cut.
    """
    with torch.autocast(hidden.device.type, enabled=False):  # a GPU's would sum up float32 copies
        return _MaskedLMLoss.apply(hidden, weight, bias, targets)  # type: ignore[no-any-return, no-untyped-call]


def _fused_attention(
    query_key_value: Tensor, mask: Tensor | None, noise: Noise | None, first: bool
) -> Tensor:
    query, key, value = query_key_value.permute(2, 0, 3, 1, 4)
    context = functional.scaled_dot_product_attention(
        query[:, :, :1] if first else query,
        key,
        value,
        attn_mask=None if mask is None else mask[:, None, None, :],
        dropout_p=0.0 if noise is None else noise.probability,
    )
    context = context.transpose(1, 2).flatten(2)
    return context[:, 0] if first else context


def _drop_(x: Tensor, keep: Tensor) -> Tensor:
    x.view(keep.dtype).bitwise_and_(keep)
    return x


class _Dropout(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, noise: Noise) -> Tensor:
        ctx.keep, ctx.scale = noise.keep(x), noise.scale
        return _drop_(x * ctx.scale, ctx.keep)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return _drop_(gradient * ctx.scale, ctx.keep), None


class _AddDropout(Function):
    @staticmethod
    def forward(ctx: Any, residual: Tensor, x: Tensor, noise: Noise) -> Tensor:
        ctx.keep, ctx.scale, ctx.kind = noise.keep(x), noise.scale, x.dtype
        return torch.add(residual, _drop_(x, ctx.keep), alpha=ctx.scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return gradient, _drop_((gradient * ctx.scale).to(ctx.kind), ctx.keep), None


def _dropped(ctx: Any, weights: Tensor, noise: Noise | None) -> Tensor:
    """Attention weights after dropout, whose mask is kept for the backward pass."""
    ctx.keep = None
    if noise is None:
        return weights
    ctx.keep, ctx.scale = noise.keep(weights), noise.scale
    return _drop_(weights * noise.scale, ctx.keep)


class _Attention(Function):
    @staticmethod
    def forward(
        ctx: Any, query_key_value: Tensor, mask: Tensor | None, noise: Noise | None
    ) -> Tensor:
        batch, length, _, heads, size = query_key_value.shape
        split = query_key_value.permute(2, 0, 3, 1, 4).reshape(3, batch * heads, length, size)
        query, key, value = split
        ctx.factor = size**-0.5
        if mask is None:
            scores = torch.bmm(query, key.transpose(1, 2)).mul_(ctx.factor)
        else:
            hidden = _hidden(mask, split.dtype)[:, None, None, :].expand(-1, heads, 1, -1)
            hidden = hidden.reshape(batch * heads, 1, length)
            scores = torch.baddbmm(hidden, query, key.transpose(1, 2), alpha=ctx.factor)
        weights = torch.softmax(scores, -1)
        dropped = _dropped(ctx, weights, noise)
        ctx.kept = (split, weights, dropped)
        ctx.shape = query_key_value.shape
        context = torch.bmm(dropped, value).view(batch, heads, length, size)
        return context.transpose(1, 2).reshape(batch, length, heads * size)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        batch, length, _, heads, size = ctx.shape
        split, weights, dropped = ctx.kept
        query, key, value = split
        context = gradient.view(batch, length, heads, size).transpose(1, 2)
        context = context.reshape(batch * heads, length, size)
        gradients = torch.empty_like(split)
        torch.bmm(dropped.transpose(1, 2), context, out=gradients[2])
        of_weights = torch.bmm(context, value.transpose(1, 2))
        if ctx.keep is not None:
            of_weights = _drop_(of_weights.mul_(ctx.scale), ctx.keep)
        scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype)
        scores.mul_(ctx.factor)
        torch.bmm(scores, key, out=gradients[0])
        torch.bmm(scores.transpose(1, 2), query, out=gradients[1])
        wide = gradients.view(3, batch, heads, length, size).permute(1, 3, 0, 2, 4)
        return wide.contiguous(), None, None


class _FirstAttention(Function):
    """Products of one query with all keys: too thin for a matrix product."""

    @staticmethod
    def forward(
        ctx: Any, query_key_value: Tensor, mask: Tensor | None, noise: Noise | None
    ) -> Tensor:
        size = query_key_value.shape[-1]
        query, key, value = _first_split(query_key_value)
        ctx.factor = size**-0.5
        ctx.exact = torch.promote_types(key.dtype, torch.float32)
        scores = (key * query).sum(-1, dtype=ctx.exact).mul_(ctx.factor)
        if mask is not None:
            scores += _hidden(mask, scores.dtype)[:, :, None]
        weights = torch.softmax(scores, 1)
        dropped = _dropped(ctx, weights, noise).to(value.dtype)
        ctx.kept = (query_key_value, weights, dropped)
        return (dropped[..., None] * value).sum(1).flatten(1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query_key_value, weights, dropped = ctx.kept
        query, key, value = _first_split(query_key_value)
        context = gradient.view(query.shape)
        gradients = torch.empty_like(query_key_value)
        torch.mul(dropped[..., None], context, out=gradients[:, :, 2])
        of_weights = (value * context).sum(-1, dtype=ctx.exact)
        if ctx.keep is not None:
            of_weights = _drop_(of_weights.mul_(ctx.scale), ctx.keep)
        scores = torch._softmax_backward_data(of_weights, weights, 1, weights.dtype)
        scores = scores.mul_(ctx.factor).to(key.dtype)[..., None]
        torch.mul(scores, query, out=gradients[:, :, 1])
        gradients[:, :, 0] = 0
        torch.sum(scores * key, 1, out=gradients[:, 0, 0])
        return gradients, None, None


def _first_split(query_key_value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The first query (B, 1, A, D), and keys and values (B, S, A, D)."""
    return query_key_value[:, :1, 0], query_key_value[:, :, 1], query_key_value[:, :, 2]


def _hidden(mask: Tensor, kind: torch.dtype) -> Tensor:
    """What is added to scores: minus infinity where no piece stands."""
    return torch.zeros(mask.shape, dtype=kind).masked_fill_(~mask, -torch.inf)


def _less_one_(x: Tensor, at: Tensor, *, compares: bool) -> Tensor:
    """Subtract 1 from one number of each row of (M, V), at (M, 1)."""
    if compares:  # all columns: to scatter repeatably, a GPU is waited for
        return x.add_(torch.arange(x.shape[1], device=x.device) == at, alpha=-1)
    return x.scatter_add_(1, at, x.new_full(at.shape, -1))


class _MaskedLMLoss(Function):
    """Gradients are computed with the scores, which are then not needed again."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
        kind, count = hidden.dtype, len(hidden)
        narrow, offset = weight.to(kind), bias.to(kind)
        errors = torch.empty(count, len(weight), dtype=kind, device=hidden.device)
        chosen = torch.empty(count, dtype=torch.float32, device=hidden.device)
        at_once = max(1, _GPU_SCORES // len(weight)) if hidden.is_cuda else _ROWS_AT_ONCE
        for start in range(0, count, at_once):
            rows = slice(start, start + at_once)
            scores = torch.addmm(offset, hidden[rows], narrow.t())
            torch.softmax(scores, -1, out=errors[rows])
            at = targets[rows, None]
            chosen[rows] = errors[rows].gather(1, at)[:, 0].float()
            _less_one_(errors[rows], at, compares=hidden.is_cuda)
        ctx.gradients = (errors.mm(narrow), errors.t().mm(hidden), errors.sum(0))
        ctx.count = max(1, count)
        # A probability that vanishes in its type has a finite loss all the same.
        loss: Tensor = -chosen.clamp_(min=_TINY).log().sum() / ctx.count
        return loss

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.gradients is None:
            raise RuntimeError("the gradients of a masked-LM loss can be asked for only once")
        hidden, weight, bias = ctx.gradients
        ctx.gradients = None  # they are scaled in place
        factor = gradient / ctx.count
        return hidden.mul_(factor), weight.float().mul_(factor), bias.float().mul_(factor), None
