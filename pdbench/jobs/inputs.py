"""Digests of what training jobs read, as their records keep them."""

from __future__ import annotations

from pathlib import Path

from pdbench.core.files import read_json
from pdbench.data.prepared import SPLITS
from pdbench.jobs.record import read_record
from pdbench.jobs.students import CellData
from pdbench.study import Cell, Start, Study
from pdbench.workflow import Paths

WEIGHTS = "model.safetensors"


def task_digests(paths: Paths, task: str) -> dict[str, str]:
    """Of a task's splits, by split."""
    folder = paths.task(task)
    return {split: tokens_digest(folder / split) for split in SPLITS}


def tokens_digest(folder: Path) -> str:
    """Of tokens: the digest that opening them verifies."""
    found: str = read_json(folder / "tokens.json")["digest"]
    return found


def _corpus_digests(study: Study, paths: Paths, corpus: str) -> dict[str, str]:
    texts = [paths.text(part.text) for part in study.corpus_parts(corpus)]
    return {f"corpus.{i}": tokens_digest(text) for i, text in enumerate(texts)}


def pretraining_digests(study: Study, paths: Paths, start: Start) -> dict[str, str]:
    """Of a corpus, and of the model that teaches a pre-trained student if one does."""
    found = _corpus_digests(study, paths, start.corpus)
    teacher = study.pretrained_by(start)
    if teacher is not None:
        found["teacher"] = weights_digest(paths.pretrained(teacher))
    return found


def weights_digest(folder: Path) -> str:
    """Of a model's weights, from its record."""
    return read_record(folder / "record.json").outputs[WEIGHTS]


def cell_digests(study: Study, paths: Paths, data: CellData, chosen: Cell) -> dict[str, str]:
    """Of all that the runs of a cell read."""
    found = task_digests(paths, chosen.task)
    found |= {n.removesuffix("_predictions.npy"): t.digest for n, t in data.others.items()}
    if chosen.transfer is not None:
        text = study.transfer_sets[chosen.transfer].text
        found["soft_labels"] = read_json(paths.soft_labels(chosen.task, text) / "soft_labels.json")[
            "digest"
        ]
    if data.checkpoint is not None:
        found["checkpoint"] = weights_digest(data.checkpoint)
    if data.teacher is not None:
        found["teacher"] = weights_digest(paths.teacher(chosen.task))
    return found
