"""Scoring models that rank all items of the labelled set: a classifier over the items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdbench.data.metrics import compute, ranks
from pdbench.engine import Classifier, Device, predict_ranges
from pdbench.kinds.classification import Labelled, Scores


@dataclass(frozen=True)
class Ranked(Labelled):
    """Dialogues with the number of the next item; -1 is one that the labelled set lacks."""

    def scored(
        self,
        model: Classifier,
        metrics: Sequence[str],
        device: Device,
        numbers: NDArray[np.int64] | None = None,
    ) -> Scores:
        """Score the rank of each true item among all."""
        found, firsts = [], []
        for chosen, logits in predict_ranges(model, self.tokens, device, numbers):
            found.append(ranks(logits, self.targets[chosen]))
            firsts.append(logits.argmax(axis=1).astype(np.int32))
        placed = np.concatenate(found)
        means = compute(metrics, placed, self.targets)
        return Scores(means, placed, answered=np.concatenate(firsts))
