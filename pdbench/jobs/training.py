"""Training: one stage of it, and one run from what is asked of it to its record."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import resource
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pdbench import __version__
from pdbench.core.errors import UsageError
from pdbench.core.files import digest, file_digest, read_json, replacing
from pdbench.data.batches import ItemBatches
from pdbench.data.columns import SPLITS
from pdbench.engine import (
    Classifier,
    Device,
    Keeper,
    MaskedLM,
    Optimisation,
    Progress,
    Stopwatch,
    choose_device,
    optimise,
)
from pdbench.engine.device import device_name
from pdbench.engine.distributed import processes
from pdbench.engine.exposed import Exposed
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
from pdbench.kinds import Kind, Labelled, LabelledBatch, Scores, majority
from pdbench.methods.objective import Distill, Finetune, Objective, build_objective, checked_loss
from pdbench.study import ROOT, Architecture, Stage
from pdbench.study.cells import Point
from pdbench.study.settings import StageSettings
from pdbench.workflow import Paths

WEIGHTS = "model.safetensors"

_M = TypeVar("_M", Classifier, MaskedLM)
_PAPERS: dict[str, type[Objective]] = {"distill": Distill, "finetune": Finetune}


class OnlineTeacher(Generic[_M]):
    """A teacher, with the student's word pieces, that is asked while a student trains."""

    def __init__(self, model: _M) -> None:
        self.device = choose_device(model.bert.shape.hidden)
        self.model: _M = model.eval().requires_grad_(False).to(self.device.torch)

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """The context of its forward passes: its precision, and no gradients."""
        with torch.no_grad(), self.device.autocast():
            yield


