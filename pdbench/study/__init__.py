"""What to run: architectures, methods, tasks and cells, read from ``config/``.

Nothing here imports torch, transformers or pandas: every cluster job parses the workflow.
"""

from pdbench.study.cells import PAPER_ARCHITECTURES, Architecture, Cell, Run, Start
from pdbench.study.config import Study
from pdbench.study.loading import ROOT, load_study
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
