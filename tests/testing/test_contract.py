"""The contract fails a method that breaks it, and says how."""

from __future__ import annotations

import contextlib
import importlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from offered import write_package

from pdbench.testing.contract import MethodContract, TrainedMethod, _open_case, _prepared

BROKEN = """
import numpy as np
import torch
from torch import nn

from pdbench.methods.objective import Objective, soft_loss


class Broken(Objective):
    title, formula, exposes = "Broken", "soft cross-entropy", "class probabilities"
    last_states = False
    calls = 0

    def soft(self, student, targets):
        return soft_loss(student.logits, targets)


class Ignores(Broken):
    def __init__(self, *shapes):
        super().__init__(*shapes)
        self.own = nn.Linear(2, 2)

    def forward(self, student, teacher, targets):
        return soft_loss(self.own(student.logits.detach()), targets)


class Sums(Broken):
    def forward(self, student, teacher, targets):
        return len(targets) * self.soft(student, targets)


class Rises(Broken):
    def forward(self, student, teacher, targets):
        self.calls += 1
        return self.calls * (1 + self.soft(student, targets))


class Moves(Broken):
    def forward(self, student, teacher, targets):
        with torch.no_grad():
            teacher._model.output.bias.add_(0.01)
        return self.soft(student, targets)


class Counts(Broken):
    def forward(self, student, teacher, targets):
        self.calls += 1
        return (1 + 1 / self.calls) * self.soft(student, targets)


class Draws(Broken):
    def forward(self, student, teacher, targets):
        return (1 + np.random.rand()) * self.soft(student, targets)
"""
CLASSES = ("Ignores", "Sums", "Rises", "Moves", "Counts", "Draws")


@pytest.fixture
def case(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TrainedMethod]:
    """A method whose only stage has one of the broken objectives."""
    site = tmp_path_factory.mktemp("site")
    entry = '{{name: {0}, initialisation: random, stages: [{{objective: "toy_methods.soft:{0}"}}]}}'
    methods = "\n".join(f"{name.lower()}: {entry.format(name)}" for name in CLASSES)
    package = write_package(site, methods)
    (package / "__init__.py").write_text("")
    (package / "soft.py").write_text(BROKEN)
    folder: Path = tmp_path_factory.mktemp("contract") / "project"
    shutil.copytree(_prepared(tmp_path_factory.getbasetemp()), folder)
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(folder):
        patch.syspath_prepend(site)
        importlib.invalidate_caches()
        yield _open_case(request.param.lower())
    for name in [name for name in sys.modules if name.startswith("toy_methods")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("case", "rule", "words"),
    [
        ("Ignores", "test_every_loss_reaches_the_student", "no gradient in the student's layers"),
        ("Sums", "test_a_batch_costs_the_mean_of_its_items", "8 items cost"),
        ("Rises", "test_the_loss_is_finite_and_falls", "the loss goes from"),
        ("Moves", "test_the_teacher_is_untouched", "the weights of the teacher changed"),
        ("Counts", "test_a_stopped_run_goes_on_bit_for_bit", "a resumed run ends elsewhere"),
        ("Draws", "test_seeds_decide_and_touch_nothing_global", "one seed gave two models"),
    ],
    indirect=["case"],
)
def test_a_broken_method_fails(case: TrainedMethod, rule: str, words: str, tmp_path: Path) -> None:
    """Each of its rules is broken by a loss that is wrong in one way, and names what is wrong."""
    more = (tmp_path,) if "stopped" in rule else ()

    with pytest.raises(AssertionError, match=words):
        getattr(MethodContract(), rule)(case, *more)
