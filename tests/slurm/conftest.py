"""A real SLURM on this machine, and small studies that run on it."""

from __future__ import annotations

import contextlib
import copy
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from pdbench.core.files import read_json
from pdbench.jobs.record import RunRecord
from pdbench.study import ROOT, load_study
from pdbench.testing.small_study import CONFIG, write_small_study
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job

PATIENCE = 240.0
"""Seconds after which something that a test waits for will not come."""

LAYOUT = (
    "WorkDir",
    "JobID",
    "State",
    "Partition",
    "MinMemory",
    "TimeLimit",
    "tres-per-job",
    "NodeList",
    "Comment",
)
"""What squeue is asked for: the folder, then what :class:`Submitted` holds."""

TRAINING = 6.0
"""Core-seconds after which a process has loaded everything and is training."""


def cluster_sh(*arguments: str) -> None:
    """Run the script that holds the cluster."""
    subprocess.run([Path(__file__).with_name("cluster.sh"), *arguments], check=True)


def wait_until(holds: Callable[[], Any], what: str) -> Any:
    """Wait for something and return it."""
    for _ in range(round(PATIENCE / 0.25)):
        if found := holds():
            return found
        time.sleep(0.25)
    pytest.fail(f"waited {PATIENCE:.0f} s in vain: {what}")


@dataclass(frozen=True)
class Submitted:
    """A job as SLURM shows it."""

    number: str
    state: str
    partition: str
    memory: str
    limit: str
    gpus: str
    node: str
    comment: str


@dataclass
class Project:
    """A copy of the checkout's workflow with a small study, in a folder of its own."""

    folder: Path
    snakemake: subprocess.Popen[str] | None = None

    @property
    def output(self) -> str:
        """All that Snakemake said."""
        return (self.folder / "output.txt").read_text(encoding="utf-8")

    def start(self, *arguments: str, bundle: float = 0, split: float = 0) -> subprocess.Popen[str]:
        """Start `snakemake --profile slurm`."""
        command = [Path(sys.executable).with_name("snakemake"), "--profile", "slurm"]
        # A test does not want to wait for the first look at a job as long as a user may.
        command += ["--slurm-init-seconds-before-status-checks", "1"]
        command += ["--config", "study=small.yaml", f"bundle={bundle}", f"split={split}"]
        command += arguments
        with (self.folder / "output.txt").open("w") as file:
            self.snakemake = subprocess.Popen(
                command, cwd=self.folder, stdout=file, stderr=file, text=True
            )
        return self.snakemake

    def finish(self, patience: float = PATIENCE) -> int:
        """Wait so many seconds for Snakemake and return its exit code."""
        assert self.snakemake is not None
        try:
            return self.snakemake.wait(patience)
        except subprocess.TimeoutExpired:
            pytest.fail(f"Snakemake does not end:\n{self.output}")

    def run(self, *arguments: str, bundle: float = 0, split: float = 0) -> str:
        """Run Snakemake to its end, which must be a good one."""
        self.start(*arguments, bundle=bundle, split=split)
        assert self.finish() == 0, self.output
        return self.output

    def jobs(self, rule: str = "") -> list[Submitted]:
        """The jobs of this folder, from first to last; of one rule, if it is named."""
        layout = ",".join(f"{name}:|" for name in LAYOUT)
        command = ["squeue", "--states=all", "--noheader", "--sort=i", f"--Format={layout}"]
        lines = subprocess.check_output(command, text=True).splitlines()
        found = [line.split("|") for line in lines]
        mine = [Submitted(*row[1:-1]) for row in found if row[0] == str(self.folder)]
        return [job for job in mine if job.comment.startswith(f"rule_{rule}")]

    def job(self, cell: str) -> Submitted:
        """The last job of a cell."""
        return self.jobs(f"cell_wildcards_{cell}")[-1]

    def wait_for_training(self, cell: str) -> psutil.Process:
        """Wait until a cell is being trained, and return the process."""

        def trains() -> psutil.Process | None:
            with contextlib.suppress(Exception):
                process = psutil.Process(self.status(cell)["pid"])
                if process.cpu_times().user > TRAINING:
                    return process
            return None

        found: psutil.Process = wait_until(trains, f"training of {cell}: {self.output}")
        return found

    def status(self, cell: str) -> dict[str, Any]:
        """What the status file of a cell says."""
        (file,) = self.folder.glob(f"results/store/status/cell.{cell}-*.json")
        found: dict[str, Any] = read_json(file)
        return found

    def records(self) -> dict[str, RunRecord]:
        """The records of all finished runs of cells, by cell."""
        paths = self.folder.glob("results/store/run/*/record.json")
        return {record.cell: record for record in (RunRecord.read(p.parent) for p in paths)}

    def break_cell(self, cell: str) -> Path:
        """Put a folder in the way of what a cell locks; removing it mends that."""
        with self.opened() as paths:
            job = Job("cell", paths.study.cells[cell])
            obstacle = paths.lock(paths.folder(job)).absolute()
        obstacle.mkdir(parents=True)
        return obstacle

    @contextlib.contextmanager
    def opened(self) -> Iterator[Paths]:
        """The paths of the study as it is written, with the folder as the working directory."""
        with contextlib.chdir(self.folder):
            yield Paths(load_study("small.yaml"))


