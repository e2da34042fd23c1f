"""What to run: architectures, methods, tasks and cells, read from ``config/``.

Nothing here imports torch, transformers or pandas: every cluster job parses the workflow.
"""

from __future__ import annotations

from pathlib import Path

from pdbench.study.cells import PAPER_ARCHITECTURES, Architecture, Cell, Run, Start
from pdbench.study.config import Study
from pdbench.study.discovery import ROOT
from pdbench.study.methods import Initialisation, Method, Objective, Stage

__all__ = [
    "PAPER_ARCHITECTURES",
    "ROOT",
    "Architecture",
    "Cell",
    "Initialisation",
    "Method",
    "Objective",
    "Run",
    "Stage",
    "Start",
    "Study",
    "load_study",
]


def load_study(name_or_path: str | Path) -> Study:
    """Load a study by its name in ``config/`` or the path of its file; UsageError names a fault."""
    from pdbench.study import loading  # whoever trains is given a study, and needs no YAML

    return loading.load_study(name_or_path)
