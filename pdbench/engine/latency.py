"""Latency of every architecture, measured here, for the table of student sizes."""

from __future__ import annotations

import platform
import statistics
import time
from pathlib import Path

import torch

from pdbench.core.files import read_json, write_json
from pdbench.data.places import configuration_file, model_folder
from pdbench.engine.bert import Bert, BertShape, Classifier
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
    teachers = [_shape_of(model_folder(teacher, ARCHIVES)) for teacher in named]
    shapes |= {str(shape.architecture): shape for shape in teachers}
    models = {name: Classifier(Bert(shape), 2).eval() for name, shape in shapes.items()}
    times = _rounds(models)
    largest = max(shapes, key=lambda name: shapes[name].architecture.encoder_parameters)
    write_json(
        paths.latency,
        {
            "batch_size": 1,
            "sequence_length": _SEQUENCE_LENGTH,
            "threads": torch.get_num_threads(),
            "rounds": _ROUNDS,
            "device": platform.processor() or platform.machine(),
            "precision": "fp32",
            "largest": largest,
            "architectures": {name: _summary(found) for name, found in times.items()},
        },
    )


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


def _summary(milliseconds: list[float]) -> dict[str, float]:
    low, middle, high = statistics.quantiles(milliseconds, n=4)
    return {"milliseconds": round(middle, 4), "low": round(low, 4), "high": round(high, 4)}


def _shape_of(folder: Path) -> BertShape:
    c = read_json(configuration_file(folder))
    return BertShape(
        c["num_hidden_layers"], c["hidden_size"], c["num_attention_heads"], c["intermediate_size"]
    )