def make_project(folder: Path, config: dict[str, Any]) -> Project:
    """Set up a project in which nothing was run yet."""
    folder.mkdir()
    for name in ("workflow", "slurm", "config"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "Snakefile", folder)
    write_small_study(folder)
    (folder / "small.yaml").write_text(yaml.safe_dump(config))
    return Project(folder)


def small_config(**changes: Any) -> dict[str, Any]:
    """The small study at three sizes, with one seed."""
    config = copy.deepcopy(CONFIG)
    config["architectures"]["grid"]["layers"] = [1, 2, 3]
    needs = config["artefacts"]["figure6"]
    needs["cells"][0]["architecture"] = "all"
    needs["seeds"] = 1
    config["training"]["finetune"] = {"epochs": 2, "learning_rate": [1e-3]}
    return config


@pytest.fixture(scope="session")
def whole_study(cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A study that was started, and runs beside the tests that leave all nodes alone."""
    project = make_project(tmp_path_factory.mktemp("whole") / "project", small_config())
    project.start(bundle=3600)
    return project


CELLS = tuple(f"films.basic.{layers}-32.none.none" for layers in (1, 2, 3))
"""The cells of the studies in which something goes wrong."""


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    """A SLURM of three nodes that are up."""
    cluster_sh("install")
    cluster_sh("start")
    yield
    cluster_sh("stop")


@pytest.fixture(scope="session")
def before_cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of three cells, up to them: what the tests of failures begin with."""
    config = small_config()
    for block in ("texts", "transfer_sets", "corpora"):
        del config[block]
    config["artefacts"]["figure6"]["cells"] = [
        {"task": "films", "method": "basic", "architecture": "all"}
    ]
    made = make_project(tmp_path_factory.mktemp("before") / "project", config)
    command = [Path(sys.executable).with_name("snakemake"), "--cores", "2", "--quiet", "all"]
    with made.opened() as paths:
        targets = [str(paths.teacher("films") / "record.json"), str(paths.latency)]
    subprocess.run(
        [*command, "--config", "study=small.yaml", "bundle=0", "--", *targets],
        cwd=made.folder,
        check=True,
    )
    return made.folder


@pytest.fixture
def project(before_cells: Path, tmp_path: Path) -> Iterator[Callable[[int], Project]]:
    """Makes a project whose cells train for so many epochs and are still to be trained."""
    made: list[Project] = []

    def make(epochs: int) -> Project:
        folder = tmp_path / "project"
        shutil.copytree(before_cells, folder, copy_function=shutil.copy2)
        config = yaml.safe_load((folder / "small.yaml").read_text())
        config["training"]["finetune"]["epochs"] = epochs
        (folder / "small.yaml").write_text(yaml.safe_dump(config))
        made.append(Project(folder))
        return made[-1]

    yield make
    for one in made:
        if one.snakemake is not None and one.snakemake.poll() is None:
            one.snakemake.send_signal(signal.SIGKILL)
        numbers = [job.number for job in one.jobs()]
        subprocess.run(["scancel", *numbers], check=False, env=os.environ)
