"""Tasks and texts from the Hugging Face hub, at a pinned commit."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, DatasetDict, load_dataset

from pdbench.core.errors import DataError
from pdbench.data.places import at_commit
from pdbench.data.records import Breakage, label_order
from pdbench.data.texts import TEXT_COLUMNS, one_line, text_names
from pdbench.study.settings import Source, Task

_SPLITS = {
    "train": ("train",),
    "dev": ("validation", "validation_matched", "validation_mismatched", "dev"),
    "test": ("test", "test_matched", "test_mismatched"),
}
"""What a split may be called on the hub, the first that is there: of MNLI the matched one."""

_TEXTS = (
    ("text_a", "text_b"),
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("question", "context"),
    ("text",),
    ("sentence",),
    ("content",),
)
"""The columns that are read as text, the first that are there."""


def read_splits(task: Task, breakage: Breakage) -> dict[str, pa.Table]:
    """Read the labelled splits of a hub data set, and its unlabelled test as "submission"."""
    loaded = load(task)
    tables = {}
    for split, names in _SPLITS.items():
        name, where = next((n for n in names if n in loaded), None), f"{task.name}: {split}"
        if name is not None and _is_labelled(loaded[name]):
            labels = _labels(loaded[name], task, where)
            table = pa.table({**_texts(loaded[name], where), "label": labels})
            tables[split] = _filled(table, where, breakage)
        elif name is not None and split == "test":
            tables["submission"] = pa.table(_texts(loaded[name], where))
    return tables


def read_text(text: Source, breakage: Breakage) -> pa.Table:
    """Read the texts of a hub data set's training split."""
    loaded = load(text)
    if "train" not in loaded:
        raise DataError(f"{text.name}: splits {', '.join(loaded)}", "use one with train")
    table = pa.table(_texts(loaded["train"], f"{text.name}: train"))
    return _filled(table, f"{text.name}: train", breakage)


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


def _is_labelled(dataset: Dataset) -> bool:
    if "label" not in dataset.column_names:
        return False
    labels = pa.chunked_array(dataset.data.column("label")).cast("string")
    return not pc.all(pc.equal(labels, "-1")).as_py()  # hidden, also of a regression


def _labels(dataset: Dataset, task: Task, where: str) -> list[Any]:
    values: list[Any] = dataset["label"][:]
    if not task.labels:
        return values
    feature = dataset.features["label"]
    names = feature.names if isinstance(feature, ClassLabel) else task.labels
    known: dict[Any, int] = dict(enumerate(label_order(where, names, task.labels)))
    known |= {name: index for index, name in enumerate(task.labels)}
    for row, value in enumerate(values, start=1):
        if value not in known:
            what = f"{where}: row {row}: unknown label {value!r}"
            raise DataError(what, "mend key labels")
    return [known[value] for value in values]


def _texts(dataset: Dataset, where: str) -> dict[str, list[str]]:
    present = (names for names in _TEXTS if all(n in dataset.column_names for n in names))
    chosen = next(present, None)
    if chosen is None:
        known = "; ".join(" and ".join(names) for names in _TEXTS)
        raise DataError(f"{where}: columns {', '.join(dataset.column_names)}", f"it needs {known}")
    ours = zip(text_names(len(chosen)), chosen, strict=True)
    return {name: [one_line(text) for text in dataset[column][:]] for name, column in ours}


def _filled(table: pa.Table, where: str, breakage: Breakage) -> pa.Table:
    """Leave out the rows with an empty text."""
    names = [name for name in TEXT_COLUMNS if name in table.column_names]
    empty = [pc.equal(table[name], "") for name in names]
    found = pc.fill_null(functools.reduce(pc.or_, empty), False)
    for row in pc.indices_nonzero(found).to_pylist():
        breakage.leave_out(
            DataError(f"{where}: row {row + 1}: empty text", "use another revision or key broken")
        )
    breakage.check(len(table))
    return table.filter(pc.invert(found))
