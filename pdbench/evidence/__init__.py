"""What the results say: references, statistics, verdicts, claims and the gate."""

from pdbench.evidence.compare import Comparison, compare
from pdbench.evidence.intervals import Interval, t_interval
from pdbench.evidence.references import PAPER_SIZES, Reference, load_references
from pdbench.evidence.scores import Score, Scores, Split
from pdbench.evidence.verdicts import Verdict

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
