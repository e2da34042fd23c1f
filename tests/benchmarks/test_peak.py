"""The operations of training are counted as the formula says."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.peak import matrix_peak, training_flops
from pdbench.study import Architecture

TINY = Architecture(2, 64)


def products(lengths: list[int]) -> int:
    """Operations of all matrix products of training on each item by itself, counted by hand."""
    h, inner = TINY.hidden, TINY.feed_forward
    total = 0
    for n in lengths:
        dense = n * (4 * h * h + 2 * h * inner)
        attention = 2 * n * n * h
        total += TINY.layers * (dense + attention)
    return 3 * 2 * total  # forward, and twice as much backward; a multiplication and an addition


def test_flops_are_those_of_the_matrix_products() -> None:
    """Counted by hand they differ by the biases and norms alone, a few percent at width 64."""
    lengths = [5, 27, 128]

    counted = training_flops(TINY, np.array(lengths))

    assert products(lengths) < counted < 1.02 * products(lengths)


def test_flops_grow_with_epochs() -> None:
    """Two epochs are twice the work."""
    lengths = np.array([3, 9], np.int32)

    assert training_flops(TINY, lengths, 2) == 2 * training_flops(TINY, lengths)


def test_peak_leaves_the_threads_as_they_were() -> None:
    """It is a positive number of operations a second."""
    before = torch.get_num_threads()

    assert matrix_peak(1) > 0
    assert torch.get_num_threads() == before
