"""What each job of a study computes, and its rough seconds on one laptop core.

The order of jobs, their bundling and the time left need proportions only: the display corrects
the scale by what finished jobs really took. ``pdbench plan`` puts the same counts on other
devices and says how uncertain they are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from pdbench.planning.sizes import Sizes
from pdbench.planning.work import (
    Seen,
    Work,
    classifier,
    distinct_pieces,
    masked_lm,
    prediction,
)
from pdbench.study.architecture import VOCABULARY_SIZE, Architecture
from pdbench.study.cells import Cell, SoftLabelled, Start
from pdbench.study.config import Study
from pdbench.study.methods import Stage
from pdbench.study.settings import Source

BATCH = 128  # items that are predicted together
_ITEMS_A_SECOND = 4000  # read, cut into word pieces and written
_START = Work(starts=1)
_MINILM = Architecture(6, 384)
_KNOWN = {"bert-base": Architecture(12, 768), "bert-large": Architecture(24, 1024)}
_IN_NAME = re.compile(r"L-(\d+)_H-(\d+)")


class Costs:
    """The work of every job of a study.

    Attributes:
        study: The study.
        sizes: How much data there is; assumed where nothing was counted yet.
    """

    study: Study

    def __init__(self, study: Study, sizes: Sizes | None = None) -> None:
        self.study = study
        self.sizes = sizes or Sizes(study)
        self._cells: dict[Cell, Work] = {}

    def text(self, name: str) -> Work:
        """Preparing a text."""
        return Work(seconds=1.0 + self.study.texts[name].size / _ITEMS_A_SECOND)

    def pretrain(self, start: Start) -> Work:
        """Pre-training of one size on a corpus, and asking its teacher if it has one.

        Weights that others have pre-trained are converted only.
        """
        parts = self.study.corpora[start.corpus]
        if not isinstance(parts, tuple):
            return _START
        settings = self.study.training.pretrain
        pieces = float(sum(part.tokens for part in parts))
        longest = max((self.study.texts[part.text].max_length for part in parts), default=128)
        distinct = distinct_pieces(pieces)
        seen = Seen(pieces / settings.batch_tokens, pieces / longest, pieces, distinct)
        scored = min(settings.softmax_pieces or VOCABULARY_SIZE, distinct)
        found = _START + masked_lm(start.architecture, seen, settings.masked, scored)
        taught = self.study.pretrained_by(start)
        return found if taught is None else found + prediction(taught.architecture, seen)

    def teacher(self, task: str) -> Work:
        """Fine-tuning a teacher and scoring it."""
        settings, size = self.study.tasks[task].teacher, self.teacher_size(task)
        if settings is None:
            return Work()
        trained = self._labelled(task, settings.epochs, (settings.batch_size,))
        return _START + classifier(size, trained) + self._scoring(size, task)

    def soft_labels(self, key: SoftLabelled) -> Work:
        """Labelling the first items of a text with a teacher."""
        items = self.study.items_labelled(key.text)
        seen = Seen(items / BATCH, items, items * self.sizes.text_pieces(key.text))
        return _START + prediction(self.teacher_size(key.task), seen)

    def cell(self, wanted: Cell) -> Work:
        """Training and scoring all runs of a cell."""
        if wanted not in self._cells:
            self._cells[wanted] = self._cell(wanted)
        return self._cells[wanted]

    def _cell(self, wanted: Cell) -> Work:
        run = self._scoring(wanted.architecture, wanted.task)
        trains = self.study.trained_by(wanted) == wanted
        for stage in self.study.methods[wanted.method].stages if trains else ():
            run += self._stage(wanted, stage)
        return _START + run * self.study.number_of_runs(wanted)

    def latency(self) -> Work:
        """Timing every size of the study and its teachers, on the CPU."""
        return Work(seconds=2.0 + 0.1 * len(self.study.all_architectures))

    def teacher_size(self, task: str) -> Architecture:
        """The architecture of a task's teacher, as far as its name says it."""
        teacher = self.study.tasks[task].teacher
        return _MINILM if teacher is None else size_of(teacher)

    def _stage(self, wanted: Cell, stage: Stage) -> Work:
        settings = self.study.stage(stage.settings)
        if stage.data == "transfer" and wanted.transfer is not None:
            chosen = self.study.transfer_sets[wanted.transfer]
            length = self.sizes.text_pieces(chosen.text)
            once = Seen(1, chosen.size, chosen.size * length)
            seen = _repeated(once, settings.epochs, settings.batch_size, settings.least_steps)
        else:
            seen = self._labelled(
                wanted.task, settings.epochs, settings.batch_size, settings.least_steps
            )
        found = classifier(wanted.architecture, seen)
        if stage.is_custom:  # the teacher is asked in every step, beyond its soft labels
            found += prediction(self.teacher_size(wanted.task), seen)
        return found * stage.share

    def _labelled(
        self, task: str, epochs: int, batches: Sequence[int], least_steps: int = 0
    ) -> Seen:
        items = self.sizes.items(task, "train")
        once = Seen(1, items, items * self.sizes.task_pieces(task))
        return _repeated(once, epochs, batches, least_steps)

    def _scoring(self, size: Architecture, task: str) -> Work:
        items = self.sizes.items(task, "dev") + self.sizes.items(task, "test")
        positions = items * self.sizes.task_pieces(task)
        return prediction(size, Seen(items / BATCH, items, positions))


def size_of(source: Source) -> Architecture:
    """The architecture of a teacher: from its name, else MiniLM's 6/384."""
    name = f"{source.name} {source.path or ''}".lower()
    found = _IN_NAME.search(name.upper())
    if found is not None:
        return Architecture(int(found[1]), int(found[2]))
    return next((size for word, size in _KNOWN.items() if word in name), _MINILM)


def _repeated(once: Seen, epochs: int, batches: Sequence[int], least_steps: int) -> Seen:
    """Data gone through several times, in batches whose size is the mean over a grid."""
    a_step = sum(1 / batch for batch in batches) / len(batches)
    steps = math.ceil(once.items * epochs * a_step)
    times = epochs * max(1.0, least_steps / max(1, steps))
    positions, distinct = once.positions * times, distinct_pieces(once.positions)
    return Seen(max(steps, least_steps), once.items * times, positions, distinct)
