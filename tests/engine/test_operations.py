"""Each operation against torch's own, forward and backward."""

import pytest
import torch
from torch.nn import functional

from pdbench.engine.operations import (
    _ROWS_AT_ONCE,
    Noise,
    add_dropout,
    attention,
    dropout,
    masked_lm_loss,
)

TYPES = [torch.bfloat16, torch.float32, torch.float64]


def noise(probability=0.1, seed=0):
    torch.manual_seed(seed)
    return Noise(probability)


def randn(*shape, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype, requires_grad=True)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("probability", [0.05, 0.1, 0.5])
def test_dropout_zeroes_the_share_and_scales_the_rest(dtype, probability):
    x = torch.ones(1000, 301, dtype=dtype)
    y = dropout(x, noise(probability))
    share = (y == 0).double().mean()
    assert abs(share - probability) < 5 * (probability * (1 - probability) / x.numel()) ** 0.5
    assert torch.equal(y[y != 0].unique(), torch.tensor([1 / (1 - probability)], dtype=dtype))


@pytest.mark.parametrize("dtype", TYPES)
def test_every_position_is_dropped_alike(dtype):
    source = noise(0.25)
    kept = sum((source.keep(torch.empty(7, 5, dtype=dtype)) != 0).double() for _ in range(1000))
    # 35 positions, each within five standard errors of its expectation
    assert (kept / 1000 - 0.75).abs().max() < 5 * (0.25 * 0.75 / 1000) ** 0.5


def test_torchs_seed_decides_the_masks():
    x = torch.ones(64, 64)
    assert torch.equal(dropout(x, noise(seed=3)), dropout(x, noise(seed=3)))
    assert not torch.equal(dropout(x, noise(seed=3)), dropout(x, noise(seed=4)))
    source = noise(seed=3)
    assert not torch.equal(dropout(x, source), dropout(x, source))


def test_no_noise_is_the_identity():
    x = torch.randn(3, 4)
    assert dropout(x, None) is x
    assert torch.equal(add_dropout(x, x, None), x + x)


def test_gradients_of_dropout_pass_where_numbers_pass():
    x = randn(4, 5)
    torch.autograd.gradcheck(lambda t: dropout(t, noise()), x)


def test_gradients_of_add_dropout():
    residual, x = randn(4, 5, seed=1), randn(4, 5, seed=2)
    # the operation may overwrite its second argument
    torch.autograd.gradcheck(lambda r, t: add_dropout(r, t.clone(), noise()), (residual, x))


def lengths_mask():
    return torch.arange(7) < torch.tensor([[7], [4], [1]])


def reference_attention(split, mask):
    query, key, value = split.permute(2, 0, 3, 1, 4)
    shown = None if mask is None else mask[:, None, None, :]
    context = functional.scaled_dot_product_attention(query, key, value, attn_mask=shown)
    return context.transpose(1, 2).flatten(2)


@pytest.mark.parametrize("mask", [None, lengths_mask()], ids=["full", "padded"])
@pytest.mark.parametrize("first", [False, True], ids=["all", "first"])
def test_attention_is_torchs(mask, first):
    split = randn(3, 7, 3, 2, 4)
    wanted = reference_attention(split, mask)
    wanted = wanted[:, 0] if first else wanted
    found = attention(split, mask, None, first=first)
    torch.testing.assert_close(found, wanted)
    weights = torch.randn(wanted.shape, dtype=wanted.dtype)
    gradients = [torch.autograd.grad((y * weights).sum(), split)[0] for y in (found, wanted)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("first", [False, True], ids=["all", "first"])
def test_gradients_of_attention_with_dropout(first):
    split = randn(3, 7, 3, 2, 4)
    torch.autograd.gradcheck(lambda t: attention(t, lengths_mask(), noise(0.3), first=first), split)


@pytest.mark.parametrize("first", [False, True], ids=["all", "first"])
def test_dropout_of_attention_keeps_its_expectation(first):
    split = randn(2, 5, 3, 2, 4)
    source = noise(0.3)
    drawn = [attention(split, None, source, first=first).detach() for _ in range(1000)]
    stacked = torch.stack(drawn)
    error = stacked.std(0) / 1000**0.5
    wanted = attention(split, None, None, first=first)
    assert ((stacked.mean(0) - wanted).abs() < 5 * error).all()
    assert (error > 0).all()


@pytest.mark.parametrize("masked", [1, _ROWS_AT_ONCE, _ROWS_AT_ONCE + 7])
def test_masked_lm_loss_is_torchs_cross_entropy(masked):
    inputs = (randn(masked, 6, seed=1), randn(50, 6, seed=2), randn(50, seed=3))
    targets = torch.randint(50, (masked,), generator=torch.Generator().manual_seed(0))
    wanted = functional.cross_entropy(functional.linear(*inputs), targets)
    found = masked_lm_loss(*inputs, targets)
    torch.testing.assert_close(found.double(), wanted, rtol=1e-6, atol=1e-6)
    gradients = [torch.autograd.grad(3 * y, inputs) for y in (found, wanted)]
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("dtype", TYPES)
def test_masked_lm_loss_of_a_vanishing_probability_is_finite(dtype):
    """The true piece scores 2,000 below the other; its gradient is that of cross-entropy."""
    hidden = torch.ones(1, 1, dtype=dtype, requires_grad=True)
    weight = torch.tensor([[0.0], [2000.0]], dtype=torch.float32)
    loss = masked_lm_loss(hidden, weight, torch.zeros(2), torch.tensor([0]))
    loss.backward()
    assert loss.isfinite()
    assert loss > 80
    assert hidden.grad == 2000


def test_masked_lm_loss_of_nothing_is_zero():
    inputs = (randn(0, 6), randn(50, 6), randn(50))
    loss = masked_lm_loss(*inputs, torch.empty(0, dtype=torch.int64))
    loss.backward()
    assert loss == 0
    assert all(not t.grad.any() for t in inputs[1:])


def test_gradients_of_masked_lm_are_asked_for_once() -> None:
    """They are scaled in place: a second backward pass is refused, not wrong."""
    hidden, weight = torch.randn(3, 4, requires_grad=True), torch.randn(7, 4)
    loss = masked_lm_loss(hidden, weight, torch.zeros(7), torch.tensor([0, 3, 6]))
    loss.backward(retain_graph=True)

    with pytest.raises(RuntimeError, match="only once"):
        loss.backward()
