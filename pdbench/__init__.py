"""pdbench: reproduce "Well-Read Students Learn Better" and judge new compression methods.

The door, each name imported when it is first asked for:

- ``load_study`` reads a study file, ``read_results`` the table of all its runs, which
  ``ResultsTable(study, frame)`` offers by cells;
- the parts of Algorithm 1, in the order of ``examples/pre_trained_distillation.py``:
  ``embedded_vocabulary``, ``labelled_data``, ``unlabelled_text`` and ``tokens_of``; ``pretrain``;
  ``embedded_teacher``, ``StageSettings``, ``finetune`` and ``soft_labels``; ``student_of`` and
  ``distill``; ``accuracy`` and ``write_model``.

The rooms, each of which may import from those before it, are ``core``, ``study``, ``planning``,
``workflow``, ``data``, ``engine``, ``kinds``, ``methods``, ``jobs``, ``ops``, ``testing``,
``evidence``, ``artefacts``, ``report`` and ``cli``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pdbench.evidence.table import ResultsTable, read_results
    from pdbench.jobs.algorithm import (
        accuracy,
        distill,
        embedded_teacher,
        embedded_vocabulary,
        finetune,
        labelled_data,
        pretrain,
        soft_labels,
        student_of,
        tokens_of,
        unlabelled_text,
        write_model,
    )
    from pdbench.study import load_study
    from pdbench.study.settings import StageSettings

__version__ = "0.1.0"

__all__ = [
    "ResultsTable",
    "StageSettings",
    "accuracy",
    "distill",
    "embedded_teacher",
    "embedded_vocabulary",
    "finetune",
    "labelled_data",
    "load_study",
    "pretrain",
    "read_results",
    "soft_labels",
    "student_of",
    "tokens_of",
    "unlabelled_text",
    "write_model",
]

_ELSEWHERE = {
    "ResultsTable": "pdbench.evidence.table",
    "StageSettings": "pdbench.study.settings",
    "load_study": "pdbench.study",
    "read_results": "pdbench.evidence.table",
}


def __getattr__(name: str) -> Any:
    """Import what the door offers when it is first asked for: torch and pandas take seconds."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ELSEWHERE.get(name, "pdbench.jobs.algorithm")), name)
