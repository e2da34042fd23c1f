"""How near training comes to what the machine can do at most."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pdbench.study import Architecture

SIZE = 2048
REPEATS = 12


def training_flops(
    architecture: Architecture, lengths: NDArray[np.integer[Any]], epochs: int = 1
) -> float:
    """Operations that training on items of these lengths needs, padding not counted.

    6 P T + 12 L H sum(n_i^2), where P are the parameters of the L transformer layers (the
    embeddings are looked up, not multiplied), T = sum(n_i) the word pieces and H the width.
    A parameter costs a piece one multiplication and one addition forward and twice as much
    backward. Attention has two products in a layer, scores and weighted values, of
    2 H n_i^2 operations each forward and twice as much backward. The pooler and the output
    layer see one piece of each item and are left out, as are norms, GELU and the optimiser.

    Args:
        architecture: The model's size.
        lengths: Word pieces of each item, (N,).
        epochs: Passes over the items.
    """
    pieces, squares = float(lengths.sum()), float((lengths.astype(np.float64) ** 2).sum())
    dense = 6 * architecture.encoder_parameters * pieces
    attention = 12 * architecture.layers * architecture.hidden * squares
    return epochs * (dense + attention)


def matrix_peak(threads: int) -> float:
    """Operations a second of the best of several bf16 products of large square matrices."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    a, b = (torch.randn(SIZE, SIZE).to(torch.bfloat16) for _ in range(2))
    best = min(_seconds(a, b) for _ in range(REPEATS))
    torch.set_num_threads(before)
    return 2 * SIZE**3 / best


def _seconds(a: torch.Tensor, b: torch.Tensor) -> float:
    started = time.perf_counter()
    torch.mm(a, b)
    return time.perf_counter() - started
