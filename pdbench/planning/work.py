"""What a job computes, counted by kind: operations, numbers moved, updates, layers started.

The counts follow from the architecture and the data alone; what they cost on a device is said
by :mod:`pdbench.planning.machines`. Shapes: L layers of width H with A heads, T positions
(word pieces, padding counted) in N items.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from dataclasses import dataclass

from pdbench.study.architecture import HEAD_WIDTH, VOCABULARY_SIZE, Architecture

COUNTED = ("products", "traffic", "updates", "launches", "starts")
"""The counts of :class:`Work` that take a time on a device, in the order of its fields."""

_TRAINING, _INFERENCE = 3, 1  # passes: a backward pass computes twice what the forward one does
_BESIDE = 20  # numbers of width H that a layer reads or writes for a position beside its products
_SCORES = 1  # the same for each attention weight: what fused softmax and dropout leave
_HEADS = 1  # embeddings and output start about as much on a device as a layer
_HEAPS = 30  # distinct pieces in n of English are about 30 sqrt(n) (Heaps' law; the demo's texts)


@dataclass(frozen=True, slots=True)
class Work:
    """Counts of everything that takes time.

    Attributes:
        products: Floating-point operations of matrix products; a multiply-add is two.
        traffic: Numbers read or written by everything between the products.
        updates: Parameters that the optimiser updates, counted again in every step.
        launches: Layers that are started, counted again in every step.
        starts: Processes and runs that begin.
        seconds: Time that no accelerator changes, such as a download.
    """

    products: float = 0.0
    traffic: float = 0.0
    updates: float = 0.0
    launches: float = 0.0
    starts: float = 0.0
    seconds: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(
            *map(operator.add, (*self.counts, self.seconds), (*other.counts, other.seconds))
        )

    def __mul__(self, times: float) -> Work:
        return Work(*(count * times for count in (*self.counts, self.seconds)))

    @property
    def counts(self) -> tuple[float, ...]:
        """The counts of :data:`COUNTED`."""
        return self.products, self.traffic, self.updates, self.launches, self.starts


def total(works: Iterable[Work]) -> Work:
    """The sum of some work."""
    return sum(works, start=Work())


@dataclass(frozen=True, slots=True)
class Seen:
    """The data that a stage goes through.

    Attributes:
        steps: Updates, or batches of a pass without updates.
        items: Items, counted again in every epoch.
        positions: Word pieces of all of them, with padding.
        distinct: Different word pieces among them: the embeddings that are updated.
    """

    steps: float
    items: float
    positions: float
    distinct: float = VOCABULARY_SIZE

    @property
    def length(self) -> float:
        """Mean length of an item."""
        return self.positions / max(1.0, self.items)


def distinct_pieces(pieces: float) -> float:
    """How many different word pieces occur among ``pieces`` of English text, roughly."""
    return min(float(VOCABULARY_SIZE), _HEAPS * math.sqrt(pieces))


def classifier(size: Architecture, seen: Seen) -> Work:
    """Training a classifier, whose last layer computes the first position of each item alone."""
    return _with_updates(size, seen, *_encoder(size, seen, first_only=True))


def masked_lm(size: Architecture, seen: Seen, masked: float, predicted: float) -> Work:
    """Masked-LM training.

    Args:
        size: The model's size.
        seen: The data.
        masked: Share of the positions that are predicted.
        predicted: Word pieces that are scored at each of them.
    """
    products, traffic = _encoder(size, seen, first_only=False)
    asked = masked * seen.positions
    products += asked * 2 * size.hidden * (size.hidden + predicted)
    traffic += asked * _SCORES * predicted
    return _with_updates(size, seen, products, traffic)


def _with_updates(size: Architecture, seen: Seen, products: float, traffic: float) -> Work:
    """Updates by what one forward pass computes and moves."""
    trained = size.encoder_parameters + seen.distinct * size.hidden
    return Work(
        products=_TRAINING * products,
        traffic=_TRAINING * traffic,
        updates=seen.steps * trained,
        launches=seen.steps * (size.layers + _HEADS),
    )


def prediction(size: Architecture, seen: Seen) -> Work:
    """Forward passes of a classifier."""
    products, traffic = _encoder(size, seen, first_only=True)
    launches = seen.steps * (size.layers + _HEADS) / _TRAINING
    return Work(_INFERENCE * products, _INFERENCE * traffic, launches=launches)


def _encoder(size: Architecture, seen: Seen, *, first_only: bool) -> tuple[float, float]:
    """Operations of the products, and numbers moved between them, of one forward pass.

    12 H^2 are a layer's weights: 3 H^2 of queries, keys and values, H^2 behind the attention,
    8 H^2 of the feed-forward block; scores and weighted values take 4 H operations for each
    pair of positions. ``first_only`` leaves out what a classifier's last layer does not need.
    """
    h, heads = size.hidden, max(1, size.hidden // HEAD_WIDTH)
    layer = seen.positions * (24 * h**2 + 4 * h * seen.length)
    moved = seen.positions * (_BESIDE * h + _SCORES * heads * seen.length)
    if not first_only:
        return size.layers * layer, size.layers * moved
    last = seen.positions * (6 * h**2 + 4 * h) + seen.items * 18 * h**2
    moved_last = (0.25 * seen.positions + 0.75 * seen.items) * _BESIDE * h
    return (size.layers - 1) * layer + last, (size.layers - 1) * moved + moved_last
