"""Tasks with scores: a number for each item."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pdbench.data.tokens import Tokens
from pdbench.engine import Classifier, Device, predict
from pdbench.kinds.kind import Kind


class Regression(Kind):
    """A regression: a model has one output, and the teacher's scores are its soft labels."""

    stored = np.float32

    @staticmethod
    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean squared error: (B, 1), and (B,) or (B, 1), to a scalar."""
        return functional.mse_loss(outputs[:, 0], targets.reshape(-1))

    @staticmethod
    def soft(outputs: Tensor) -> Tensor:
        """The scores as they are, (N, 1)."""
        return outputs

    def predict(
        self,
        model: Classifier,
        tokens: Tokens,
        device: Device,
        numbers: NDArray[np.int64] | None = None,
    ) -> NDArray[np.float32]:
        """The score of every item, (N,)."""
        return np.ascontiguousarray(predict(model, tokens, device, numbers)[:, 0])
