"""Where torch computes: on a GPU if there is one, and elsewhere if told to."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from pdbench.core.errors import UsageError
from pdbench.engine.device import _one_behind, choose_device, use_gpu
from pdbench.engine.distributed import Ranks


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("PDBENCH_DEVICE", raising=False)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A machine that says it has a GPU, and what was done to get it ready."""
    ready: list[str] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("pdbench.engine.device._prepare_gpu", lambda: ready.append("ready"))
    return ready


def test_a_gpu_is_used_where_there_is_one(gpu: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made ready first; bf16 that is emulated there is not fast."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)

    device = choose_device(512)

    assert (device.torch, device.precision, gpu) == (torch.device("cuda"), "fp32", ["ready"])


def test_a_gpu_is_left_alone_where_the_cpu_is_asked_for(
    gpu: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """PDBENCH_DEVICE=cpu says so."""
    monkeypatch.setenv("PDBENCH_DEVICE", "cpu")

    assert (choose_device(512).torch.type, gpu) == ("cpu", [])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("gpu", "PDBENCH_DEVICE is 'gpu'; set it to cuda or cpu"),
        ("cuda", "PDBENCH_DEVICE is cuda, and torch .* finds no GPU; .* or unset PDBENCH_DEVICE"),
    ],
)
def test_an_unknown_or_missing_device_is_one_line(
    value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked for is not replaced in silence."""
    monkeypatch.setenv("PDBENCH_DEVICE", value)

    with pytest.raises(UsageError, match=message):
        use_gpu()


@pytest.mark.usefixtures("gpu")
def test_a_process_without_a_gpu_of_its_own_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torchrun started more processes than there are GPUs."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "2")

    with pytest.raises(UsageError, match=r"process 3 here, .* 2 GPUs; .* --nproc-per-node 2"):
        Ranks.joined().__enter__()


def test_results_come_one_behind() -> None:
    """Each is given out when the next is made; none is lost, also of one or none."""
    made: list[int] = []
    found = _one_behind(made.append(i) or i for i in range(3))  # type: ignore[func-returns-value]

    assert [(next(found), len(made)) for _ in range(3)] == [(0, 2), (1, 3), (2, 3)]
    assert [list(_one_behind(iter(few))) for few in ([], [7])] == [[], [7]]


def test_a_gpu_is_made_ready_to_repeat_its_bits() -> None:
    """Torch then refuses what it cannot repeat, and what a user chose of memory stays."""
    code = (
        "import os, torch\n"
        "os.environ['PYTORCH_CUDA_ALLOC_CONF'] = 'backend:native'\n"
        "from pdbench.engine.device import _prepare_gpu\n"
        "_prepare_gpu()\n"
        "print(torch.are_deterministic_algorithms_enabled(), torch.get_float32_matmul_precision(),"
        " os.environ['CUBLAS_WORKSPACE_CONFIG'], os.environ['PYTORCH_ALLOC_CONF'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["True", "highest", ":4096:8", "backend:native"]
