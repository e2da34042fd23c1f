"""From the splits that a source has to the train, dev and test of a study."""

from __future__ import annotations

from collections.abc import Collection

from datasets import Dataset, DatasetDict

from pdbench.core.errors import UsageError
from pdbench.data.leaks import Row, item_key
from pdbench.data.prepared import SPLITS, SUBMISSION
from pdbench.data.texts import TEXT_COLUMNS, hashed, share_of
from pdbench.study.settings import Task

_HELD_OUT = 0.1
"""Share of the training split that becomes dev where the study gives no number."""


def arrange(
    read: DatasetDict, task: Task, name: str, elsewhere: Collection[Row] = ()
) -> tuple[DatasetDict, dict[str, int]]:
    """Return train, dev and test of the sizes that a task asks for.

    Selection and report never share a split: where a source has one evaluated split, as
    GLUE without its hidden labels, that is test, and dev is held out of train. An item of
    train or dev that is also in test, its own or ``elsewhere``, is left out. Items stand in the
    order of their text's sha256, so that the first ones of a split are a random sample of it on
    every machine; those of submission stay in the order of the source. A task that trains no
    models of its own has test and submission alone.

    Args:
        read: What the source has: train, and dev or test or both, and perhaps submission.
        task: The task's settings.
        name: Its id, for errors.
        elsewhere: Test items, as :func:`item_key` has them, of the other tasks that the task's
            models are scored on.

    Returns:
        The splits, and how many items of train and dev were left out.

    Raises:
        UsageError: The task asks for more items than there are.
    """
    submitted = {SUBMISSION: read[SUBMISSION]} if SUBMISSION in read else {}
    test = read.get("test", read.get("dev"))
    if task.model_of is not None:
        own = {} if test is None else {"test": _first(_ordered(test), task.test, f"{name}.test")}
        return DatasetDict({**own, **submitted}), {}
    labelled = [split for split in read if split not in ("test", SUBMISSION)]
    others = {s: _ordered(read[s]) for s in labelled if read[s] is not test}
    tested = {item_key(row) for row in _rows_of(test)}.union(elsewhere)
    kept = {split: _without(dataset, tested) for split, dataset in others.items()}
    excluded = {split: len(others[split]) - len(kept[split]) for split in kept}
    if "dev" not in kept:
        kept |= _hold_out(kept["train"], task.dev)
    found = {**kept, "test": _ordered(test)}
    chosen = {s: _first(found[s], getattr(task, s), f"{name}.{s}") for s in SPLITS}
    return DatasetDict({**chosen, **submitted}), excluded


def text_columns(dataset: Dataset) -> list[str]:
    """Return the name of the text column, or of the two of pairs."""
    return [name for name in TEXT_COLUMNS if name in dataset.column_names]


def _rows_of(dataset: Dataset) -> list[Row]:
    """Return the texts of every item."""
    return list(zip(*(dataset[name][:] for name in text_columns(dataset)), strict=True))


def _ordered(dataset: Dataset) -> Dataset:
    """Return the items in the order of their text's sha256; equal texts keep theirs."""
    rows = _rows_of(dataset)
    return dataset.select(sorted(range(len(rows)), key=lambda i: order_of(rows[i])))


def is_held_out(group: str) -> bool:
    """Whether a group of examples that belong together is held out of train as a whole, as dev.

    It is one in ten, the same on every machine: the questions of an article, the examples of a
    dialogue.
    """
    return share_of(group, 8) < _HELD_OUT


def order_of(row: Row) -> bytes:
    """Return the sha256 that decides an item's place."""
    return hashed("\x1f".join(row))


def _without(dataset: Dataset, tested: set[Row]) -> Dataset:
    rows = _rows_of(dataset)
    return dataset.select([i for i, row in enumerate(rows) if item_key(row) not in tested])


def _hold_out(train: Dataset, count: int | None) -> dict[str, Dataset]:
    size = min(count or round(_HELD_OUT * len(train)), len(train))
    return {"dev": train.select(range(size)), "train": train.select(range(size, len(train)))}


def _first(split: Dataset, count: int | None, key: str) -> Dataset:
    if count is not None and count > len(split):
        what = f"key tasks.{key}: {count} items, but the source holds {len(split)}"
        raise UsageError(what, "lower it")
    return split if count is None else split.select(range(count))
