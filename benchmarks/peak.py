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
    """Operations of the matrix products of training a classifier as pdbench computes it.

    Padding is not counted, nor what pdbench leaves out: the last layer computes one piece of
    each item from the attention weights on. A multiply-add is two operations, and training
    takes three times the forward pass, so with N items of n_i pieces, T = sum(n_i):

        6 [(L - 1) (12 H^2 T + 2 H sum(n_i^2)) + 3 H^2 T + 9 H^2 N + 2 H T]

    12 H^2 are a layer's weights: 3 H^2 of queries, keys and values, H^2 behind the attention,
    8 H^2 of the feed-forward block. 2 H n^2 are scores and weighted values. The pooler and the
    output layer are left out, as are biases, norms, GELU and the optimiser.

    Args:
        architecture: The model's size.
        lengths: Word pieces of each item, (N,).
        epochs: Passes over the items.
    """
    pieces, squares = float(lengths.sum()), float((lengths.astype(np.float64) ** 2).sum())
    hidden = architecture.hidden
    inner = 2 * hidden * architecture.feed_forward
    whole = (4 * hidden**2 + inner) * pieces + 2 * hidden * squares
    last = (3 * hidden**2 + 2 * hidden) * pieces + (hidden**2 + inner) * len(lengths)
    return epochs * 6 * ((architecture.layers - 1) * whole + last)


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
