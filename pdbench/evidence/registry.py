"""What the reference files may say: their columns, and the words that stand in them.

``config/reference/README.md`` shows the same tables to readers; a test keeps them together.
"""

from __future__ import annotations

from dataclasses import dataclass

from pdbench.study.catalogue import metrics as catalogue
from pdbench.study.catalogue.glue import GLUE

COLUMNS = {
    "artefact": "Table or figure: an id of pdbench, or one of another publication's",
    "series": "Row or curve, in the source's words",
    "arch": 'L/H, or one of "BERT_LARGE", "5 models", "Mini vs Base"; "-" where none is stated',
    "method": "Method, in the source's words",
    "init": "Initialisation, where the series is about it",
    "task": "Task, in GLUE's or the paper's words; \"-\" for numbers that are no score",
    "task_version": 'Which data, where a task has several: "unstated" if the source does not say',
    "split": 'dev, test or "unstated"; "-" for numbers that are no score',
    "metric": "Metric id",
    "unit": "Unit of value and tolerance; it follows from the metric",
    "transfer_size": "Items of the transfer set, where the number depends on it: 50k, 1.7m",
    "similarity": "Similarity S of the transfer set to the labelled set, where it matters",
    "value": "The number, with the digits of its source",
    "tolerance": "Reading error of a digitised value; empty for others, whose last digit says it",
    "seeds": 'Runs behind the number; "unstated"; "-" for numbers that no run gave',
    "obtained": "printed (in a table), quoted (in the text) or digitised (read off a plot)",
    "grade": "primary (the publication's own number) or secondary",
    "source": "Publication and place",
}
"""Every column of a reference file with its meaning, in order."""


@dataclass(frozen=True)
class Metric:
    """A metric of the reference files: its unit, and whether it scores a split of a task."""

    unit: str
    scores: bool = False


METRICS = {
    **{
        name: Metric(catalogue.METRICS[name].unit, scores=True)
        for name in catalogue.metrics_for("classification")
    },
    "meta_score": Metric("%", scores=True),
    "glue_score": Metric("%", scores=True),
    "average": Metric("%", scores=True),
    "task_metric": Metric("%", scores=True),
    "mean_of_task_metrics": Metric("%", scores=True),
    "accuracy_points_or_percent": Metric("points or %"),
    "params_millions": Metric("million"),
    "transfer_set_millions": Metric("million"),
    "inference_seconds": Metric("s"),
    "speedup_vs_BERT_LARGE_TPUv2": Metric("ratio"),
    "TPU_speedup_x": Metric("ratio"),
    "speedup_x": Metric("ratio"),
    "compression_x": Metric("ratio"),
    "size_reduction_x": Metric("ratio"),
    "size_ratio": Metric("ratio"),
    "speed_ratio": Metric("ratio"),
    "data_ratio": Metric("ratio"),
}
"""Every metric id of the reference files."""

TASKS = {
    "-": "",
    "MNLI": "mnli",
    **{task.title: name for name, task in GLUE.items()},
    "Amazon Book Reviews": "book-reviews",
    "GLUE-6": "",
    "Score": "",
    "avg": "",
    "avg8": "",
    "MNLI/RTE": "",
}
"""Tasks in the sources' words, each with the id of one task's data; "" for none or several."""

VERSIONS = {
    "MNLI": ("matched", "mismatched", "unstated"),
    "MNLI-m": ("matched",),
    "MNLI-mm": ("mismatched",),
    "QNLI": ("v1", "v2", "unstated"),
}
"""Versions of the tasks that have several."""

META_TASKS = (
    (("SST-2", "accuracy"),),
    (("MRPC", "f1"), ("MRPC", "accuracy")),
    (("QQP", "f1"), ("QQP", "accuracy")),
    (("MNLI-m", "accuracy"), ("MNLI-mm", "accuracy")),
    (("QNLI", "accuracy"),),
    (("RTE", "accuracy"),),
)
"""What the meta score of GLUE-6 is the mean of: the scores of a task are averaged first."""

OWN_VERSION = {"mnli": "matched", "mnli-mismatched": "mismatched"}
"""The version that a task's id implies."""

SPLITS = ("dev", "test", "unstated")
"""Splits of scores; other numbers have "-"."""

OBTAINED = ("printed", "quoted", "digitised")
GRADES = ("primary", "secondary")
UNSTATED = "unstated"

SIZES_IN_WORDS = ("-", "BERT_LARGE", "5 models", "Mini vs Base")
"""What stands for an architecture where the source names no single L/H."""

CONTEXT_FILE = "concurrent_work.csv"
"""Numbers of other publications: shown for context, never a target."""
