"""Runs that another code base trained: the template that it fills, and what is kept of them.

A template has a line for each item of a cell's task: its cell, its id, its texts, and the label
where that is no secret. Whoever trained elsewhere fills in a seed and a prediction for every item
of test, and of dev if they can, or the probability of each label in columns of their own. An id
names the split, the digest of its items and the item's number, so that the answers to other items,
or to another version of them, are none to these.

What is imported stands beside that cell under a method of its own. Labels of test are read by the
job that collects, as for every run.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter, ValidationError

from pdbench.core.errors import DataError, UsageError, suggestion
from pdbench.core.files import digest, file_digest, read_json, replacing, write_json
from pdbench.data.columns import BUDGET, IMPORTED, SCHEMA_VERSION, TEACHER, prepared_splits
from pdbench.data.records import format_of, open_rows
from pdbench.data.splits import stored_rows
from pdbench.data.texts import text_names
from pdbench.data.tokens import Tokens
from pdbench.kinds import kind_of
from pdbench.study import Architecture, Cell, Study
from pdbench.study.settings import Name, Strict
from pdbench.workflow import Paths

PROBABILITY = "p_"
"""What the column of a label's probability begins with."""

_SPLITS = ("train", "dev", "test")
_ANSWERED = ("dev", "test")
_ITEM = re.compile(r"(train|dev|test)-([0-9a-f]{8})-(\d+)")
_OFF = 1e-3  # by which probabilities may miss a sum of one, as rounded ones do
_KINDS = ("classification", "regression")
_REMEDY = "fill a template: pdbench import-runs STUDY --template CELL"

_Said: TypeAlias = dict[int, dict[str, dict[int, float]]]
"""What is predicted, by seed, split and number of the item."""


class Imported(Strict):
    """The runs of a cell that another code base trained, as they are kept."""

    schema_version: int = SCHEMA_VERSION
    study: str
    cell: str
    task: str
    method: str
    architecture: str
    transfer: str | None
    items: dict[str, str] = Field(description="Digests of the items answered, by split.")
    budget: dict[str, int | None] = Field(description="As it was stated, by column of the table.")
    files: dict[str, str] = Field(description="Digests of the files it was read from, by name.")
    said: dict[int, dict[str, list[float]]] = Field(description="Predictions by seed and split.")

    @property
    def key(self) -> Cell:
        """The cell."""
        size = Architecture.parse(self.architecture)
        return Cell(self.task, self.method, size, self.transfer, None)

    @property
    def spec(self) -> str:
        """The digest of all of it."""
        return digest(self.model_dump(mode="json"))[:16]

    @classmethod
    def read(cls, path: Path) -> Imported:
        """Read what was kept; what was edited is refused."""
        content = read_json(path)
        try:
            known = content.pop("spec")
            found = cls.model_validate(content)
        except (AttributeError, KeyError, TypeError, ValidationError) as error:
            raise DataError(f"{path}: no imported runs", "delete it and import again") from error
        if found.spec != known:
            raise DataError(f"{path}: it was edited", "delete it and import again")
        return found


def write_template(study: Study, paths: Paths, cell: Cell, target: Path) -> None:
    """Write the items of a cell's task, those of train and dev with their labels, to be answered.

    The ending says whether it is CSV or Parquet.
    """
    ending = format_of(target)
    if ending not in ("csv", "parquet") or target.suffix != f".{ending}":
        raise UsageError(f"{target}: no CSV or Parquet by its ending", "end it in .csv or .parquet")
    rows = list(_asked(study, paths, cell))
    with replacing(target) as temporary:
        if ending == "parquet":
            pq.write_table(pa.Table.from_pylist(rows), temporary)
            return
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        temporary.write_text(text.getvalue(), encoding="utf-8")


