"""What a study must know of each kind of task, before any of it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pdbench.study.settings import Task

_ITEMS = 6000  # of a ranking: about those of ReDial

Problems: TypeAlias = Iterator[tuple[str, str]]
"""What is wrong with a key, and what to write."""


@dataclass(frozen=True)
class _KindOfTask:
    """A kind of task as far as studies, and the planning of them, ask."""

    soft_labels: Callable[[Task, float], float]  # numbers of an item's, given its word pieces
    in_words: str  # what its models answer with, for the table of data sets
    pipeline: str = "text-classification"  # of transformers, for such models
    has_labels: bool = False  # whether a study names labels, or none of a regression
    has_stages: bool = True  # whether objectives of one's own can read its models' outputs
    problems: Callable[[str, Task], Problems] = lambda key, task: iter(())


def kind_of_task(task: Task) -> _KindOfTask:
    """What is known of a task's kind."""
    return _KINDS[task.kind]


def _windows(key: str, task: Task) -> Problems:
    if task.max_length < task.windows.question + 4:
        what = f"key {key}.max_length: {task.max_length} leaves no room for a context"
        yield what, f"raise it above windows.question, {task.windows.question}, and 3"


_KINDS: dict[str, _KindOfTask] = {
    "classification": _KindOfTask(
        lambda task, _: max(1, len(task.labels)), "scores", has_labels=True
    ),
    # To be the first piece, and the last.
    "span": _KindOfTask(
        lambda _, pieces: 2 * pieces,
        "spans",
        "question-answering",
        has_stages=False,
        problems=_windows,
    ),
    "ranking": _KindOfTask(lambda *_: _ITEMS, "items"),
}
