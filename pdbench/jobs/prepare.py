"""Tasks and texts as training reads them: text, labels and word pieces on disk."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset
from numpy.typing import NDArray

from pdbench.core.entries import write_record
from pdbench.core.errors import UsageError
from pdbench.core.files import scratch
from pdbench.data.columns import TEXT
from pdbench.data.records import Breakage
from pdbench.data.sources import provenance, read_task, read_text
from pdbench.data.splits import (
    ROWS,
    Row,
    arrange,
    is_leak,
    stored_sides,
    tested_elsewhere,
    tested_sentences,
    weaknesses,
)
from pdbench.data.texts import order_of, text_columns
from pdbench.data.tokens import Tokens, write_tokens
from pdbench.data.vocabulary import Vocabulary, encode, encode_blocks, open_vocabulary
from pdbench.kinds import kind_of, reader_of_text
from pdbench.study import Study
from pdbench.study.settings import Text
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job
from pdbench.workflow.paths import ARCHIVES

_log = logging.getLogger(__name__)


def prepare_task(study: Study, task: str, paths: Paths) -> None:
    """Write a task's splits into ``paths.task(task)``."""
    paths.look_again(Job("task", task))
    settings = study.tasks[task]
    breakage, kind = Breakage(settings.broken), kind_of(settings)
    read = read_task(settings, ARCHIVES, breakage, kind.reader())
    splits, excluded = arrange(read, settings, task, tested_elsewhere(study, paths, task))
    vocabulary = open_vocabulary(study.vocabulary, ARCHIVES)
    warnings = list(weaknesses(splits, read, settings))
    for line in warnings:
        _log.warning("task %s: %s", task, line)
    labels, splits = kind.numbered(splits)
    about: dict[str, Any] = {}
    with paths.renewing(paths.task(task)) as folder:
        for split, dataset in splits.items():
            words = _write_rows(folder / split, dataset)
            about[split] = {"words": words, **kind.write(folder / split, dataset, vocabulary)}
        content = {
            "spec": paths.digest(Job("task", task)),
            "kind": settings.kind,
            "labels": labels,
            "metrics": list(settings.metrics),
            "excluded": excluded,
            "broken": breakage.found,
            "warnings": warnings,
            "splits": about,
            "majority": _majority(splits) if labels else {},
            "constants": kind.constants(splits),
            **provenance(settings),
        }
        write_record(folder, content)


def prepare_text(study: Study, text: str, paths: Paths) -> None:
    """Write an unlabelled text below ``paths.text(text)``.

    Repeated items are kept once, an item that holds a sentence of any task's test split, or is
    one of its dev split, is left out, and items stand in the order of their sha256. The text
    that the source returns is in memory once; what is made of it is written a few thousand
    items at a time.
    """
    paths.look_again(Job("text", text))
    settings = study.texts[text]
    breakage = Breakage(settings.broken)
    target = paths.text(text)
    with paths.renewing(target) as folder, scratch(target) as files:
        dataset = read_text(settings, ARCHIVES, breakage, files, reader_of_text)
        chosen, excluded = _choose(dataset, settings.size, tested_sentences(study, paths))
        if len(chosen) < (settings.least or settings.size):
            found = f"{settings.size} items, but the source holds {len(chosen)}"
            raise UsageError(f"key texts.{text}.size: {found}", "lower it")
        words = _write_rows(folder, dataset.select(chosen))
        vocabulary = open_vocabulary(study.vocabulary, ARCHIVES)
        tokens = write_tokens(folder, _encoded(folder, settings, vocabulary))
        content = {
            "spec": paths.digest(Job("text", text)),
            "excluded": excluded,
            "broken": breakage.found,
            "items": len(tokens),
            "pieces": len(tokens.pieces),
            "words": words,
            **provenance(settings),
        }
        write_record(folder, content)


def _choose(dataset: Dataset, size: int, tested: set[str]) -> tuple[list[int], int]:
    """Choose the first ``size`` distinct rows without a tested sentence."""
    order = _distinct(dataset)
    chosen: list[int] = []
    for seen, row in enumerate(_each_row(dataset.select(order))):
        if len(chosen) == size:
            return chosen, seen - size
        if not is_leak(row, tested):
            chosen.append(int(order[seen]))
    return chosen, len(order) - len(chosen)


def _distinct(dataset: Dataset) -> NDArray[np.int64]:
    """Return where the distinct rows stand, in the order of their sha256.

    Half of it is compared: no two of ten million texts agree in 128 bits by chance.
    """
    halves = b"".join(order_of(row)[:16] for row in _each_row(dataset))
    high, low = np.frombuffer(halves, ">u8").astype(np.uint64).reshape(-1, 2).T
    order = np.lexsort((low, high))
    high, low = high[order], low[order]
    repeated = np.zeros(len(order), np.bool_)
    repeated[1:] = (high[1:] == high[:-1]) & (low[1:] == low[:-1])
    return order[~repeated]


def _each_row(dataset: Dataset) -> Iterator[Row]:
    names = text_columns(dataset.column_names)
    for batch in dataset.iter(ROWS):
        yield from zip(*(batch[name] for name in names), strict=True)


def _encoded(folder: Path, settings: Text, vocabulary: Vocabulary) -> Iterator[Tokens]:
    for first, second in stored_sides(folder):
        if settings.split:
            yield encode_blocks(vocabulary, first, settings.max_length)
        else:
            yield encode(vocabulary, first, second, settings.max_length, settings.keep)


def _write_rows(folder: Path, dataset: Dataset) -> int:
    """Write a dataset into a folder; return its words, as white space separates them."""
    folder.mkdir(exist_ok=True)
    names, words = text_columns(dataset.column_names), 0
    schema = dataset.features.arrow_schema.remove_metadata()
    with pq.ParquetWriter(folder / TEXT, schema) as writer:
        for batch in dataset.iter(ROWS):
            writer.write_table(pa.table(batch, schema))
            words += sum(len(text.split()) for name in names for text in batch[name])
    return words


def _majority(splits: dict[str, Dataset]) -> dict[str, float]:
    """Accuracy of always answering the most frequent class of train, without one of test."""
    evaluated = [split for split in ("dev", "test") if split in splits]
    for origin in ("train", *evaluated[-1:]):
        if origin in splits:
            ((label, _),) = Counter(splits[origin]["label"][:]).most_common(1)
            return {s: splits[s]["label"][:].count(label) / len(splits[s]) for s in evaluated}
    return {}
