"""Two processes train the model that one would have trained."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from pdbench.core.errors import REQUEUE, UsageError
from pdbench.engine.distributed import processes
from pdbench.jobs.record import RunRecord
from pdbench.study import Architecture, Start, load_study
from pdbench.workflow import Paths
from tests.attempts import Attempt, Server

TINY = Architecture(1, 32)
pytestmark = pytest.mark.usefixtures("project")


def change(key: str, value: Any) -> None:
    """Change one setting of pre-training in the study file, or the tokens of its corpus."""
    path = Path("small.yaml")
    study = yaml.safe_load(path.read_text())
    if key == "tokens":
        study["corpora"]["plain"][0][key] = value
    else:
        study["training"]["pretrain"][key] = value
    path.write_text(yaml.safe_dump(study))


def pretrained() -> Path:
    """The folder of the student that the study, as it is written now, pre-trains."""
    return Paths(load_study("small.yaml")).pretrained(Start("plain", TINY, 0))


def losses() -> np.ndarray:
    """The loss of every step of pre-training."""
    return np.load(pretrained() / "losses.npy")


def weights() -> dict[str, np.ndarray]:
    """The pre-trained weights."""
    return load_file(pretrained() / "model.safetensors")


def assert_alike(curve: np.ndarray, before: dict[str, np.ndarray]) -> None:
    """The same losses, step by step, and the same weights, within float32."""
    np.testing.assert_allclose(losses(), curve, atol=2e-6)
    for name, weight in weights().items():
        np.testing.assert_allclose(weight, before[name], atol=1e-5, err_msg=name)


def test_torchrun_gives_the_losses_of_one_process() -> None:
    """The same batches and masks, and gradients that are summed over all masked pieces."""
    curve, before = losses(), weights()
    record = RunRecord.read(pretrained())
    command = ["pretrain", "small.yaml", "plain", "1/32", "--save-every", "0"]
    program = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]

    done = subprocess.run(
        [*program, "-m", "pdbench", *command], capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr.count("pre-trained 1/32") == 1, "one process writes"
    assert_alike(curve, before)
    together = RunRecord.read(pretrained())
    assert (record.environment.processes, together.environment.processes) == (1, 2)
    for name in ("steps", "examples", "pieces"):
        assert getattr(together.stages[0], name) == getattr(record.stages[0], name)


def test_more_processes_than_rows_change_nothing(server: Server) -> None:
    """Steps of one or two items leave some of three processes without work."""
    change("batch_tokens", 16)
    change("tokens", 300)
    command = ["pretrain", "small.yaml", "plain", "1/32"]
    assert server.run(command, Attempt())[0] == [[0]]
    curve, before = losses(), weights()

    codes, log = server.run(command, Attempt(processes=3))

    assert codes == [[0, 0, 0]], log
    assert RunRecord.read(pretrained()).stages[0].examples < 60
    assert_alike(curve, before)


def test_portions_of_each_process_add_up(server: Server) -> None:
    """Accumulation inside two processes gives the gradients of the whole batch."""
    curve, before = losses(), weights()
    change("at_once", 40)

    codes, log = server.run(["pretrain", "small.yaml", "plain", "1/32"], Attempt(processes=2))

    assert codes == [[0, 0]], log
    assert_alike(curve, before)


def test_processes_stop_together(server: Server) -> None:
    """A signal to one of two stops both at the same step; one can go on alone."""
    change("tokens", 10_000)
    command = ["pretrain", "small.yaml", "plain", "1/32"]
    server.run(command, Attempt())
    curve, before = losses(), weights()
    shutil.rmtree(pretrained())

    codes, log = server.run(command, Attempt("SIGTERM", call=14, processes=2, rank=1), Attempt())

    assert codes == [[REQUEUE, REQUEUE], [0]], log
    assert "a signal to another process: stopped at step 20 of" in log
    assert_alike(curve, before)
    record = RunRecord.read(pretrained())
    assert record.environment.resumed == 1
    assert (record.stages[0].steps, record.stages[0].pieces > 10_000) == (len(curve), True)


def test_a_process_that_dies_ends_the_others_with_a_line(server: Server) -> None:
    """Nobody waits for ever; the saved state is good, and two processes go on from it."""
    change("tokens", 10_000)
    command = ["pretrain", "small.yaml", "plain", "1/32", "--save-every", "0"]
    server.run(command, Attempt())
    curve, before = losses(), weights()

    codes, log = server.run(
        command, Attempt("SIGKILL", call=14, processes=2, rank=1), Attempt(processes=2)
    )

    assert codes == [[1, -signal.SIGKILL], [0, 0]], log
    (line,) = [line for line in log.splitlines() if "error" in line]
    assert line.startswith("pdbench: error: process 0 of 2: ")
    assert "Traceback" not in log
    assert "going on from" in log
    assert_alike(curve, before)


@pytest.mark.parametrize(
    "command",
    [["teacher", "small.yaml", "films"], ["cell", "small.yaml", "films.basic.1-32.none.none"]],
)
def test_other_commands_refuse_several_processes(server: Server, command: list[str]) -> None:
    """Two processes must not write one result."""
    codes, log = server.run(command, Attempt(processes=2))

    assert codes == [[2, 2]]
    assert log.count("only pretrain shares its work; run this command without torchrun") == 2


@pytest.mark.parametrize("world", [None, "two"])
def test_a_rank_alone_is_misuse(world: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half an environment of torchrun, as a notebook or a wrapper may leave it."""
    monkeypatch.setenv("RANK", "0")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    if world is not None:
        monkeypatch.setenv("WORLD_SIZE", world)

    with pytest.raises(UsageError, match=r"RANK is set, and WORLD_SIZE .*torchrun, or unset RANK"):
        processes()
