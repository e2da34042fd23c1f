"""What the results say: references, intervals, comparisons and their verdicts."""

from pdbench.evidence.compare import Comparison, Verdict, compare
from pdbench.evidence.intervals import Interval, t_interval
from pdbench.evidence.references import PAPER_SIZES, Reference, load_references
from pdbench.evidence.scores import Score, Scores, Split

__all__ = [
    "PAPER_SIZES",
    "Comparison",
    "Interval",
    "Reference",
    "Score",
    "Scores",
    "Split",
    "Verdict",
    "compare",
    "load_references",
    "t_interval",
]
