"""Logits of a classifier over stored items."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from pdbench.data.batches import collate, sorted_buckets
from pdbench.data.tokens import Tokens
from pdbench.engine import Classifier
from pdbench.engine.device import Device

BATCH_ITEMS = 128
_RANGE_ITEMS = 2**16
"""Items sorted by length together: enough to make padding rare, few enough to hold."""


def predict(
    model: Classifier,
    tokens: Tokens,
    device: Device,
    numbers: NDArray[np.int64] | None = None,
    items: int | None = None,
) -> NDArray[np.float32]:
    """Return the logits (N, C) of the first ``items`` items; see :func:`predict_ranges`."""
    found = [logits for _, logits in predict_ranges(model, tokens, device, numbers, items)]
    return np.concatenate([np.empty((0, model.output.out_features), np.float32), *found])


_LOGITS = 2**24
"""Logits that are held together at most, where a model has hundreds of classes and more."""


@torch.inference_mode()
def predict_ranges(
    model: Classifier,
    tokens: Tokens,
    device: Device,
    numbers: NDArray[np.int64] | None = None,
    items: int | None = None,
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield range after range of items with their logits (R, C), in the order of the items.

    Deterministic: dropout is off, and batches depend on the lengths alone. ``numbers`` are those
    of :func:`pdbench.data.batches.collate`; where ``items`` is None all are scored.
    """
    model.eval()
    lengths = tokens.lengths[:items]
    together = max(BATCH_ITEMS, min(_RANGE_ITEMS, _LOGITS // model.output.out_features))
    for start in range(0, len(lengths), together):
        chosen = slice(start, min(start + together, len(lengths)))
        logits = np.empty((chosen.stop - start, model.output.out_features), np.float32)
        for index in sorted_buckets(lengths[chosen], BATCH_ITEMS):
            with device.autocast():
                scores = model(*device.inputs(collate(tokens, start + index, numbers)))
            logits[index] = scores.float().cpu().numpy()
        yield chosen, logits
