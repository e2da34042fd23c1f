"""The report: one static page, and the example that the README shows."""

from pdbench.report.build import build, export_example

__all__ = ["build", "export_example"]
