"""One look at all data of a study: sizes, similarities, and that no test text is elsewhere.

S says how similar a transfer set is to a labelled set. The paper varies it between 0.43 and 1
and does not say how it is computed, so this is ours:

1. Words are runs of ASCII letters and digits, with an apostrophe inside (``don't``), in
   lower case. Both sides of a pair count.
2. The vocabulary is the 1,000 most frequent words of the labelled set's training text (all
   of them if it has fewer; equal counts in alphabetical order).
3. Each of those words is counted in the labelled set and in the transfer set, where a word
   that does not occur counts 0. Counts are ranked, ties by their average rank.
4. S is Spearman's correlation of the two rankings.

S is 1 for a set and itself, does not depend on the order of the items, and is not symmetric:
it asks how well the transfer set covers the words of the task.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pdbench.core.entries import read_record, write_record
from pdbench.core.errors import GuardError
from pdbench.core.files import mended
from pdbench.data.columns import TEXT
from pdbench.data.splits import (
    Row,
    is_leak,
    item_key,
    stored_rows,
    tested_elsewhere,
    tested_sentences,
)
from pdbench.data.tokens import Tokens
from pdbench.study import Study
from pdbench.workflow import Paths

_VOCABULARY = 1000
"""Most frequent words of the labelled set that are compared."""

_WORD = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*")


def audit(study: Study, paths: Paths) -> None:
    """Write ``paths.audit``: what every task and text holds, and S of every transfer set.

    All data are searched once more for what is evaluated (see :mod:`pdbench.data.splits`). How
    many items of train and dev share a sentence with test, as GLUE's pair tasks do, is reported.

    Raises:
        GuardError: Test data has leaked.
    """
    tested = tested_sentences(study, paths)
    trained = [t for t, task in study.tasks.items() if task.model_of is None]
    rows = {t: stored_rows(paths.task(t) / "train") for t in trained}
    labelled = {t: Counter(word for row in own for word in _words(row)) for t, own in rows.items()}
    texts = {x: _survey(study, paths, x, tested, labelled) for x in study.texts}
    tasks = {t: _check_task(study, paths, t) for t in trained}
    checked = sum(items for items, _, _ in texts.values())
    checked += sum(items for items, _ in tasks.values())
    content = {
        "tasks": {t: _about(paths.task(t)) for t in study.tasks},
        "texts": {x: about for x, (_, about, _) in texts.items()},
        "transfer_sets": {s: texts[t.text][2][s] for s, t in study.transfer_sets.items()},
        "leaks": {
            "checked": checked,
            "found": 0,
            "shared_sentences": {t: shared for t, (_, shared) in tasks.items()},
        },
    }
    with paths.renewing(paths.audit.parent) as folder:
        write_record(folder, content)


def _about(folder: Path) -> dict[str, Any]:
    """What the record of a task or text says, apart from the digests of its files."""
    return {key: said for key, said in read_record(folder).items() if key != "outputs"}


def _survey(
    study: Study, paths: Paths, text: str, tested: set[str], labelled: dict[str, Counter[str]]
) -> tuple[int, dict[str, Any], dict[str, dict[str, Any]]]:
    """Read a text once: look for test and dev, and compare every set made of it.

    Returned are its items, what is written about it, and about each of these transfer sets.
    """
    folder = paths.text(text)
    sizes = {s: t.size for s, t in study.transfer_sets.items() if t.text == text}
    wanted, similarities = set(sizes.values()), {}
    counts: Counter[str] = Counter()
    checked = 0
    for row in stored_rows(folder):
        if is_leak(row, tested):
            raise _leak(folder, checked, row)
        counts.update(_words(row))
        checked += 1
        if checked in wanted:
            similarities[checked] = _similarities(labelled, counts)
    whole = _similarities(labelled, counts)
    tokens = Tokens.open(folder)
    sets = {
        name: {
            "text": text,
            "items": min(size, len(tokens)),
            "pieces": int(tokens.offsets[min(size, len(tokens))]),
            "similarity": similarities.get(size, whole),
        }
        for name, size in sizes.items()
    }
    return checked, {**_about(folder), "similarity": whole}, sets


def _check_task(study: Study, paths: Paths, task: str) -> tuple[int, int]:
    """Count the items of train and dev, and those of which a sentence is also in test."""
    folder = paths.task(task)
    test, dev = (set(map(item_key, stored_rows(folder / split))) for split in ("test", "dev"))
    tested = test | tested_elsewhere(study, paths, task)
    held_out = {"train": tested | dev, "dev": tested}
    sentences = {key for item in test for key in item} - {""}
    checked = shared = 0
    for split, out in held_out.items():
        for number, row in enumerate(stored_rows(folder / split)):
            item = item_key(row)
            if item in out:
                raise _leak(folder / split, number, row)
            checked += 1
            shared += any(key in sentences for key in item)
    return checked, shared


def _leak(folder: Path, number: int, row: Row) -> GuardError:
    what = f"{folder}: item {number} holds text of test or dev ({' | '.join(row)[:60]!r})"
    return GuardError(what, mended(folder / TEXT))


def _similarities(labelled: dict[str, Counter[str]], counts: Counter[str]) -> dict[str, float]:
    return {task: round(_similarity(own, counts), 4) for task, own in labelled.items()}


def _words(texts: Iterable[str]) -> list[str]:
    return [word for text in texts for word in _WORD.findall(text.lower())]


def _similarity(labelled: Counter[str], transfer: Counter[str]) -> float:
    """S of a transfer set to a labelled set, each given by its word counts.

    Where one ranking is constant, as when no word is shared, there is no correlation and
    S is 0.
    """
    from scipy.stats import spearmanr

    words = sorted(labelled, key=lambda word: (-labelled[word], word))[:_VOCABULARY]
    ours = [labelled[word] for word in words]
    theirs = [transfer[word] for word in words]
    if min(len(set(ours)), len(set(theirs))) < 2:
        return 0.0
    found = float(spearmanr(ours, theirs).statistic)
    return 0.0 if math.isnan(found) else found
