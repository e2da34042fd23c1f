"""A job that trains: what is asked of it, the record of what it made, and on which machine."""

from __future__ import annotations

import functools
import os
import platform
import resource
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from pdbench import __version__
from pdbench.core.errors import UsageError
from pdbench.core.files import (
    digest,
    file_digest,
    read_json,
    replacing,
)
from pdbench.data.columns import SPLITS
from pdbench.engine import (
    ALONE,
    Device,
    Keeper,
    Progress,
    Ranks,
    Stopwatch,
)
from pdbench.engine.distributed import processes
from pdbench.engine.state import now
from pdbench.jobs.record import (
    PREDICTIONS,
    Environment,
    RunRecord,
    RunRequest,
    StageRecord,
    examples_file,
    read_record,
    write_record,
)
from pdbench.kinds import Scores, majority
from pdbench.study import ROOT, Architecture
from pdbench.workflow import Paths

WEIGHTS = "model.safetensors"


class TrainingJob:
    """One run, from what is asked of it to its record.

    Args:
        folder: Where the record will stand, beside what the run made.
        asked: What is asked.
        device: Where and how precisely it trains.
        save_every: Seconds between two saved states.
        ranks: The processes that train together.
    """

    def __init__(
        self,
        paths: Paths,
        folder: Path,
        asked: RunRequest,
        device: Device,
        save_every: float,
        ranks: Ranks = ALONE,
    ) -> None:
        self._paths, self._folder, self._asked, self._device = paths, folder, asked, device
        self._watch = Stopwatch()
        identity: dict[str, str | int] = {
            "spec": asked.spec,
            "inputs": digest(asked.inputs),
            "seed": asked.seed,
            "precision": device.precision,
        }
        state = paths.state(folder)
        self.keeper = Keeper(state, identity, save_every, self._watch, writes=ranks.first)

    @property
    def is_done(self) -> bool:
        """Whether a whole record of the same specification and inputs is there.

        One of other inputs is replaced when the new run has finished. An edited record is an
        error, never silently overwritten.
        """
        path = self._folder / "record.json"
        if not path.is_file():
            return False
        record = read_record(path)
        return record.spec == self._asked.spec and record.inputs == self._asked.inputs

    def finish(
        self,
        write: Callable[[Path], None],
        stages: Sequence[StageRecord],
        vocabulary: int,
        scores: Mapping[str, Scores] | None = None,
    ) -> RunRecord:
        """Write what the run made, its record last, and remove its state.

        Args:
            write: Writes the files that the record vouches for into a folder.
            stages: What was trained.
            vocabulary: Number of word pieces.
            scores: By split; a pre-trained student has none.
        """
        scores = scores or {}
        task, architecture = self._asked.task, Architecture.parse(self._asked.architecture)
        with replacing(self._folder) as folder:
            folder.mkdir(parents=True)
            write(folder)
            record = RunRecord(
                **self._asked.model_dump(),
                outputs={file.name: file_digest(file) for file in sorted(folder.iterdir())},
                stages=tuple(stages),
                metrics={split: found.metrics for split, found in scores.items()},
                majority={} if task is None else _majorities(self._paths, task),
                degenerate=bool(scores) and scores["test"].constant,
                parameters=architecture.parameters(vocabulary),
                environment=environment(self._watch, self._device),
            )
            write_record(folder / "record.json", record)
        self.keeper.remove()
        return record


def stage_record(objective: str, rate: float, progress: Progress) -> StageRecord:
    """What a stage did, as its record keeps it."""
    return StageRecord(
        objective=objective,
        learning_rate=rate,
        steps=progress.steps,
        examples=progress.examples,
        pieces=progress.pieces,
        padding=round(progress.padding, 4),
        loss=progress.loss,
        seconds=round(progress.seconds, 3),
    )


def _majorities(paths: Paths, task: str) -> dict[str, float]:
    return {split: majority(paths.task(task), split) for split in ("dev", "test")}


def write_predictions(folder: Path, test: Scores) -> None:
    """Write what was predicted for every test example."""
    np.save(folder / PREDICTIONS, test.predictions, allow_pickle=False)
    for metric, values in test.examples.items():
        np.save(folder / examples_file(metric), values, allow_pickle=False)


def refuse_several() -> None:
    """Refuse torchrun for a job that does not share its work.

    Raises:
        UsageError: Several processes were started.
    """
    if processes() > 1:
        raise UsageError(
            f"torchrun started {processes()} processes, but only pretrain shares its work",
            "run this command without torchrun",
        )


def task_digests(paths: Paths, task: str) -> dict[str, str]:
    """Of a task's splits, by split."""
    folder = paths.task(task)
    return {split: tokens_digest(folder / split) for split in SPLITS}


def tokens_digest(folder: Path) -> str:
    """Of tokens: the digest that opening them verifies."""
    found: str = read_json(folder / "tokens.json")["digest"]
    return found


def weights_digest(folder: Path) -> str:
    """Of a model's weights, from its record."""
    return read_record(folder / "record.json").outputs[WEIGHTS]


def environment(watch: Stopwatch, device: Device) -> Environment:
    """Describe the machine, and the time that the run of a stopwatch took."""
    return Environment(
        host=socket.gethostname(),
        device=device_name(device.torch),
        threads=torch.get_num_threads(),
        precision=device.precision,
        python=platform.python_version(),
        platform=platform.platform(),
        pdbench=__version__,
        torch=torch.__version__,
        commit=commit(),
        slurm_job=os.environ.get("SLURM_JOB_ID"),
        started=watch.started,
        finished=now(),
        seconds=round(watch.seconds, 3),
        resumed=watch.resumed,
        processes=processes(),
        peak_memory_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    )


@functools.cache
def commit() -> str:
    """The commit of the checkout that pdbench runs from."""
    try:
        head = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return head + ("+changes" if changed else "")


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@functools.cache
def device_name(device: torch.device) -> str:
    """The marketing name of a GPU, or of the CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
