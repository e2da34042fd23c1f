"""Tasks with classes: one of the labels for each item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pdbench.core.errors import GuardError
from pdbench.kinds.kind import Kind, Scores


class Classes(Kind):
    """A classification."""

    guarded_by = ("accuracy",)

    @staticmethod
    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy of (B, C) with labels (B,), or with probabilities (B, C).

        The second is the distillation loss of Algorithm 1, -sum_c q_c log p_c: the teacher's
        probabilities q as they are, with no temperature and no share of hard labels.
        """
        return functional.cross_entropy(outputs, targets)

    def guard(self, name: str, dev: Scores, true: NDArray[Any], constant: float) -> None:
        """Refuse a teacher that is hardly better than the majority class.

        Checkpoints of NLI are published with three orders of their labels; where another order
        of the task's labels would make the teacher good enough, the message says which.

        Raises:
            GuardError: It is not.
        """
        accuracy, margin = dev.metrics["accuracy"], self.margin
        if accuracy >= constant + margin:
            return
        order, reached = _best_order(dev.predictions, true, self.task.labels)
        mixed_up = reached >= constant + margin
        raise GuardError(
            f"task {name!r}: the teacher's dev accuracy is {accuracy:.3f}, the majority class "
            f"alone reaches {constant:.3f} and tasks.{name}.teacher.margin asks {margin:g} more",
            f"its labels seem mixed up: in the order {', '.join(order)} it reaches {reached:.3f}"
            if mixed_up
            else "check the label order, its learning rate and its epochs",
        )


def _best_order(
    predictions: NDArray[Any], true: NDArray[Any], labels: Sequence[str]
) -> tuple[tuple[str, ...], float]:
    """The order of C labels in which predictions (N,) agree best with the truth (N,).

    Returns:
        The name that each predicted class should have had, and the accuracy then.
    """
    from scipy.optimize import linear_sum_assignment

    counts = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(counts, (predictions, true), 1)
    classes, meant = linear_sum_assignment(counts, maximize=True)
    return tuple(labels[i] for i in meant), float(counts[classes, meant].sum() / len(true))
