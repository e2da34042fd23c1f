"""Our side does what it is asked to, on data so small that it takes no time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import data, ours
from benchmarks.worker import Clock
from pdbench.core.entries import write_record
from pdbench.data.tokens import Tokens, write_tokens
from pdbench.engine import BertShape, write_checkpoint
from pdbench.engine.initialise import random_classifier
from pdbench.study import Architecture
from pdbench.study.cells import Point
from pdbench.study.settings import StageSettings

REQUEST: dict[str, Any] = {
    "arch": "1/32",
    "batch": 4,
    "epochs": 2,
    "items": 10,
    "rate": 1e-3,
    "seed": 0,
    "seeds": 2,
    "students": ["1/32"],
}
LENGTHS = (3, 7, 5, 6, 4)
BLOCKS = (128, 90, 128, 60, 128)


def text(lengths: tuple[int, ...]) -> Tokens:
    """Items of these lengths; every piece is another one."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    pieces = np.arange(1, offsets[-1] + 1, dtype=np.uint16)
    return Tokens(pieces, offsets, np.array(lengths, np.int32), "v", 128)


def write_text(folder: Path, lengths: tuple[int, ...]) -> None:
    """Write such items into a new folder."""
    folder.mkdir(parents=True)
    write_tokens(folder, text(lengths))
    write_record(folder, {})


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with labelled sentences, sentences, first weights and a teacher."""
    folder = tmp_path_factory.mktemp("benchmarks")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        torch.set_num_threads(1)
        for split in ("train", "dev", "test"):
            target = data.paths().task(data.TASK) / split
            write_text(target, LENGTHS * 3)
            np.save(target / "labels.npy", np.arange(15) % 2)
            write_record(target, {})
        write_text(data.paths().text(data.SENTENCES), LENGTHS * 3)
        models = [data.initial(Architecture(1, 32), seed) for seed in range(2)]
        for model in (*models, data.paths().teacher(data.TASK)):
            model.mkdir(parents=True)
            shape = BertShape.of(Architecture(1, 32), ours.VOCABULARY)
            random = torch.Generator().manual_seed(len(model.name))
            classifier = random_classifier(shape, 2, 0.05, random)
            write_checkpoint(model, classifier, labels=ours.LABELS)
    return folder


@pytest.fixture(autouse=True)
def _there(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(written)


def done(work: str, **changed: Any) -> tuple[dict[str, Any], Clock]:
    """Do a work; return its answer and its clock."""
    clock = Clock()
    return ours.WORKS[work]({**REQUEST, **changed}, clock), clock


def test_finetuning_counts_the_operations_of_its_items() -> None:
    """Of the items that were asked for, by the epochs."""
    answer, clock = done("finetune")
    once, _ = done("finetune", items=5, epochs=1)

    assert answer["flops"] == 4 * once["flops"]
    assert 0 <= answer["padding"] < 1
    assert clock.wall > 0
    assert "accuracy" not in answer


def test_finetuning_can_be_scored() -> None:
    """The accuracy is that of the test split."""
    answer, _ = done("finetune", items=None, score=True)

    assert answer["accuracy"] * 15 == pytest.approx(round(answer["accuracy"] * 15))


def test_grid_labels_once_and_trains_every_student(monkeypatch: pytest.MonkeyPatch) -> None:
    """One pass of the teacher serves all seeds, whose students learn from its labels."""
    passes, targets = [], []
    label, train = ours.TASK.soft_label, ours.train_stage

    def labels(*arguments: Any) -> Any:
        passes.append(arguments)
        return label(*arguments)

    def trains(model: Any, objective: Any, labelled: Any, *arguments: Any) -> Any:
        targets.append(np.array(labelled.targets))
        return train(model, objective, labelled, *arguments)

    monkeypatch.setattr(ours.TASK, "soft_label", labels)
    monkeypatch.setattr(ours, "train_stage", trains)
    done("distill_grid")

    assert len(passes) == 1
    assert len(targets) == 2
    assert all(soft.shape == (10, 2) for soft in targets)
    assert np.allclose(targets[0].sum(axis=1), 1, atol=1e-3)


def test_soft_labels_are_computed() -> None:
    """From the checkpoint on, under the clock."""
    answer, clock = done("soft_labels")

    assert answer == {}
    assert clock.wall > 0


def test_steps_do_not_grow_with_the_transfer_set(tmp_path: Path) -> None:
    """A job makes the updates it was asked for, and tells its phases apart."""
    data.write_transfer_set(tmp_path / "set", 40)

    answer, clock = done("scale", folder=str(tmp_path / "set"), steps=3)

    assert set(answer) == {"open_seconds", "prepare_seconds", "train_seconds"}
    assert all(seconds >= 0 for seconds in answer.values())
    assert sum(answer.values()) == pytest.approx(clock.wall, rel=0.2)
    settings = StageSettings(epochs=1, learning_rate=(1e-3,), least_steps=3)
    walk = ours.FixedSteps(settings, Point(1e-3, 4), (0.0, 1.0), 0)
    assert len(walk.updates(1000)) == 3


def test_transfer_set_repeats_the_sentences(tmp_path: Path) -> None:
    """Also where the last part is cut; each repetition has the same soft labels."""
    data.write_transfer_set(tmp_path / "set", 37)

    tokens = Tokens.open(tmp_path / "set")
    soft = np.load(tmp_path / "set" / data.SOFT_LABELS, allow_pickle=False)
    assert tokens.lengths.tolist() == [*LENGTHS * 7, 3, 7]
    assert (tokens.item(32) == tokens.item(17)).all()
    assert soft.shape == (37, 2)
    assert (soft[:15] == soft[15:30]).all()
    assert np.allclose(soft.sum(axis=1), 1, atol=1e-3)


def test_only_whole_blocks_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shorter last block of a review would make batches unequal."""
    monkeypatch.setattr(data, "_prepare_tasks", lambda: None)
    monkeypatch.setattr(data, "_prepare_text", lambda _: None)
    monkeypatch.setattr(data, "_write_pieces", lambda folder: write_tokens(folder, text(LENGTHS)))
    write_text(data.paths().text("reviews"), BLOCKS)

    data.prepare_blocks()

    blocks = Tokens.open(data.paths().text("blocks"))
    assert blocks.lengths.tolist() == [data.BLOCK] * 3
    assert (blocks.item(1) == text(BLOCKS).item(2)).all()
