"""Students: an initialisation, then the stages of a method, one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pdbench.core.errors import DataError, UsageError
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
from pdbench.engine.checkpoints import read_classifier
from pdbench.jobs.stages import Asked, frozen, objective_of, train_objective
from pdbench.kinds.classification import (
    Labelled,
    Pass,
    Scores,
    predicted,
    restrict_pieces,
    train_classifier,
)
from pdbench.kinds.heads import Head, head_of, open_split, soft_labelled
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
        head: What stands on the encoder.
        asked: The fine-tuned teacher, if a stage asks it.
        others: What else is predicted, by the name of its file: hidden-label splits, and the
            test splits of other tasks on which this one's models are scored.
    """

    splits: dict[str, Labelled]
    transfer: Labelled | None
    checkpoint: Path | None
    vocabulary: int
    head: Head
    asked: Asked | None = None
    others: dict[str, Tokens] = field(default_factory=dict)

    @property
    def all_tokens(self) -> list[Tokens]:
        """Every text that a model of the cell reads."""
        found = [*(split.tokens for split in self.splits.values()), *self.others.values()]
        return found if self.transfer is None else [*found, self.transfer.tokens]


@dataclass(frozen=True)
class Outcome:
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
    start = study.initial_checkpoint(cell)
    data = CellData(
        splits={s: open_split(paths.task(cell.task), s) for s in ("train", "dev", "test")},
        transfer=_open_transfer(study, paths, cell),
        checkpoint=None if start is None else paths.pretrained(start),
        vocabulary=vocabulary.size,
        head=head_of(study.tasks[cell.task], paths.task(cell.task)),
        others=_open_others(study, paths, cell.task),
    )
    if not study.methods[cell.method].asks_teacher:
        return data
    return replace(data, asked=_open_asked(paths, cell, data))


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
    return soft_labelled(study.tasks[cell.task], tokens, soft, chosen.size)


def train_student(
    study: Study, run: Run, data: CellData, device: Device, keeper: Keeper | None = None
) -> Outcome:
    """Train one run from its initialisation through all stages, and score it."""
    cell = run.cell
    method = study.methods[cell.method]
    model = initial_classifier(
        method.initialisation,
        BertShape.of(cell.architecture, data.vocabulary),
        data.head.outputs,
        torch.Generator().manual_seed(run.seed),
        study.training.initializer_range,
        data.checkpoint,
        data.head.model,
    )
    numbers = restrict_pieces(model, data.all_tokens, data.vocabulary)
    model.to(device.torch)
    stages: dict[str, Progress] = {}
    for number, stage in enumerate(method.stages):
        targets = data.splits["train"] if stage.data == "labelled" else data.transfer
        assert targets is not None
        model.bert.dropout = study.stage(stage.settings).dropout
        how = _pass(study, run, number, targets.items)
        seed = run.seed + number
        if stage.is_own:
            assert data.asked is not None
            objective = objective_of(stage, model, data.asked, seed)
            stages[stage.name] = train_objective(
                model, data.asked, objective, targets, how, device, seed, numbers, keeper
            )
        else:
            stages[stage.name] = train_classifier(
                model, targets, how, device, seed, numbers, keeper
            )
    scores = _scores(study, cell, model, data, device, numbers)
    others = {n: predicted(model, t, device, numbers) for n, t in data.others.items()}
    return Outcome(stages, scores, model, others)


def _pass(study: Study, run: Run, number: int, items: int) -> Pass:
    """How a stage of a run walks over its data, of so many items."""
    method, point = study.methods[run.cell.method], run.points[number]
    stage = method.stages[number]
    settings = study.stage(stage.settings)
    found = Pass(
        passes=settings.epochs,
        batch_size=point.batch_size,
        learning_rate=point.learning_rate,
        warmup=settings.warmup,
        weight_decay=settings.weight_decay,
        clip=settings.clip,
        least_steps=settings.least_steps,
        at_once=settings.at_once,
        span=method.span(number),
        order_seed=run.seed + method.first(number),
    )
    if not found.steps(items):
        whole = replace(found, span=(0.0, 1.0)).steps(items)
        what = f"method {run.cell.method!r}, stage {stage.name}: share {stage.share:g}"
        raise UsageError(f"{what} of {whole} updates is none", "raise the key share")
    return found


def _open_asked(paths: Paths, cell: Cell, data: CellData) -> Asked:
    """Load the teacher that the stages of a cell ask, with the pieces of the cell's texts."""
    model = read_classifier(paths.teacher(cell.task), data.head.labels, head=data.head.model)
    restrict_pieces(model, data.all_tokens, data.vocabulary)
    device = choose_device(model.bert.shape.hidden)
    return Asked(frozen(model).to(device.torch), device)


def _scores(
    study: Study,
    cell: Cell,
    model: Classifier,
    data: CellData,
    device: Device,
    numbers: NDArray[np.int64],
) -> dict[str, Scores]:
    metrics = study.tasks[cell.task].metrics
    return {s: data.splits[s].scored(model, metrics, device, numbers) for s in ("dev", "test")}
