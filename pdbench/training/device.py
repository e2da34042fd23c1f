"""The device a job trains on, and the precision that is faster there."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor

from pdbench.data.batches import Batch

Precision = Literal["bf16", "fp32"]

SMALLEST_BF16_HIDDEN = 64
"""Below this width the conversions cost more than the matrix products gain."""


@dataclass(frozen=True)
class Device:
    """A torch device and the precision of its matrix products; weights stay in float32."""

    torch: torch.device
    precision: Precision

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


def choose_device(hidden: int) -> Device:
    """Choose a GPU if there is one, and bf16 where it is fast and the model is wide enough.

    Args:
        hidden: Width H of the model.
    """
    kind = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    wide = hidden >= SMALLEST_BF16_HIDDEN
    return Device(kind, "bf16" if wide and _fast_bf16(kind) else "fp32")


def _fast_bf16(kind: torch.device) -> bool:
    if kind.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    # Without these instructions oneDNN emulates bf16, slower than float32.
    flags = torch.cpu.get_capabilities()
    return bool(flags.get("avx512_bf16") or flags.get("amx_bf16"))
