"""What a study would make: artefacts, cells, jobs and runs, counted without training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pdbench.study.config import Study
from pdbench.study.jobs import Jobs


@dataclass(frozen=True)
class Plan:
    """The size of a study.

    Attributes:
        study: The study's name.
        cells: The names of each cell's runs, by the cell's key.
        artefacts: The keys of the cells that each artefact needs, by its id.
        jobs: The number of jobs of each of the workflow's rules.
        core_minutes: A rough guess of each rule's work, in minutes of one laptop core.
    """

    study: str
    cells: dict[str, tuple[str, ...]]
    artefacts: dict[str, tuple[str, ...]]
    jobs: dict[str, int]
    core_minutes: dict[str, float]

    @classmethod
    def of(cls, study: Study) -> Plan:
        """Count what a study makes."""
        costs = Jobs(study).costs
        return cls(
            study=study.name,
            cells={
                key: tuple(run.name for run in study.runs(cell))
                for key, cell in study.cells.items()
            },
            artefacts={
                name: tuple(cell.key for cell in study.artefact_cells(name))
                for name in study.artefacts
            },
            jobs={rule: len(jobs) for rule, jobs in costs.items()},
            core_minutes={rule: sum(jobs.values()) / 60 for rule, jobs in costs.items()},
        )

    @property
    def runs(self) -> int:
        """All runs of all cells."""
        return sum(len(runs) for runs in self.cells.values())

    def runs_of(self, artefact: str) -> int:
        """The runs that an artefact draws on."""
        return sum(len(self.cells[key]) for key in self.artefacts[artefact])

    def as_json(self) -> dict[str, Any]:
        """Return the plan in the shape that ``pdbench plan --json`` writes.

        ``totals`` has the numbers of artefacts, cells, jobs and runs; ``jobs`` the number of
        jobs by rule, and ``core_minutes`` their rough cost; ``artefacts`` the cells and the
        number of runs of each artefact; ``cells`` the names of each cell's runs.
        """
        return {
            "study": self.study,
            "totals": {
                "artefacts": len(self.artefacts),
                "cells": len(self.cells),
                "jobs": sum(self.jobs.values()),
                "runs": self.runs,
            },
            "jobs": self.jobs,
            "core_minutes": {rule: round(cost, 1) for rule, cost in self.core_minutes.items()},
            "artefacts": {
                name: {"cells": list(keys), "runs": self.runs_of(name)}
                for name, keys in self.artefacts.items()
            },
            "cells": {key: list(runs) for key, runs in self.cells.items()},
        }

    def as_text(self) -> str:
        """Return the plan as two small tables."""
        artefacts = [
            (name, str(len(keys)), str(self.runs_of(name))) for name, keys in self.artefacts.items()
        ]
        shared = ("together", str(len(self.cells)), str(self.runs))
        minutes = self.core_minutes
        jobs = [(rule, str(n), f"{minutes[rule]:.1f}") for rule, n in self.jobs.items()]
        total = ("together", str(sum(self.jobs.values())), f"{sum(minutes.values()):.1f}")
        return "\n".join(
            [
                f"Study {self.study}",
                "",
                *_columns([("artefact", "cells", "runs"), *artefacts, shared]),
                "",
                *_columns([("rule", "jobs", "core-minutes, roughly"), *jobs, total]),
            ]
        )


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    """Align rows of words: the first column to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        numbers = [word.rjust(width) for word, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *numbers]))
    return lines
