"""The loop warms up, decays, clips, learns, and repeats itself exactly."""

import numpy as np
import pytest
import torch

from pdbench.data.batches import Batch
from pdbench.training import Optimisation, optimise


def test_rate_rises_and_falls_linearly() -> None:
    """Warm-up to the peak, then linear decay towards zero."""
    settings = Optimisation(steps=100, learning_rate=1.0, warmup=0.1)

    rates = [settings.rate(step) for step in range(100)]

    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == pytest.approx(1.0)
    assert max(rates) == pytest.approx(1.0)
    assert rates[99] == pytest.approx(1 / 90)
    assert np.allclose(np.diff(rates[10:]), -1 / 90)


def _train(seed: int, steps: int = 200) -> tuple[torch.nn.Module, float]:
    torch.manual_seed(seed)
    model = torch.nn.Linear(4, 2)
    rng = np.random.default_rng(seed)

    def batches():
        while True:
            yield Batch(np.arange(16), rng.integers(0, 2, (16, 4)), None, None)

    def loss_of(batch: Batch) -> torch.Tensor:
        ids = torch.from_numpy(batch.ids)
        return torch.nn.functional.cross_entropy(model(ids.float()), ids[:, 0])

    progress = optimise(model, batches(), loss_of, Optimisation(steps, 0.05))
    assert progress.steps == steps
    assert progress.examples == 16 * steps
    return model, progress.loss


def test_it_learns() -> None:
    """The loss of a learnable rule falls well below chance."""
    _, loss = _train(0)

    assert loss < 0.2


def test_the_same_seed_gives_the_same_weights_bit_for_bit() -> None:
    """A run that is started again ends where it would have ended."""
    first, _ = _train(3, 20)
    again, _ = _train(3, 20)

    assert torch.equal(first.weight, again.weight)


def test_a_loss_that_is_not_finite_is_an_error() -> None:
    """A diverged run never becomes a result."""
    model = torch.nn.Linear(1, 1)

    with pytest.raises(FloatingPointError, match="nan"):
        optimise(
            model,
            [Batch(np.arange(1), np.zeros((1, 1), np.int64), None, None)],
            lambda batch: model.weight.sum() * torch.nan,
            Optimisation(1, 0.1),
        )
