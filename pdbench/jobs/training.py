"""Training: one stage of it, and one run from what is asked of it to its record."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import resource
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pdbench import __version__
from pdbench.core.entries import RECORD, read_record, whole
from pdbench.core.errors import DataError, UsageError
from pdbench.core.files import digest, replacing
from pdbench.data.batches import ItemBatches
from pdbench.engine import Classifier, Keeper, MaskedLM, Progress, choose_device
from pdbench.engine.device import Device, device_name
from pdbench.engine.distributed import processes
from pdbench.engine.exposed import Exposed
from pdbench.engine.loop import Optimisation, optimise
from pdbench.engine.state import SAVE_EVERY, Stopwatch, now
from pdbench.engine.targets import LabelledBatch
from pdbench.jobs.record import Environment, RunRecord, RunRequest, StageRecord
from pdbench.kinds import Kind, Labelled
from pdbench.methods.objective import Objective, TaskLoss
from pdbench.study import Architecture, Stage
from pdbench.study.cells import Point
from pdbench.study.discovery import commit
from pdbench.study.settings import StageSettings
from pdbench.workflow import Paths

_M = TypeVar("_M", Classifier, MaskedLM)

_log = logging.getLogger(__name__)


class OnlineTeacher(Generic[_M]):
    """A teacher, with the student's word pieces, that is asked while a student trains."""

    def __init__(self, model: _M) -> None:
        self.device = choose_device(model.bert.shape.hidden)
        self.model: _M = model.eval().requires_grad_(False).to(self.device.torch)
        self.seconds = 0.0
        """Wall time of its forward passes. 0 on a GPU: to time them, it would be waited for."""
        self._is_asked = False

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """The context of its forward passes: its precision, and no gradients."""
        if self._is_asked:  # what it is asked asks for something below it
            yield
            return
        self._is_asked, began = True, time.perf_counter()
        try:
            with torch.no_grad(), self.device.autocast():
                yield
        finally:
            self._is_asked = False
            if self.device.torch.type == "cpu":
                self.seconds += time.perf_counter() - began


@dataclass(frozen=True)
class Walk:
    """How a stage walks over its data: how often, at which learning rate and batch size.

    ``span`` is the part of the updates that the stage takes, where several share them; they go on
    in the order of the items, which ``order_seed`` decides.
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
        objective = Objective.build(stage.objective, options, own, theirs, labels, seed)
    else:
        objective = TaskLoss(own, own, labels)
    objective.task_loss = kind.loss
    return objective


def train_stage(
    student: Classifier,
    objective: Objective,
    data: Labelled,
    walk: Walk,
    seed: int,
    teacher: OnlineTeacher[Classifier] | None = None,
    keeper: Keeper | None = None,
) -> Progress:
    """Train a student and the objective's own parameters; the seed decides the dropout.

    A teacher is given if the objective asks one beyond its soft labels.
    """
    device, whole = choose_device(student.bert.shape.hidden), objective.last_states
    order = ItemBatches(data.tokens.lengths[: data.items], walk.point.batch_size, walk.order_seed)
    updates = walk.updates(data.items)

    def batch_of(step: int) -> LabelledBatch:
        return data.batch(order[updates[step]], student.bert.numbers)

    def loss_of(labelled: LabelledBatch) -> Tensor:
        inputs = device.inputs(labelled.batch)
        ours = Exposed(student, *inputs, device.autocast, last_states=whole)
        theirs = teacher and Exposed(teacher.model, *inputs, teacher.computing, last_states=whole)
        return objective.checked_loss(ours, theirs, device.tensor(labelled.targets))

    student.bert.dropout = walk.settings.dropout
    trained = nn.ModuleDict({"student": student, "objective": objective}).to(device.torch)
    how = Optimisation(len(updates), walk.point.learning_rate, walk.settings)
    return optimise(trained, batch_of, loss_of, how, seed, keeper, teaching=seconds_of(teacher))


def seconds_of(teacher: OnlineTeacher[Any] | None) -> Callable[[], float]:
    """The seconds that a teacher has been asked for until now; 0 without one."""
    return lambda: 0.0 if teacher is None else teacher.seconds


def train_whole(
    model: Classifier,
    kind: Kind,
    data: Labelled,
    settings: StageSettings,
    seed: int,
    keeper: Keeper | None = None,
) -> Progress:
    """Train a model by the task's own loss, at the first point of the settings' grid."""
    point = Point(settings.learning_rate[0], settings.batch_size[0])
    loss = objective_of(Stage(objective="finetune"), kind, model, None, seed)
    walk = Walk(settings, point, (0.0, 1.0), seed)
    return train_stage(model, loss, data, walk, seed, keeper=keeper)


class TrainingJob:
    """One run, from what is asked of it to its record in a folder, beside what the run made.

    Of several processes that train together, one ``writes`` its state, every so many seconds.
    """

    def __init__(
        self,
        paths: Paths,
        folder: Path,
        asked: RunRequest,
        save_every: float = SAVE_EVERY,
        writes: bool = True,
    ) -> None:
        self._paths, self._folder, self._asked = paths, folder, asked
        self._watch = Stopwatch()
        self._device = choose_device(Architecture.parse(asked.architecture).hidden)
        identity: dict[str, str | int] = {
            "spec": asked.spec,
            "inputs": digest(asked.inputs),
            "seed": asked.seed,
            "precision": self._device.precision,
        }
        state = paths.state(folder)
        self.keeper = Keeper(state, identity, save_every, self._watch, writes=writes)

    def is_done(self, name: str) -> bool:
        """Whether a whole record of the same specification and inputs is there.

        A state that is left beside it is removed.
        One of other inputs is replaced when the new run has finished. An edited record is an
        error, never silently overwritten.
        """
        if not (self._folder / RECORD).is_file():
            return False
        record = RunRecord.read(self._folder)
        if record.spec != self._asked.spec or record.inputs != self._asked.inputs:
            return False
        self.keeper.remove()
        _log.info("%s: already done", name)
        return True

    def finish(
        self,
        stages: Sequence[StageRecord],
        parameters: int,
        dev: Mapping[str, float] | None = None,
        arrays: Mapping[str, NDArray[Any]] = {},
        write: Callable[[Path], None] | None = None,
        *,
        degenerate: bool = False,
    ) -> RunRecord:
        """Write what the run made, its record last, and remove its state.

        That are arrays by the names of their files, such as the predictions for test, and what
        ``write`` writes into a folder. A pre-trained student has no metrics of ``dev``; those of
        test are another job's, which opens the labels.
        """
        with replacing(self._folder) as folder:
            folder.mkdir(parents=True)
            if write is not None:
                write(folder)
            for name, array in arrays.items():
                np.save(folder / name, array, allow_pickle=False)
            record = RunRecord(
                **self._asked.model_dump(),
                stages=tuple(stages),
                metrics={} if dev is None else {"dev": dict(dev)},
                degenerate=degenerate,
                parameters=parameters,
                environment=environment(self._watch, self._device),
            )
            record = record.write(folder)
        self.keeper.remove()
        return record


def are_there(folder: Path, asked: Mapping[str, Any]) -> bool:
    """Whether another process has made an entry of the same inputs since this one was started."""
    try:
        return asked.items() <= read_record(whole(folder)).items()
    except DataError:
        return False


def refuse_several() -> None:
    """Refuse torchrun for a job that does not share its work."""
    if processes() > 1:
        raise UsageError(
            f"torchrun started {processes()} processes, but only pretrain shares its work",
            "run this command without torchrun",
        )


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
