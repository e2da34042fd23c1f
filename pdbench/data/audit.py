"""One look at all data of a study: sizes, similarities, and that no test text is elsewhere."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from pdbench.data.leaks import Row, is_leak, item_key, keys_of, stored_rows, tested_sentences
from pdbench.data.similarity import similarity, word_counts
from pdbench.data.tokens import Tokens
from pdbench.errors import GuardError
from pdbench.files import read_json, write_json
from pdbench.study import Paths, Study


def audit(study: Study, paths: Paths) -> None:
    """Write ``paths.audit``: what every task and text holds, and S of every transfer set.

    All data are searched once more for test sentences, under the normalised match. A text
    must hold no sentence of any task's test split. A training or dev split must hold no
    whole item of its own test split; how many of its items share a sentence with it, as
    GLUE's pair tasks do, is reported.

    Raises:
        GuardError: Test data has leaked.
        DataError: A task or text is not prepared, or its tokens were edited.
    """
    tested = tested_sentences(study, paths)
    labelled = {t: _counts(paths.task(t) / "train") for t in study.tasks}
    checked = sum(_check_text(paths.text(text), tested) for text in study.texts)
    checked += sum(_check_task(paths.task(task)) for task in study.tasks)
    sets = {name: _transfer_set(study, paths, name, labelled) for name in study.transfer_sets}
    content = {
        "tasks": {t: read_json(paths.task(t) / "task.json") for t in study.tasks},
        "texts": {x: _text(paths.text(x), labelled) for x in study.texts},
        "transfer_sets": sets,
        "leaks": {
            "checked": checked,
            "found": 0,
            "shared_sentences": {t: _shared_sentences(paths.task(t)) for t in study.tasks},
        },
    }
    write_json(paths.audit, content)


def _check_text(folder: Path, tested: set[str]) -> int:
    rows = stored_rows(folder)
    for number, row in enumerate(rows):
        if is_leak(row, tested):
            raise _leak(folder, number, row)
    return len(rows)


def _check_task(folder: Path) -> int:
    tested = {item_key(row) for row in stored_rows(folder / "test")}
    checked = 0
    for split in ("train", "dev"):
        for number, row in enumerate(stored_rows(folder / split)):
            if item_key(row) in tested:
                raise _leak(folder / split, number, row)
            checked += 1
    return checked


def _leak(folder: Path, number: int, row: Row) -> GuardError:
    what = f"{folder}: item {number} holds test text ({' | '.join(row)[:60]!r})"
    return GuardError(what, f"delete {folder} and prepare it again")


def _shared_sentences(folder: Path) -> int:
    """Items of train and dev of which a sentence is also in test."""
    tested = keys_of(stored_rows(folder / "test"))
    rows = [*stored_rows(folder / "train"), *stored_rows(folder / "dev")]
    return sum(any(key in tested for key in item_key(row)) for row in rows)


def _text(folder: Path, labelled: dict[str, Counter[str]]) -> dict[str, Any]:
    about: dict[str, Any] = read_json(folder / "text.json")
    return {**about, "similarity": _similarities(labelled, _counts(folder))}


def _transfer_set(
    study: Study, paths: Paths, name: str, labelled: dict[str, Counter[str]]
) -> dict[str, Any]:
    chosen = study.transfer_sets[name]
    folder = paths.text(chosen.text)
    lengths = Tokens.open(folder).lengths[: chosen.size]
    return {
        "text": chosen.text,
        "items": len(lengths),
        "pieces": int(lengths.sum()),
        "similarity": _similarities(labelled, _counts(folder, chosen.size)),
    }


def _similarities(labelled: dict[str, Counter[str]], counts: Counter[str]) -> dict[str, float]:
    return {task: round(similarity(own, counts), 4) for task, own in labelled.items()}


def _counts(folder: Path, items: int | None = None) -> Counter[str]:
    return word_counts(text for row in stored_rows(folder)[:items] for text in row)
