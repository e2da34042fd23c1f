"""The operations of training are counted as the formula says."""

from __future__ import annotations

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.peak import matrix_peak, training_flops
from pdbench.engine import BertShape
from pdbench.engine.initialise import random_classifier
from pdbench.study import Architecture

TINY = Architecture(2, 64)


def products(lengths: list[int]) -> int:
    """Operations of the matrix products of a training step, as torch counts them."""
    model = random_classifier(BertShape.of(TINY, 50), 2, torch.Generator(), 0.1)
    total = 0
    for length in lengths:
        with FlopCounterMode(display=False) as counter:
            model(torch.ones(1, length, dtype=torch.int64), None, None).sum().backward()
        total += counter.get_total_flops()
    return total


def test_flops_are_those_that_torch_counts() -> None:
    """But for the pooler, the output layer and the one query of the last layer's attention."""
    lengths = [5, 27, 128]

    counted = training_flops(TINY, np.array(lengths))

    assert 0.97 < products(lengths) / counted < 1.03


def test_flops_grow_with_epochs() -> None:
    """Two epochs are twice the work."""
    lengths = np.array([3, 9], np.int32)

    assert training_flops(TINY, lengths, 2) == 2 * training_flops(TINY, lengths)


def test_peak_leaves_the_threads_as_they_were() -> None:
    """It is a positive number of operations a second."""
    before = torch.get_num_threads()

    assert matrix_peak(1) > 0
    assert torch.get_num_threads() == before
