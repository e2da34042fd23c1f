"""How much data a study has: counted by its audit where that was done, assumed elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pdbench.study.catalogue.glue import GLUE, glue_name
from pdbench.study.config import Study

_FILLED = 0.42
"""Share of max_length that a mean item fills: what the demo's sentences and pairs do."""

_UNCERTAINTY = 0.4
"""Standard deviation of the logarithm of sizes that are assumed: half as much again or less."""

_ANY = 10_000  # items of a split of which nothing is known

_OTHERS = {"squad": {"train": 87_599, "dev": 10_570, "test": 10_570}}
"""Items of published data that are not GLUE's, by the name that a task gives."""


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
        return 0.0 if self._audit else _UNCERTAINTY

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
        return _FILLED * self._study.tasks[task].max_length

    def text_pieces(self, text: str) -> float:
        """Mean word pieces of a text's item."""
        counted = self._audit.get("texts", {}).get(text)
        if counted is not None and counted["items"]:
            return float(counted["pieces"]) / int(counted["items"])
        settings = self._study.texts[text]
        return settings.max_length * (1.0 if settings.split else _FILLED)

    def _split(self, task: str, split: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = (
            self._audit.get("tasks", {}).get(task, {}).get("splits", {}).get(split)
        )
        return found


def _published(name: str) -> Mapping[str, int]:
    known = name.rpartition("/")[2]
    glue = glue_name(known)
    return _OTHERS.get(known.lower(), {}) if glue is None else GLUE[glue].items
