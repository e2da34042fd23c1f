"""Principal components of a larger model's states and embeddings: what a student fits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from pdbench.engine.bert import Bert

_ROWS = 2**15
"""Rows that are looked at together."""


@dataclass(frozen=True)
class Components:
    """The K directions (E, K) in which rows vary most, and the mean of these rows, (E,)."""

    mean: Tensor
    directions: Tensor

    @classmethod
    def of(cls, rows: Tensor, count: int) -> Components:
        """Those of rows (N, E), at most E. The sign of each makes its largest number positive.

        They are found in float64, so that machines that round otherwise find the same float32.
        """
        whole = torch.zeros(rows.shape[1], rows.shape[1], dtype=torch.float64)
        total = torch.zeros(rows.shape[1], dtype=torch.float64)
        for part in in_parts(rows):
            whole += part.T @ part
            total += part.sum(dim=0)
        mean = total / len(rows)
        _, vectors = torch.linalg.eigh(whole / len(rows) - torch.outer(mean, mean))
        found = vectors.flip(1)[:, :count]
        largest = found.gather(0, found.abs().argmax(dim=0, keepdim=True))
        return cls(mean.float(), (found * largest.sign()).float())

    def project(self, rows: Tensor) -> Tensor:
        """Rows (N, E) in these directions, (N, K)."""
        return (rows.float() - self.mean) @ self.directions


def in_parts(rows: Tensor) -> Iterator[Tensor]:
    """Rows in float64, some at a time."""
    return (rows[start : start + _ROWS].double() for start in range(0, len(rows), _ROWS))


def project_embeddings(student: Bert, model: Bert, kept: Tensor, deviation: float) -> None:
    """Give a student (H) the embeddings of a larger model in their H directions of most variance.

    ``kept`` are the word pieces that decide them. Rows are scaled until a mean one of these has
    the norm of a random one of this ``deviation``, those of positions and segments with them;
    where the model is narrower than H, the other numbers are zeros.
    """
    words = model.word_embeddings.weight.detach()
    found = Components.of(words[kept], student.shape.hidden)
    projected = found.project(words)
    scale = deviation * student.shape.hidden**0.5 / projected[kept].norm(dim=1).mean()
    others = (model.position_embeddings, model.segment_embeddings)
    rows = [projected, *(own.weight.detach() @ found.directions for own in others)]
    ours = (student.word_embeddings, student.position_embeddings, student.segment_embeddings)
    for own, new in zip(ours, rows, strict=True):
        weight = torch.zeros_like(own.weight)
        count = min(len(weight), len(new))
        weight[:count, : new.shape[1]] = (new * scale)[:count]
        own.weight.data.copy_(weight)
