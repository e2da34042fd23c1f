"""What ``pdbench compare`` does: it reads two sides, and says what differs, as text and as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pdbench.core.words import aligned, for_json, p_value, shortened, signed, visible
from pdbench.data.columns import BUDGET
from pdbench.data.splits import stored_rows
from pdbench.data.tokens import Tokens
from pdbench.evidence.side_by_side import Change, Pair, Scored, SideBySide, Subject, side_by_side
from pdbench.evidence.significance import Difference
from pdbench.evidence.table import read_results
from pdbench.study import load_study
from pdbench.study.catalogue.metrics import METRICS
from pdbench.workflow import Paths

_LONGEST = 100  # characters of a setting or a text in a line
_DIGITS = 12  # of a digest
_TABLE = ".parquet"  # how the name of a table ends; any other is a study's


def compared(a: str, b: str) -> SideBySide:
    """Put two sides side by side, each written as ``WHERE[:CELL[:RUN]]``.

    WHERE is a study, of which the collected results are read, or a table of results.

    Raises:
        UsageError: There is no such study, cell or run, or one side is a whole table alone.
        DataError: A table cannot be read.
    """
    return side_by_side(_subject(a), _subject(b))


def _subject(name: str) -> Subject:
    where, *parts = name.split(":", 2)
    cell, run = (*parts, None, None)[:2]
    if where.endswith(_TABLE):
        return Subject.of(name, read_results(Path(where)), None, cell, run)
    study = load_study(where)
    return Subject.of(name, read_results(Paths(study).table), study, cell, run)


def as_text(found: SideBySide, examples: int) -> Iterator[str]:
    """The lines for a terminal, with so many of the examples that changed sides, of each pair."""
    for side, subject in zip("AB", found.subjects, strict=True):
        yield f"{side}  {subject.name}: {_counted(len(subject.rows), 'run')}"
    yield ""
    is_named = len(found.pairs) > 1
    rows = [row for pair in found.pairs for row in _rows(pair, f"{pair.key}, " if is_named else "")]
    yield from aligned([_HEAD, *rows])
    if unpaired := [pair.key for pair in found.pairs if not pair.is_paired]:
        yield f"Not of the same test items, and so not paired: {', '.join(unpaired)}"
    for side, cells in zip("AB", found.alone, strict=True):
        if cells:
            yield f"In {side} alone: {', '.join(cells)}"
    for title, differing in (("Settings", found.settings), ("Environments", found.environments)):
        yield ""
        yield f"{title} that differ: {'' if differing else 'none'}".rstrip()
        for name, (one, other) in differing.items():
            most = _DIGITS if name.endswith("_digest") else _LONGEST
            two = (shortened(visible(text), most) for text in (one, other))
            yield f"  {visible(BUDGET.get(name, name))}: {' v '.join(two)}"
    yield ""
    yield "Examples that changed sides:"
    for pair in found.pairs:
        yield from _changed(pair, examples, f"{pair.key}: " if is_named else "")


_HEAD = ("", "A", "B", "B less A", "95% on this test set", "95% on such examples")


def _rows(pair: Pair, about: str) -> Iterator[tuple[str, ...]]:
    """A row for each metric, and one for the training losses."""
    for one in pair.scores:
        each = (str(own.interval) for own in one.each)
        value = one.on_test_set.value
        by = "" if math.isnan(value) else signed(value)
        name = f"{about}{METRICS[one.metric].title}"
        yield (name, *each, by, _ends(one.on_test_set), _ends(one.on_examples))
    losses = ["" if math.isnan(loss) else f"{loss:.4f}" for loss in pair.losses]
    if any(losses):
        yield (f"{about}training loss", *losses, "", "", "")


def _ends(found: Difference) -> str:
    interval = found.interval
    return "" if math.isnan(interval.low) else f"{signed(interval.low)} to {signed(interval.high)}"


def _changed(pair: Pair, most: int, about: str) -> Iterator[str]:
    found = pair.changes
    if found is None:
        yield f"  {about}not the same items, or none that an answer is right or wrong of"
        return
    moved = f"{len(found.lost)} right in A alone, {len(found.gained)} in B alone"
    p = "" if math.isnan(found.p) else f" (p {p_value(found.p)}, exact McNemar)"
    yield f"  {about}{moved}, of {found.items:,}{p}"
    texts = _texts(pair) if most else {}
    for change in _first(found.lost, found.gained, most):
        two = f"A says {change.said[0]}, B says {change.said[1]}"
        text = texts.get(change.item, "")
        words = f"    {change.item}, {change.label}: {two}{': ' if text else ''}{_short(text)}"
        yield visible(words)


def _first(lost: Sequence[Change], gained: Sequence[Change], most: int) -> list[Change]:
    """So many of both, as many of the one as of the other where there are."""
    half = min(len(lost), max((most + 1) // 2, most - len(gained)))
    return [*lost[:half], *gained[: most - half]]


def _texts(pair: Pair) -> Mapping[int, str]:
    """The texts of the test items by number, where they are prepared here."""
    for subject, task, rows in zip(pair.subjects, pair.tasks, pair.rows, strict=True):
        if subject.study is None or task not in subject.study.tasks:
            continue
        folder = Paths(subject.study).task(task) / "test"
        known = [] if "test_digest" not in rows else rows["test_digest"].dropna().tolist()
        if known and folder.is_dir() and Tokens.open(folder).digest == known[0]:
            return {number: " | ".join(texts) for number, texts in enumerate(stored_rows(folder))}
    return {}


def _short(text: str) -> str:
    return shortened(visible(text), _LONGEST)


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def as_json(found: SideBySide, examples: int) -> dict[str, Any]:
    """All that is known of both sides.

    ``pairs`` has for each its ``cells``, the ``runs`` of both, whether it is ``paired``, and for
    each of its ``metrics`` the scores of ``a`` and ``b`` with the ends of their intervals over
    seeds, and B less A on this ``test_set`` and on such ``examples``, all in points; the training
    ``losses``; and how many items ``changed`` sides, with so many ``examples`` of them.
    ``settings`` and ``environments`` have both values of what differs, by name.
    """
    return {
        "a": found.subjects[0].name,
        "b": found.subjects[1].name,
        "pairs": [_pair_as_json(pair, examples) for pair in found.pairs],
        "alone": {side: list(cells) for side, cells in zip("ab", found.alone, strict=True)},
        "settings": {name: list(two) for name, two in found.settings.items()},
        "environments": {name: list(two) for name, two in found.environments.items()},
    }


def _pair_as_json(pair: Pair, most: int) -> dict[str, Any]:
    changes = pair.changes
    return {
        "cells": [str(own["cell"].iloc[0]) for own in pair.rows],
        "runs": [len(own) for own in pair.rows],
        "paired": pair.is_paired,
        "metrics": {one.metric: _scored_as_json(one) for one in pair.scores},
        "losses": [for_json(loss) for loss in pair.losses],
        "changed": changes
        and {
            "items": changes.items,
            "both_right": changes.both,
            "a_alone": len(changes.lost),
            "b_alone": len(changes.gained),
            "both_wrong": changes.neither,
            "p": for_json(changes.p),
            "examples": _examples_as_json(pair, _first(changes.lost, changes.gained, most)),
        },
    }


def _examples_as_json(pair: Pair, chosen: Sequence[Change]) -> list[dict[str, Any]]:
    texts = _texts(pair) if chosen else {}
    return [
        {
            "item": one.item,
            "text": texts.get(one.item),
            "label": one.label,
            "a": one.said[0],
            "b": one.said[1],
        }
        for one in chosen
    ]


def _scored_as_json(one: Scored) -> dict[str, Any]:
    return {
        "a": _difference_as_json(one.each[0]),
        "b": _difference_as_json(one.each[1]),
        "test_set": _difference_as_json(one.on_test_set),
        "examples": _difference_as_json(one.on_examples),
    }


def _difference_as_json(found: Difference) -> dict[str, float | None]:
    ends = {"value": found.value, "low": found.interval.low, "high": found.interval.high}
    return {name: for_json(value) for name, value in ends.items()}
