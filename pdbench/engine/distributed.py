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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from pdbench.core.errors import PdbenchError, UsageError
from pdbench.engine.device import use_gpu

_MEETING = 10
"""Steps between two moments at which the processes agree on saving and stopping."""


def processes() -> int:
    """How many processes torchrun started together; one without it."""
    if "RANK" not in os.environ:
        return 1
    try:
        return int(os.environ["WORLD_SIZE"])
    except (KeyError, ValueError) as error:
        what = "environment: RANK is set, and WORLD_SIZE is no number of processes"
        raise UsageError(what, "start several processes with torchrun, or unset RANK") from error


@dataclass(frozen=True)
class Ranks:
    """This process's number among those that train one model, and how many there are.

    Number 0 is the one that writes.
    """

    rank: int = 0
    world: int = 1

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

    @classmethod
    @contextlib.contextmanager
    def joined(cls) -> Iterator[Ranks]:
        """Join the processes that torchrun started."""
        from torch import distributed

        if cuda := use_gpu():
            own, found = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
            if own >= found:
                what = f"torchrun started process {own + 1} here, and torch finds {found} GPUs"
                raise UsageError(what, f"start it with --nproc-per-node {found}")
            torch.cuda.set_device(own)
        # Flags and sums of a few numbers live on the CPU, so that no step waits for the GPU.
        distributed.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")
        ranks = cls(distributed.get_rank(), distributed.get_world_size())
        if ranks.rank:
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


ALONE = Ranks()
