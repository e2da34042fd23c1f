"""The labels of test and dev, which nothing may open while a student trains.

A job that trains predicts for test, and the job that collects all results scores; dev's labels are
read before it trains, to choose afterwards. An objective is anybody's code, and it must not learn
what it is judged by.
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
from pdbench.study.offline import caches_in_use
from pdbench.study.settings import Task
from pdbench.workflow.paths import ARCHIVES, TABLE

_LABELS_OF_DEV = ("labels.npy", "spans.npy")
_LABELS = (*_LABELS_OF_DEV, TEXT)
"""The files of a prepared split that hold its labels; answers of dev are compared as texts."""

_FILES = ("open", "os.link", "os.rename", "os.symlink")
_PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn")
"""Python's names for what is heard (sys.addaudithook)."""

_EVALUATED = re.compile(
    r"(test|dev|val)[^.]*\.(?!py)|^(test|dev|val|valid|validation)$", re.IGNORECASE
)
"""The names of files, no modules, and of folders that may hold an evaluated split."""

_REMEDY = "let the objective learn from the batch that it is given, and choose on dev"


class _Closed:
    """What is closed at present, and the first attempt to open it all the same.

    It is what Python itself opens, links or renames that is seen, in this process: ``open``,
    ``os.open``, ``io`` and all that is built on them, such as numpy and pandas; and that it starts
    another program, which could. A library that opens a file in C, such as pyarrow, goes unseen,
    and Python offers nothing to see it by. It keeps the honest from a mistake, and a cheat from the
    easy ways; the gate looks at what a score says by itself.
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
        if not self.places:
            return
        if event in _PROGRAMS:
            self._refuse(f"{event} starts another program")
        if event in _FILES and isinstance(arguments[0], str | bytes):
            path = Path(os.path.realpath(os.fsdecode(arguments[0])))
            if _is_prepared(path) or not self.places.isdisjoint(map(str, (path, *path.parents))):
                self._refuse(f"{path}: opened")

    def _refuse(self, tried: str) -> None:
        self.tried = self.tried or tried
        raise _refusal(tried)


_CLOSED = _Closed()


@contextlib.contextmanager
def closed_labels(study: Study) -> Iterator[None]:
    """Refuse to open labels of test or dev of any task, prepared or as published, in the block.

    Raises:
        GuardError: It was tried, even where the attempt was caught.
    """
    _CLOSED.listen()
    _CLOSED.places, _CLOSED.tried = frozenset(_places(study)), None
    try:
        yield
    finally:
        _CLOSED.places = frozenset()
    if _CLOSED.tried is not None:
        raise _refusal(_CLOSED.tried)


def _refusal(tried: str) -> GuardError:
    what = f"{tried} while a student trains, where labels of test or dev could be read"
    return GuardError(what, _REMEDY)


def _is_prepared(path: Path) -> bool:
    """Whether a file has labels of any task in the store, or all those of a table of results."""
    split, name = path.parent.name, path.name
    is_held_out = split == "test" and name in _LABELS
    return name == TABLE or is_held_out or (split == "dev" and name in _LABELS_OF_DEV)


def _places(study: Study) -> Iterator[str]:
    """The real paths of other files and folders that hold labels of test: as published."""
    yield os.path.realpath(ARCHIVES)
    yield from map(os.path.realpath, caches_in_use().values())
    for task in study.tasks.values():
        if task.source == "directory" and task.path:
            yield from map(os.path.realpath, _published(Path(task.path), task))


def _published(folder: Path, task: Task) -> Iterator[Path]:
    """The files of a folder that may hold test as it was published: that may be called dev."""
    named = [folder / name for split, name in task.splits.items() if split != "train"]
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    yield from (path for path in (*named, *found) if path in named or _EVALUATED.search(path.name))
