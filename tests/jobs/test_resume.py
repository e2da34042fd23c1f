"""A killed job that is started again ends as if nothing had happened."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from safetensors import safe_open

from pdbench.core.errors import REQUEUE
from pdbench.core.files import read_json
from pdbench.jobs.record import RunRecord
from pdbench.ops.status import _STOPPED
from pdbench.study import Architecture, Start, Study, load_study
from pdbench.workflow import Paths
from pdbench.workflow.paths import SAVED
from pdbench.workflow.specs import STORE
from tests.attempts import FLUSH, REPLACE, Attempt, Server

PD_F = "films.pd-f.1-32.more-100.plain"
TINY = Architecture(1, 32)
KILL = "SIGKILL"
Project = tuple[Study, Paths]


def _files(folder: Path) -> dict[str, bytes]:
    """The content of all files but records, which hold times."""
    found = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file()}
    return {name: p.read_bytes() for name, p in found.items() if p.name != "record.json"}


def _records(folder: Path) -> dict[str, dict[str, Any]]:
    """The records without what may differ: times, memory, and how often a run was resumed."""
    found = {}
    for path in folder.rglob("record.json"):
        record = RunRecord.read(path.parent).model_dump()
        for name in ("started", "finished", "seconds", "peak_memory_mb", "resumed"):
            del record["environment"][name]
        for stage in record["stages"]:
            del stage["seconds"]
        found[str(path.relative_to(folder))] = record
    return found


def _resumed(folder: Path) -> dict[str, int]:
    paths = sorted(folder.rglob("record.json"))
    return {p.parent.name: RunRecord.read(p.parent).environment.resumed for p in paths}


def test_killed_pretraining_ends_with_the_same_bytes(project: Project, server: Server) -> None:
    """Killed at random steps, and while a state is written, flushed and renamed."""
    _, paths = project
    folder = paths.pretrained(Start("plain", TINY, 0))
    files, records = _files(folder), _records(folder)
    shutil.rmtree(folder)
    first, second = sorted(random.Random(1).sample(range(2, 6), 2))

    codes, log = server.run(
        ["pretrain", "small.yaml", "plain", "1/32", "--save-every", "0"],
        Attempt(KILL, call=first),
        Attempt(KILL, FLUSH, call=3),
        Attempt(KILL, REPLACE, call=4),
        Attempt(KILL, call=second),
        Attempt(),
    )

    assert codes == [[-signal.SIGKILL]] * 4 + [[0]], log
    assert _files(folder) == files
    assert _records(folder) == records
    assert _resumed(folder) == {folder.name: 4}
    assert not paths.state(folder).exists(), "the state goes when the record is whole"


def test_a_killed_cell_ends_with_the_same_predictions(project: Project, server: Server) -> None:
    """Killed in the first and the second stage of a run, and in a later run."""
    study, paths = project
    command, folder = ["cell", "small.yaml", PD_F], STORE / "run"
    server.run(command, Attempt())
    files, records = _files(folder), _records(folder)
    shutil.rmtree(folder)

    codes, log = server.run(
        [*command, "--save-every", "0"],
        Attempt(KILL, call=5),  # 8 updates in the first stage, 20 in the second
        Attempt(KILL, call=4 + 7),
        Attempt(KILL, call=17 + 28 + 3),
        Attempt(),
    )

    assert codes == [[-signal.SIGKILL]] * 3 + [[0]], log
    assert _files(folder) == files
    assert _records(folder) == records
    runs = [paths.run(run).name for run in study.runs(study.cells[PD_F])]
    assert [_resumed(folder)[name] for name in runs] == [2, 0, 1, 0]
    assert not list(SAVED.iterdir())


def test_a_teacher_that_is_stopped_goes_on(project: Project, server: Server) -> None:
    """SIGUSR1 saves and asks to be started again; dropout and bf16 repeat themselves."""
    _, paths = project
    folder = paths.teacher("films")
    files, records = _files(folder), _records(folder)
    shutil.rmtree(folder)

    codes, log = server.run(
        ["teacher", "small.yaml", "films"], Attempt("SIGUSR1", call=77), Attempt()
    )

    assert codes == [[REQUEUE], [0]]
    assert log.count("stopped") == 1
    assert "SIGUSR1: stopped at step 77 of 200, stage 1" in log
    assert "Traceback" not in log
    assert _files(folder) == files
    assert _records(folder) == records


def test_sigterm_from_outside_leaves_a_state(project: Project) -> None:
    """A scheduler that ends a job finds exit code 75, one line and a whole state."""
    assert project
    raw = yaml.safe_load(Path("small.yaml").read_text())
    raw["training"]["distill"]["least_steps"] = 10**6
    Path("endless.yaml").write_text(yaml.safe_dump(raw))
    study = load_study("endless.yaml")
    paths, cell = Paths(study), study.cells[PD_F]
    state = paths.state(paths.run(study.runs(cell)[0])) / "state.safetensors"
    job = subprocess.Popen(
        [sys.executable, "-m", "pdbench", "cell", "endless.yaml", PD_F, "--save-every", "0.1"],
        stderr=subprocess.PIPE,
        text=True,
    )
    waited = time.monotonic()
    while not state.exists() and time.monotonic() - waited < 60:
        time.sleep(0.05)

    job.send_signal(signal.SIGTERM)
    _, log = job.communicate(timeout=60)

    assert job.returncode == REQUEUE == 75
    (line,) = log.splitlines()
    assert f"SIGTERM{_STOPPED}step " in line
    with safe_open(state, "pt") as file:
        assert file.metadata()
    assert not paths.cell(cell).exists()


def test_a_changed_study_starts_anew(project: Project, server: Server) -> None:
    """The state of another specification is not used, and stays for when it is asked again."""
    _, paths = project
    folder = paths.pretrained(Start("plain", TINY, 0))
    command = ["pretrain", "small.yaml", "plain", "1/32", "--save-every", "0"]
    shutil.rmtree(folder)
    server.run(command, Attempt(KILL, call=5))
    text = Path("small.yaml").read_text()
    Path("small.yaml").write_text(text.replace("batch_tokens: 256", "batch_tokens: 128"))

    codes, log = server.run(command, Attempt())

    assert codes == [[0]], log
    changed = Paths(load_study("small.yaml")).pretrained(Start("plain", TINY, 0))
    assert _resumed(changed) == {changed.name: 0}
    assert read_json(changed / "record.json")["stages"][0]["steps"] > 10
    assert not folder.exists()
    assert paths.state(folder).exists()
