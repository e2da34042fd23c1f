"""The loop warms up, decays, clips, accumulates, learns, and repeats itself exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from pdbench.core.errors import UsageError
from pdbench.data.batches import Batch
from pdbench.engine import Progress, loop
from pdbench.engine.loop import Optimisation, optimise
from pdbench.engine.targets import _rows_of
from pdbench.study.settings import StageSettings

HOW = StageSettings(epochs=1, learning_rate=(0.1,))
"""How weights are updated, by the defaults."""


@dataclass(frozen=True)
class Rows:
    """Numbers whose first column is to be told from all of them."""

    batch: Batch

    def __len__(self) -> int:
        return len(self.batch.index)

    def rows(self, chosen: slice) -> Rows:
        return Rows(_rows_of(self.batch, chosen))


def rows_at(step: int, items: int = 16) -> Rows:
    """The batch of a step."""
    ids = np.random.default_rng(step).integers(0, 2, (items, 4))
    return Rows(Batch(np.arange(items), ids, None, None))


def loss_with(model: torch.nn.Module) -> Callable[[Rows], Tensor]:
    """The mean loss of a model on some rows."""

    def loss_of(rows: Rows) -> Tensor:
        ids = torch.from_numpy(rows.batch.ids)
        return torch.nn.functional.cross_entropy(model(ids.float()), ids[:, 0])

    return loss_of


def _train(
    seed: int, steps: int = 200, at_once: int | None = None, items: int = 16
) -> tuple[torch.nn.Module, Progress]:
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Dropout(0.0 if at_once else 0.1), torch.nn.Linear(4, 2))
    settings = Optimisation(steps, 0.05, HOW.model_copy(update={"at_once": at_once}))
    progress = optimise(model, lambda s: rows_at(s, items), loss_with(model), settings, seed)
    return model, progress


def test_rate_rises_and_falls_linearly() -> None:
    """Warm-up to the peak, then linear decay towards zero."""
    settings = Optimisation(100, 1.0, HOW)

    rates = [settings.rate(step) for step in range(100)]

    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == pytest.approx(1.0)
    assert max(rates) == pytest.approx(1.0)
    assert rates[99] == pytest.approx(1 / 90)
    assert np.allclose(np.diff(rates[10:]), -1 / 90)


def test_it_learns() -> None:
    """The loss of a learnable rule falls well below chance."""
    _, progress = _train(0)

    assert progress.loss < 0.3
    assert progress.losses[0] > 0.5
    assert progress.loss == pytest.approx(progress.losses[-50:].mean())
    assert (progress.steps, progress.examples, progress.pieces) == (200, 16 * 200, 64 * 200)


def test_the_same_seed_gives_the_same_weights_bit_for_bit() -> None:
    """A run that is started again ends where it would have ended, its dropout included."""
    first, again, other = (_train(seed, 20)[0][1].weight for seed in (3, 3, 4))

    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_dropout_depends_on_seed_and_step_alone() -> None:
    """Random numbers that others draw in between change nothing."""
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 2)
    drawn: dict[int, list[Tensor]] = {}

    def loss_of(rows: Rows) -> Tensor:
        drawn.setdefault(seed, []).append(torch.rand(3))
        return model(torch.from_numpy(rows.batch.ids).float()).square().mean()

    for seed in (5, 6):
        optimise(model, rows_at, loss_of, Optimisation(3, 0.1, HOW), seed)
    first = drawn.pop(5)
    torch.rand(7)
    seed = 5
    optimise(model, rows_at, loss_of, Optimisation(3, 0.1, HOW), seed)

    assert all(torch.equal(a, b) for a, b in zip(first, drawn[5], strict=True))
    assert len({tuple(t.tolist()) for t in first + drawn[6]}) == 6


@pytest.mark.parametrize("items", [8, 7])
def test_accumulated_gradients_are_those_of_the_whole_batch(items: int) -> None:
    """Batch 8 is batch 4 accumulated twice; of 7 items the reduction is by items too."""
    whole, expected = _train(1, 20, at_once=10**6, items=items)
    halves, found = _train(1, 20, at_once=4 * 4, items=items)

    torch.testing.assert_close(halves[1].weight, whole[1].weight, atol=1e-5, rtol=0)
    np.testing.assert_allclose(found.losses, expected.losses, atol=1e-5)
    assert found.examples == expected.examples == 20 * items


def test_a_loss_that_is_not_finite_is_an_error() -> None:
    """A diverged run never becomes a result."""
    model = torch.nn.Linear(1, 1)

    with pytest.raises(FloatingPointError, match="nan"):
        optimise(
            model, rows_at, lambda rows: model.weight.sum() * torch.nan, Optimisation(1, 0.1, HOW)
        )


class _Meddling(torch.nn.Module):
    """A loss that does more than give a number, in the updates from a certain one."""

    def __init__(self, act: Callable[[torch.nn.Module, Tensor], object], begins: int = 0) -> None:
        super().__init__()
        self.act, self.left = act, begins

    def forward(self, student: torch.nn.Module, loss: Tensor) -> Tensor:
        if not self.left:
            self.act(student, loss)
        self.left = max(0, self.left - 1)
        return loss


def _steps(student: torch.nn.Module, loss: Tensor) -> None:
    gradients = torch.autograd.grad(loss, list(student.parameters()), retain_graph=True)
    with torch.no_grad():
        for parameter, gradient in zip(student.parameters(), gradients, strict=True):
            parameter.sub_(gradient)


def _steps_unseen(student: torch.nn.Module, _: Tensor) -> None:
    student.weight.data.mul_(0.9)


def _swaps(student: torch.nn.Module, _: Tensor) -> None:
    student.bias.data = student.bias.data + 1


def _replaces(student: torch.nn.Module, _: Tensor) -> None:
    student.bias = torch.nn.Parameter(student.bias.detach() + 1)


def _steps_later(student: torch.nn.Module, loss: Tensor) -> None:
    def step(gradient: Tensor) -> None:
        with torch.no_grad():
            student.bias.sub_(1)

    loss.register_hook(step)


def _goes_back(student: torch.nn.Module, loss: Tensor) -> None:
    loss.backward(retain_graph=True)


def _optimise_with(loss: _Meddling) -> None:
    torch.manual_seed(0)
    trained = torch.nn.ModuleDict({"student": torch.nn.Linear(4, 2), "objective": loss})
    plain = loss_with(trained["student"])

    def loss_of(rows: Rows) -> Tensor:
        return loss(trained["student"], plain(rows))

    optimise(trained, rows_at, loss_of, Optimisation(5, 0.1, HOW))


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (_steps, "updates the weights"),
        (_steps_unseen, "updates the weights"),
        (_swaps, "updates the weights"),
        (_steps_later, "updates the weights"),
        (_replaces, "replaces the weights"),
        (_goes_back, "changes the gradients"),
    ],
)
def test_a_loss_that_trains_is_refused(
    act: Callable[[torch.nn.Module, Tensor], object], said: str
) -> None:
    """The engine alone updates weights: others' updates are in no budget."""
    with pytest.raises(UsageError, match=f"test_loop:_Meddling: it {said} .*leave backward"):
        _optimise_with(_Meddling(act))


def test_writes_past_torchs_count_are_seen_later_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bits are compared in updates that nobody knows beforehand."""
    monkeypatch.setattr(loop.secrets, "randbelow", lambda _: 0)

    with pytest.raises(UsageError, match="updates the weights"):
        _optimise_with(_Meddling(_steps_unseen, begins=3))


def test_a_loss_may_look_at_gradients() -> None:
    """A penalty of them updates nothing."""

    def looks(student: torch.nn.Module, loss: Tensor) -> None:
        torch.autograd.grad(loss, list(student.parameters()), create_graph=True)

    _optimise_with(_Meddling(looks))
