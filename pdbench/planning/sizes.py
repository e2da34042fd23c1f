"""How much data a study has: counted by its audit where that was done, assumed elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pdbench.study.config import Study

FILLED = 0.42
"""Share of max_length that a mean item fills: what the demo's sentences and pairs do."""

UNCERTAINTY = 0.4
"""Standard deviation of the logarithm of sizes that are assumed: half as much again or less."""

_ANY = 10_000  # items of a split of which nothing is known

PUBLISHED: dict[str, dict[str, int]] = {
    "cola": {"train": 8_551, "dev": 1_043, "test": 1_063},
    "sst-2": {"train": 67_349, "dev": 872, "test": 1_821},
    "mrpc": {"train": 3_668, "dev": 408, "test": 1_725},
    "sts-b": {"train": 5_749, "dev": 1_500, "test": 1_379},
    "qqp": {"train": 363_846, "dev": 40_430, "test": 390_965},
    "mnli": {"train": 392_702, "dev": 9_815, "test": 9_796},
    "mnli-mm": {"train": 392_702, "dev": 9_832, "test": 9_847},
    "qnli": {"train": 104_743, "dev": 5_463, "test": 5_463},
    "rte": {"train": 2_490, "dev": 277, "test": 3_000},
    "wnli": {"train": 635, "dev": 71, "test": 146},
    "ax": {"train": 0, "dev": 0, "test": 1_104},
    "squad": {"train": 87_599, "dev": 10_570, "test": 10_570},
}
"""Items of published data, by the name or configuration that a task gives (GLUE, SQuAD 1.1)."""

_ALIASES = {"sst2": "sst-2", "stsb": "sts-b", "mnli-mismatched": "mnli-mm"}


class Sizes:
    """The items and lengths of a study's data.

    Args:
        study: The study.
        audit: What its audit counted; None assumes everything.
    """

    def __init__(self, study: Study, audit: dict[str, Any] | None = None) -> None:
        self._study = study
        self._audit = audit or {}

    @classmethod
    def counted(cls, study: Study, path: Path) -> Sizes:
        """The sizes that an audit counted, if its file is there and whole."""
        try:
            return cls(study, json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return cls(study)

    @property
    def uncertainty(self) -> float:
        """Standard deviation of the logarithm of the amount of data: none once counted."""
        return 0.0 if self._audit else UNCERTAINTY

    def items(self, task: str, split: str) -> int:
        """Items of a split of a task."""
        counted = self._split(task, split)
        if counted is not None:
            return int(counted["items"])
        settings = self._study.tasks[task]
        wanted: int | None = getattr(settings, split)
        known = _published(settings.configuration or "") or _published(settings.name)
        most = known.get(split, _ANY)
        return most if wanted is None else min(wanted, most) if known else wanted

    def task_pieces(self, task: str) -> float:
        """Mean word pieces of a task's item."""
        counted = self._split(task, "train")
        if counted is not None and counted["items"]:
            return float(counted["pieces"]) / int(counted["items"])
        return FILLED * self._study.tasks[task].max_length

    def text_pieces(self, text: str) -> float:
        """Mean word pieces of a text's item."""
        counted = self._audit.get("texts", {}).get(text)
        if counted is not None and counted["items"]:
            return float(counted["pieces"]) / int(counted["items"])
        settings = self._study.texts[text]
        return settings.max_length * (1.0 if settings.split else FILLED)

    def _split(self, task: str, split: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = (
            self._audit.get("tasks", {}).get(task, {}).get("splits", {}).get(split)
        )
        return found


def _published(name: str) -> dict[str, int]:
    known = name.lower().replace("_", "-").rpartition("/")[2]
    return PUBLISHED.get(_ALIASES.get(known, known), {})
