"""What the columns and the labels of a data set mean: one rule for files and for the hub.

Names of columns are compared without regard to case and to white space around them. The texts
are in the one of the known columns, or pairs of columns, that is there; the label is in ``label``
or ``gold_label``. Where several are there, or others, the study says which with ``columns``.

A label is the class whose name is written, in any case: the number 1 and the text ``1`` are class
"1", true is class "true". Where no class is called by a number, its index, from 0, may stand for
it; a data set says the one or the other, not both. A test split whose labels are all missing or -1
is one whose labels are hidden; elsewhere -1 is the score of a regression, or no label.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pdbench.core.errors import DataError, UsageError
from pdbench.data.columns import SUBMISSION
from pdbench.data.records import LONGEST, Breakage, Rows
from pdbench.data.texts import one_line, text_names
from pdbench.study.settings import Columns

_TEXTS = (
    ("text_a", "text_b"),
    ("sentence1", "sentence2"),
    ("sentence_a", "sentence_b"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("question", "context"),
    ("text",),
    ("sentence",),
    ("content",),
)
"""The columns that are known to hold texts."""

_LABELS = ("label", "gold_label")
_COUNTERS = {"", "id", "idx", "index", "pairid", "pair_id"}
"""Columns that number the items; a hidden test set may have them where train does not."""

_MOST_LISTED = 20
"""Columns that a message names."""

_HIDDEN = "-1"
_WHOLE = re.compile(r"(-?\d+)\.0+")


@dataclass(frozen=True)
class Schema:
    """The columns that hold an item's text, or its two texts, and its label, as a file has them."""

    texts: tuple[str, ...]
    label: str | None = None

    @property
    def columns(self) -> list[str]:
        """All of them."""
        return [*self.texts, *([] if self.label is None else [self.label])]


def schema_of(rows: Rows, said: Columns, *, labelled: bool) -> Schema:
    """Find the columns; ``said`` names those that the study names.

    The schema has no label where none is there or none is asked for.

    Raises:
        DataError: A column is missing, stands twice, or could be one of several.
    """
    there: dict[str, list[str]] = {}
    for column in rows.columns:
        there.setdefault(_plain(column), []).append(column)
    texts = said.texts or _known_texts(rows, set(there))
    names = [said.label] if said.label else _LABELS
    known = [name for name in names if labelled and _plain(name) in there]
    if len(known) > 1:
        what = f"{rows.where}: columns {' and '.join(known)}"
        raise DataError(what, "say which is the label with key columns.label")
    label = _one(rows, there, known[0]) if known else None
    return Schema(tuple(_one(rows, there, name) for name in texts), label)


def _one(rows: Rows, there: Mapping[str, list[str]], name: str) -> str:
    found = there.get(_plain(name), [])
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(f"{rows.where}: column {name!r} stands twice", "remove or rename one")
    raise DataError(f"{rows.where}: no column {name!r}, but {_listed(rows)}", "mend key columns")


def _plain(column: str) -> str:
    return column.strip().casefold()


def _listed(rows: Rows) -> str:
    names = [f"{column!r:.60}" for column in rows.columns[:_MOST_LISTED]]
    return ", ".join([*names, *(["..."] if len(rows.columns) > _MOST_LISTED else [])]) or "none"


def _known_texts(rows: Rows, there: set[str]) -> tuple[str, ...]:
    if not rows.columns:
        raise DataError(f"{rows.where}: no rows", "fill or remove it")
    present = [names for names in _TEXTS if set(names) <= there]
    whole = [names for names in present if not any(set(names) < set(other) for other in present)]
    if len(whole) == 1:
        return whole[0]
    known = "; ".join(" and ".join(names) for names in whole or _TEXTS)
    if whole:
        what = f"{rows.where}: the text may stand in {known}"
        raise DataError(what, "say in which with key columns")
    what = f"{rows.where}: columns {_listed(rows)}, and none of {known}"
    raise DataError(what, "say which hold the text with key columns")


