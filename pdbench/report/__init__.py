"""The report: one static page, and the example that the README shows."""

from pdbench.report.build import build, build_partial, export_example, remove_partial

__all__ = ["build", "build_partial", "export_example", "remove_partial"]
