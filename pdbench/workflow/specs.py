"""Specifications: everything that decides what a job makes, and the digest that names it.

A default that nobody wrote is in no specification, so that a new key leaves what is finished as
it is. Of local files their content counts, and no name or place.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from pdbench.core.errors import DataError
from pdbench.core.files import digest, file_digest, read_json, write_json
from pdbench.study import Cell, Study
from pdbench.study.catalogue import CONFIGURATION_FILES, TOKENIZER_FILES, WEIGHTS_FILES
from pdbench.study.discovery import code_digest_of, configured, module_file, own_modules
from pdbench.study.settings import Data, Format, Source, Text
from pdbench.study.waivers import WAIVERS
from pdbench.workflow.engine import code_of, engine_of
from pdbench.workflow.kinds import KINDS, SHOWN, Job, needed_by_all

REFERENCES = Path("config/reference")
RESULTS = Path("results")
STORE = RESULTS / "store"
CONTENTS = STORE / "contents.json"
"""The digests of local files that are kept."""

_DIGITS = 16  # of a digest: no two specifications of one name agree in 64 bits by chance


class Specs:
    """The specifications of a study's jobs.

    ``imported`` are the scores that GLUE's server gave and the runs of other code bases, which the
    table of results takes up.
    Local files are read again if ``trusts_dates`` is false, else only where these have changed.
    """

    study: Study

    def __init__(
        self, study: Study, imported: Iterable[Path] = (), *, trusts_dates: bool = True
    ) -> None:
        self.study = study
        self.imported = imported
        self._contents = _Contents(trusts_dates=trusts_dates)
        self._digests: dict[Job, str] = {}
        self._cells: dict[Cell, str] = {}

    def digest(self, job: Job) -> str:
        """The digest of a job's specification, as 16 hexadecimal digits."""
        if job not in self._digests:
            self._digests[job] = digest(self.spec(job))[:_DIGITS]
        return self._digests[job]

    def spec(self, job: Job) -> dict[str, Any]:
        """The specification of a job: settings, engine, and the digests of what it reads."""
        kind = KINDS[job.kind]
        return {
            "kind": job.kind,
            "engine": code_of(kind.module) if job.kind in SHOWN else engine_of(kind.module),
            "decides": kind.decides(self, job.key),
            "needs": [self.digest(need) for need in kind.needs(self.study, job.key)],
        }

    def settings(self, model: BaseModel, *without: str) -> dict[str, Any]:
        """What is written of some settings, with values that are no defaults."""
        return model.model_dump(mode="json", exclude=set(without), exclude_defaults=True)

    def source(self, source: Source, *without: str) -> dict[str, Any]:
        """The settings of data, and the content of the files that they are read from."""
        found = self.settings(source, *without, "parts", "path")
        if source.source == "directory":
            found["files"] = self._contents.of(source)
        if isinstance(source, Text) and source.parts:
            found["parts"] = [self.source(part) for part in source.parts]
        return found

    def model(self, source: Source) -> dict[str, Any]:
        """The settings of weights or a vocabulary, and the content of their files."""
        found = self.settings(source, "path")
        if source.source == "directory":
            found["files"] = self._contents.of(source, _MODEL_FILES)
        return found

    def code(self, objective: str) -> str:
        """Digest of the code of an objective that a class defines, as ``module:Class``."""
        module = objective.partition(":")[0]
        if module.partition(".")[0] == __package__.partition(".")[0]:
            return code_digest_of(module_file(module))  # the engine has what else it runs
        return digest({name: code_digest_of(module_file(name)) for name in own_modules(module)})

    def cell(self, cell: Cell) -> str:
        """Digest of what decides all runs of a cell alike."""
        if cell not in self._cells:
            study, method = self.study, self.study.methods[cell.method]
            used = {stage.settings for stage in method.stages}
            spec = {
                "cell": cell.key,
                "method": self.settings(method, "name", "pretraining"),
                "stages": {
                    name: self.settings(study.stage(name), "learning_rate", "batch_size")
                    for name in used
                },
                "items": None if cell.transfer is None else study.transfer_sets[cell.transfer].size,
                "code": [self.code(own.objective) for own in method.stages if own.is_custom],
                "needs": [self.digest(job) for job in needed_by_all(study, cell)],
                **self.scaling,
            }
            self._cells[cell] = digest(spec)
        return self._cells[cell]

    @property
    def scaling(self) -> dict[str, Any]:
        """How weights begin and rates scale with the width of a model."""
        training = self.study.training
        return {"range": training.initializer_range, "rates_hold_at": training.rates_hold_at}

    @cached_property
    def held_out(self) -> dict[str, Any]:
        """What decides dev and test of every task, by task."""
        return {n: self.source(task, *_NOT_HELD_OUT) for n, task in self.study.tasks.items()}

    @cached_property
    def references(self) -> dict[str, str]:
        """The published numbers, by file."""
        return self.files(configured(REFERENCES).glob("*.csv"))

    @cached_property
    def waivers(self) -> str | None:
        """The accepted regressions."""
        path = configured(WAIVERS)
        return self._contents.digest(path) if path.is_file() else None

    def files(self, paths: Iterable[Path]) -> dict[str, str]:
        """The digests of some files, by name."""
        return {path.name: self._contents.digest(path) for path in paths}


