"""AdamW (Loshchilov and Hutter, 2019) on torch's fused kernel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

BETAS, EPSILON = (0.9, 0.999), 1e-6  # Devlin et al., 2019


class AdamW:
    """torch.optim.AdamW's updates through its functional form.

    The class form imports torch._dynamo when it is made, most of a second of every job;
    a cell of small students trains for less.

    Args:
        parameters: What to train. Vectors (biases and norms) are never decayed.
        weight_decay: Decoupled decay of the matrices.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], weight_decay: float) -> None:
        trained = [p for p in parameters if p.requires_grad]
        self._groups = [
            _ParameterGroup([p for p in trained if p.ndim > 1], weight_decay),
            _ParameterGroup([p for p in trained if p.ndim <= 1], 0.0),
        ]

    def step(self, learning_rate: float, clip: float) -> None:
        """Update every parameter that has a gradient, and drop the gradients.

        Args:
            learning_rate: The rate of this update.
            clip: Largest norm of all gradients together; longer ones are scaled down to it.
        """
        found = [p.grad for group in self._groups for p in group.parameters if p.grad is not None]
        # The kernel divides as it reads, which saves a pass over all gradients.
        divisor = (nn.utils.get_total_norm(found) / clip).clamp_(min=1)
        for group in self._groups:
            group.step(learning_rate, divisor)

    def tensors(self) -> dict[str, Tensor]:
        """Moments and step counts by name; overwriting them restores a saved optimiser."""
        return {
            f"{number}.{name}": tensor
            for number, group in enumerate(self._groups)
            for name, tensor in group.tensors()
        }


class _ParameterGroup:
    def __init__(self, parameters: list[nn.Parameter], weight_decay: float) -> None:
        self.parameters = parameters
        self._decay = weight_decay
        self._means = [torch.zeros_like(p) for p in parameters]
        self._squares = [torch.zeros_like(p) for p in parameters]
        self._steps = [torch.zeros((), device=p.device) for p in parameters]

    @torch.no_grad()
    def step(self, learning_rate: float, divisor: Tensor) -> None:
        moved = [i for i, p in enumerate(self.parameters) if p.grad is not None]
        adamw(
            [self.parameters[i] for i in moved],
            [_gradient(self.parameters[i]) for i in moved],
            [self._means[i] for i in moved],
            [self._squares[i] for i in moved],
            [],
            [self._steps[i] for i in moved],
            fused=True,
            grad_scale=divisor,
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=learning_rate,
            weight_decay=self._decay,
            eps=EPSILON,
            maximize=False,
        )
        for parameter in self.parameters:
            parameter.grad = None

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        kinds = {"mean": self._means, "square": self._squares, "steps": self._steps}
        for kind, tensors in kinds.items():
            for i, tensor in enumerate(tensors):
                yield f"{i}.{kind}", tensor


def _gradient(parameter: nn.Parameter) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad
