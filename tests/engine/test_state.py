"""A state is taken up whole, by its own run, or not at all."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pdbench.engine import Keeper
from pdbench.engine.loop import _stop_signals
from pdbench.engine.state import Stopwatch

IDENTITY = {"spec": "s", "inputs": "i", "seed": 1}


def tensors(value: float) -> dict[str, torch.Tensor]:
    """Weights that all have one value."""
    return {"model.weight": torch.full((64, 8), value), "adamw.0.steps": torch.tensor(value)}


def saved(folder: Path, *values: float) -> None:
    """Save one state after the other."""
    keeper = Keeper(folder, IDENTITY)
    for value in values:
        keeper.save(tensors(value), {"step": int(value)})


def restored(folder: Path, **changes: str) -> tuple[int | None, float]:
    """The step that a new keeper finds, and the weights that it restores."""
    found = tensors(0)
    note = Keeper(folder, {**IDENTITY, **changes}).restore(found)
    assert len({float(t.max()) for t in found.values()}) == 1
    return None if note is None else note["step"], float(found["model.weight"].max())


def cut(path: Path) -> None:
    """Lose the end of a file."""
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    """Change one bit of the last number."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    """Lose all of a file."""
    path.write_bytes(b"")


def test_the_newest_state_is_taken_up(tmp_path: Path) -> None:
    """Weights and moments come back, with the note that was saved beside them."""
    saved(tmp_path, 1, 2, 3)

    assert restored(tmp_path) == (3, 3.0)
    assert {p.name for p in tmp_path.iterdir()} == {"state.safetensors", "previous.safetensors"}


@pytest.mark.parametrize("damage", [cut, flip, empty])
def test_a_broken_state_falls_back_on_the_one_before(
    tmp_path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Truncated, altered and empty files are told by name and never used."""
    saved(tmp_path, 1, 2)
    damage(tmp_path / "state.safetensors")

    assert restored(tmp_path) == (1, 1.0)

    damage(tmp_path / "previous.safetensors")
    caplog.clear()

    assert restored(tmp_path) == (None, 0.0)
    lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(lines) == 2
    assert all("this state is broken" in line and "\n" not in line for line in lines)


@pytest.mark.parametrize("key", ["spec", "inputs", "seed"])
def test_a_foreign_state_is_not_used(
    tmp_path: Path, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Another specification, other inputs or another seed start anew."""
    saved(tmp_path, 1)
    caplog.set_level(logging.INFO)

    assert restored(tmp_path, **{key: "other"}) == (None, 0.0)
    assert restored(tmp_path) == (1, 1.0)
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO"]
    assert "of another specification or other inputs" in caplog.messages[0]


def test_a_file_of_someone_else_is_not_used(tmp_path: Path) -> None:
    """A safetensors file without our header is no state."""
    from safetensors.torch import save_file

    save_file(tensors(5), tmp_path / "state.safetensors")

    assert restored(tmp_path) == (None, 0.0)


def test_finished_stages_are_remembered(tmp_path: Path) -> None:
    """The state of the second stage holds what the first one did."""
    keeper = Keeper(tmp_path, IDENTITY)
    keeper.finish({"loss": 0.1 + 0.2}, torch.tensor([1.0, 2.0]))
    keeper.save(tensors(7), {"step": 7})

    again = Keeper(tmp_path, IDENTITY)

    done = again.next_stage()
    assert done is not None
    assert done[0] == {"loss": 0.1 + 0.2}
    assert done[1].tolist() == [1.0, 2.0]
    assert again.next_stage() is None
    assert again.restore(tensors(0)) == {"step": 7}


def test_wall_time_adds_up(tmp_path: Path) -> None:
    """A run that is taken up keeps the time and the beginning of its first start."""
    first = Stopwatch()
    first.take_up("2026-01-01T00:00:00+00:00", 100.0, 1)
    Keeper(tmp_path, IDENTITY, watch=first).save(tensors(1), {"step": 1})

    second = Stopwatch()
    Keeper(tmp_path, IDENTITY, watch=second)

    assert second.started == "2026-01-01T00:00:00+00:00"
    assert second.resumed == 3
    assert 100 < second.seconds < 160


def test_a_state_is_due_by_the_clock(tmp_path: Path) -> None:
    """Zero seconds save after every step; other processes than the first never save."""
    assert Keeper(tmp_path, IDENTITY, 0).due
    assert not Keeper(tmp_path, IDENTITY, 300).due
    other = Keeper(tmp_path, IDENTITY, 0, writes=False)

    other.save(tensors(1), {"step": 1})

    assert not other.due
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_signals_are_noted_while_a_stage_trains_only(name: str) -> None:
    """The handlers that were there before come back."""
    number = signal.Signals[name]
    before = signal.getsignal(number)

    with _stop_signals(active=False):
        assert signal.getsignal(number) is before
    with _stop_signals(active=True) as noted:
        assert not noted
        os.kill(os.getpid(), number)
        assert noted == [name]

    assert signal.getsignal(number) is before
