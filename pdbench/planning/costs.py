"""What each job of a study computes, counted by kind, from the data that there are.

The counts follow from the architecture and the data alone; what they cost on a device is said
by :mod:`pdbench.planning.machines`. Shapes: L layers of width H with A heads, T positions
(word pieces, padding counted) in N items.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pdbench.core.entries import read_record
from pdbench.core.errors import DataError
from pdbench.study.catalogue.glue import GLUE, glue_name
from pdbench.study.cells import VOCABULARY_SIZE, Architecture, Cell, SoftLabelled, Start
from pdbench.study.config import Study
from pdbench.study.methods import Stage
from pdbench.study.settings import Source

COUNTED = ("products", "traffic", "updates", "launches", "starts")
"""The counts of :class:`Work` that take a time on a device, in the order of its fields."""

_TRAINING = 3  # passes: a backward pass computes twice what the forward one does
_BESIDE = 20  # numbers of width H that a layer reads or writes for a position beside its products
_SCORES = 1  # the same for each attention weight: what fused softmax and dropout leave
_HEADS = 1  # embeddings and output start about as much on a device as a layer
_HEAPS = 30  # distinct pieces in n of English are about 30 sqrt(n) (Heaps' law; the demo's texts)


@dataclass(frozen=True, slots=True)
class Work:
    """Counts of everything that takes time."""

    products: float = 0.0  # floating-point operations of matrix products; a multiply-add is two
    traffic: float = 0.0  # numbers read or written by everything between the products
    updates: float = 0.0  # parameters that the optimiser updates, counted again in every step
    launches: float = 0.0  # layers that are started, counted again in every step
    starts: float = 0.0  # processes and runs that begin
    seconds: float = 0.0  # that no accelerator changes, such as those of a download

    def __add__(self, other: Work) -> Work:
        pairs = zip((*self.counts, self.seconds), (*other.counts, other.seconds), strict=True)
        return Work(*(one + more for one, more in pairs))

    def __mul__(self, times: float) -> Work:
        return Work(*(count * times for count in (*self.counts, self.seconds)))

    @property
    def counts(self) -> tuple[float, ...]:
        """The counts of :data:`COUNTED`."""
        return self.products, self.traffic, self.updates, self.launches, self.starts


@dataclass(frozen=True, slots=True)
class Seen:
    """The data that a stage goes through."""

    steps: float  # updates, or batches of a pass without updates
    items: float  # counted again in every epoch
    positions: float  # word pieces of all of them, with padding
    distinct: float = VOCABULARY_SIZE  # different word pieces: the embeddings that are updated


def distinct_pieces(pieces: float) -> float:
    """How many different word pieces occur among ``pieces`` of English text, roughly."""
    return min(float(VOCABULARY_SIZE), _HEAPS * math.sqrt(pieces))


def classifier(size: Architecture, seen: Seen) -> Work:
    """Training a classifier, whose last layer computes the first position of each item alone."""
    return _with_updates(size, seen, *_encoder(size, seen, first_only=True))


def masked_lm(size: Architecture, seen: Seen, masked: float, predicted: float) -> Work:
    """Masked-LM training; a share of the positions is ``masked``, and so many pieces predicted."""
    products, traffic = _encoder(size, seen, first_only=False)
    asked = masked * seen.positions
    products += asked * 2 * size.hidden * (size.hidden + predicted)
    traffic += asked * _SCORES * predicted
    return _with_updates(size, seen, products, traffic)


def fitting(size: Architecture, seen: Seen, dimensions: float) -> Work:
    """Training on a larger model's states: at every position so many numbers are predicted."""
    return masked_lm(size, seen, 1.0, dimensions)


def _with_updates(size: Architecture, seen: Seen, products: float, traffic: float) -> Work:
    """Updates by what one forward pass computes and moves."""
    trained = size.encoder_parameters + seen.distinct * size.hidden
    return Work(
        products=_TRAINING * products,
        traffic=_TRAINING * traffic,
        updates=seen.steps * trained,
        launches=seen.steps * (size.layers + _HEADS),
    )


def _prediction(size: Architecture, seen: Seen, *, first_only: bool = True) -> Work:
    """Forward passes, by default those of a classifier."""
    products, traffic = _encoder(size, seen, first_only=first_only)
    return Work(products, traffic, launches=seen.steps * (size.layers + _HEADS) / _TRAINING)


