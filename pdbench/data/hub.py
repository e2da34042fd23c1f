"""Tasks and texts from the Hugging Face hub, at a pinned commit."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from datasets import Dataset, DatasetDict, load_dataset

from pdbench.core.errors import DataError, UsageError
from pdbench.data.directory import choose
from pdbench.data.places import at_commit
from pdbench.data.records import Breakage, Located, Rows, classes_of
from pdbench.study.settings import Data, Source, Task

_log = logging.getLogger(__name__)

_ROWS = 4096


def open_splits(task: Task) -> dict[str, Rows]:
    """The splits of a data set, as they are there."""
    return _opened(task, ("train", "dev", "test"))


def open_text(text: Data) -> Rows:
    """The training split of a data set, or the one that key splits.text names."""
    found = _opened(text, ("text",))
    if not found:
        raise DataError(f"{text.name}: no split train", "name another with key splits.text")
    return found["text"]


def _opened(source: Data, splits: Sequence[str]) -> dict[str, Rows]:
    loaded = load(source)
    found: dict[str, str] = {}
    for split in splits:
        name = source.splits.get(split) or choose(split, {n: n for n in loaded}, source.name)  # type: ignore[call-overload]
        if name is not None and name not in loaded:
            what = f"key splits.{split}: {source.name} has no split {name!r}"
            raise UsageError(what, f"name one of {', '.join(loaded)}")
        if name is not None:
            found[split] = name
    over = [name for name in loaded if name not in found.values()]
    if over and "train" in splits:
        _log.warning("%s: not read: %s", source.name, ", ".join(over))
    return {split: _rows(loaded[name], f"{source.name}: {name}") for split, name in found.items()}


def _rows(dataset: Dataset, where: str) -> Rows:
    def read(wanted: Sequence[str], _: Breakage) -> Located:
        number = 0
        for batch in dataset.select_columns(list(wanted)).iter(_ROWS):
            for values in zip(*batch.values(), strict=True):
                number += 1
                yield f"{where}: row {number}", dict(zip(batch, values, strict=True))

    return Rows(where, dataset.column_names, read, classes_of(dataset.features))


def load(source: Source) -> DatasetDict:
    """All splits of a data set, as the hub or the local cache has them.

    Another commit is refused: without a network the library takes whatever it has cached.
    """
    with at_commit(source) as revision:
        loaded = load_dataset(source.name, source.configuration or None, revision=revision)
    for dataset in loaded.values():
        for file in dataset.cache_files:
            if source.revision not in Path(file["filename"]).parts:
                raise DataError(
                    f"{source.name}: the local cache holds another commit than key revision",
                    "connect to the hub, or pin the cached commit",
                )
    return loaded
