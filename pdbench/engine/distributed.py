"""Several processes that train one model: each takes its share of every batch.

Started by torchrun, which tells each process its rank. The step of N processes is the step
of one: the same batch, the same masks, and gradients that are summed over all targets.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pdbench.core.errors import PdbenchError
from pdbench.engine.targets import Targeted, W

_MEETING = 10
"""Steps between two moments at which the processes agree on saving and stopping."""


def processes() -> int:
    """How many processes torchrun started together; one without it."""
    return int(os.environ["WORLD_SIZE"]) if "RANK" in os.environ else 1


@dataclass(frozen=True)
class Ranks:
    """This process's number among those that train one model, and how many there are."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def share(self, work: W) -> W:
        """The rows of a batch that this process computes."""
        return work if self.world == 1 else work.rows(slice(self.rank, None, self.world))

    def meet(self, step: int) -> bool:
        """Whether the processes agree on something after so many steps."""
        return step % (1 if self.world == 1 else _MEETING) == 0

    def any(self, *wishes: bool) -> tuple[bool, ...]:
        """Which wishes some process has; all processes must ask."""
        if self.world == 1:
            return wishes
        return tuple(self.sum(torch.tensor(wishes, dtype=torch.int64)).bool().tolist())

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum of a tensor over the processes; all must ask."""
        if self.world == 1:
            return tensor
        total = tensor.clone()
        torch.distributed.all_reduce(total)
        return total

    def copy_from_first(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite tensors with those of rank 0; all processes must ask."""
        if self.world > 1:
            for tensor in tensors:
                torch.distributed.broadcast(tensor, 0)


ALONE = Ranks()


class Learner:
    """Adds up the gradients of a batch, portion by portion and process by process."""

    def __init__(self, model: nn.Module, loss_of: Callable[[Any], Tensor], ranks: Ranks) -> None:
        self._world = ranks.world
        self._loss: nn.Module = _Loss(model, loss_of)
        self._waiting: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext
        if ranks.world > 1:
            from torch.nn.parallel import DistributedDataParallel

            parallel = DistributedDataParallel(self._loss)
            self._loss, self._waiting = parallel, parallel.no_sync

    def learn(self, work: Targeted, share: float, *, last: bool) -> Tensor:
        """Add the gradients of ``share`` times the mean loss of ``work``; return that loss.

        With the ``last`` work of a process its gradients are complete: the processes sum them.
        """
        with contextlib.nullcontext() if last else self._waiting():
            loss: Tensor = self._loss(work)
            # DistributedDataParallel takes the mean over the processes; this makes it a sum.
            (loss * (share * self._world)).backward()  # type: ignore[no-untyped-call]
        return loss.detach() * share


class _Loss(nn.Module):
    """A loss as a module: DistributedDataParallel watches the backward pass of modules."""

    def __init__(self, model: nn.Module, loss_of: Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.model = model
        self._loss_of = loss_of

    def forward(self, work: Targeted) -> Tensor:
        return self._loss_of(work)


@contextlib.contextmanager
def joined() -> Iterator[Ranks]:
    """Join the processes that torchrun started, or stay alone without it.

    Raises:
        PdbenchError: Another process failed.
    """
    if processes() == 1:
        yield ALONE
        return
    from torch import distributed

    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    # Flags and sums of a few numbers live on the CPU, so that no step waits for the GPU.
    distributed.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")
    ranks = Ranks(distributed.get_rank(), distributed.get_world_size())
    if not ranks.first:
        logging.getLogger().setLevel(logging.WARNING)
    try:
        yield ranks
    except BaseException as error:
        # Frees DistributedDataParallel before its group: freed after it, it would destroy the
        # group's threads while it holds Python's lock, for which they can wait (torch 2.13).
        traceback.clear_frames(error.__traceback__)
        if isinstance(error, distributed.DistError) or "gloo" in str(error):
            line = re.sub(r"^\[[^]]*\] ", "", str(error)).partition(". ")[0].partition("\n")[0]
            raise PdbenchError(
                f"process {ranks.rank} of {ranks.world}: {line}",
                "look at what the first process to fail says, and run again",
            ) from error
        raise
    finally:
        distributed.destroy_process_group()
