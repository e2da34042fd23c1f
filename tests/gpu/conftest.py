"""What is computed on a GPU is what the CPU computes.

Needs torch, numpy, safetensors, pydantic and pytest alone. Each test runs on the CPU too, where
it holds trivially, among all others; `make test-gpu` runs it on a GPU.
"""

from __future__ import annotations

import pytest
import torch


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fail where tests of the GPU are asked for and there is none: none that passed is no pass."""
    asked = any(item.get_closest_marker("gpu") for item in session.items)
    if asked and not torch.cuda.is_available():
        pytest.exit(f"torch {torch.__version__} finds no GPU, and the marker gpu needs one", 1)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The device on which models are trained and asked in a test."""
    monkeypatch.setenv("PDBENCH_DEVICE", request.param)
    name: str = request.param
    return name
