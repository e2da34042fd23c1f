"""The sizes of BERT that the paper varies, and what they cost in parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass

VOCABULARY_SIZE = 30_522
_POSITIONS = 512
_SEGMENTS = 2
HEAD_WIDTH = 64

_PATTERN = re.compile(r"([1-9]\d*)/([1-9]\d*)")


@dataclass(frozen=True, order=True)
class Architecture:
    """A BERT encoder of ``layers`` layers and hidden size ``hidden`` ("4/256").

    Heads are H/64 (at least one) and the feed-forward size is 4H, as in the paper's table
    of student sizes.
    """

    layers: int
    hidden: int

    @classmethod
    def parse(cls, text: str) -> Architecture:
        """Read "L/H".

        Raises:
            ValueError: ``text`` is not two positive integers around a slash, or the
                hidden size does not divide into its heads.
        """
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no architecture: write layers/hidden, like 4/256")
        return cls(int(match[1]), checked_width(int(match[2])))

    @property
    def heads(self) -> int:
        """Attention heads: H/64, and one below 64."""
        return max(1, self.hidden // HEAD_WIDTH)

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
        attention = 4 * (h * h + h)
        feed_forward = h * f + f + f * h + h
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
    """Return a hidden size that divides into heads of 64.

    Raises:
        ValueError: It is above 64 and no multiple of it.
    """
    if hidden > HEAD_WIDTH and hidden % HEAD_WIDTH:
        raise ValueError(f"hidden size {hidden} is no multiple of {HEAD_WIDTH}")
    return hidden


PAPER_ARCHITECTURES: tuple[Architecture, ...] = tuple(
    Architecture(layers, hidden)
    for hidden in (128, 256, 512, 768)
    for layers in (2, 4, 6, 8, 10, 12)
)
"""The 24 sizes of the paper."""
