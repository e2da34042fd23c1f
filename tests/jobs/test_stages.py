"""What an objective of one's own learns beside the student, and the least that a stage is."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pdbench.core.errors import UsageError
from pdbench.jobs import students
from pdbench.methods.objective import Objective
from pdbench.testing.contract import _open_case, _prepared

LINE = r"method 'd', stage distill: share 0\.01 of 48 updates is none; raise the key share"


def test_projections_train_with_the_student(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every parameter of an objective moves from where its seed put it."""
    made: list[tuple[Objective, list[torch.Tensor]]] = []
    build = students.objective_of

    def spy(*arguments: object) -> Objective:
        objective = build(*arguments)  # type: ignore[arg-type]
        made.append((objective, [p.detach().clone() for p in objective.parameters()]))
        return objective

    monkeypatch.setattr(students, "objective_of", spy)
    with contextlib.chdir(_prepared(tmp_path)):
        _open_case("tinybert")

    (objective, before), _ = made  # and distill, which has no parameters
    after = list(objective.parameters())
    assert len(after) == 2
    assert not any(torch.equal(a, b) for a, b in zip(after, before, strict=True))


def test_a_stage_without_updates_is_refused(tmp_path: Path) -> None:
    """Its share of few updates may be none, which would train nothing and have no loss."""
    with contextlib.chdir(_prepared(tmp_path)):
        case = _open_case("d")
        method = case.study.methods["d"]
        hasty = method.stages[0].model_copy(update={"share": 0.01})
        methods = {"d": method.model_copy(update={"stages": (hasty,)})}
        study = case.study.model_copy(update={"methods": methods})

        with pytest.raises(UsageError, match=LINE):
            replace(case, study=study).train(case.runs[0])
