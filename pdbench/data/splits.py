"""The splits of a study, and where their items stand in other texts, under the normalised match.

A student must learn no sentence of test, and no item of dev.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset, DatasetDict

from pdbench.core.entries import verified
from pdbench.core.errors import DataError, UsageError
from pdbench.core.files import mended
from pdbench.data.columns import SPLITS, SUBMISSION, TEXT, prepared_splits
from pdbench.data.texts import normalise, order_of, sentences, share_of, text_columns
from pdbench.study import Study
from pdbench.study.catalogue.glue import published_task
from pdbench.study.settings import Task
from pdbench.workflow import Paths

Row: TypeAlias = tuple[str, ...]
"""The text of an item, or the two of a pair."""

ROWS = 4096
"""Stored items that are in memory at once, however many a text has."""

_FEWEST = 2
_FEW = 100
"""Items below which a split is warned of."""

_HELD_OUT = 0.1
"""Share of the training split that becomes dev where the study gives no number."""


def arrange(
    read: DatasetDict, task: Task, name: str, elsewhere: Collection[Row] = ()
) -> tuple[DatasetDict, dict[str, dict[str, int]]]:
    """Return train, dev and test of the sizes that a task asks for.

    Selection and report never share a split: where a source has one evaluated split, as
    GLUE without its hidden labels, that is test, and dev is held out of train. An item of
    train or dev that is also in test, its own or ``elsewhere``, is left out, and so is one of
    train that is also in dev. Items stand in the order of their text's sha256, so that the first
    ones of a split are a random sample of it on every machine; those of submission stay in the
    order of the source. A task that trains no models of its own has test and submission alone.

    ``read`` is what the source has. Returned are the splits, and how many items of train and dev
    were left out, by the split that has them too.

    Raises:
        UsageError: The study asks for more items than there are.
        DataError: A split has less than two items.
    """
    submitted = {SUBMISSION: read[SUBMISSION]} if SUBMISSION in read else {}
    test = read.get("test", read.get("dev"))
    if task.model_of is not None:
        own = {} if test is None else {"test": _first(_ordered(test), task.test, f"{name}.test")}
        _check(own, task, name)
        return DatasetDict({**own, **submitted}), {}
    labelled = [split for split in read if split not in ("test", SUBMISSION)]
    others = {s: _ordered(read[s]) for s in labelled if read[s] is not test}
    tested = {item_key(row) for row in _rows_of(test)}.union(elsewhere)
    kept = {split: _without(dataset, tested) for split, dataset in others.items()}
    excluded = {split: {"test": len(others[split]) - len(kept[split])} for split in kept}
    if "dev" not in kept:
        kept |= _hold_out(kept["train"], task.dev, name)
    dev = _first(kept["dev"], task.dev, f"{name}.dev")
    train = _without(kept["train"], set(map(item_key, _rows_of(dev))))
    excluded["train"]["dev"] = len(kept["train"]) - len(train)
    found = {"train": train, "dev": dev, "test": _ordered(test)}
    chosen = {s: _first(found[s], getattr(task, s), f"{name}.{s}") for s in SPLITS}
    _check(chosen, task, name)
    return DatasetDict({**chosen, **submitted}), excluded


def _check(splits: Mapping[str, Dataset], task: Task, name: str) -> None:
    """Refuse splits that can show nothing."""
    for split, dataset in splits.items():
        if len(dataset) < _FEWEST:
            what = f"task {name}: {split} has {len(dataset)} items that no other split has"
            raise DataError(what, f"add some to {task.path or task.name}")


def weaknesses(
    splits: Mapping[str, Dataset], read: Mapping[str, Dataset], task: Task
) -> Iterator[str]:
    """Say what limits what the splits of a task can show, a sentence each, with numbers.

    ``read`` is what its source has: of GLUE it is known how much that is.
    """
    for split, dataset in splits.items():
        yield from _weaknesses(split, dataset, task)
    glue = published_task(task.source, task.name, task.configuration)
    if glue is None or task.version not in ("", glue.version):
        return
    for split, dataset in read.items():
        known = glue.items["test" if split == SUBMISSION else split]
        if abs(len(dataset) - known) > glue.broken * known:
            about = f"the file of {split} has {len(dataset):,} items, and that of GLUE's"
            yield f"{about} {' '.join([glue.title, glue.version]).strip()} {known:,}"


def _weaknesses(split: str, dataset: Dataset, task: Task) -> Iterator[str]:
    count = len(dataset)
    if split in ("dev", "test") and count < _FEW:
        yield f"{split} has {count} items: each is {100 / count:.1f} points of accuracy"
    if "label" not in dataset.column_names:
        return
    there = set(dataset["label"][:])
    named = [label for index, label in enumerate(task.labels) if index in there]
    if len(there) == 1:
        said = f"label {named[0]}" if named else f"score {there.pop():g}"
        yield f"all {count} items of {split} have the {said}: one answer fits all"
    elif len(named) < len(task.labels):
        without = " and ".join(label for label in task.labels if label not in named)
        yield f"none of the {count} items of {split} has the label {without}"


def _rows_of(dataset: Dataset) -> list[Row]:
    columns = text_columns(dataset.column_names)
    return list(zip(*(dataset[name][:] for name in columns), strict=True))


def _ordered(dataset: Dataset) -> Dataset:
    """The items in the order of their text's sha256; equal texts keep theirs."""
    rows = _rows_of(dataset)
    return dataset.select(sorted(range(len(rows)), key=lambda i: order_of(rows[i])))