def _encoder(size: Architecture, seen: Seen, *, first_only: bool) -> tuple[float, float]:
    """Operations of the products, and numbers moved between them, of one forward pass.

    12 H^2 are a layer's weights: 3 H^2 of queries, keys and values, H^2 behind the attention,
    8 H^2 of the feed-forward block; scores and weighted values take 4 H operations for each
    pair of positions. ``first_only`` leaves out what a classifier's last layer does not need.
    """
    h, length = size.hidden, seen.positions / max(1.0, seen.items)
    layer = seen.positions * (24 * h**2 + 4 * h * length)
    moved = seen.positions * (_BESIDE * h + _SCORES * size.heads * length)
    if not first_only:
        return size.layers * layer, size.layers * moved
    last = seen.positions * (6 * h**2 + 4 * h) + seen.items * 18 * h**2
    moved_last = (0.25 * seen.positions + 0.75 * seen.items) * _BESIDE * h
    return (size.layers - 1) * layer + last, (size.layers - 1) * moved + moved_last


_FILLED = 0.42  # share of max_length that a mean item fills: the demo's sentences and pairs
_UNCERTAINTY = 0.4  # of sizes that are assumed, as below: half as much again or less
_ANY = 10_000  # items of a split of which nothing is known
# Items of published data that are not GLUE's, by the name that a task gives.
_OTHERS = {"squad": {"train": 87_599, "dev": 10_570, "test": 10_570}}


class Sizes:
    """The items and lengths of a study's data: what its audit counted, else assumed."""

    def __init__(self, study: Study, audit: dict[str, Any] | None = None) -> None:
        self._study, self._audit = study, audit or {}

    @classmethod
    def counted(cls, study: Study, path: Path) -> Sizes:
        """The sizes that an audit counted, if its file is there and whole."""
        try:
            return cls(study, read_record(path.parent))
        except DataError:
            return cls(study)

    @property
    def uncertainty(self) -> float:
        """Standard deviation of the logarithm of the amount of data: none once counted."""
        return 0.0 if self._audit else _UNCERTAINTY

    def items(self, task: str, split: str) -> int:
        """Items of a split of a task."""
        if (counted := self._split(task, split)) is not None:
            return int(counted["items"])
        settings = self._study.tasks[task]
        wanted: int | None = getattr(settings, split)
        known = _published(settings.configuration or "") or _published(settings.name)
        most = known.get(split, _ANY)
        return most if wanted is None else min(wanted, most) if known else wanted

    def task_pieces(self, task: str) -> float:
        """Mean word pieces of a task's item."""
        assumed = _FILLED * self._study.tasks[task].max_length
        return _mean_pieces(self._split(task, "train")) or assumed

    def text_pieces(self, text: str) -> float:
        """Mean word pieces of a text's item."""
        settings = self._study.texts[text]
        assumed = settings.max_length * (1.0 if settings.split else _FILLED)
        return _mean_pieces(self._audit.get("texts", {}).get(text)) or assumed

    def _split(self, task: str, split: str) -> Any:
        return self._audit.get("tasks", {}).get(task, {}).get("splits", {}).get(split)


def _mean_pieces(counted: dict[str, Any] | None) -> float | None:
    return counted["pieces"] / counted["items"] if counted and counted["items"] else None


def _published(name: str) -> Mapping[str, int]:
    known = name.rpartition("/")[2]
    glue = glue_name(known)
    return _OTHERS.get(known.lower(), {}) if glue is None else GLUE[glue].items


_BATCH = 128  # items that are predicted together
_START = Work(starts=1)
_MINILM = Architecture(6, 384)
_KNOWN = {"bert-base": Architecture(12, 768), "bert-large": Architecture(24, 1024)}


