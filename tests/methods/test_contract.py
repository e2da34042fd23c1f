"""Every method of config/methods.yaml keeps the contract."""

from __future__ import annotations

import pytest

from pdbench.study.loading import load_methods
from pdbench.testing.contract import MethodContract, PretrainingContract

METHODS = load_methods()


class TestEveryMethod(MethodContract):
    """All methods whose pre-training is masked LM alone."""

    @pytest.fixture(scope="class", params=[m for m, d in METHODS.items() if not d.pretraining])
    @classmethod
    def method_id(cls, request: pytest.FixtureRequest) -> str:
        """One method after the other."""
        return str(request.param)


class TestEveryPretraining(PretrainingContract):
    """All methods that pre-train by an objective of their own."""

    @pytest.fixture(scope="class", params=[m for m, d in METHODS.items() if d.pretraining])
    @classmethod
    def method_id(cls, request: pytest.FixtureRequest) -> str:
        """One method after the other."""
        return str(request.param)
