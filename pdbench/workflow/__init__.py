"""The jobs of a study: what each reads, what decides it, where it stands, what it costs."""

from pdbench.workflow.paths import Paths

__all__ = ["Paths"]
