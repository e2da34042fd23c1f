"""The jobs of a study: when each must run again, which goes first, and what it costs.

A job is known by its rule and its name, the values of its wildcards joined by dots: the
job ``pretrain`` of corpus ``general`` and size 4/128 is ``general.4.128``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from pdbench.study import costs
from pdbench.study.architecture import Architecture
from pdbench.study.config import Study
from pdbench.study.paths import Paths, kind_of

STAGES_OF_WORK = (
    ("archive",),
    ("task", "text"),
    ("audit", "teacher"),
    ("soft_labels",),
    ("pretrain",),
    ("cell",),
    ("collect", "figure", "table", "report"),
)
"""Rules from first to last: first what most other jobs wait for."""

_STEP = 1_000
_FINENESS = 40  # keeps a job of 10^10 core-seconds below the step
_ALONE = 100_000  # more than any number of cores of other jobs together


class Jobs:
    """Every job of a study, by rule and name."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.paths = Paths(study)

    @cached_property
    def costs(self) -> dict[str, dict[str, float]]:
        """Rough core-seconds of every job, by rule and name."""
        found: dict[str, dict[str, float]] = {}
        for rule, name, cost in self._all():
            found.setdefault(rule, {})[name] = cost
        return found

    def priority(self, rule: str, name: str = "") -> float:
        """Snakemake's priority: earlier rules first, and within a rule the longest job.

        Latency comes before all: it needs the machine for itself, and never finds all cores
        free once other jobs run.
        """
        if rule == "latency":
            return _ALONE
        order = next(i for i, rules in enumerate(STAGES_OF_WORK) if rule in rules)
        cost = self.costs.get(rule, {}).get(name, 0.0)
        return (len(STAGES_OF_WORK) - order) * _STEP + round(_FINENESS * math.log1p(cost))

    def task_spec(self, task: str) -> str:
        """Digest of what decides a task's files."""
        spec = self.study.task_spec(task)
        spec.pop("teacher")
        return self.study.digest_of(spec)

    def text_spec(self, text: str) -> str:
        """Digest of what decides a text's files."""
        return self.study.digest_of(self.study.text_spec(text))

    def audit_spec(self) -> str:
        """Digest of what the audit looks at."""
        transfer = {k: v.model_dump(mode="json") for k, v in self.study.transfer_sets.items()}
        return self.study.digest_of({"transfer_sets": transfer})

    def pretrain_spec(self, corpus: str, architecture: str) -> str:
        """Digest of what decides a pre-trained checkpoint."""
        size = Architecture.parse(architecture)
        return self.study.digest_of(self.study.pretrain_spec(corpus, size))

    def teacher_spec(self, task: str) -> str:
        """Digest of what decides a teacher."""
        return self.study.digest_of(self.study.task_spec(task))

    def soft_labels_spec(self, task: str, text: str) -> str:
        """Digest of what decides a teacher's soft labels."""
        return self.study.digest_of(
            {
                "task": self.study.task_spec(task),
                "text": self.study.text_spec(text),
                "items": self.study.soft_labelled()[task, text],
            }
        )

    def cell_spec(self, key: str) -> str:
        """Digest of what decides a cell's results, and which runs it has."""
        cell = self.study.cells[key]
        runs = [run.name for run in self.study.runs(cell)]
        return self.study.digest_of({"cell": self.study.cell_spec(cell), "runs": runs})

    def latency_spec(self) -> str:
        """Digest of which sizes are timed."""
        teachers = [task.teacher.model_dump(mode="json") for task in self.study.tasks.values()]
        sizes = [str(size) for size in self.study.all_architectures]
        return self.study.digest_of({"sizes": sizes, "teachers": teachers})

    def artefact_spec(self, artefact: str) -> str:
        """Digest of what a table or figure is drawn from, apart from the results."""
        named = {"scale", "architectures", "tasks", "transfer_sets", "methods", "evidence"}
        shown: dict[str, Any] = self.study.model_dump(mode="json", include=named)
        needs = self.study.artefacts[artefact].model_dump(mode="json")
        return self.study.digest_of({"needs": needs, **shown})

    def report_spec(self) -> str:
        """Digest of what the report says about the study itself."""
        return self.study.digest_of(self.study.model_dump(mode="json"))

    def _all(self) -> Iterator[tuple[str, str, float]]:
        study, paths = self.study, self.paths
        yield "latency", "", costs.latency(study)
        for file in paths.all_archives:
            yield "archive", file.name, costs.ARCHIVE
        for task in study.tasks:
            yield "task", task, costs.TASK
        for text in study.texts:
            yield "text", text, costs.text(study, text)
        yield "audit", "", costs.AUDIT
        for corpus, size in study.pretrained:
            name = f"{corpus}.{size.layers}.{size.hidden}"
            yield "pretrain", name, costs.pretrain(study, corpus, size)
        for task in study.taught:
            yield "teacher", task, costs.teacher(study, task)
        for (task, text), items in study.soft_labelled().items():
            yield "soft_labels", f"{task}.{text}", costs.soft_labels(items)
        for key, cell in study.cells.items():
            yield "cell", key, costs.cell(study, cell)
        yield "collect", "", costs.COLLECT
        for artefact in study.artefacts:
            yield kind_of(artefact), artefact, costs.DRAW
        yield "report", "", costs.REPORT
