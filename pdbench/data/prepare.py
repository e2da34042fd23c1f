"""Tasks and texts as training reads them: text, labels and word pieces on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset

from pdbench.data.encoding import encode, encode_blocks
from pdbench.data.leaks import Row, is_leak, tested_sentences
from pdbench.data.metrics import check_metrics
from pdbench.data.sources import provenance, read_task, read_text
from pdbench.data.splits import SPLITS, arrange, columns_of, order_of, rows_of
from pdbench.data.tokens import Tokens, write_tokens
from pdbench.data.vocabulary import Vocabulary, open_vocabulary
from pdbench.errors import UsageError
from pdbench.files import replacing, write_json
from pdbench.study import Paths, Study
from pdbench.study.paths import ARCHIVES
from pdbench.study.settings import Task, Text


def prepare_task(study: Study, task: str, paths: Paths) -> None:
    """Write a task's splits below ``paths.task(task)``, ``task.json`` last.

    Raises:
        PdbenchError: The source is not what it should be, or holds too few items.
    """
    settings = study.tasks[task]
    check_metrics(settings)
    splits, excluded = arrange(read_task(settings, ARCHIVES), settings, task)
    vocabulary = open_vocabulary(study.vocabulary, ARCHIVES)
    with replacing(paths.task(task)) as folder:
        about = {s: _write_split(folder / s, splits[s], settings, vocabulary) for s in SPLITS}
        content = {
            "spec": study.digest_of(study.task_spec(task)),
            "labels": list(settings.labels),
            "metrics": list(settings.metrics),
            "excluded": excluded,
            "splits": about,
            "majority": _majority(splits) if settings.labels else {},
            **provenance(settings),
        }
        write_json(folder / "task.json", content)


def prepare_text(study: Study, text: str, paths: Paths) -> None:
    """Write an unlabelled text below ``paths.text(text)``, ``text.json`` last.

    Repeated items are kept once, an item that holds a sentence of any task's test split is
    left out, and items stand in the order of their sha256.

    Raises:
        PdbenchError: The source is not what it should be, or holds too few items.
    """
    settings = study.texts[text]
    dataset = read_text(settings, ARCHIVES)
    rows = sorted(set(rows_of(dataset)), key=order_of)
    chosen, excluded = _untested(rows, settings.size, tested_sentences(study, paths))
    if len(chosen) < settings.size:
        what = f"key texts.{text}.size: {settings.size} items, but the source holds {len(chosen)}"
        raise UsageError(what, "lower it")
    columns = dict(zip(columns_of(dataset), map(list, zip(*chosen, strict=True)), strict=True))
    tokens = _encode(columns, settings, open_vocabulary(study.vocabulary, ARCHIVES))
    with replacing(paths.text(text)) as folder:
        folder.mkdir()
        pq.write_table(pa.table(columns), folder / "text.parquet")
        write_tokens(folder, tokens)
        content = {
            "spec": study.digest_of(study.text_spec(text)),
            "items": len(tokens),
            "pieces": len(tokens.pieces),
            "words": _words(columns),
            "excluded": excluded,
            **provenance(settings),
        }
        write_json(folder / "text.json", content)


def _untested(rows: Sequence[Row], size: int, tested: set[str]) -> tuple[list[Row], int]:
    """Return the first ``size`` rows without a tested sentence, and how many were left out."""
    chosen: list[Row] = []
    for seen, row in enumerate(rows):
        if len(chosen) == size:
            return chosen, seen - size
        if not is_leak(row, tested):
            chosen.append(row)
    return chosen, len(rows) - len(chosen)


def _write_split(
    folder: Path, split: Dataset, task: Task, vocabulary: Vocabulary
) -> dict[str, Any]:
    folder.mkdir(parents=True)
    columns, labels = columns_of(split), split["label"][:]
    pq.write_table(pa.table({**columns, "label": labels}), folder / "text.parquet")
    np.save(folder / "labels.npy", np.asarray(labels, np.int64 if task.labels else np.float32))
    tokens = _encode(columns, task, vocabulary)
    write_tokens(folder, tokens)
    counts = Counter(labels)
    return {
        "items": len(tokens),
        "labels": {name: counts[i] for i, name in enumerate(task.labels)},
        "pieces": len(tokens.pieces),
        "words": _words(columns),
    }


def _encode(columns: dict[str, list[str]], settings: Task | Text, vocabulary: Vocabulary) -> Tokens:
    first, *others = columns.values()
    if isinstance(settings, Text) and settings.split:
        return encode_blocks(vocabulary, first, settings.max_length)
    return encode(vocabulary, first, others[0] if others else None, settings.max_length)


def _majority(splits: dict[str, Dataset]) -> dict[str, float]:
    """Accuracy of always answering the most frequent class of the training split."""
    ((label, _),) = Counter(splits["train"]["label"][:]).most_common(1)
    return {s: splits[s]["label"][:].count(label) / len(splits[s]) for s in ("dev", "test")}


def _words(columns: dict[str, list[str]]) -> int:
    """Words as white space separates them."""
    return sum(len(text.split()) for column in columns.values() for text in column)
