"""The device a job trains on, and the precision that is faster there."""

from __future__ import annotations

import contextlib
import ctypes
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor

from pdbench.data.batches import Batch

_Precision = Literal["bf16", "fp32"]

_MALLOC_TRIM_THRESHOLD, _MALLOC_MMAP_THRESHOLD = -1, -3  # malloc.h
_KEPT_BYTES = 2**30

_SMALLEST_BF16_HIDDEN = 64
"""Below this width the conversions cost more than the matrix products gain."""


@dataclass(frozen=True)
class Device:
    """A torch device and the precision of its matrix products; weights stay in float32."""

    torch: torch.device
    precision: _Precision

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which a forward pass runs."""
        if self.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.torch.type, torch.bfloat16)

    def inputs(self, batch: Batch) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Ids, segments and mask of a batch on this device."""
        arrays = (batch.ids, batch.segments, batch.mask)
        ids, segments, mask = (None if a is None else self.tensor(a) for a in arrays)
        assert ids is not None
        return ids, segments, mask

    def tensor(self, array: NDArray[Any]) -> Tensor:
        """A numpy array as a tensor on this device."""
        return torch.from_numpy(array).to(self.torch)


def prepare_process(threads: int) -> None:
    """Let torch use so many CPU threads, and keep the memory that it frees.

    Every step frees what the next one allocates. glibc gives it back to the system, and
    taking it again costs page faults: a quarter of a step at 2/64 and a tenth at 4/256. The
    peak memory of a process stays what it was. Other C libraries are left alone.
    """
    torch.set_num_threads(threads)
    malloc_options = getattr(ctypes.CDLL(None), "mallopt", None)
    if malloc_options is not None:
        malloc_options(_MALLOC_TRIM_THRESHOLD, _KEPT_BYTES)
        malloc_options(_MALLOC_MMAP_THRESHOLD, _KEPT_BYTES)


def choose_device(hidden: int) -> Device:
    """Choose a GPU if there is one, and bf16 where it is fast and the model is wide enough.

    Args:
        hidden: Width H of the model.
    """
    kind = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    wide = hidden >= _SMALLEST_BF16_HIDDEN
    return Device(kind, "bf16" if wide and _fast_bf16(kind) else "fp32")


def _fast_bf16(kind: torch.device) -> bool:
    if kind.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    # Without these instructions oneDNN emulates bf16, slower than float32.
    flags = torch.cpu.get_capabilities()
    return bool(flags.get("avx512_bf16") or flags.get("amx_bf16"))
