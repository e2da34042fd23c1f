"""Logits of a classifier over stored items."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from pdbench.data.batches import collate, sorted_buckets
from pdbench.data.tokens import Tokens
from pdbench.models import Classifier
from pdbench.training.device import Device

BATCH_ITEMS = 128


@torch.inference_mode()
def predict(
    model: Classifier,
    tokens: Tokens,
    device: Device,
    numbers: NDArray[np.int64] | None = None,
    items: int | None = None,
) -> NDArray[np.float32]:
    """Return the logits (N, C) of the first ``items`` items, in their order.

    Deterministic: dropout is off, and batches depend on the lengths alone.

    Args:
        model: The classifier.
        tokens: The items.
        device: Where and how precisely to compute.
        numbers: As in :func:`pdbench.data.batches.collate`.
        items: How many to score; None scores all.
    """
    model.eval()
    lengths = tokens.lengths[:items]
    logits = np.empty((len(lengths), model.output.out_features), dtype=np.float32)
    for index in sorted_buckets(lengths, BATCH_ITEMS):
        with device.autocast():
            scores = model(*device.inputs(collate(tokens, index, numbers)))
        logits[index] = scores.float().cpu().numpy()
    return logits
