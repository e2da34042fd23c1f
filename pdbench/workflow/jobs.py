"""The jobs of a study: when each must run again, which goes first, and what it costs.

A job is known by its rule and its name, the values of its wildcards joined by dots: the
job ``pretrain`` of corpus ``general`` and size 4/128 is ``general.4-128``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from pdbench.planning.costs import ARCHIVE, AUDIT, COLLECT, DRAW, REPORT, TASK, Costs
from pdbench.planning.machines import H100, LAPTOP
from pdbench.planning.sizes import Sizes
from pdbench.planning.work import Work, total
from pdbench.study.cells import Start
from pdbench.study.config import Study
from pdbench.workflow.bundles import BUNDLE, Bundle, partition
from pdbench.workflow.paths import Paths, kind_of

STAGES_OF_WORK = (
    ("archive",),
    ("task", "text"),
    ("audit", "teacher"),
    ("soft_labels",),
    ("pretrain",),
    ("seed", "cell", "bundle"),
    ("collect", "figure", "table", "gate", "report", "check"),
)
"""Rules from first to last: first what most other jobs wait for."""

_STEP = 1_000
_FINENESS = 40  # keeps a job of 10^10 core-seconds below the step
_ALONE = 100_000  # more than any number of cores of other jobs together


def seed_name(key: str, seed: int | str) -> str:
    """What the job of one seed of a cell is called."""
    return f"{key}.seed{seed}"


class Jobs:
    """Every job of a study, by rule and name.

    Args:
        study: The study.
        bundle: Estimated seconds of the cells that share a job; 0 gives each its own.
        split: Estimated seconds of a cell from which each of its seeds has a job of its own; 0
            splits none.
    """

    def __init__(self, study: Study, bundle: float = BUNDLE, split: float = 0.0) -> None:
        self.study = study
        self.paths = Paths(study)
        self._bundle = bundle
        self._split = split

    @cached_property
    def bundles(self) -> dict[str, Bundle]:
        """The bundles of small cells, by name."""
        if not self._bundle:
            return {}
        return partition(self.study, self._seconds, self._bundle)

    @cached_property
    def split(self) -> dict[str, tuple[int, ...]]:
        """The seeds of the cells that are trained seed by seed, by the cells' keys."""
        large = [key for key in self.alone if 0 < self._split <= self._seconds[key]]
        cells = {key: self.study.cells[key] for key in large}
        return {
            key: tuple(range(self.study.seeds[cell]))
            for key, cell in cells.items()
            if self.study.trained_by(cell) == cell and self.study.seeds[cell] > 1
        }

    def seed_files(self, key: str) -> list[Path]:
        """What says that the seeds of a cell are there which have jobs of their own."""
        return [self.paths.seed(key, seed) for seed in self.split.get(key, ())]

    @cached_property
    def _seconds(self) -> dict[str, float]:
        """The estimated seconds of every cell, by its key."""
        # Narrow models gain little from a GPU, so that one device's seconds are no other's.
        machine = H100 if self.study.scale == "paper" else LAPTOP
        return {key: machine.seconds(work) for key, work in self._cells.items()}

    @cached_property
    def _cells(self) -> dict[str, Work]:
        """The work of every cell, by its key, where nothing was counted."""
        costs = Costs(self.study)
        return {key: costs.cell(cell) for key, cell in self.study.cells.items()}

    @cached_property
    def alone(self) -> list[str]:
        """The keys of the cells that have a job of their own."""
        bundled = {key for bundle in self.bundles.values() for key in bundle.cells}
        return [key for key in self.study.cells if key not in bundled]

    @property
    def results_files(self) -> list[Path]:
        """What says that all teachers and cells are there."""
        teachers = [self.paths.teacher(task) / "record.json" for task in self.study.taught]
        cells = [self.paths.cell(key) / "cell.json" for key in self.alone]
        return teachers + cells + [self.paths.bundle(name) for name in self.bundles]

    def bundle_inputs(self, name: str) -> list[Path]:
        """What the cells of a bundle read, except one from another."""
        cells = self.bundles[name].cells
        kinds = (self.paths.cell_inputs(key).values() for key in cells)
        found = dict.fromkeys(path for paths in kinds for some in paths for path in some)
        own = {self.paths.cell(key) / "cell.json" for key in cells}
        return [path for path in found if path not in own]

    @cached_property
    def costs(self) -> dict[str, dict[str, float]]:
        """Rough core-seconds of every job, by rule and name."""
        return {
            rule: {name: LAPTOP.seconds(work) for name, work in jobs.items()}
            for rule, jobs in self.work().items()
        }

    def work(self, sizes: Sizes | None = None) -> dict[str, dict[str, Work]]:
        """What every job computes, by rule and name.

        Args:
            sizes: How much data there is; None assumes it.
        """
        found: dict[str, dict[str, Work]] = {}
        cells = self._cells
        costs = Costs(self.study, sizes)
        if sizes is not None:
            cells = {key: costs.cell(cell) for key, cell in self.study.cells.items()}
        for rule, name, work in self._all(costs, cells):
            found.setdefault(rule, {})[name] = work
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

    def pretrain_spec(self, corpus: str, size: str) -> str:
        """Digest of what decides a pre-trained checkpoint."""
        return self.study.digest_of(self.study.pretrain_spec(Start.parse(corpus, size)))

    def pretrain_arguments(self, corpus: str, size: str) -> str:
        """What `pdbench pretrain` is told of a pre-trained checkpoint, after the study."""
        start = Start.parse(corpus, size)
        own = "" if start.method is None else f" --method {start.method}"
        return f"{corpus} {start.architecture}{own}"

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

    def seed_spec(self, key: str, seed: int) -> str:
        """Digest of what decides the results of one seed of a cell, and which runs it has."""
        cell = self.study.cells[key]
        runs = [run.name for run in self.study.runs(cell) if run.seed_index == seed]
        return self.study.digest_of({"cell": self.study.cell_spec(cell), "runs": runs})

    def bundle_spec(self, name: str) -> str:
        """Digest of what decides the results of a bundle's cells."""
        return self.study.digest_of({key: self.cell_spec(key) for key in self.bundles[name].cells})

    def results_spec(self) -> str:
        """Digest of what decides the results of all cells."""
        return self.study.digest_of({key: self.cell_spec(key) for key in self.study.cells})

    def latency_spec(self) -> str:
        """Digest of which sizes are timed."""
        tasks = self.study.tasks.values()
        teachers = [task.teacher.model_dump(mode="json") for task in tasks if task.teacher]
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

    def _all(self, costs: Costs, cells: dict[str, Work]) -> Iterator[tuple[str, str, Work]]:
        study, paths = self.study, self.paths
        yield "latency", "", costs.latency()
        for file in paths.all_archives:
            yield "archive", file.name, Work(seconds=ARCHIVE)
        for task in study.tasks:
            yield "task", task, Work(seconds=TASK)
        for text in study.texts:
            yield "text", text, costs.text(text)
        yield "audit", "", Work(seconds=AUDIT)
        for start in study.pretrained:
            yield "pretrain", f"{start.corpus}.{start.size}", costs.pretrain(start)
        for task in study.taught:
            yield "teacher", task, costs.teacher(task)
        for (task, text), items in study.soft_labelled().items():
            yield "soft_labels", f"{task}.{text}", costs.soft_labels(task, text, items)
        for key in self.alone:
            seeds = self.split.get(key, ())
            for seed in seeds:
                yield "seed", seed_name(key, seed), cells[key] * (1 / len(seeds))
            yield "cell", key, Work(starts=1) if seeds else cells[key]
        for name, bundle in self.bundles.items():
            yield "bundle", name, total(cells[key] for key in bundle.cells)
        yield "collect", "", Work(seconds=COLLECT)
        for artefact in study.artefacts:
            yield kind_of(artefact), artefact, Work(seconds=DRAW)
        if study.gate:
            yield "gate", "", Work(seconds=REPORT)
        yield "report", "", Work(seconds=REPORT)