def _asked(study: Study, paths: Paths, cell: Cell) -> Iterator[dict[str, Any]]:
    """The lines of a template."""
    folder, settings = _prepared(study, paths, cell.task), study.tasks[cell.task]
    for split in (name for name in _SPLITS if name in prepared_splits(folder)):
        data = kind_of(settings).open_split(folder / split) if split != "test" else None
        start = _start_of_ids(folder, split)
        for number, texts in enumerate(stored_rows(folder / split)):
            label = "" if data is None else _word(data.targets[number], settings.labels)
            named = dict(zip(text_names(len(texts)), texts, strict=True))
            ids = {"cell": cell.key, "item": f"{start}{number}"}
            yield {**ids, **named, "label": label, "seed": "", "prediction": ""}


def _prepared(study: Study, paths: Paths, task: str) -> Path:
    settings, folder = study.tasks[task], paths.task(task)
    if settings.kind not in _KINDS:
        what = f"task {task!r}: answers of the kind {settings.kind} cannot be imported"
        raise UsageError(what, f"name a task of the kind {' or '.join(_KINDS)}")
    if "test" not in prepared_splits(folder):
        raise UsageError(f"task {task!r} has no labelled test split", "name another task's cell")
    return folder


def _start_of_ids(folder: Path, split: str) -> str:
    return f"{split}-{Tokens.open(folder / split).digest[:8]}-"


def _word(target: Any, labels: Sequence[str]) -> str:
    return labels[int(target)] if labels else f"{float(target):g}"


@dataclass
class _Asked:
    """What a file may answer of one cell: its items by split, and what it has said so far."""

    cell: Cell
    labels: tuple[str, ...]
    starts: dict[str, str]  # of the ids, by split
    counts: dict[str, int]
    digests: dict[str, str]
    said: _Said = field(default_factory=dict)

    @classmethod
    def of(cls, study: Study, paths: Paths, cell: Cell) -> _Asked:
        folder = _prepared(study, paths, cell.task)
        own = [split for split in _ANSWERED if split in prepared_splits(folder)]
        tokens = {split: Tokens.open(folder / split) for split in own}
        starts = {split: _start_of_ids(folder, split) for split in own}
        counts = {split: len(found) for split, found in tokens.items()}
        digests = {split: found.digest for split, found in tokens.items()}
        return cls(cell, study.tasks[cell.task].labels, starts, counts, digests)

    def take(self, row: Mapping[str, Any], where: str) -> None:
        """Take what a line predicts; one of train, and one of dev without an answer, says none."""
        text = str(row["item"])
        found = _ITEM.fullmatch(text)
        if found is None:
            raise DataError(f"{where}: {text!r:.60} is no id of an item", _REMEDY)
        split, number = found[1], int(found[3])
        if split == "train":
            return
        if not text.startswith(self.starts[split]) or number >= self.counts[split]:
            what = f"{where}: {text} is an item of other data than {self.cell.task}'s {split} split"
            raise DataError(what, _REMEDY)
        answer = _answer(row, self.labels, where)
        if answer is None:
            if split == "test":
                raise DataError(f"{where}: no prediction of {text}", "predict every item of test")
            return
        seed = _seed(row["seed"], where)
        own = self.said.setdefault(seed, {name: {} for name in self.counts})[split]
        if number in own:
            raise DataError(f"{where}: {text} of seed {seed} again", "answer each item once a seed")
        own[number] = answer

    def whole(self, where: str) -> dict[int, dict[str, list[float]]]:
        """All predictions in the order of the items, by seed and split: test, and dev if any."""
        if not self.said:
            raise DataError(f"{where}: no prediction of {self.cell}", _REMEDY)
        has_dev = any(own.get("dev") for own in self.said.values())
        asked = [split for split in self.counts if split == "test" or has_dev]
        for seed, own in self.said.items():
            for split in asked:
                lost = [n for n in range(self.counts[split]) if n not in own[split]]
                if lost:
                    first = f"{len(lost)} of {self.counts[split]} items of {split} missing"
                    what = f"{where}: seed {seed}: {first}, such as {self.starts[split]}{lost[0]}"
                    raise DataError(what, f"predict every item of {split} with every seed")
        return {
            seed: {split: [own[split][n] for n in range(self.counts[split])] for split in asked}
            for seed, own in sorted(self.said.items())
        }


