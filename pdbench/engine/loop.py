"""The training loop that every stage shares."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pdbench.core.errors import Stopped
from pdbench.data.batches import Batch, Purpose, stream
from pdbench.engine.adamw import AdamW
from pdbench.engine.distributed import ALONE, Learner, Ranks
from pdbench.engine.state import Keeper, stop_signals
from pdbench.engine.targets import W, portions
from pdbench.study.settings import Pretraining, StageSettings

_REPORTED_STEPS = 50
"""The final training loss is the mean over so many last steps."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Optimisation:
    """How weights are updated.

    Attributes:
        steps: Updates in all; the rate falls linearly to zero at the last.
        learning_rate: Peak rate of AdamW.
        settings: The study's: warm-up, weight decay, largest gradient and portions.
    """

    steps: int
    learning_rate: float
    settings: StageSettings | Pretraining

    def rate(self, step: int) -> float:
        """The learning rate of update ``step``, counted from zero."""
        rising = max(1, int(self.steps * self.settings.warmup))
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
        losses: Training loss of every step, float32 of shape (steps,).
    """

    steps: int
    examples: int
    pieces: int
    padding: float
    loss: float
    seconds: float
    losses: NDArray[np.float32] = field(repr=False, compare=False)


def optimise(
    model: nn.Module,
    batch_of: Callable[[int], W],
    loss_of: Callable[[W], Tensor],
    settings: Optimisation,
    seed: int = 0,
    keeper: Keeper | None = None,
    ranks: Ranks = ALONE,
) -> Progress:
    """Train ``model``, one update a step, and leave it in evaluation mode.

    A step depends on the weights, the moments, the seed and its number alone, so that a run
    that is interrupted and taken up again ends where it would have ended.

    Args:
        model: The model; its parameters change.
        batch_of: The batch of a step, counted from zero, with its targets.
        loss_of: Mean loss over the targets of a batch, as a scalar that carries gradients.
        settings: The optimiser and its schedule.
        seed: Decides the dropout.
        keeper: Saves and restores the state; without one an interrupted stage is lost.
        ranks: The processes that train together, each with its share of every batch.

    Raises:
        FloatingPointError: The loss is not finite.
        Stopped: A signal asked to stop; the state is saved.
    """
    if keeper is not None and (known := keeper.next_stage()) is not None:
        done, losses = known
        return Progress(**done, losses=losses.numpy())
    stage = _Running(model, loss_of, settings, seed, ranks)
    if keeper is not None:
        stage.restore(keeper)
    model.train()
    with stop_signals(active=keeper is not None) as stop:
        while stage.step < settings.steps:
            stage.update(batch_of(stage.step))
            if keeper is None or not ranks.meet(stage.step):
                continue
            save, leave = ranks.any(keeper.due, stop.signal is not None)
            if save or leave:
                stage.save(keeper)
            if leave:
                where = f"step {stage.step} of {settings.steps}, stage {keeper.stage + 1}"
                name = stop.signal or "a signal to another process"
                log.info("%s: stopped at %s; saved in %s", name, where, keeper.folder)
                raise Stopped
    model.eval()
    return stage.finish(keeper)


class _Running:
    """A stage in the middle of its training."""

    def __init__(
        self,
        model: nn.Module,
        loss_of: Callable[[W], Tensor],
        settings: Optimisation,
        seed: int,
        ranks: Ranks,
    ) -> None:
        self.step = 0
        self._model, self._settings, self._seed, self._ranks = model, settings, seed, ranks
        self._how = settings.settings
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._device = self._parameters[0].device
        self._optimiser = AdamW(self._parameters, self._how.weight_decay)
        self._learner = Learner(model, loss_of, ranks)
        self._losses = torch.zeros(settings.steps, device=self._device)  # of this process
        self._count = _Count()
        self._clock = time.perf_counter()
        self._before = 0.0

    def update(self, whole: W) -> None:
        """Make one update from a batch."""
        self._seed_dropout()
        own = [p for p in portions(self._ranks.share(whole), self._how.at_once) if len(p)]
        for portion in own:
            share = len(portion) / len(whole)
            loss = self._learner.learn(portion, share, last=portion is own[-1])
            self._losses[self.step] += loss
            self._count.add(portion.batch)
        if not own and len(whole) and self._ranks.world > 1:
            # The others wait for this process's gradients: it gives them zeros.
            self._learner.learn(whole, 0.0, last=True)
        self._optimiser.step(self._settings.rate(self.step), self._how.clip)
        self.step += 1

    def restore(self, keeper: Keeper) -> None:
        """Go on where the state of this stage was saved, if there is one."""
        note = keeper.restore({**self._weights(), "losses": self._losses})
        if note is not None:
            self.step, self._before = note["step"], note["seconds"]
            self._count = _Count(**note["count"])
        step = torch.tensor(self.step)
        self._ranks.copy_from_first([step, *self._weights().values()])
        self.step = int(step)

    def save(self, keeper: Keeper) -> None:
        """Write the state; all processes take part."""
        losses, count = self._totals()
        if not bool(losses.isfinite().all()):
            raise FloatingPointError(f"the training loss is not finite by step {self.step}")
        note = {"step": self.step, "count": asdict(count), "seconds": self._seconds()}
        keeper.save({**self._weights(), "losses": losses}, note)

    def finish(self, keeper: Keeper | None) -> Progress:
        """What the stage did; all processes take part."""
        losses, count = self._totals()
        final = float(losses[-_REPORTED_STEPS:].mean())
        if not np.isfinite(final):
            raise FloatingPointError(f"the training loss is {final} after {self.step} steps")
        done: dict[str, Any] = {
            "steps": self.step,
            "examples": count.items,
            "pieces": count.pieces,
            "padding": 1 - count.pieces / max(1, count.positions),
            "loss": final,
            "seconds": self._seconds(),
        }
        if keeper is not None:
            keeper.finish(done, losses)
        return Progress(**done, losses=losses.cpu().numpy())

    def _seed_dropout(self) -> None:
        words = stream(Purpose.DROPOUT, self._seed, self.step, self._ranks.rank)
        seed = int(words.generate_state(1, np.uint64)[0])
        # torch.manual_seed does this for every kind of device, a hundred times slower.
        torch.default_generator.manual_seed(seed)
        if self._device.type == "cuda":
            torch.cuda.manual_seed(seed)

    def _weights(self) -> dict[str, Tensor]:
        return {
            **{f"model.{name}": tensor for name, tensor in self._model.state_dict().items()},
            **{f"adamw.{name}": tensor for name, tensor in self._optimiser.tensors().items()},
        }

    def _totals(self) -> tuple[Tensor, _Count]:
        """The losses and counts of all processes together."""
        counts = list(asdict(self._count).values())
        total = self._ranks.sum(torch.tensor(counts)).tolist()
        return self._ranks.sum(self._losses), _Count(*total)

    def _seconds(self) -> float:
        return self._before + time.perf_counter() - self._clock


@dataclass
class _Count:
    """Items, word pieces and positions, padding among them, that were processed."""

    items: int = 0
    pieces: int = 0
    positions: int = 0

    def add(self, batch: Batch) -> None:
        self.items += len(batch.index)
        self.positions += batch.ids.size
        self.pieces += batch.ids.size if batch.mask is None else int(batch.mask.sum())