class Labels:
    """What turns a written label into its number, or into itself where there are no names.

    ``names`` are the task's, in the order of its classes, none for a regression; ``classes`` has
    them by what the source writes, where it has words of its own.
    """

    def __init__(self, names: Sequence[str], classes: Mapping[str, str] | None = None) -> None:
        self._names, self._words = names, list(classes or names)
        plain = [name.casefold() for name in names]
        self._folds = len(set(plain)) == len(plain)
        self._by_name = {self._folded(name): index for index, name in enumerate(names)}
        self._by_index: dict[str, int] = {}
        if classes is not None:
            self._by_name = {self._folded(w): names.index(n) for w, n in classes.items()}
        elif not any(re.fullmatch(r"[+-]?\d+(\.\d*)?", name) for name in names):
            self._by_index = {str(index): index for index in range(len(names))}
        self._way: Mapping[str, int] | None = None
        self._where = ""

    def _folded(self, name: str) -> str:
        return name.casefold() if self._folds else name

    def of(self, value: Any, where: str) -> float:
        """The number of a label, or the score that it is.

        Raises:
            DataError: It is missing, or names no class.
        """
        written = label_text(value)
        if written is None or (self._names and self.is_hidden(value)):
            raise DataError(f"{where}: no label ({value!r})", "give it one, or set key broken")
        if not self._names:
            return _score(value, where)
        for way in (self._by_name, self._by_index):
            if (found := way.get(self._folded(written))) is not None:
                return self._checked(way, found, value, where)
        indices = f", or 0 to {len(self._names) - 1} for them" if self._by_index else ""
        what = f"{where}: unknown label {value!r:.60}, and there are "
        raise DataError(what + ", ".join(self._words) + indices, "mend it, or key labels")

    def is_hidden(self, value: Any) -> bool:
        """Whether a value says that there is no label, and is no label itself."""
        written = label_text(value)
        return written is None or (written == _HIDDEN and _HIDDEN not in self._by_name)

    def _checked(self, way: Mapping[str, int], found: int, value: Any, where: str) -> int:
        if self._way is None:
            self._way, self._where = way, where
        if way is not self._way:
            what = f"{where}: label {value!r}, where {self._where} has "
            what += "an index" if way is self._by_name else "a name"
            raise DataError(what, "write the names of all labels, or the indices of all")
        return found