_SPLITS = {"train", "dev", "test"}
_MODEL_FILES = (*CONFIGURATION_FILES, *WEIGHTS_FILES, *TOKENIZER_FILES)
_NOT_HELD_OUT = (
    *("labels", "metrics", "train", "max_length", "windows", "version", "teacher", "model_of"),
    "title",
)
"""Settings of a task that do not decide which items its dev and test have."""

_DATA = tuple(f".{ending}" for ending in (*get_args(Format), "gz"))  # of what may be read
_SETTLED = 2.0  # seconds after which a change shows in a file's times, however coarse they are


class _Contents:
    """The digests of local files; each object looks at every file once."""

    def __init__(self, *, trusts_dates: bool) -> None:
        self._known: dict[str, list[object]] = {}
        self._trusts_dates = trusts_dates
        with contextlib.suppress(DataError, OSError):
            found = read_json(CONTENTS)
            self._known = found if isinstance(found, dict) else {}
        self._seen: dict[str, str] = {}
        self._learnt = False

    def of(self, source: Source, names: Iterable[str] | None = None) -> dict[str, str] | None:
        """Digests of the files of a directory source by their names; None without the folder.

        A source that names a ``file``, or that of every split, has these alone; else ``names``
        count, or all that may be data, at any depth.
        """
        folder = Path(source.path or "")
        if not folder.is_dir():
            return None
        chosen = names if source.file is None else (source.file,)
        paths = [folder / name for name in chosen or ()]
        if chosen is None:
            said = source.splits if isinstance(source, Data) else {}
            every = isinstance(source, Data) and source.format is not None
            is_looked_for = "text" not in said and not said.keys() >= _SPLITS
            places = [*[folder] * is_looked_for, *(folder / name for name in said.values())]
            paths = [path for place in places for path in _data_files(place, every=every)]
        found = {os.path.relpath(p, folder): self.digest(p) for p in paths if p.is_file()}
        if self._learnt:
            with contextlib.suppress(OSError):  # a folder that is read-only keeps nothing
                write_json(CONTENTS, self._known)
            self._learnt = False
        return found

    def digest(self, path: Path) -> str:
        """The sha256 of a file, as 64 hexadecimal digits; of one that cannot be read, its error."""
        name = digest(str(path.absolute()))  # its place is nobody's business who reads what is kept
        if name not in self._seen:
            try:
                self._seen[name] = self._look(path, name)
            except OSError as error:
                self._seen[name] = f"unreadable: {error.strerror}"
        return self._seen[name]

    def _look(self, path: Path, name: str) -> str:
        about = path.stat()
        stamp = [about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns]
        known = self._known.get(name)
        if not self._trusts_dates:
            return file_digest(path)
        if isinstance(known, list) and known[1:] == stamp:
            return str(known[0])
        found = file_digest(path)
        if time.time() - max(about.st_mtime, about.st_ctime) > _SETTLED:
            self._known[name] = [found, *stamp]
            self._learnt = True
        return found


def _data_files(place: Path, *, every: bool) -> Iterator[Path]:
    """A file that is named, or those of a folder that may be data: all, or by their endings."""
    if not place.is_dir():
        yield place
        return
    for path in sorted(place.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            if not path.parent.resolve().is_relative_to(path.resolve()):  # a link to above
                yield from _data_files(path, every=every)
        elif every or path.name.lower().endswith(_DATA):
            yield path
