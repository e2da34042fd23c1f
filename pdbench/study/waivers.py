"""Waivers: losses that are known and accepted for a while, each with its reason."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from pdbench.study.discovery import configured
from pdbench.study.settings import Strict

WAIVERS = Path("config/waivers.yaml")

DAYS = 90
"""From today, the most that a waiver counts."""

_LETTERS, _WORDS = 20, 3  # that a reason has at least


def checked_reason(text: str) -> str:
    """A reason in one line; ValueError where it is too short to be one."""
    words = text.split()
    letters = sum(letter.isalpha() for letter in text)
    if letters < _LETTERS or len({word.lower() for word in words}) < _WORDS:
        what = f"{text!r:.80} is no reason: say why in {_LETTERS} letters or more, in several words"
        raise ValueError(what)
    return " ".join(words)


def _exact(name: str) -> str:
    if "*" in name:
        raise ValueError(f"{name!r:.80} names no cell: a waiver is of one cell, written out")
    return name


_Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1),
    AfterValidator(lambda text: " ".join(text.split())),
]
"""Words in one line, as they stand in tables and annotations."""


class Waiver(Strict):
    """One accepted loss."""

    study: _Text = Field(description="The study it is about.")
    baseline: _Text = Field(
        description="What the candidate is worse than: a method id, or stored for stored results."
    )
    cell: Annotated[_Text, AfterValidator(_exact)] = Field(
        description="The candidate's cell, task.method.L-H.transfer.corpus, or the mean over "
        "cells, mean.TASK or mean.all, as the table of `pdbench check` names it."
    )
    reason: Annotated[_Text, AfterValidator(checked_reason)] = Field(
        description="Why it is accepted, in several words."
    )
    expires: date = Field(
        description=f"The last day on which it counts, as 2027-01-31, at most {DAYS} days from now."
    )

    def covers(self, study: str, baseline: str, cell: str) -> bool:
        """Whether it is about this cell of this comparison."""
        return (self.study, self.baseline, self.cell) == (study, baseline, cell)

    def is_expired(self, today: date) -> bool:
        """Whether its last day is over."""
        return today > self.expires

    def counts(self, today: date) -> bool:
        """Whether it counts: neither over, nor for longer than it may be."""
        return not self.is_expired(today) and self.expires <= self.last(today)

    @staticmethod
    def last(today: date) -> date:
        """The last day until which a loss may be waived."""
        return today + timedelta(DAYS)


class WaiversFile(Strict):
    """All waivers of a project."""

    waivers: tuple[Waiver, ...] = Field(description="The accepted losses.")


def load_waivers(path: Path | None = None) -> tuple[Waiver, ...]:
    """Read a file of waivers; ``config/waivers.yaml`` may be absent, a named file may not."""
    from pdbench.study.loading import read_yaml, validated

    if path is None:
        path = configured(WAIVERS)
        if not path.is_file():
            return ()
    found: WaiversFile = validated(WaiversFile, read_yaml(path), path, "waivers")
    return found.waivers
