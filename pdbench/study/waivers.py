"""Waivers: regressions that are known and accepted for a while, each with its reason."""

from __future__ import annotations

from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from pdbench.study.discovery import ROOT
from pdbench.study.settings import Strict

WAIVERS = Path("config/waivers.yaml")

_Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1),
    AfterValidator(lambda text: " ".join(text.split())),
]
"""Words in one line, as they stand in tables and annotations."""


class Waiver(Strict):
    """One accepted regression."""

    study: _Text = Field(description="The study it is about.")
    baseline: _Text = Field(
        description="What the candidate is worse than: a method id, or stored for stored results."
    )
    cell: _Text = Field(
        description="The candidate's cell, task.method.L-H.transfer.corpus, as the table of "
        "`pdbench check` names it; * stands for any text, as in sentiment.minilm.*, and "
        "pooled.TASK and pooled.all are the means over cells."
    )
    reason: _Text = Field(description="Why it is accepted.")
    expires: date = Field(description="The last day on which it counts, as 2027-01-31.")

    def covers(self, study: str, baseline: str, cell: str) -> bool:
        """Whether it is about this cell of this comparison."""
        here = (self.study, self.baseline) == (study, baseline)
        return here and fnmatchcase(cell, self.cell)

    def is_expired(self, today: date) -> bool:
        """Whether its last day is over."""
        return today > self.expires


class WaiversFile(Strict):
    """All waivers of a project."""

    waivers: tuple[Waiver, ...] = Field(description="The accepted regressions.")


def load_waivers(path: Path | None = None) -> tuple[Waiver, ...]:
    """Read a file of waivers; ``config/waivers.yaml`` may be absent, a named file may not."""
    from pdbench.study.loading import read_yaml, validated

    if path is None:
        path = ROOT / WAIVERS
        if not path.is_file():
            return ()
    found: WaiversFile = validated(WaiversFile, read_yaml(path), path, "waivers")
    return found.waivers
