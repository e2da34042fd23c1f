"""The study beyond the paper: what its kinds of tasks may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pdbench.core.errors import UsageError
from pdbench.study import ROOT, load_study
from pdbench.study.cells import SoftLabelled
from pdbench.workflow.kinds import Job
from pdbench.workflow.plan import Plan


def write(folder: Path, task: str, change: dict[str, Any], method: str | None = None) -> Path:
    """The study with one task changed, and with another method if one is named."""
    raw = yaml.safe_load((ROOT / "config/extended.yaml").read_text(encoding="utf-8"))
    raw["tasks"][task] |= change
    if method is not None:
        raw["artefacts"]["scores"]["cells"][0]["method"] = method
    path = folder / "extended.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


def test_it_asks_for_all_methods_sizes_and_tasks() -> None:
    """Four methods at five sizes, on each of three tasks."""
    study = load_study("extended")

    assert {cell.task for cell in study.seed_counts} == {"squad", "redial", "inspired"}
    assert len(study.seed_counts) == 3 * 4 * 5
    assert {study.tasks[cell.task].kind for cell in study.seed_counts} == {"span", "ranking"}
    squad, redial = (Job("soft_labels", SoftLabelled(t, f"{t}-texts")) for t in ("squad", "redial"))
    assert Plan(study).disk[squad] < Plan(study).disk[redial]


@pytest.mark.parametrize(
    ("task", "change", "message"),
    [
        ("squad", {"metrics": ["accuracy"]}, r"tasks\.squad\.metrics: accuracy, .* kind is span"),
        ("redial", {"metrics": ["f1"]}, r"tasks\.redial\.metrics: f1, .* kind is ranking"),
        ("squad", {"labels": ["a", "b"]}, r"tasks\.squad: a span has no label names"),
        ("redial", {"model_of": "inspired"}, r"tasks\.redial: a ranking has no .*model_of"),
        ("squad", {"max_length": 64}, r"tasks\.squad\.max_length: 64 leaves no room"),
        ("squad", {"kind": "spans"}, r"tasks\.squad\.kind: .*'spans'"),
    ],
)
def test_what_a_kind_does_not_have_is_refused(
    task: str, change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    """When the study is read."""
    with pytest.raises(UsageError, match=message):
        load_study(write(tmp_path, task, change))


def test_own_objectives_are_refused_for_spans(tmp_path: Path) -> None:
    """They see one output for each input."""
    with pytest.raises(UsageError, match="'patient-kd' has an objective of its own, and 'squad'"):
        load_study(write(tmp_path, "squad", {}, "patient-kd"))
