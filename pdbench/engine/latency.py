"""Latency of every architecture, measured here, for the table of student sizes."""

from __future__ import annotations

import statistics
import time

import torch

from pdbench.core.entries import write_record
from pdbench.data.places import model_folder
from pdbench.engine.bert import Bert, BertShape, Classifier
from pdbench.engine.checkpoints import Checkpoint
from pdbench.engine.device import device_name
from pdbench.study import Study
from pdbench.workflow import Paths
from pdbench.workflow.paths import ARCHIVES

_SEQUENCE_LENGTH = 128
_ROUNDS = 15
_WARM_UP_ROUNDS = 2


def measure(study: Study, paths: Paths) -> None:
    """Time one forward pass of every student size and of the largest teacher.

    Batch size 1, as a served model answers; rounds over the sizes are interleaved, so that
    a busy moment of the machine meets all of them; the median is reported with quartiles.
    """
    shapes = {str(a): BertShape.of(a) for a in study.all_architectures}
    named = [task.teacher for task in study.tasks.values() if task.teacher]
    teachers = [Checkpoint(model_folder(teacher, ARCHIVES)).shape for teacher in named]
    for s in teachers:
        shapes[str(s.architecture)] = BertShape(s.layers, s.hidden, s.heads, s.feed_forward)
    models = {name: Classifier(Bert(shape), 2).eval() for name, shape in shapes.items()}
    largest = max(shapes, key=lambda name: shapes[name].architecture.encoder_parameters)
    content = {
        "batch_size": 1,
        "sequence_length": _SEQUENCE_LENGTH,
        "threads": torch.get_num_threads(),
        "rounds": _ROUNDS,
        "device": device_name(torch.device("cpu")),
        "precision": "fp32",
        "largest": largest,
        "architectures": {name: _quartiles(own) for name, own in _rounds(models).items()},
    }
    with paths.renewing(paths.latency.parent) as folder:
        write_record(folder, content)


@torch.inference_mode()
def _rounds(models: dict[str, Classifier]) -> dict[str, list[float]]:
    ids = torch.randint(
        1000, 2000, (1, _SEQUENCE_LENGTH), generator=torch.Generator().manual_seed(0)
    )
    times: dict[str, list[float]] = {name: [] for name in models}
    for number in range(_WARM_UP_ROUNDS + _ROUNDS):
        for name, model in models.items():
            started = time.perf_counter()
            model(ids, None, None)
            if number >= _WARM_UP_ROUNDS:
                times[name].append(1000 * (time.perf_counter() - started))
    return times


def _quartiles(times: list[float]) -> dict[str, float]:
    found = [round(quartile, 4) for quartile in statistics.quantiles(times, n=4)]
    return dict(zip(("low", "milliseconds", "high"), found, strict=True))
