"""Tasks and texts from the Hugging Face hub, at a pinned commit."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from datasets import Dataset, DatasetDict, load_dataset

from pdbench.core.errors import DataError, UsageError
from pdbench.data.directory import choose
from pdbench.data.records import Breakage, Located, Rows, classes_of
from pdbench.data.repositories import fetched
from pdbench.study.settings import Data, Source

_log = logging.getLogger(__name__)

_ROWS = 4096


def open_splits(source: Data, splits: Sequence[str]) -> dict[str, Rows]:
    """Open those of some splits that a data set has."""
    loaded = load(source)
    found: dict[str, str] = {}
    for split in splits:
        if split in source.splits:
            name: str | None = source.splits[split]
        else:
            name = choose(split, {n: n for n in loaded}, source.name)
        if name is None:
            continue
        if name not in loaded:
            what = f"key splits.{split}: {source.name} has no split {name!r}"
            raise UsageError(what, f"name one of {', '.join(loaded)}")
        found[split] = name
    over = [name for name in loaded if name not in found.values()]
    if over and "train" in splits:
        _log.warning("%s: not read: %s", source.name, ", ".join(over))
    return {split: _rows(loaded[name], f"{source.name}: {name}") for split, name in found.items()}


def open_split(source: Source, split: str) -> Rows:
    """Open the split of a data set that has this name there."""
    loaded = load(source)
    if split not in loaded:
        what = f"{source.name}: no split {split}, but {', '.join(loaded)}"
        raise DataError(what, "name a data set in the published layout")
    return _rows(loaded[split], f"{source.name}: {split}")


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
    configuration = source.configuration or None
    loaded = fetched(
        source, lambda commit: load_dataset(source.name, configuration, revision=commit)
    )
    for dataset in loaded.values():
        for file in dataset.cache_files:
            if source.revision not in Path(file["filename"]).parts:
                raise DataError(
                    f"{source.name}: the local cache holds another commit than key revision",
                    "connect to the hub, or pin the cached commit",
                )
    return loaded
