"""How much disk the jobs of a study fill."""

from __future__ import annotations

from pdbench.planning.costs import Costs
from pdbench.planning.sizes import Sizes
from pdbench.study.architecture import Architecture
from pdbench.study.cells import Start
from pdbench.study.config import Study
from pdbench.study.kinds import kind_of_task
from pdbench.workflow.graph import Graph, Key

_ARCHIVE = 100e6  # the largest of the embedded archives has 84 MB
_TOKENIZER = 1e6  # vocabulary and tokenizer beside a checkpoint
_RECORD = 12e3  # a run's record, its log and their folders
_DRAWN = 0.5e6  # the files of a table or figure
_WEIGHT = 4  # bytes of a stored weight
_PIECE = 2  # bytes of a stored word piece
_LETTERS = 4.0  # bytes of compressed text for each piece, sentences and their order
_PROBABILITY = 2  # bytes of a soft label
_MOMENTS = 3  # a saved state has the weights and two moments of each


def bytes_of(study: Study, sizes: Sizes) -> dict[Key, float]:
    """The bytes that each job leaves on disk, by its key."""
    return {key: _bytes(study, sizes, key) for key in Graph(study).nodes}


def states_of(study: Study, sizes: Sizes) -> dict[Key, float]:
    """The bytes of the state that each training job saves for as long as it runs, by its key.

    The state before it is kept until the new one is whole, so there are two.
    """
    found = {("pretrain", f"{s.corpus}.{s.size}"): s.architecture for s in study.pretrained}
    found |= {("cell", cell.key): cell.architecture for cell in study.seeds}
    found |= {("teacher", task): Costs(study, sizes).teacher_size(task) for task in study.taught}
    return {key: 2 * _MOMENTS * _checkpoint(size) for key, size in found.items()}


def _bytes(study: Study, sizes: Sizes, key: Key) -> float:
    rule, name = key
    if rule == "archive":
        return _ARCHIVE
    if rule == "task":
        items = sum(sizes.items(name, split) for split in ("train", "dev", "test"))
        return items * sizes.task_pieces(name) * (_PIECE + _LETTERS)
    if rule == "text":
        return study.texts[name].size * sizes.text_pieces(name) * (_PIECE + _LETTERS)
    if rule == "pretrain":
        corpus, _, size = name.partition(".")
        return _checkpoint(Start.parse(corpus, size).architecture) + _TOKENIZER
    if rule == "teacher":
        return _checkpoint(Costs(study, sizes).teacher_size(name)) + _TOKENIZER
    if rule == "soft_labels":
        task, _, text = name.partition(".")
        return study.soft_labelled()[task, text] * _soft_labels(study, sizes, task, text)
    if rule == "cell":
        chosen = study.cells[name]
        predictions = 2 * sizes.items(chosen.task, "test")
        return study.number_of_runs(chosen) * (_RECORD + predictions)
    return _DRAWN


def _soft_labels(study: Study, sizes: Sizes, task: str, text: str) -> float:
    """Bytes of one item's soft labels."""
    settings = study.tasks[task]
    numbers = kind_of_task(settings).soft_labels(settings, sizes.text_pieces(text))
    return float(numbers * _PROBABILITY)


def _checkpoint(size: Architecture) -> float:
    return float(_WEIGHT * size.parameters())
