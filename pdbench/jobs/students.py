"""Students: an initialisation, then the stages of a method, one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pdbench.core.errors import DataError
from pdbench.core.files import file_digest, read_json
from pdbench.data.prepared import SUBMISSION, predictions_file, prepared_splits
from pdbench.data.tokens import Tokens
from pdbench.data.vocabulary import Vocabulary
from pdbench.engine import (
    BertShape,
    Classifier,
    Device,
    Keeper,
    Progress,
    choose_device,
    initial_classifier,
)
from pdbench.engine.bert import restrict_pieces
from pdbench.engine.checkpoints import read_classifier
from pdbench.jobs.stages import OnlineTeacher, frozen, objective_of, train_stage, walk_of
from pdbench.kinds import Kind, Labelled, Scores, kind_of
from pdbench.study import Cell, Run, Study
from pdbench.workflow import Paths


@dataclass(frozen=True)
class CellData:
    """Everything that the runs of a cell share, opened once.

    Attributes:
        splits: train, dev and test of the task.
        transfer: The transfer set with its soft labels, if the method distils.
        checkpoint: Folder of the pre-trained weights, if the method starts from some.
        vocabulary: Number of word pieces.
        kind: What the task's kind makes of it.
        labels: The names of the outputs.
        teacher: The fine-tuned teacher, if a stage asks it.
        others: What else is predicted, by the name of its file: hidden-label splits, and the
            test splits of other tasks on which this one's models are scored.
    """

    splits: dict[str, Labelled]
    transfer: Labelled | None
    checkpoint: Path | None
    vocabulary: int
    kind: Kind
    labels: tuple[str, ...]
    teacher: OnlineTeacher[Classifier] | None = None
    others: dict[str, Tokens] = field(default_factory=dict)

    @property
    def all_tokens(self) -> list[Tokens]:
        """Every text that a model of the cell reads."""
        found = [*(split.tokens for split in self.splits.values()), *self.others.values()]
        return found if self.transfer is None else [*found, self.transfer.tokens]


@dataclass(frozen=True)
class TrainedRun:
    """A trained run: its stages in order, its scores by split, and the model.

    ``others`` is what it predicts beside them, by the name of its file.
    """

    stages: dict[str, Progress]
    scores: dict[str, Scores]
    model: Classifier
    others: dict[str, NDArray[np.int16] | NDArray[np.float32]]


def open_cell(study: Study, paths: Paths, cell: Cell, vocabulary: Vocabulary) -> CellData:
    """Open the data of a cell; soft labels are verified against their record.

    Raises:
        DataError: An input is missing, edited, or made from another text.
    """
    start, kind = study.initial_checkpoint(cell), kind_of(study.tasks[cell.task])
    folder = paths.task(cell.task)
    data = CellData(
        splits={s: kind.open_split(folder / s) for s in ("train", "dev", "test")},
        transfer=_open_transfer(study, paths, cell),
        checkpoint=None if start is None else paths.pretrained(start),
        vocabulary=vocabulary.size,
        kind=kind,
        labels=kind.labels(folder),
        others=_open_others(study, paths, cell.task),
    )
    if not study.methods[cell.method].asks_teacher:
        return data
    return replace(data, teacher=_open_teacher(paths, cell, data))


def _open_others(study: Study, paths: Paths, task: str) -> dict[str, Tokens]:
    found = {}
    for other in (task, *study.scored_with(task)):
        for split in prepared_splits(paths.task(other)):
            if split == SUBMISSION or (split == "test" and other != task):
                name = predictions_file(split, None if other == task else other)
                found[name] = Tokens.open(paths.task(other) / split)
    return found


def _open_transfer(study: Study, paths: Paths, cell: Cell) -> Labelled | None:
    if cell.transfer is None:
        return None
    chosen = study.transfer_sets[cell.transfer]
    folder = paths.soft_labels(cell.task, chosen.text)
    soft = np.load(folder / "soft_labels.npy", mmap_mode="r", allow_pickle=False)
    record = read_json(folder / "soft_labels.json")
    tokens = Tokens.open(paths.text(chosen.text))
    if record["text_digest"] != tokens.digest:
        raise DataError(
            f"{folder}: soft labels of another version of text {chosen.text!r}",
            "delete the folder and run again",
        )
    if record["digest"] != file_digest(folder / "soft_labels.npy"):
        raise DataError(f"{folder}: soft_labels.npy was changed", "delete the folder and run again")
    available = min(record["items"], len(tokens))
    least = study.texts[chosen.text].least
    if available < chosen.size and (least is None or available < min(least, chosen.size)):
        raise DataError(
            f"{paths.text(chosen.text)}: {available} items, but transfer set "
            f"{cell.transfer!r} asks {chosen.size}",
            f"lower transfer_sets.{cell.transfer}.size",
        )
    return kind_of(study.tasks[cell.task]).soft_labelled(tokens, soft, chosen.size)


def train_student(
    study: Study, run: Run, data: CellData, device: Device, keeper: Keeper | None = None
) -> TrainedRun:
    """Train one run from its initialisation through all stages, and score it."""
    cell = run.cell
    method = study.methods[cell.method]
    model = initial_classifier(
        method.initialisation,
        BertShape.of(cell.architecture, data.vocabulary),
        data.kind.head.outputs(len(data.labels)),
        torch.Generator().manual_seed(run.seed),
        study.training.initializer_range,
        data.checkpoint,
        data.kind.head,
    )
    numbers = restrict_pieces(model, data.all_tokens, data.vocabulary)
    model.to(device.torch)
    stages: dict[str, Progress] = {}
    for number, stage in enumerate(method.stages):
        items = data.splits["train"] if stage.data == "labelled" else data.transfer
        assert items is not None
        walk, seed = walk_of(study, run, number, items.items), run.seed + number
        teacher = data.teacher if stage.is_custom else None
        objective = objective_of(stage, data.kind, model, teacher, seed)
        stages[stage.name] = train_stage(
            model, objective, items, walk, device, seed, numbers, teacher, keeper
        )
    metrics = study.tasks[cell.task].metrics
    scores = {
        split: data.kind.score(model, data.splits[split], metrics, device, numbers)
        for split in ("dev", "test")
    }
    others = {n: data.kind.predict(model, t, device, numbers) for n, t in data.others.items()}
    return TrainedRun(stages, scores, model, others)


def _open_teacher(paths: Paths, cell: Cell, data: CellData) -> OnlineTeacher[Classifier]:
    """Load the teacher that the stages of a cell ask, with the pieces of the cell's texts."""
    model = read_classifier(paths.teacher(cell.task), data.labels, head=data.kind.head)
    restrict_pieces(model, data.all_tokens, data.vocabulary)
    device = choose_device(model.bert.shape.hidden)
    return OnlineTeacher(frozen(model).to(device.torch), device)
