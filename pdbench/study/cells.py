"""The points of the grid: sizes of BERT, cells and runs, their keys and their seeds."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import NamedTuple

VOCABULARY_SIZE = 30_522
_POSITIONS = 512
_SEGMENTS = 2
_HEAD_WIDTH = 64


@dataclass(frozen=True, order=True)
class Architecture:
    """A BERT encoder of ``layers`` layers and hidden size ``hidden`` ("4/256").

    Heads are H/64 and the feed-forward size is 4H, as in the paper's table of student sizes.
    """

    layers: int
    hidden: int

    @classmethod
    def parse(cls, text: str) -> Architecture:
        """Read "L/H"; ValueError where it is none, or the hidden size divides into no heads."""
        match = re.fullmatch(r"([1-9]\d{0,2})/([1-9]\d{0,4})", text, re.ASCII)
        if match is None:
            raise ValueError(f"{text!r} is no architecture: write layers/hidden, like 4/256")
        return cls(int(match[1]), checked_width(int(match[2])))

    @property
    def heads(self) -> int:
        """Attention heads, at least one."""
        return max(1, self.hidden // _HEAD_WIDTH)

    @property
    def feed_forward(self) -> int:
        """Inner size of the feed-forward block: 4H."""
        return 4 * self.hidden

    @property
    def slug(self) -> str:
        """The name used in file names: "4-256"."""
        return f"{self.layers}-{self.hidden}"

    @property
    def encoder_parameters(self) -> int:
        """Parameters of the transformer layers alone."""
        h, f = self.hidden, self.feed_forward
        attention, feed_forward = 4 * (h * h + h), h * f + f + f * h + h
        return self.layers * (attention + feed_forward + 4 * h)

    def parameters(self, vocabulary: int = VOCABULARY_SIZE) -> int:
        """Parameters as the paper counts them: embeddings, layers, pooler and MLM head.

        The head's output matrix is tied to the word embeddings, so it adds one dense
        layer, a layer norm and one bias per word piece.
        """
        h = self.hidden
        embeddings = (vocabulary + _POSITIONS + _SEGMENTS) * h + 2 * h
        pooler = h * h + h
        head = h * h + h + 2 * h + vocabulary
        return embeddings + self.encoder_parameters + pooler + head

    def __str__(self) -> str:
        return f"{self.layers}/{self.hidden}"


def checked_width(hidden: int) -> int:
    """Return a hidden size that divides into heads; ValueError where it does not."""
    if hidden > _HEAD_WIDTH and hidden % _HEAD_WIDTH:
        raise ValueError(f"hidden size {hidden} is no multiple of {_HEAD_WIDTH}")
    return hidden


PAPER_ARCHITECTURES: tuple[Architecture, ...] = tuple(
    Architecture(layers, hidden)
    for hidden in (128, 256, 512, 768)
    for layers in (2, 4, 6, 8, 10, 12)
)
"""The 24 sizes of the paper."""


@dataclass(frozen=True, order=True)
class Cell:
    """One point of the grid; ``transfer`` and ``corpus`` are None where the method uses none.

    The key is made of these names alone, so adding anything to a study changes no other's.
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
        return ".".join(part or "none" for part in parts)

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
    """One trained model of a cell: one seed number, and one grid point for each stage."""

    cell: Cell
    seed_number: int
    points: tuple[Point, ...]

    @property
    def name(self) -> str:
        """The run's name within its cell: "seed0_lr0.001-b32", or "seed0" of an imported one."""
        return "_".join(filter(None, (f"seed{self.seed_number}", self.point)))

    @property
    def point(self) -> str:
        """The name of its grid point, which runs of other seed numbers share."""
        return "_".join(map(str, self.points))

    @property
    def seed(self) -> int:
        """The seed of first weights, order and dropout: of task, size and seed number alone.

        So runs of one number share their random numbers, whatever their method, transfer set,
        corpus or grid point, and a renamed method draws no new ones.
        """
        return seed_of(self.cell.task, self.cell.architecture, self.seed_number)


def point_of(run: str) -> str:
    """The name of the grid point of a run, from the run's own."""
    return run.partition("_")[2]


class Start(NamedTuple):
    """The pre-trained weights that a student starts from.

    ``seed_number`` is that of the runs that start from them, and None of released weights, which
    are what they are; ``method`` is whose own objective pre-trained them, None masked LM alone.
    """

    corpus: str
    architecture: Architecture
    seed_number: int | None
    method: str | None = None

    @property
    def size(self) -> str:
        """Its name in paths below the corpus: "4-256.seed0", or "4-256" of released weights."""
        number = None if self.seed_number is None else f"seed{self.seed_number}"
        return ".".join(filter(None, (self.architecture.slug, self.method, number)))

    @property
    def seed(self) -> int:
        """The seed of first weights, order and masks: the same for every objective."""
        return seed_of("pretrain", self.corpus, self.architecture, self.seed_number)

    def __str__(self) -> str:
        own = "" if self.method is None else f" by {self.method}"
        number = "" if self.seed_number is None else f", seed {self.seed_number}"
        return f"{self.architecture}{own}{number}"


class SoftLabelled(NamedTuple):
    """A text that the teacher of a task labels."""

    task: str
    text: str

    def __str__(self) -> str:
        return f"{self.task}.{self.text}"


@dataclass(frozen=True)
class Bundle:
    """Cells that share a job, small sizes first."""

    name: str  # of the task, the method, the largest size among them and a digest of their keys
    title: str  # says the same in words
    cells: tuple[Cell, ...]


class SeedOf(NamedTuple):
    """The runs of one seed number of a cell."""

    cell: Cell
    seed_number: int

    def __str__(self) -> str:
        return f"{self.cell.key}.seed{self.seed_number}"


def seed_of(*parts: object) -> int:
    """Return a 31-bit seed from sha256 of the parts; the same on every machine."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
