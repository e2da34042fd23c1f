"""The device of a job, the precision that is faster there, and a classifier's logits on it."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import itertools
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pdbench.core.errors import UsageError
from pdbench.data.batches import Batch, collate, sorted_buckets
from pdbench.data.tokens import Tokens
from pdbench.engine.bert import Classifier
from pdbench.planning.machines import DEVICE
from pdbench.study import Study

_BATCH_ITEMS = 128
_RANGE_ITEMS = 2**16
"""Items sorted by length together: enough to make padding rare, few enough to hold."""

_LOGITS = 2**24
"""Logits that are held together at most, where a model has hundreds of classes and more."""

_Precision = Literal["bf16", "fp32"]

_T = TypeVar("_T")

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
        others = (batch.segments, batch.mask)
        segments, mask = (None if array is None else self.tensor(array) for array in others)
        return self.tensor(batch.ids), segments, mask

    def tensor(self, array: NDArray[Any]) -> Tensor:
        """A numpy array as a tensor on this device; nothing waits for its copy to a GPU."""
        here = torch.from_numpy(array)
        if self.torch.type == "cpu":
            return here
        # Of pageable memory the copy would wait for all that the GPU was told to do before.
        return here.pin_memory().to(self.torch, non_blocking=True)

    def fetched(self, tensor: Tensor) -> Callable[[], NDArray[Any]]:
        """Begin to copy a tensor of this device; what is returned waits for the numbers."""
        if self.torch.type == "cpu":
            return tensor.numpy
        copy, done = tensor.to("cpu", non_blocking=True), torch.cuda.Event()  # type: ignore[no-untyped-call]
        done.record()

        def wait() -> NDArray[Any]:
            done.synchronize()
            numbers: NDArray[Any] = copy.numpy()
            return numbers

        return wait


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
    """A GPU if there is one, and bf16 where it is fast and a model of this width gains."""
    if use_gpu():
        place, fast = "cuda", torch.cuda.is_bf16_supported(including_emulation=False)
    else:  # without these instructions oneDNN emulates bf16, slower than float32
        place, flags = "cpu", torch.cpu.get_capabilities()
        fast = bool(flags.get("avx512_bf16") or flags.get("amx_bf16"))
    wide = hidden >= _SMALLEST_BF16_HIDDEN
    return Device(torch.device(place), "bf16" if wide and fast else "fp32")


def use_gpu() -> bool:
    """Whether to compute on a GPU, which is then made ready to repeat its bits."""
    found, wanted = torch.cuda.is_available(), os.environ.get(DEVICE, "")
    if wanted not in ("", "cpu", "cuda"):
        raise UsageError(f"environment: {DEVICE} is {wanted!r}", "set it to cuda or cpu")
    if wanted == "cuda" and not found:
        what = f"environment: {DEVICE} is cuda, and torch {torch.__version__} finds no GPU"
        raise UsageError(what, f"run on a machine with one, or unset {DEVICE}")
    if wanted == "cpu" or not found:
        return False
    _prepare_gpu()
    return True


def refuse_slow(study: Study) -> None:
    """Refuse to train at the paper's scale on a CPU, which takes months, unless told to."""
    if study.scale == "paper" and not use_gpu() and not os.environ.get(DEVICE):
        what = f"study {study.name!r} has the paper's scale, and torch {torch.__version__}"
        remedy = f"run on a machine with one, or set {DEVICE}=cpu to train on the CPU all the same"
        raise UsageError(f"{what} finds no GPU", remedy)


@functools.cache
def _prepare_gpu() -> None:
    """Have torch repeat its bits on a GPU, and multiply in the precision that records name.

    The variables are read when the first tensor is made there. Batches differ in shape:
    expandable segments keep the memory of one from being of no use to the next.
    """
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # what torch asks for repeatable products
    chosen = os.environ.get("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    os.environ.setdefault("PYTORCH_ALLOC_CONF", chosen)
    torch.set_deterministic_debug_mode("error")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.set_float32_matmul_precision("highest")  # no TF32, also where an image turns it on
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False


@functools.cache
def device_name(device: torch.device) -> str:
    """The marketing name of a GPU, or of the CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def predict(model: Classifier, tokens: Tokens, device: Device | None = None) -> NDArray[np.float32]:
    """Return the logits (N, C) of all items; see :func:`predict_ranges`."""
    found = [logits for _, logits in predict_ranges(model, tokens, device)]
    return np.concatenate([np.empty((0, model.output.out_features), np.float32), *found])


def predict_ranges(
    model: Classifier, tokens: Tokens, device: Device | None = None
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield range after range of items with their logits (R, C), in the order of the items.

    Deterministic: dropout is off, and batches depend on the lengths alone.
    """
    count, outputs = len(tokens), model.output.out_features
    together = max(_BATCH_ITEMS, min(_RANGE_ITEMS, _LOGITS // outputs))
    for start in range(0, count, together):
        chosen = slice(start, min(start + together, count))
        found = np.empty((chosen.stop - start, outputs), np.float32)
        for index, logits in predict_batches(model, tokens, chosen, device):
            found[index - start] = logits
        yield chosen, found


def predict_batches(
    model: Classifier,
    tokens: Tokens,
    chosen: slice = slice(None),
    device: Device | None = None,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield the positions of some items, similar lengths together, with the model's outputs."""
    own = device or choose_device(model.bert.shape.hidden)
    model.to(own.torch).eval()

    def started(index: NDArray[np.int64]) -> tuple[NDArray[np.int64], Callable[[], NDArray[Any]]]:
        # Around the forward pass alone: weights that are moved here may be trained later.
        with torch.inference_mode(), own.autocast():
            scores = model(*own.inputs(collate(tokens, index, model.bert.numbers)))
        return index, own.fetched(scores)

    buckets = sorted_buckets(tokens.lengths[chosen], _BATCH_ITEMS)
    for index, scores in _one_behind(started((chosen.start or 0) + bucket) for bucket in buckets):
        yield index, scores()


def _one_behind(found: Iterator[_T]) -> Iterator[_T]:
    """Give each thing out when the next is made: a GPU computes while a batch is used."""
    for held in itertools.islice(found, 1):
        for following in found:
            yield held
            held = following
        yield held
