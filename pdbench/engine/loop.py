"""The training loop that every stage shares."""

from __future__ import annotations

import contextlib
import logging
import secrets
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields
from typing import Any, Protocol, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.adamw import adamw

from pdbench.core.errors import Stopped, UsageError
from pdbench.data.batches import Batch, Purpose, stream
from pdbench.engine.distributed import ALONE, Ranks
from pdbench.engine.state import Keeper, Stopwatch
from pdbench.study.settings import OnCorpus, StageSettings

_BETAS, _EPSILON = (0.9, 0.999), 1e-6  # Devlin et al., 2019

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
"""What schedulers send before they end a job."""

_REPORTED_STEPS = 50
"""The final training loss is the mean over so many last steps."""

_FIRST_LOOKED_AT, _LOOKED_AT_EVERY = 2, 50
"""Of the updates, those in which the bits of all weights are compared."""

_log = logging.getLogger(__name__)


class _Targeted(Protocol):
    """A batch with its targets; its length is the number of targets."""

    @property
    def batch(self) -> Batch:
        """The items."""

    def __len__(self) -> int: ...

    def rows(self, chosen: slice) -> Self:
        """Some of the items, with their targets."""


_W = TypeVar("_W", bound=_Targeted)


@dataclass(frozen=True)
class Optimisation:
    """How weights are updated: the rate rises to its peak and falls to zero at the last step."""

    steps: int
    learning_rate: float
    settings: StageSettings | OnCorpus

    def rate(self, step: int) -> float:
        """The learning rate of update ``step``, counted from zero."""
        rising = max(1, int(self.steps * self.settings.warmup))
        falling = max(1, self.steps - rising)
        return self.learning_rate * min((step + 1) / rising, (self.steps - step) / falling)


@dataclass(frozen=True)
class Progress:
    """What a stage did: its items, with repetition, its word pieces, and its loss at every step.

    ``padding`` is a share of the processed positions, ``loss`` the mean over the last steps, and
    ``teacher_seconds`` the part of the ``seconds`` in which a teacher was asked.
    """

    steps: int
    examples: int
    pieces: int
    padding: float
    loss: float
    seconds: float
    teacher_seconds: float
    losses: NDArray[np.float32] = field(repr=False, compare=False)

    def tell(self, keeper: Keeper) -> None:
        """Note a finished stage among those of the run that a keeper keeps."""
        done = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "losses"}
        keeper.finish(done, torch.from_numpy(self.losses))


def optimise(
    model: nn.Module,
    batch_of: Callable[[int], _W],
    loss_of: Callable[[_W], Tensor],
    settings: Optimisation,
    seed: int = 0,
    keeper: Keeper | None = None,
    ranks: Ranks = ALONE,
    teaching: Callable[[], float] = lambda: 0.0,
) -> Progress:
    """Train ``model``, one update a step, and leave it in evaluation mode.

    A step depends on the weights, the moments, the seed of the dropout and its number alone, so
    that a run that is interrupted and taken up again ends where it would have ended; without a
    ``keeper`` an interrupted stage is lost. ``loss_of`` is the mean over a batch's targets, and
    ``teaching`` the seconds that a teacher has been asked for until now. The engine alone updates
    the weights: a loss gives a number.

    Raises:
        UsageError: The loss updated or replaced a weight, or left a gradient.
        FloatingPointError: The loss is not finite.
        Stopped: A signal asked to stop; the state is saved.
    """
    if keeper is not None and (known := keeper.next_stage()) is not None:
        done, losses = known
        return Progress(**done, losses=losses.numpy())
    stage = _Running(model, loss_of, settings, seed, ranks, teaching)
    if keeper is not None:
        stage.restore(keeper)
    model.train()
    with _stop_signals(active=keeper is not None) as signals:
        while stage.step < settings.steps:
            stage.update(batch_of(stage.step))
            if keeper is None or not ranks.meet(stage.step):
                continue
            save, leave = ranks.any(keeper.due, bool(signals))
            if save or leave:
                stage.save(keeper)
            if leave:
                where = f"step {stage.step} of {settings.steps}, stage {keeper.stage + 1}"
                name = signals[0] if signals else "a signal to another process"
                _log.info("%s: stopped at %s; saved in %s", name, where, keeper.folder)
                raise Stopped
    model.eval()
    return stage.finish(keeper)