def label_text(value: Any) -> str | None:
    """A label as text, the same in every format; None where there is none."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip() if isinstance(value, str | int | float) else repr(value)
    whole = _WHOLE.fullmatch(text)
    return (whole[1] if whole else text) or None


def _score(value: Any, where: str) -> float:
    what = f"{where}: label {value!r:.60} is no number that float32 holds"
    try:
        number = float("nan" if isinstance(value, bool) else value)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(what, "mend it, or name the classes in key labels") from error
    if not abs(number) <= float(np.finfo(np.float32).max):
        raise DataError(what, "mend it")
    return number


def label_order(where: str, theirs: Sequence[str], ours: Sequence[str]) -> list[int]:
    """Return, for each of a source's label names, its index among the study's.

    ``where`` says what the source's names belong to.
    """
    if set(theirs) != set(ours):
        raise UsageError(
            f"{where}: key labels: {', '.join(ours) or 'none'}",
            f"write its own label names, [{', '.join(theirs)}]",
        )
    return [ours.index(name) for name in theirs]


def read_splits(
    splits: Mapping[str, Rows], said: Columns, names: Sequence[str], breakage: Breakage
) -> dict[str, pa.Table]:
    """Read a task's splits; a test split whose labels are hidden becomes that of submission.

    ``said`` names columns, and ``names`` are the task's label names, as the study has them.
    """
    labels = Labels(names)
    schemas = {s: schema_of(rows, said, labelled=True) for s, rows in splits.items()}
    if len({len(schema.texts) for schema in schemas.values()}) > 1:
        what = "; ".join(
            f"{splits[s].where}: {' and '.join(own.texts)}" for s, own in schemas.items()
        )
        raise DataError(what, "give all splits one text, or all two, or say which with key columns")
    tables = {}
    for split, rows in splits.items():
        schema, own = schemas[split], _own_labels(rows, schemas[split], names) or labels
        if split == "test" and not _has_labels(rows, schema, own):
            _check_hidden(rows, schema, splits.get("train", rows))
            tables[SUBMISSION] = read_hidden(rows, schema)
        elif schema.label is None:
            what = f"{rows.where}: no label column among {_listed(rows)}"
            raise DataError(what, "say which it is with key columns.label")
        else:
            tables[split] = read_rows(rows, schema, own, breakage)
    return tables


def _own_labels(rows: Rows, schema: Schema, names: Sequence[str]) -> Labels | None:
    """What the class numbers of a split mean, where it says so itself."""
    theirs = rows.classes.get(schema.label or "")
    if theirs is None or not names:
        return None
    label_order(rows.where, theirs, names)
    return Labels(names, {str(number): name for number, name in enumerate(theirs)})


def _has_labels(rows: Rows, schema: Schema, labels: Labels) -> bool:
    """Whether a split has a label at all: those of a hidden test set are missing, or all -1."""
    if schema.label is None:
        return False
    found = rows.read([schema.label], Breakage(1.0))
    return not all(labels.is_hidden(record.get(schema.label)) for _, record in found)


def _check_hidden(rows: Rows, schema: Schema, train: Rows) -> None:
    """Refuse to take a test split for one of hidden labels if it has columns that train lacks."""
    known = {_plain(column) for column in train.columns} | _COUNTERS
    strange = [c for c in rows.columns if _plain(c) not in known and c not in schema.columns]
    if schema.label is None and strange:
        what = f"{rows.where}: no label column, but {', '.join(map(repr, strange))}, not in train"
        raise DataError(what, "rename it, or say which is the label with key columns.label")


def read_rows(rows: Rows, schema: Schema, labels: Labels | None, breakage: Breakage) -> pa.Table:
    """Check every row and gather its texts, and its label where one is read.

    Without labels, of a text or a hidden test set, the table has texts alone. Rows without text
    are broken, but those of a hidden test set: its server wants an answer to each.
    """
    names = (*text_names(len(schema.texts)), *(() if labels is None else ("label",)))
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for found in breakage.checked(_sound(rows, schema, labels, breakage)):
        for column, value in zip(columns.values(), found, strict=True):
            column.append(value)
    if not columns[names[0]]:
        raise DataError(f"{rows.where}: no rows", "fill or remove it")
    return pa.table(columns)


def _sound(
    rows: Rows, schema: Schema, labels: Labels | None, breakage: Breakage
) -> Iterator[list[Any]]:
    """The texts, and the label, of every row that is not broken."""
    for where, record in rows.read(schema.columns, breakage):
        try:
            found: list[Any] = [_text(record, name, where) for name in schema.texts]
            if not all(found):
                remedy = "fill or remove the row, or set key broken"
                raise DataError(f"{where}: empty text", remedy)
            if labels is not None:
                found.append(labels.of(_field(record, str(schema.label), where), where))
        except DataError as error:
            breakage.leave_out(error)
        else:
            yield found


def read_hidden(rows: Rows, schema: Schema) -> pa.Table:
    """The texts of a hidden test set: all of its rows, in their order, also the empty ones."""
    names = text_names(len(schema.texts))
    columns: dict[str, list[str]] = {name: [] for name in names}
    for where, record in rows.read(schema.texts, Breakage()):
        for name, column in zip(names, schema.texts, strict=True):
            columns[name].append(_text(record, column, where))
    return pa.table(columns)


def _text(record: Mapping[str, Any], name: str, where: str) -> str:
    value = _field(record, name, where)
    if not isinstance(value, str | None):
        what = f"{where}: column {name!r} holds no text, but {str(value)[:40]!r}"
        raise DataError(what, f"it is of type {type(value).__name__}; write a text there")
    if value is not None and len(value) > LONGEST:
        what = f"{where}: column {name!r} holds a text of {len(value):,} characters"
        raise DataError(what, f"cut it, or remove the row: {LONGEST:,} are read at most")
    return one_line(value)


def _field(record: Mapping[str, Any], name: str, where: str) -> Any:
    if name not in record:
        raise DataError(f"{where}: no column {name!r}", "add it to the row, or mend the header")
    return record[name]
