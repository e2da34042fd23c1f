"""What jobs cost, in rough seconds of one core of a laptop.

The order of jobs and the time left need proportions only: the display corrects the scale
by what finished jobs really took.
"""

from __future__ import annotations

from pdbench.study.architecture import Architecture
from pdbench.study.cells import Cell
from pdbench.study.config import Study

ARCHIVE = 5.0
TASK = 15.0
AUDIT = 10.0
COLLECT = 5.0
DRAW = 5.0
REPORT = 5.0

_START = 4.0  # seconds to start Python and import torch
_FLOPS = 2e10  # floating-point operations a second of one core, in small matrices
_STEP = 0.004  # seconds of a training step besides its arithmetic
_PIECES = 28  # word pieces of a typical sentence
_TEACHER = Architecture(6, 384)
_TRAINING = 6  # operations for each parameter and word piece: forward 2, backward 4
_FORWARD = 2


def text(study: Study, name: str) -> float:
    """Preparing a text."""
    return 8.0 + study.texts[name].size / 2000


def pretrain(study: Study, corpus: str, architecture: Architecture) -> float:
    """Masked-LM pre-training of one size on a corpus."""
    settings = study.training.pretrain
    pieces = sum(part.tokens for part in study.corpora[corpus])
    scored = (settings.softmax_pieces or 30_522) * architecture.hidden * settings.masked
    arithmetic = _TRAINING * pieces * (architecture.encoder_parameters + scored) / _FLOPS
    return _START + arithmetic + pieces / settings.batch_tokens * _STEP


def teacher(study: Study, task: str) -> float:
    """Fine-tuning a teacher and predicting with it."""
    labelled = study.tasks[task]
    pieces = (labelled.train or 10_000) * labelled.teacher.epochs * _PIECES
    return _START + _TRAINING * pieces * _TEACHER.encoder_parameters / _FLOPS


def soft_labels(items: int) -> float:
    """Labelling ``items`` with a teacher."""
    return _START + _FORWARD * items * _PIECES * _TEACHER.encoder_parameters / _FLOPS


def cell(study: Study, wanted: Cell) -> float:
    """Training all runs of a cell."""
    stages = study.methods[wanted.method].stages
    return _START + len(study.runs(wanted)) * sum(_stage(study, wanted, s) for s in stages)


def latency(study: Study) -> float:
    """Timing every size of the study."""
    return _START + 2.0 * len(study.all_architectures)


def _stage(study: Study, wanted: Cell, objective: str) -> float:
    settings = study.stage(objective)
    if objective == "distill" and wanted.transfer is not None:
        items = study.transfer_sets[wanted.transfer].size
    else:
        items = study.tasks[wanted.task].train or 10_000
    seen = items * settings.epochs
    arithmetic = _TRAINING * seen * _PIECES * wanted.architecture.encoder_parameters / _FLOPS
    return arithmetic + seen / settings.batch_size * _STEP