def _seed(value: Any, where: str) -> int:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (number.is_integer() and 0 <= number < 2**31):
        raise DataError(f"{where}: seed {value!r:.40}", "write the whole number of the run's seed")
    return int(number)


def _answer(row: Mapping[str, Any], labels: Sequence[str], where: str) -> float | None:
    """The number of a predicted label, or a score; None where a line predicts nothing."""
    said = row.get("prediction")
    if said not in (None, ""):
        return _label(said, labels, where) if labels else _number(said, where)
    values = [row.get(f"{PROBABILITY}{label}") for label in labels]
    if all(value in (None, "") for value in values):
        return None
    found = [_number(value, where) for value in values]
    if min(found) < 0 or abs(sum(found) - 1) > _OFF:
        what = f"{where}: probabilities {', '.join(f'{p:g}' for p in found)}, whose sum is no one"
        raise DataError(what, "write the softmax of the logits, a column for each label")
    return float(np.argmax(found))


def _label(said: Any, labels: Sequence[str], where: str) -> float:
    if str(said) not in labels:
        raise DataError(f"{where}: {said!r:.60} is no label", suggestion(str(said), labels))
    return float(labels.index(str(said)))


def _number(value: Any, where: str) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise DataError(f"{where}: {value!r:.40} is no number", "write a finite number")
    return found


def import_runs(
    study: Study,
    paths: Paths,
    files: Sequence[Path],
    method: str,
    budget: Mapping[str, int | None],
) -> list[Path]:
    """Keep what filled templates predict, for the next collection of results; return the files.

    All of it is checked before any of it is kept. ``budget`` is what is stated of each run, by
    the names of :data:`pdbench.data.columns.BUDGET`.

    Raises:
        UsageError: The method has a name that is taken, or other runs of it are kept already.
        DataError: A file has not one whole answer to every test item of a cell and seed.
    """
    _check_name(study, method)
    asked: dict[str, _Asked] = {}
    for file in files:
        for where, row in open_rows(file).whole():
            _check_columns(row, study, where)
            key = str(row["cell"])
            if key not in asked:
                cell = _place(study, key, method, where)
                _refuse_twice(cell, asked.values(), where)
                asked[key] = _Asked.of(study, paths, cell)
            asked[key].take(row, where)
    named = ", ".join(map(str, files))
    if not asked:
        raise DataError(f"{named}: no line", _REMEDY)
    digests = {file.name: file_digest(file) for file in files}
    stated = {column: budget.get(column) for column in BUDGET}
    made = [_made(study, own, own.whole(named), stated, digests) for own in asked.values()]
    for one in made:
        _refuse_others(paths.imported_cell(one.key), one)
    for one in made:
        write_json(paths.imported_cell(one.key), {**one.model_dump(mode="json"), "spec": one.spec})
    return [paths.imported_cell(one.key) for one in made]


def _made(
    study: Study,
    asked: _Asked,
    said: dict[int, dict[str, list[float]]],
    budget: dict[str, int | None],
    files: dict[str, str],
) -> Imported:
    cell = asked.cell
    answered = next(iter(said.values()))
    return Imported(
        study=study.name,
        cell=cell.key,
        task=cell.task,
        method=cell.method,
        architecture=str(cell.architecture),
        transfer=cell.transfer,
        items={split: asked.digests[split] for split in answered},
        budget=budget,
        files=files,
        said=said,
    )


