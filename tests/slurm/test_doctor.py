"""What doctor says of a real cluster's limits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.slurm.conftest import Project, make_project, small_config

pytestmark = [pytest.mark.slurm, pytest.mark.usefixtures("cluster")]


def doctor(project: Project) -> list[str]:
    """What it says of SLURM, a line each."""
    command = [sys.executable, "-m", "pdbench", "doctor", "small.yaml", "--profile", "slurm"]
    done = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=False)
    assert not done.stderr
    return [line for line in done.stdout.splitlines() if "SLURM: " in line or "config.yaml" in line]


def test_a_profile_is_compared_with_the_cluster(tmp_path: Path) -> None:
    """The own profile fits at first; what SLURM then refuses or leaves waiting was foretold."""
    project = make_project(tmp_path / "project", small_config())
    file = project.folder / "slurm/config.yaml"

    found = doctor(project)

    assert "ok       SLURM: partition gpu" in found
    assert [line.split()[0] for line in found if "attempt" in line] == ["warning"]
    assert not any(line.startswith("missing") for line in found)

    settings = yaml.safe_load(file.read_text())
    own = settings["set-resources"]
    own["teacher"] = {**own["teacher"], "gpu": 3, "runtime": 1441}
    settings["set-threads"]["latency"] = 5
    file.write_text(yaml.safe_dump(settings))
    wrong = [line for line in doctor(project) if line.startswith("missing")]

    assert [line.split(": ")[1].split(";")[0] for line in wrong] == [
        "latency asks 4000 MB, 5 CPUs, 0 GPUs, and no node of partition 'cpu' has as much "
        "(64000 MB, 4 CPUs, 2 GPUs)",
        "teacher films asks 1441 minutes, and partition 'gpu' allows 1440",
        "teacher films asks 12000 MB, 1 CPUs, 3 GPUs, and no node of partition 'gpu' has as much "
        "(64000 MB, 4 CPUs, 2 GPUs)",
    ]
    refused = subprocess.run(
        ["sbatch", "--test-only", "-p", "gpu", "--gpus=3", "-N1", "--wrap", "true"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode != 0, "SLURM takes it"
