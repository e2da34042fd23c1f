"""What an objective of one's own learns beside the student."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import torch

from pdbench.methods import students
from pdbench.methods.objective import Objective
from pdbench.testing.contract import open_case, prepared


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
    with contextlib.chdir(prepared(tmp_path)):
        open_case("tinybert")

    ((objective, before),) = made
    after = list(objective.parameters())
    assert len(after) == 2
    assert not any(torch.equal(a, b) for a, b in zip(after, before, strict=True))