def _check_name(study: Study, method: str) -> None:
    try:
        TypeAdapter(Name).validate_python(method)
    except ValidationError as error:
        what = f"--method {method!r:.70} is no name"
        raise UsageError(what, "write letters, digits and hyphens, 64 at most") from error
    if method in (*study.methods, TEACHER, "stored"):
        what = f"--method {method}: a method of that name stands in config/methods.yaml"
        raise UsageError(what, f"name it otherwise, such as {method}-elsewhere")


def _check_columns(row: Mapping[str, Any], study: Study, where: str) -> None:
    if missing := [name for name in ("cell", "item", "seed") if name not in row]:
        raise DataError(f"{where}: no column {missing[0]!r}", _REMEDY)
    known = study.cells.get(str(row["cell"]))
    labels = study.tasks[known.task].labels if known else ()
    names = {f"{PROBABILITY}{label}" for label in labels}
    strange = {name for name in row if name.startswith(PROBABILITY)} - names
    if known and strange:
        what = f"{where}: column {min(strange)!r} is of no label"
        raise DataError(what, f"there are {', '.join(sorted(names)) or 'no labels'}")


def _place(study: Study, key: str, method: str, where: str) -> Cell:
    """The cell of an imported method that stands beside one of the study."""
    if key not in study.cells:
        raise DataError(f"{where}: {key!r:.80} is no cell", suggestion(key, study.cells))
    return replace(study.cells[key], method=method, corpus=None)


def _refuse_twice(cell: Cell, known: Iterable[_Asked], where: str) -> None:
    if any(one.cell == cell for one in known):
        what = f"{where}: another cell of the same task, size and transfer set was answered above"
        raise DataError(what, "answer one of them, or give each a method of its own")


def _refuse_others(path: Path, new: Imported) -> None:
    """Refuse to put runs in the place of others."""
    if path.is_file() and Imported.read(path) != new:
        raise UsageError(f"{path}: other runs of {new.method}", "delete it if these replace them")


def imported_rows(study: Study, paths: Paths) -> Iterator[tuple[str, NDArray[Any], dict[str, Any]]]:
    """The task, the predictions on test and the row of every imported run, test scores apart.

    Raises:
        DataError: An import is of other items than the task has now; a partial table leaves it out.
    """
    for path in paths.imported_runs:
        found = Imported.read(path)
        task = study.tasks.get(found.task)
        now = {} if task is None else _Asked.of(study, paths, found.key).digests
        if any(now.get(split) != known for split, known in found.items.items()):
            if paths.partial:
                continue
            what = f"{path}: it answers other items than {found.task} has now"
            raise DataError(what, "delete it, fill a new template and import that")
        kind, folder = kind_of(study.tasks[found.task]), paths.task(found.task)
        as_said = np.int16 if study.tasks[found.task].labels else np.float32
        for index, (seed, own) in enumerate(sorted(found.said.items())):
            said = {split: np.asarray(values, as_said) for split, values in own.items()}
            row = _common(found, index, seed) | {"degenerate": kind.is_constant(said["test"])}
            if "dev" in said:
                dev = kind.judge(said["dev"], kind.open_split(folder / "dev"), kind.task.metrics)
                row |= {f"dev_{metric}": value for metric, value in dev.metrics.items()}
            yield found.task, said["test"], row


def _common(found: Imported, index: int, seed: int) -> dict[str, Any]:
    size = Architecture.parse(found.architecture)
    return {
        "schema_version": SCHEMA_VERSION,
        IMPORTED: True,
        "cell": found.cell,
        "task": found.task,
        "method": found.method,
        "architecture": found.architecture,
        "layers": size.layers,
        "hidden": size.hidden,
        "transfer": found.transfer,
        "corpus": None,
        "run": f"seed{index}",
        "seed_index": index,
        "seed": seed,
        "spec": found.spec,
        **{column: _count(found.budget.get(column)) for column in BUDGET},
        **{f"{split}_digest": known for split, known in found.items.items()},
    }


def _count(stated: int | None) -> float:
    return math.nan if stated is None else float(stated)
