"""What jobs cost, in rough seconds of one laptop core.

The constants were fitted to the times of the demo's jobs; single jobs are off by a fifth.
The order of jobs and the time left need proportions only: the display corrects the scale by
what finished jobs really took.
"""

from __future__ import annotations

from pdbench.study.architecture import Architecture
from pdbench.study.cells import Cell
from pdbench.study.config import Study

ARCHIVE = 4.0
TASK = 3.0
AUDIT = 4.0
COLLECT = 2.0
DRAW = 3.0
REPORT = 2.0

_START = 4.0  # seconds until the first step: Python, torch, data
_LAYER = 0.0026  # seconds of a step for each layer, besides its arithmetic
_WIDTH = 0.0001  # seconds of a step for each hidden unit: the word embeddings' update
_SPEED = 3.5e11  # floating-point operations a second
_TRAINING, _INFERENCE = 6, 2  # operations for each parameter and word piece
_PIECES = 28  # word pieces of a typical sentence
_ALL_ITEMS = 10_000  # of a split whose size the study leaves open
_TEACHER = Architecture(6, 384)


def text(study: Study, name: str) -> float:
    """Preparing a text."""
    return 1.0 + study.texts[name].size / 4000


def pretrain(study: Study, corpus: str, architecture: Architecture) -> float:
    """Masked-LM pre-training of one size on a corpus."""
    pieces = sum(part.tokens for part in study.corpora[corpus])
    steps = pieces / study.training.pretrain.batch_tokens
    return _START + _trained(architecture, steps, pieces)


def teacher(study: Study, task: str) -> float:
    """Fine-tuning a teacher and predicting with it."""
    labelled, settings = study.tasks[task], study.tasks[task].teacher
    items = (labelled.train or _ALL_ITEMS) * settings.epochs
    trained = _trained(_TEACHER, items / settings.batch_size, items * _PIECES)
    return soft_labels(labelled.test or _ALL_ITEMS) + trained


def soft_labels(items: int) -> float:
    """Labelling ``items`` with a teacher."""
    return _START + _INFERENCE * items * _PIECES * _TEACHER.encoder_parameters / _SPEED


def cell(study: Study, wanted: Cell) -> float:
    """Training all runs of a cell."""
    stages = study.methods[wanted.method].stages
    return _START + len(study.runs(wanted)) * sum(_stage(study, wanted, s) for s in stages)


def latency(study: Study) -> float:
    """Timing every size of the study and its teachers."""
    return _START + 1.0 * len(study.all_architectures)


def _stage(study: Study, wanted: Cell, objective: str) -> float:
    settings = study.stage(objective)
    if objective == "distill" and wanted.transfer is not None:
        items = study.transfer_sets[wanted.transfer].size
    else:
        items = study.tasks[wanted.task].train or _ALL_ITEMS
    seen = items * settings.epochs
    return _trained(wanted.architecture, seen / settings.batch_size, seen * _PIECES)


def _trained(architecture: Architecture, steps: float, pieces: float) -> float:
    arithmetic = _TRAINING * pieces * architecture.encoder_parameters / _SPEED
    fixed = _LAYER * architecture.layers + _WIDTH * architecture.hidden
    return steps * fixed + arithmetic
