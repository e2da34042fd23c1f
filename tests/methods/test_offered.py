"""A method of another package trains like those of this one."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
from offered import write_package

from pdbench.jobs.students import train_student
from pdbench.study import Run
from pdbench.testing.contract import MethodContract, TrainedMethod, _digest_of


class TestOfferedMethod(MethodContract):
    """The contract, inherited by a method that an entry point offers."""

    @pytest.fixture(scope="class")
    @classmethod
    def method_id(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
        """The method, while its package is installed."""
        site = tmp_path_factory.mktemp("site")
        package = write_package(site)
        (package / "__init__.py").write_text("")
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(site)
            importlib.invalidate_caches()
            yield "toy"
        for name in [name for name in sys.modules if name.startswith("toy_methods")]:
            del sys.modules[name]

    def test_a_plain_objective_is_distill_bit_for_bit(self, case: TrainedMethod) -> None:
        """An objective of one's own that is the soft cross-entropy gives pd's very weights."""
        toy, pd = case.study.methods["toy"], case.study.methods["pd"]
        cell = replace(case.runs[0].cell, method="pd")
        run = Run(cell, 0, case.runs[0].points)

        found = []
        for method in (toy, pd):
            study = case.study.model_copy(update={"methods": {"pd": method}})
            outcome = train_student(study, run, case.data)
            (progress,) = outcome.stages.values()
            found.append((_digest_of(outcome.model.state_dict()), progress.losses.tolist()))

        assert found[0] == found[1]