@contextlib.contextmanager
def _stop_signals(*, active: bool) -> Iterator[list[str]]:
    """Note the names of SIGTERM and SIGUSR1 instead of dying of them while the block runs.

    Outside the main thread Python allows no handlers, and nothing changes.
    """
    noted: list[str] = []
    if not active or threading.current_thread() is not threading.main_thread():
        yield noted
        return

    def note(number: int, _: object) -> None:
        noted.append(signal.Signals(number).name)

    before = {number: signal.signal(number, note) for number in _STOP_SIGNALS}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _portions(work: _W, largest: int | None) -> Iterator[_W]:
    """Cut work into portions of one item at least, and of ``largest`` pieces with their padding."""
    items, width = work.batch.ids.shape
    rows = items if largest is None else max(1, largest // width)
    if rows >= items:
        yield work
        return
    for first in range(0, items, rows):
        yield work.rows(slice(first, first + rows))


class _Running:
    """A stage in the middle of its training."""

    def __init__(
        self,
        model: nn.Module,
        loss_of: Callable[[_W], Tensor],
        settings: Optimisation,
        seed: int,
        ranks: Ranks,
        teaching: Callable[[], float],
    ) -> None:
        self.step = 0
        self._teaching, self._taught = teaching, -teaching()
        self._guard = _Guard(model)
        self._model, self._settings, self._seed, self._ranks = model, settings, seed, ranks
        self._how = settings.settings
        self._device = next(model.parameters()).device
        self._optimiser = AdamW(model.parameters(), self._how.weight_decay)
        self._loss: nn.Module = _Loss(model, loss_of)
        self._waiting: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext
        if ranks.world > 1:
            from torch.nn.parallel import DistributedDataParallel

            parallel = DistributedDataParallel(self._loss)
            self._loss, self._waiting = parallel, parallel.no_sync
        # Both are of this process alone.
        self._losses = torch.zeros(settings.steps, device=self._device)
        self._counts = torch.zeros(3, dtype=torch.int64)  # items, word pieces, positions
        self._watch = Stopwatch()

    def update(self, whole: _W) -> None:
        self._seed_dropout()
        self._guard.note(self.step)
        rank, world = self._ranks.rank, self._ranks.world
        share = whole if world == 1 else whole.rows(slice(rank, None, world))
        own = [p for p in _portions(share, self._how.at_once) if len(p)]
        for portion in own:
            last = portion is own[-1]
            self._losses[self.step] += self._learn(portion, len(portion) / len(whole), last=last)
            batch = portion.batch
            pieces = batch.ids.size if batch.mask is None else int(batch.mask.sum())
            self._counts += torch.tensor([len(batch.index), pieces, batch.ids.size])
        if not own and len(whole) and world > 1:
            # The others wait for this process's gradients: it gives them zeros.
            self._learn(whole, 0.0, last=True)
        self._guard.check()
        self._optimiser.step(self._settings.rate(self.step), self._how.clip)
        self.step += 1

    def _learn(self, work: _Targeted, share: float, *, last: bool) -> Tensor:
        """Add the gradients of ``share`` times the mean loss of ``work``; return that loss.

        With the ``last`` work of a process its gradients are complete: the processes sum them.
        """
        with contextlib.nullcontext() if last else self._waiting():
            before = self._guard.gradients()
            loss: Tensor = self._loss(work)
            self._guard.check()
            self._guard.check_gradients(before)
            # DistributedDataParallel takes the mean over the processes; this makes it a sum.
            (loss * (share * self._ranks.world)).backward()  # type: ignore[no-untyped-call]
        return loss.detach() * share

    def restore(self, keeper: Keeper) -> None:
        """Go on where the state of this stage was saved, if there is one."""
        saved = {**self._weights(), "losses": self._losses, "counts": self._counts}
        if (note := keeper.restore(saved)) is not None:
            self.step = note["step"]
            self._watch.take_up(**note["watch"])
            self._taught += note["taught"]
        step = torch.tensor(self.step)
        self._ranks.copy_from_first([step, *self._weights().values()])
        self.step = int(step)

    def save(self, keeper: Keeper) -> None:
        """Write the state; all processes take part."""
        losses, counts = map(self._ranks.sum, (self._losses, self._counts))
        if not bool(losses.isfinite().all()):
            raise FloatingPointError(f"the training loss is not finite by step {self.step}")
        taught = self._taught + self._teaching()
        note = {"step": self.step, "watch": self._watch.note(), "taught": taught}
        keeper.save({**self._weights(), "losses": losses, "counts": counts}, note)

    def finish(self, keeper: Keeper | None) -> Progress:
        """What the stage did; all processes take part."""
        losses, counts = map(self._ranks.sum, (self._losses, self._counts))
        items, pieces, positions = counts.tolist()
        final = float(losses[-_REPORTED_STEPS:].mean())
        if not np.isfinite(final):
            raise FloatingPointError(f"the training loss is {final} after {self.step} steps")
        done: dict[str, Any] = {
            "steps": self.step,
            "examples": items,
            "pieces": pieces,
            "padding": 1 - pieces / max(1, positions),
            "loss": final,
            "seconds": self._watch.seconds,
            "teacher_seconds": self._taught + self._teaching(),
        }
        progress = Progress(**done, losses=losses.cpu().numpy())
        if keeper is not None:
            progress.tell(keeper)
        return progress

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


class _Guard:
    """Sees whether a loss trains by itself: its updates would be in no budget.

    Torch counts the changes of a tensor, and what writes past that count (``Tensor.data``) shows in
    the bits, which are looked at in the first updates and in a few of the others.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model, self._parameters = model, tuple(model.parameters())
        self._changes: list[tuple[int, int]] = []
        self._looks, self._bits = False, [0]

    def note(self, step: int) -> None:
        """Remember the weights as they are before an update."""
        self._changes = self._counted()
        # Which, nobody can know beforehand who writes a loss.
        self._looks = step < _FIRST_LOOKED_AT or secrets.randbelow(_LOOKED_AT_EVERY) == 0
        if self._looks:
            self._bits = self._summed()

    def check(self) -> None:
        """Refuse weights that are others than when they were noted."""
        if self._counted() != self._changes or (self._looks and self._summed() != self._bits):
            raise self._refusal("updates the weights")

    def gradients(self) -> list[int]:
        """How often the gradient of each weight has changed."""
        found = (p.grad for p in self._parameters)
        return [-1 if gradient is None else gradient._version for gradient in found]

    def check_gradients(self, before: list[int]) -> None:
        """Refuse gradients that are others than before."""
        if self.gradients() != before:
            raise self._refusal("changes the gradients")

    def _counted(self) -> list[tuple[int, int]]:
        return [(p._version, p.data_ptr()) for p in self._parameters]

    def _summed(self) -> list[int]:
        """The sum of the bits of each weight; other weights in their place are refused."""
        if list(map(id, self._model.parameters())) != list(map(id, self._parameters)):
            raise self._refusal("replaces the weights")
        kinds = {2: torch.int16, 4: torch.int32, 8: torch.int64}
        bits = (p.detach().view(kinds[p.element_size()]) for p in self._parameters)
        sums: list[int] = torch.stack([own.sum(dtype=torch.int64) for own in bits]).tolist()
        return sums

    def _refusal(self, does: str) -> UsageError:
        loss = getattr(self._model, "objective", self._model)
        name = f"{type(loss).__module__}:{type(loss).__name__}"
        what = f"{name}: it {does} while its loss is computed, and the engine alone trains"
        return UsageError(what, "return the loss, and leave backward() and updates to the engine")


class _Loss(nn.Module):
    """A loss as a module: DistributedDataParallel watches the backward pass of modules."""

    def __init__(self, model: nn.Module, loss_of: Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.model = model
        self._loss_of = loss_of

    def forward(self, work: _Targeted) -> Tensor:
        return self._loss_of(work)


class AdamW:
    """AdamW (Loshchilov and Hutter, 2019): torch's fused kernel in its functional form.

    The class form imports torch._dynamo when it is made, most of a second of every job;
    a cell of small students trains for less.

    Weight decay is of the matrices alone: vectors (biases and norms) are never decayed.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], weight_decay: float) -> None:
        trained = [p for p in parameters if p.requires_grad]
        self._decay = weight_decay
        self._parameters = [p for p in trained if p.ndim > 1] + [p for p in trained if p.ndim <= 1]
        self._means = [torch.zeros_like(p) for p in self._parameters]
        self._squares = [torch.zeros_like(p) for p in self._parameters]
        self._steps = [torch.zeros((), device=p.device) for p in self._parameters]

    @torch.no_grad()
    def step(self, learning_rate: float, clip: float) -> None:
        """Update every parameter that has a gradient, and drop the gradients.

        Their norm, of all together, is scaled down to ``clip`` where it is larger.
        """
        parameters = self._parameters
        gradients = {i: p.grad for i, p in enumerate(parameters) if p.grad is not None}
        # The kernel divides as it reads, which saves a pass over all gradients.
        divisor = (nn.utils.get_total_norm(list(gradients.values())) / clip).clamp_(min=1)
        for decay, own in (
            (self._decay, [i for i in gradients if parameters[i].ndim > 1]),
            (0.0, [i for i in gradients if parameters[i].ndim <= 1]),
        ):
            adamw(
                [parameters[i] for i in own],
                [gradients[i] for i in own],
                [self._means[i] for i in own],
                [self._squares[i] for i in own],
                [],
                [self._steps[i] for i in own],
                fused=True,
                grad_scale=divisor,
                amsgrad=False,
                beta1=_BETAS[0],
                beta2=_BETAS[1],
                lr=learning_rate,
                weight_decay=decay,
                eps=_EPSILON,
                maximize=False,
            )
        for parameter in parameters:
            parameter.grad = None

    def tensors(self) -> dict[str, Tensor]:
        """Moments and step counts by name; overwriting them restores a saved optimiser."""
        kinds = {"mean": self._means, "square": self._squares, "steps": self._steps}
        return {f"{kind}.{i}": t for kind, own in kinds.items() for i, t in enumerate(own)}
