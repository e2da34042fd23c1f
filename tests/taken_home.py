"""An exported student in transformers, asked what its run was asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from pdbench.data.splits import stored_sides
from pdbench.jobs.record import best_runs
from pdbench.study import Cell, Run, Study
from pdbench.workflow import Paths

Texts = list[str] | list[dict[str, str]]


def chosen_run(study: Study, cell: Cell) -> Run:
    """The run of a trained cell that dev chooses."""
    (run,) = best_runs(study, Paths(study), cell)
    return run


def texts_of_test(study: Study, task: str) -> tuple[list[str], list[str]]:
    """The texts of a task's test examples, and the second ones of pairs."""
    sides = list(stored_sides(Paths(study).task(task) / "test"))
    firsts = [text for first, _ in sides for text in first]
    return firsts, [text for _, second in sides for text in second or ()]


def outputs(folder: Path, firsts: list[str], seconds: list[str]) -> NDArray[np.float32]:
    """What transformers' own model and tokenizer make of texts or pairs: (N, C)."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    given = (firsts, seconds) if seconds else (firsts,)
    batch = tokenizer(*given, truncation=True, padding=True, return_tensors="pt")
    with torch.inference_mode():
        found: NDArray[np.float32] = model(**batch).logits.numpy()
    return found
