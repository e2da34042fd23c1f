"""A small package that offers a method by an entry point, as pip would install it."""

from __future__ import annotations

from pathlib import Path

OBJECTIVE = '''
from torch import Tensor

from pdbench.methods.objective import Objective
from pdbench.engine.exposed import Exposed


class Soft(Objective):
    """Nothing but the soft cross-entropy."""

    title, formula, exposes = "Soft labels", "soft cross-entropy", "class probabilities"
    last_states = False

    def forward(self, student: Exposed, teacher: Exposed, targets: Tensor) -> Tensor:
        return self.task_loss(student.logits, targets)
'''
METHODS = """
toy:
  name: Toy
  initialisation: pretrained
  stages:
    - {objective: "toy_methods.soft:Soft"}
"""


def write_package(site: Path, methods: str = METHODS, value: str = "toy_methods") -> Path:
    """Write the package and what pip notes of it below ``site``; return the package's folder."""
    package, info = site / "toy_methods", site / "toy_methods-1.0.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    (package / "__init__.py").write_text("raise ImportError('parsing must not import this')\n")
    (package / "soft.py").write_text(OBJECTIVE)
    (package / "methods.yaml").write_text(methods)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-methods\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[pdbench.methods]\ntoy = {value}\n")
    return package
