"""The labels of test, which nothing may open while a student trains.

A job that trains predicts for test, and the job that collects all results scores. An objective is
anybody's code, and it must not learn what it is judged by.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pdbench.core.errors import GuardError
from pdbench.data.columns import TEXT
from pdbench.study import Study
from pdbench.study.settings import Task
from pdbench.workflow import Paths
from pdbench.workflow.paths import ARCHIVES

_LABELS = ("labels.npy", "spans.npy", TEXT)
"""The files of a prepared split that hold its labels."""

_EVALUATED = re.compile(
    r"(test|dev|val)[^.]*\.(?!py)|^(test|dev|val|valid|validation)$", re.IGNORECASE
)
"""The names of files, no modules, and of folders that may hold an evaluated split."""

_REMEDY = "let the objective learn from the batch that it is given, and choose on dev"


class _Closed:
    """What is closed at present, and the first attempt to open it all the same.

    It is what Python itself opens that is seen, in this process: ``open``, ``os.open``, ``io`` and
    all that is built on them, such as numpy and pandas. A library that opens a file in C, such as
    pyarrow, and another process go unseen, and Python offers nothing to see them by. It keeps the
    honest from a mistake, and a cheat from the easy way.
    """

    def __init__(self) -> None:
        self.places: frozenset[str] = frozenset()
        self.tried: str | None = None
        self._is_heard = False

    def listen(self) -> None:
        """Hear from now on what the process opens: a hook cannot be taken away again."""
        if not self._is_heard:
            sys.addaudithook(self._hear)
            self._is_heard = True

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or not self.places or not isinstance(arguments[0], str | bytes):
            return
        path = os.path.realpath(os.fsdecode(arguments[0]))
        parents = (path, *map(str, Path(path).parents))
        if not self.places.isdisjoint(parents):
            self.tried = self.tried or path
            raise _refusal(path)


_CLOSED = _Closed()


@contextlib.contextmanager
def closed_test_labels(study: Study, paths: Paths) -> Iterator[None]:
    """Refuse to open the labels of test of any task, prepared or as published, in the block.

    Raises:
        GuardError: It was tried, even where the attempt was caught.
    """
    _CLOSED.listen()
    _CLOSED.places, _CLOSED.tried = frozenset(_places(study, paths)), None
    try:
        yield
    finally:
        _CLOSED.places = frozenset()
    if _CLOSED.tried is not None:
        raise _refusal(_CLOSED.tried)


def _refusal(path: str) -> GuardError:
    return GuardError(
        f"{path}: opened while a student trains, and it holds labels of test", _REMEDY
    )


def _places(study: Study, paths: Paths) -> Iterator[str]:
    """The real paths of files and folders that hold labels of test."""
    yield os.path.realpath(ARCHIVES)
    for name, task in study.tasks.items():
        yield from (os.path.realpath(paths.task(name) / "test" / file) for file in _LABELS)
        if task.source == "directory" and task.path:
            yield from map(os.path.realpath, _published(Path(task.path), task))


def _published(folder: Path, task: Task) -> Iterator[Path]:
    """The files of a folder that may hold test as it was published: that may be called dev."""
    named = [folder / name for split, name in task.splits.items() if split != "train"]
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    yield from (path for path in (*named, *found) if path in named or _EVALUATED.search(path.name))
