"""Invented results of a small study whose true differences are known, for tests of the gate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from study_files import write_study_file

from pdbench.study import Run, Study, load_study
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job

EXAMPLES = 800
CHANGES: dict[str, Any] = {
    "architectures.grid": {"layers": [1, 2, 3], "hidden": [64, 128]},
    "artefacts.figure6.cells.0.architecture": "all",
    "artefacts.figure6.seeds": 3,
    "evidence": {"margin": 2.0},
}


def small_study(folder: Path, changes: Mapping[str, Any] | None = None) -> Study:
    """A study with six cells each of pd, d, pf and basic, and one more of d."""
    return load_study(write_study_file(folder / "small.yaml", {**CHANGES, **(changes or {})}))


def table(study: Study, added: Mapping[str, float] | None = None, salt: int = 0) -> pd.DataFrame:
    """One row a run, the teacher first.

    Args:
        study: The study.
        added: What runs of a cell, or of a method, are better by, in standard deviations of
            the sum that decides an answer.
        salt: Another number gives other runs.
    """
    labels = np.random.default_rng(1).integers(0, 2, EXAMPLES)
    hard = np.random.default_rng(2).standard_normal(EXAMPLES)
    rows = [_teacher(study, task, labels) for task in study.taught]
    paths = Paths(study)
    for cell in study.seed_counts:
        more = sum((added or {}).get(name, 0.0) for name in (cell.key, cell.method))
        for place, run in enumerate(study.runs(cell)):
            shared = np.random.default_rng([run.seed_number, cell.architecture.hidden, salt])
            noise = shared.standard_normal(EXAMPLES)  # of all methods: runs are paired by number
            rng = np.random.default_rng([run.seed, place, salt])
            sums = 1.0 + more + 0.01 * rng.standard_normal() + hard
            right = sums + noise + 0.1 * rng.standard_normal(EXAMPLES) > 0
            spec = paths.digest(Job("run", run))
            rows.append(_run(study, run, spec, np.where(right, labels, 1 - labels), labels))
    return pd.DataFrame(rows)


def _run(study: Study, run: Run, spec: str, predictions: Any, labels: Any) -> dict[str, Any]:
    cell, distils = run.cell, run.cell.transfer is not None
    first = next(one for one in study.runs(cell) if one.seed_number == run.seed_number)
    return {
        **_common(study, cell.task),
        "cell": cell.key,
        "method": cell.method,
        "architecture": str(cell.architecture),
        "transfer": cell.transfer,
        "corpus": cell.corpus,
        "run": run.name,
        "seed_index": run.seed_number,
        "seed": run.seed,
        "selected": run == first,
        "steps": 400 if distils else 150,
        "examples": 12_000 if distils else 5_000,
        "tokens": 400_000 if distils else 150_000,
        "train_seconds": 8.0 if distils else 3.0,
        "device": "Invented CPU",
        "dev_accuracy": float((predictions == labels).mean()),
        "train_digest": "a" * 8,
        "soft_labels_digest": "b" * 8 if distils else None,
        "spec": spec,
        "test_accuracy": float((predictions == labels).mean()),
        "test_predictions": predictions.tolist(),
    }


def _teacher(study: Study, task: str, labels: Any) -> dict[str, Any]:
    named = {"cell": f"{task}.teacher.6-384.none.none", "method": "teacher", "run": "seed0"}
    more = {"seed_index": 0, "seed": 1, "selected": True, "test_labels": labels.tolist()}
    return {**_common(study, task), **named, **more}


def _common(study: Study, task: str) -> dict[str, Any]:
    flags = {"schema_version": 1, "degenerate": False, "test_labels": None}
    return {"study": study.name, "task": task, **flags}


def change(frame: pd.DataFrame, where: Mapping[str, Any], **values: Any) -> pd.DataFrame:
    """A copy with some values in the rows that have those of ``where``."""
    copy = frame.copy()
    rows = matching(frame, where)
    for column, value in values.items():
        copy[column] = (copy[column] if column in copy else pd.Series(None, copy.index)).astype(
            object
        )
        for index in frame.index[rows]:
            copy.at[index, column] = value
        copy[column] = copy[column].infer_objects()
    return copy


def without(frame: pd.DataFrame, **where: Any) -> pd.DataFrame:
    """A copy without the rows that have these values."""
    return frame[~matching(frame, where)].reset_index(drop=True)


def matching(frame: pd.DataFrame, where: Mapping[str, Any]) -> Any:
    """Which rows have the values of ``where``."""
    found = np.ones(len(frame), bool)
    for column, value in where.items():
        found &= (frame[column] == value).to_numpy()
    return found
