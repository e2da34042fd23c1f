"""The training loop that every stage shares."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pdbench.data.batches import Batch
from pdbench.training.adamw import AdamW

REPORTED_STEPS = 50
"""The final training loss is the mean over so many last steps."""


@dataclass(frozen=True)
class Optimisation:
    """How weights are updated.

    Attributes:
        steps: Updates in all; the rate falls linearly to zero at the last.
        learning_rate: Peak rate of AdamW.
        warmup: Share of the steps in which the rate rises linearly from zero.
        weight_decay: Decoupled decay of matrices; biases and norms have none.
        clip: Largest norm of the gradient.
    """

    steps: int
    learning_rate: float
    warmup: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0

    def rate(self, step: int) -> float:
        """The learning rate of update ``step``, counted from zero."""
        rising = max(1, int(self.steps * self.warmup))
        falling = max(1, self.steps - rising)
        return self.learning_rate * min((step + 1) / rising, (self.steps - step) / falling)


@dataclass(frozen=True)
class Progress:
    """What a stage did.

    Attributes:
        steps: Updates made.
        examples: Items seen, counted with repetition.
        pieces: Word pieces seen, without padding.
        padding: Share of the processed positions that were padding.
        loss: Mean training loss of the last steps.
        seconds: Wall time.
    """

    steps: int
    examples: int
    pieces: int
    padding: float
    loss: float
    seconds: float


def optimise(
    model: nn.Module,
    batches: Iterable[Batch],
    loss_of: Callable[[Batch], Tensor],
    settings: Optimisation,
) -> Progress:
    """Train ``model`` on ``batches``, one update each, and leave it in evaluation mode.

    Args:
        model: The model; its parameters change.
        batches: At most ``settings.steps`` of them are used.
        loss_of: Mean loss of a batch, as a scalar that carries gradients.
        settings: The optimiser and its schedule.

    Raises:
        FloatingPointError: The loss is not finite at the end.
    """
    started = time.perf_counter()
    optimiser = AdamW(model.parameters(), settings.weight_decay)
    losses: list[Tensor] = []
    count = _Count()
    model.train()
    for step, batch in zip(range(settings.steps), batches, strict=False):
        loss = loss_of(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), settings.clip, foreach=True)
        optimiser.step(settings.rate(step))
        losses.append(loss.detach())
        count.add(batch)
    model.eval()
    final = float(torch.stack(losses[-REPORTED_STEPS:]).mean()) if losses else float("nan")
    if not torch.isfinite(torch.tensor(final)):
        raise FloatingPointError(f"the training loss is {final} after {len(losses)} steps")
    return Progress(
        steps=len(losses),
        examples=count.items,
        pieces=count.pieces,
        padding=1 - count.pieces / max(1, count.positions),
        loss=final,
        seconds=time.perf_counter() - started,
    )


class _Count:
    def __init__(self) -> None:
        self.items = self.pieces = self.positions = 0

    def add(self, batch: Batch) -> None:
        self.items += len(batch.index)
        self.positions += batch.ids.size
        self.pieces += batch.ids.size if batch.mask is None else int(batch.mask.sum())