def is_held_out(group: str) -> bool:
    """Whether examples that belong together are all held out of train, as dev: one in ten.

    Such a group is the questions of an article, or the examples of a dialogue.
    """
    return share_of(group, 8) < _HELD_OUT


def _without(dataset: Dataset, tested: set[Row]) -> Dataset:
    rows = _rows_of(dataset)
    return dataset.select([i for i, row in enumerate(rows) if item_key(row) not in tested])


def _hold_out(train: Dataset, count: int | None, name: str) -> dict[str, Dataset]:
    size = count or round(_HELD_OUT * len(train))
    if not 0 < size < len(train):
        what = f"key tasks.{name}.dev: {size} items of the {len(train)} of train, for lack of dev"
        raise UsageError(what, "write a number that leaves some of both, or add a dev split")
    return {"dev": train.select(range(size)), "train": train.select(range(size, len(train)))}


def _first(split: Dataset, count: int | None, key: str) -> Dataset:
    if count is not None and count > len(split):
        what = f"key tasks.{key}: {count} items, but the source holds {len(split)}"
        raise UsageError(what, "lower it")
    return split if count is None else split.select(range(count))


def tested_sentences(study: Study, paths: Paths) -> set[str]:
    """The normalised texts that no unlabelled text may hold, of all tasks.

    They are the sentences of every test split, of a pair task both sides of every pair. Of dev
    and of a split whose labels are hidden they are whole items, since published training and
    test pairs share sentences by the thousand. A student that read dev's items with the
    teacher's labels would be chosen, and compared on dev, by what it has seen.
    """
    tested: set[str] = set()
    for task in study.tasks:
        splits = prepared_splits(paths.task(task))
        if "test" in splits:
            rows = stored_rows(paths.task(task) / "test")
            tested.update(key for row in rows for key in item_key(row))
        for split in {"dev", SUBMISSION} & set(splits):
            tested |= {_whole_key(row) for row in stored_rows(paths.task(task) / split)}
    return tested - {""}


def tested_elsewhere(study: Study, paths: Paths, task: str) -> set[Row]:
    """The test items of the other tasks that a task's models are scored on."""
    folders = [paths.task(other) for other in study.scored_with(task)]
    tests = [folder / "test" for folder in folders if "test" in prepared_splits(folder)]
    return {item_key(row) for folder in tests for row in stored_rows(folder)}


def item_key(row: Row) -> Row:
    """The normalised form of a whole item."""
    return tuple(normalise(text) for text in row)


def _whole_key(row: Row) -> str:
    return "\x1f".join(item_key(row))


def is_leak(row: Row, tested: set[str]) -> bool:
    """Whether the row, a text of it, or a sentence within one is among the tested ones."""
    if len(row) > 1 and _whole_key(row) in tested:
        return True
    return any(normalise(part) in tested for text in row for part in {text, *sentences(text)})


def stored_rows(folder: Path) -> Iterator[Row]:
    """Yield the items of a text or a split of a prepared task, one text or two each."""
    verified(folder / TEXT)
    for first, second in stored_sides(folder):
        yield from zip(first, strict=True) if second is None else zip(first, second, strict=True)


def stored_sides(folder: Path) -> Iterator[tuple[list[str], list[str] | None]]:
    """Yield the texts in a folder, ``ROWS`` at a time, and the second ones of pairs."""
    path = folder / TEXT
    try:
        with pq.ParquetFile(path) as file:
            names = text_columns(file.schema_arrow.names)
            for batch in file.iter_batches(ROWS, columns=names):
                first, *second = (batch[name].to_pylist() for name in names)
                yield first, second[0] if second else None
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path}: missing or broken", mended(path)) from error
