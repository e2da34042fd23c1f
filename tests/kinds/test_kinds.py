"""Every kind of task has its class, and what a study must know of it."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch

from pdbench.kinds import _KINDS, kind_of
from pdbench.study.catalogue.metrics import metrics_for
from pdbench.study.kinds import kind_of_task
from pdbench.study.settings import Task, _Kind


def task(**changed: Any) -> Task:
    """A task of classes, or of another kind."""
    about = {"source": "directory", "path": "data", "labels": (), "metrics": ("accuracy",)}
    return Task.model_validate({**about, **changed})


@pytest.mark.parametrize("name", get_args(_Kind))
def test_a_kind_is_known_where_it_is_asked_for(name: _Kind) -> None:
    """Its class, its metrics, and the size of its soft labels."""
    own = task(kind=name, metrics=metrics_for(name)[:1])

    assert type(kind_of(own)) in _KINDS.values()
    assert kind_of_task(own).soft_labels(own, 20.0) >= 1


def test_a_classification_without_labels_is_a_regression() -> None:
    """It has one output, and its loss is the squared error."""
    scores, classes = task(), task(labels=("no", "yes"))
    outputs, targets = torch.tensor([[1.0], [3.0]]), torch.tensor([2.0, 3.0])

    assert kind_of(scores).loss(outputs, targets).item() == 0.5
    assert isinstance(kind_of(scores), _KINDS["regression"])
    assert isinstance(kind_of(classes), _KINDS["classification"])
