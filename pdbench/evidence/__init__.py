"""What the results say: references, statistics, verdicts, claims and the gate."""

from pdbench.evidence.compare import Comparison, Verdict, compare
from pdbench.evidence.references import PAPER_SIZES, Reference, load_references
from pdbench.evidence.significance import Interval
from pdbench.evidence.table import ResultsTable, Score, Split

__all__ = [
    "PAPER_SIZES",
    "Comparison",
    "Interval",
    "Reference",
    "ResultsTable",
    "Score",
    "Split",
    "Verdict",
    "compare",
    "load_references",
]