class Costs:
    """The work of the jobs that run models; sizes are assumed where nothing was counted yet."""

    def __init__(self, study: Study, sizes: Sizes | None = None) -> None:
        self.study, self.sizes = study, sizes or Sizes(study)
        self._cells: dict[tuple[Cell, int | None], Work] = {}

    def pretrain(self, start: Start) -> Work:
        """Pre-training of one size on a corpus, and asking its teacher if it has one.

        Weights that others have pre-trained are converted only.
        """
        parts = self.study.corpus_parts(start.corpus)
        if not parts:
            return _START
        fits = self.study.fitted_on(start.corpus)
        settings, fit = self.study.training.pretrain, self.study.training.fit
        pieces = float(sum(part.tokens for part in parts))
        longest = max(self.study.texts[part.text].max_length for part in parts)
        distinct = distinct_pieces(pieces)
        together = fit.batch_tokens if fits else settings.batch_tokens
        seen = Seen(pieces / together, pieces / longest, pieces, distinct)
        if fits:
            return _START + fitting(start.architecture, seen, fit.dimensions)
        scored = min(settings.softmax_pieces or VOCABULARY_SIZE, distinct)
        found = _START + masked_lm(start.architecture, seen, settings.masked, scored)
        taught = self.study.pretrained_by(start)
        return found if taught is None else found + _prediction(taught.architecture, seen)

    def states(self, corpus: str) -> Work:
        """Computing the hidden states of a corpus's texts with the model that students fit."""
        chosen, items = self.study.fitted_on(corpus), sum(items for _, items in self._items(corpus))
        assert chosen is not None
        seen = Seen(items / _BATCH, items, self.pieces(corpus))
        return _START + _prediction(_size_of(chosen.fits), seen, first_only=False)

    def pieces(self, corpus: str) -> float:
        """Word pieces of the texts of a corpus, each once."""
        return sum(items * self.sizes.text_pieces(text) for text, items in self._items(corpus))

    def _items(self, corpus: str) -> list[tuple[str, int]]:
        parts = self.study.corpus_parts(corpus)
        return [(part.text, part.size or self.study.texts[part.text].size) for part in parts]

    def teacher(self, task: str) -> Work:
        """Fine-tuning a teacher and scoring it."""
        settings, size = self.study.tasks[task].teacher, self.teacher_size(task)
        if settings is None:
            return Work()
        trained = _repeated(self._labelled(task), settings.epochs, (settings.batch_size,))
        return _START + classifier(size, trained) + self._scoring(size, task)

    def soft_labels(self, key: SoftLabelled) -> Work:
        """Labelling the first items of a text with a teacher."""
        items = self.study.items_labelled(key.text)
        seen = Seen(items / _BATCH, items, items * self.sizes.text_pieces(key.text))
        return _START + _prediction(self.teacher_size(key.task), seen)

    def cell(self, wanted: Cell, seed_number: int | None = None) -> Work:
        """Training and scoring all runs of a cell, or of one seed number of it."""
        key = wanted, seed_number
        if key not in self._cells:
            runs = partial(self.study.number_of_runs, *key)
            found = _START + self._scoring(wanted.architecture, wanted.task) * runs()
            method = self.study.methods[wanted.method]
            trains = self.study.trained_by(wanted) == wanted
            for number, stage in enumerate(method.stages if trains else ()):
                alike = number + 1 if number < method.shared_stages else None
                found += self._stage(wanted, stage) * runs(alike)
            self._cells[key] = found
        return self._cells[key]

    def teacher_size(self, task: str) -> Architecture:
        """The architecture of a task's teacher, as far as its name says it."""
        teacher = self.study.tasks[task].teacher
        return _MINILM if teacher is None else _size_of(teacher)

    def _stage(self, wanted: Cell, stage: Stage) -> Work:
        settings = self.study.stage(stage.settings)
        if stage.data == "transfer" and wanted.transfer is not None:
            chosen = self.study.transfer_sets[wanted.transfer]
            once = Seen(1, chosen.size, chosen.size * self.sizes.text_pieces(chosen.text))
        else:
            once = self._labelled(wanted.task)
        seen = _repeated(once, settings.epochs, settings.batch_size, settings.least_steps)
        found = classifier(wanted.architecture, seen)
        if stage.is_custom:  # the teacher is asked in every step, beyond its soft labels
            found += _prediction(self.teacher_size(wanted.task), seen)
        return found * stage.share

    def _labelled(self, task: str) -> Seen:
        items = self.sizes.items(task, "train")
        return Seen(1, items, items * self.sizes.task_pieces(task))

    def _scoring(self, size: Architecture, task: str) -> Work:
        items = self.sizes.items(task, "dev") + self.sizes.items(task, "test")
        positions = items * self.sizes.task_pieces(task)
        return _prediction(size, Seen(items / _BATCH, items, positions))


def _size_of(source: Source) -> Architecture:
    """The architecture of a teacher: from its name, else MiniLM's 6/384."""
    name = f"{source.name} {source.path or ''}".lower()
    found = re.search(r"l-(\d+)_h-(\d+)", name)
    if found is not None:
        return Architecture(int(found[1]), int(found[2]))
    return next((size for word, size in _KNOWN.items() if word in name), _MINILM)


def _repeated(once: Seen, epochs: int, batches: Sequence[int], least_steps: int = 0) -> Seen:
    """Data gone through several times, in batches whose size is the mean over a grid."""
    a_step = sum(1 / batch for batch in batches) / len(batches)
    steps = math.ceil(once.items * epochs * a_step)
    times = epochs * max(1.0, least_steps / max(1, steps))
    positions, distinct = once.positions * times, distinct_pieces(once.positions)
    return Seen(max(steps, least_steps), once.items * times, positions, distinct)
