"""The measurement of a GPU runs with few packages, and what it writes replaces stated constants."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commands import run

from benchmarks.gpu import Bench, _work_of
from benchmarks.harness import Cost
from benchmarks.table import read_rows
from pdbench.planning.costs import COUNTED
from pdbench.planning.machines import H100, machine_of
from pdbench.study import ROOT

ABSENT = ("click", "datasets", "matplotlib", "pandas", "pyarrow", "snakemake", "tokenizers", "yaml")


def gpu_benchmark(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it where no GPU is to be seen."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", **variables}
    command = [sys.executable, "-m", "benchmarks.gpu", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, check=False, env=environment
    )


def test_without_a_gpu_it_ends_in_a_line() -> None:
    """What it says to do is done in the test below."""
    done = gpu_benchmark(PDBENCH_DEVICE="")

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "benchmarks.gpu: error: no GPU that torch can use; run on a machine with one, or set "
        "PDBENCH_DEVICE=cpu to measure the CPU"
    ]


def test_it_needs_few_packages(tmp_path: Path) -> None:
    """Neither it nor its workers; without transformers it says what it leaves out."""
    absent = dict.fromkeys([*ABSENT, "accelerate", "transformers"])
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules |= {absent}\n")
    files = [tmp_path / "rows.json", tmp_path / "device.json"]
    asked = ["--quick", "--size", "2/128", "--processes", "1"]
    named = ["--json", str(files[0]), "--device", str(files[1])]
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = gpu_benchmark(*asked, *named, PDBENCH_DEVICE="cpu", PYTHONPATH=path)

    assert done.returncode == 0, done.stderr
    assert "HF Trainer is left out" in done.stderr
    rows = read_rows(files[0])
    assert [row["arch"] for row in rows] == ["2/128", "2/128"]
    assert all(row["ratio"] > 0 and row["pieces_a_second"] > 0 for row in rows)
    assert machine_of(str(files[1])).kind == "cpu"


class _Card:
    """A worker on an invented card that needs so many times what is stated for an H100."""

    def __init__(self, times: float) -> None:
        self.times = times

    def ask(self, **request: Any) -> Cost:
        """Say what a training would have taken."""
        if request["work"] == "peak":
            return Cost(1.0, 1.0, {"peak": 8e14})
        steps, items = request["steps"], request["steps"] * request["batch"]
        more = {"steps": steps, "items": items, "pieces": 26 * items, "padding": 0.1}
        more |= {"distinct": 30_000, "device": "NVIDIA Invented", "precision": "bf16"}
        work = _work_of(request["work"], request["arch"], more)
        seconds = self.times * H100.seconds(work)
        return Cost(seconds, seconds, {**more, "seconds": seconds, "gpu_memory_mb": 1.0})


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A measurement of a card on which everything takes thrice what is stated for an H100."""
    monkeypatch.setattr("benchmarks.gpu.use_gpu", lambda: True)
    found = Bench(3.0, 0)
    found._began -= 3.0 * H100.constants["starts"].seconds
    found._ours = [_Card(3.0)] * 2  # type: ignore[list-item]
    found._peer = _Card(6.0)  # type: ignore[assignment]
    return found


def test_what_is_measured_replaces_what_is_stated(
    bench: Bench, tmp_path: Path, study_file: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plan for the card that was measured takes as much longer as it did."""
    bench.start()
    for arch in ("2/128", "4/256", "8/512", "12/768"):
        for work in ("finetune", "mlm"):
            bench.speed(work, arch)
    bench.together("2/128")
    path, plan = tmp_path / "card.json", tmp_path / "plan.json"
    path.write_text(json.dumps(bench.machine().as_json()))
    study, hours = str(study_file()), {}
    for device in ("h100", str(path)):
        assert run("plan", study, "--device", device, "--json", str(plan)) == 0
        hours[device] = json.loads(plan.read_text())["totals"]["device_hours"]["value"]

    machine = machine_of(str(path))
    assert machine.title == "one NVIDIA Invented"
    seen = [observation for observation in bench.seen if observation.group != "start"]
    for observation in seen:
        assert machine.seconds(observation.work) == pytest.approx(observation.seconds, rel=0.1)
    assert hours[str(path)] > 1.5 * hours["h100"]
    ratios = {(row.work.split(",")[0], row.peer.split(",")[0]): row.ratio for row in bench.rows}
    assert ratios["fine-tuning", "HF Trainer"] == pytest.approx(2)
    assert ratios["2 processes at once", "one process"] == pytest.approx(2)


def test_a_device_that_is_written_is_read_as_it_was(tmp_path: Path) -> None:
    """Uncertainty of fitted constants is their own factor."""
    variance = [[0.04 * (i == j) for j in range(len(COUNTED))] for i in range(len(COUNTED))]
    fitted = replace(H100, covariance=tuple(map(tuple, variance)))
    path = tmp_path / "device.json"
    path.write_text(json.dumps(fitted.as_json()))

    found = machine_of(str(path))

    assert {k: c.seconds for k, c in found.constants.items()} == {
        k: c.seconds for k, c in H100.constants.items()
    }
    assert [c.factor for c in found.constants.values()] == pytest.approx([1.2214] * 5, rel=1e-4)