@dataclass(frozen=True)
class Walk:
    """How a stage walks over its data.

    Attributes:
        settings: The study's: passes, least updates, and how weights are updated.
        point: The learning rate and the batch size.
        span: The part of these updates that the stage takes, where several share them.
        order_seed: Decides the order of the items, in which stages that share them go on.
    """

    settings: StageSettings
    point: Point
    span: tuple[float, float]
    order_seed: int

    def updates(self, items: int) -> range:
        """The numbers of the stage's updates among all that share so many items."""
        passes = self.settings.epochs * -(-items // self.point.batch_size)
        whole = max(passes, self.settings.least_steps)
        start, end = self.span
        return range(round(start * whole), round(end * whole))


def objective_of(
    stage: Stage,
    kind: Kind,
    student: Classifier,
    teacher: OnlineTeacher[Classifier] | None,
    seed: int,
) -> Objective:
    """Make the objective of a stage for a student and the teacher that it asks, if it does."""
    own, labels = student.bert.shape, student.output.out_features
    if stage.is_custom:
        assert teacher is not None
        theirs, options = teacher.model.bert.shape, stage.options
        objective = build_objective(stage.objective, Objective, options, own, theirs, labels, seed)
    else:
        objective = _PAPERS[stage.objective](own, own, labels)
    objective.task_loss = kind.loss
    return objective


def train_stage(
    student: Classifier,
    objective: Objective,
    data: Labelled,
    walk: Walk,
    device: Device,
    seed: int,
    teacher: OnlineTeacher[Classifier] | None = None,
    keeper: Keeper | None = None,
) -> Progress:
    """Train a student, already on ``device``, and the objective's own parameters.

    The seed decides the dropout; a teacher is given if the objective asks one beyond its soft
    labels.
    """
    whole = objective.last_states
    order = ItemBatches(data.tokens.lengths[: data.items], walk.point.batch_size, walk.order_seed)
    updates = walk.updates(data.items)

    def batch_of(step: int) -> LabelledBatch:
        return data.batch(order[updates[step]], student.bert.numbers)

    def loss_of(labelled: LabelledBatch) -> Tensor:
        inputs = device.inputs(labelled.batch)
        ours = Exposed(student, *inputs, device.autocast, last_states=whole)
        theirs = teacher and Exposed(teacher.model, *inputs, teacher.computing, last_states=whole)
        return checked_loss(objective, ours, theirs, device.tensor(labelled.targets))

    student.bert.dropout = walk.settings.dropout
    trained = nn.ModuleDict({"student": student, "objective": objective.to(device.torch)})
    how = Optimisation(len(updates), walk.point.learning_rate, walk.settings)
    return optimise(trained, batch_of, loss_of, how, seed, keeper)


def train_whole(
    objective: str,
    model: Classifier,
    kind: Kind,
    data: Labelled,
    settings: StageSettings,
    seed: int,
    keeper: Keeper | None = None,
) -> Progress:
    """Train a model by one of the paper's objectives, at the first point of the settings' grid."""
    device = choose_device(model.bert.shape.hidden)
    point = Point(settings.learning_rate[0], settings.batch_size[0])
    loss = objective_of(Stage(objective=objective), kind, model, None, seed)
    walk = Walk(settings, point, (0.0, 1.0), seed)
    return train_stage(model.to(device.torch), loss, data, walk, device, seed, keeper=keeper)


class TrainingJob:
    """One run, from what is asked of it to its record.

    Args:
        folder: Where the record will stand, beside what the run made.
        save_every: Seconds between two saved states.
        writes: Whether this process keeps the state; of several that train together, one does.
    """

    def __init__(
        self, paths: Paths, folder: Path, asked: RunRequest, save_every: float, writes: bool = True
    ) -> None:
        self._paths, self._folder, self._asked = paths, folder, asked
        self._watch = Stopwatch()
        self.device = choose_device(Architecture.parse(asked.architecture).hidden)
        identity: dict[str, str | int] = {
            "spec": asked.spec,
            "inputs": digest(asked.inputs),
            "seed": asked.seed,
            "precision": self.device.precision,
        }
        state = paths.state(folder)
        self.keeper = Keeper(state, identity, save_every, self._watch, writes=writes)

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
        parameters: int,
        scores: Mapping[str, Scores] | None = None,
    ) -> RunRecord:
        """Write what the run made, its record last, and remove its state.

        ``write`` writes the files that the record vouches for into a folder; a pre-trained
        student has no scores.
        """
        scores = scores or {}
        task = self._asked.task
        constant = {s: majority(self._paths.task(task), s) for s in ("dev", "test")} if task else {}
        with replacing(self._folder) as folder:
            folder.mkdir(parents=True)
            write(folder)
            record = RunRecord(
                **self._asked.model_dump(),
                outputs={file.name: file_digest(file) for file in sorted(folder.iterdir())},
                stages=tuple(stages),
                metrics={split: found.metrics for split, found in scores.items()},
                majority=constant,
                degenerate=bool(scores) and scores["test"].constant,
                parameters=parameters,
                environment=environment(self._watch, self.device),
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


def write_predictions(
    folder: Path, test: Scores, others: Mapping[str, NDArray[Any]] | None = None
) -> None:
    """Write what was predicted for every test example, and for others by name of their file."""
    np.save(folder / PREDICTIONS, test.predictions, allow_pickle=False)
    for name, predictions in (others or {}).items():
        np.save(folder / name, predictions, allow_pickle=False)
    for metric, values in test.examples.items():
        np.save(folder / examples_file(metric), values, allow_pickle=False)


def refuse_several() -> None:
    """Refuse torchrun for a job that does not share its work."""
    if processes() > 1:
        raise UsageError(
            f"torchrun started {processes()} processes, but only pretrain shares its work",
            "run this command without torchrun",
        )


def task_digests(paths: Paths, task: str) -> dict[str, str]:
    """Digests of a task's splits."""
    return {split: tokens_digest(paths.task(task) / split) for split in SPLITS}


def tokens_digest(folder: Path) -> str:
    """The digest of tokens that opening them verifies."""
    found: str = read_json(folder / "tokens.json")["digest"]
    return found


def weights_digest(folder: Path) -> str:
    """The digest of a model's weights, from its record."""
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
    how = ["--always", "--exclude=*", "--abbrev=40", "--dirty=+changes"]
    command = ["git", "-C", str(ROOT), "describe", *how]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
