"""Cells and runs: the points of the grid, their keys and their seeds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

from pdbench.study.architecture import Architecture

NONE = "none"


@dataclass(frozen=True, order=True)
class Cell:
    """One point of the grid: task, method, architecture, transfer set and corpus.

    ``transfer`` and ``corpus`` are None where the method uses none. The key is made of
    these names alone, so adding anything to a study changes no other cell's key.
    """

    task: str
    method: str
    architecture: Architecture
    transfer: str | None
    corpus: str | None

    @property
    def key(self) -> str:
        """The cell's name in paths, for example "sentiment.pd.4-128.films-3k.general"."""
        parts = (self.task, self.method, self.architecture.slug, self.transfer, self.corpus)
        return ".".join(part or NONE for part in parts)

    def __str__(self) -> str:
        return self.key


@dataclass(frozen=True, order=True)
class Point:
    """One point of a stage's grid."""

    learning_rate: float
    batch_size: int

    def __str__(self) -> str:
        return f"lr{self.learning_rate:g}-b{self.batch_size}"


@dataclass(frozen=True, order=True)
class Run:
    """One trained model of a cell: one seed and one grid point for each stage."""

    cell: Cell
    seed_index: int
    points: tuple[Point, ...]

    @property
    def name(self) -> str:
        """The run's name within its cell, for example "seed0_lr0.001-b32"."""
        return f"seed{self.seed_index}_{'_'.join(map(str, self.points))}"

    @property
    def seed(self) -> int:
        """The seed of initialisation, order and dropout.

        It depends on the cell and the seed index only, so that all grid points of a cell
        meet the same randomness.
        """
        return seed_of(self.cell.key, self.seed_index)


class Start(NamedTuple):
    """The pre-trained weights that a student starts from.

    Attributes:
        corpus: What they were pre-trained on.
        architecture: Their size.
        method: The method whose own objective pre-trained them; None is masked LM alone.
    """

    corpus: str
    architecture: Architecture
    method: str | None = None

    @property
    def size(self) -> str:
        """Its name in paths below the corpus, for example "4-256" or "4-256.distilbert"."""
        slug = self.architecture.slug
        return slug if self.method is None else f"{slug}.{self.method}"

    def __str__(self) -> str:
        own = "" if self.method is None else f" by {self.method}"
        return f"{self.architecture}{own}"


class SoftLabelled(NamedTuple):
    """A text that the teacher of a task labels."""

    task: str
    text: str

    def __str__(self) -> str:
        return f"{self.task}.{self.text}"


@dataclass(frozen=True)
class Bundle:
    """Cells that share a job.

    Attributes:
        name: The task, the method, the largest size among them and a digest of their keys.
        title: The same in words.
        cells: They, small sizes first.
    """

    name: str
    title: str
    cells: tuple[Cell, ...]

    @property
    def arguments(self) -> str:
        """The keys of its cells, as its command is told them."""
        return " ".join(cell.key for cell in self.cells)


class SeedOf(NamedTuple):
    """The runs of one seed of a cell."""

    cell: Cell
    seed: int

    def __str__(self) -> str:
        return f"{self.cell.key}.seed{self.seed}"


def seed_of(*parts: object) -> int:
    """Return a 31-bit seed from sha256 of the parts; the same on every machine."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
