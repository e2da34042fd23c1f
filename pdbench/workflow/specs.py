"""Specifications: everything that decides what a job makes, and the digest that names it.

A default that nobody wrote is in no specification, so that a new key leaves what is finished as
it is. Of local files their content counts, and no name or place.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pdbench.core.files import digest
from pdbench.study import Cell, Study
from pdbench.study.discovery import code_digest
from pdbench.study.settings import Source, Text
from pdbench.study.waivers import WAIVERS
from pdbench.workflow.contents import MODEL_FILES, Contents
from pdbench.workflow.engine import code_of, engine_of
from pdbench.workflow.kinds import KINDS, Job, held_out

REFERENCES = Path("config/reference")

_DIGITS = 16  # of a digest: no two specifications of one name agree in 64 bits by chance


class Specs:
    """The specifications of a study's jobs.

    Args:
        study: The study.
        imported: The scores that GLUE's server gave, which the table of results takes up.
    """

    study: Study

    def __init__(self, study: Study, imported: Iterable[Path] = ()) -> None:
        self.study = study
        self._imported = imported
        self._contents = Contents()
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
            "engine": engine_of(kind.runs) if kind.last else code_of(kind.runs),
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
            found["files"] = self._contents.of(source, MODEL_FILES)
        return found

    def code(self, objective: str) -> str:
        """Digest of the code of an objective that a class defines, as ``module:Class``."""
        return code_digest(objective.partition(":")[0])

    def cell(self, cell: Cell) -> str:
        """Digest of what decides all runs of a cell alike."""
        if cell not in self._cells:
            study, method = self.study, self.study.methods[cell.method]
            used = dict.fromkeys(stage.settings for stage in method.stages)
            own = [stage.objective for stage in method.stages if stage.is_custom]
            transfer = study.transfer_sets[cell.transfer] if cell.transfer is not None else None
            spec = {
                "cell": cell.key,
                "method": self.settings(method, "name", "pretraining"),
                "stages": {
                    name: self.settings(study.stage(name), "learning_rate", "batch_size")
                    for name in used
                },
                "items": None if transfer is None else transfer.size,
                "code": [self.code(objective) for objective in own],
                "needs": [self.digest(job) for job in KINDS["cell"].needs(study, cell)],
                **self.scaling,
            }
            self._cells[cell] = digest(spec)
        return self._cells[cell]

    @cached_property
    def scaling(self) -> dict[str, Any]:
        """How weights begin and rates scale with the width of a model."""
        training = self.study.training
        return {"range": training.initializer_range, "rates_hold_at": training.rates_hold_at}

    @cached_property
    def held_out(self) -> dict[str, Any]:
        """What decides dev and test of every task, by task."""
        return {name: held_out(task, self) for name, task in self.study.tasks.items()}

    @cached_property
    def whole(self) -> dict[str, Any]:
        """All that the study says."""
        return self.study.model_dump(mode="json")

    @cached_property
    def references(self) -> dict[str, str]:
        """The published numbers, by file."""
        return {path.name: self._contents.digest(path) for path in sorted(REFERENCES.glob("*.csv"))}

    @cached_property
    def waivers(self) -> str | None:
        """The accepted regressions."""
        return self._contents.digest(WAIVERS) if WAIVERS.is_file() else None

    @cached_property
    def imported(self) -> dict[str, str]:
        """The imported scores, by file."""
        return {path.name: self._contents.digest(path) for path in self._imported}
