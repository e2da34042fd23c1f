"""The engine's version: it stands where the code is what the lock says, and nowhere else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from study_files import write_study_file

from pdbench.study import ROOT
from pdbench.workflow.engine import _closure, code_of, engine_of, read_lock
from pdbench.workflow.kinds import KINDS

DIGESTS = """
import json
from pdbench.study import load_study
from pdbench.workflow import Paths
from pdbench.workflow.engine import engine_of
from pdbench.workflow.kinds import Job
study = load_study("small.yaml")
paths, (cell, *_) = Paths(study), study.seed_counts
jobs = Job("run", study.runs(cell)[0]), Job("teacher", "sentiment"), Job("task", "sentiment")
print(engine_of("pdbench.jobs.students"), *(paths.digest(job) for job in jobs))
"""
RELOCK = """
from pdbench.core.files import write_json
from pdbench.workflow.engine import LOCK, lock_of, read_lock
roots = read_lock()["roots"]
write_json(LOCK, lock_of({root: said["version"] for root, said in roots.items()}, {}))
"""
RENEW = "the lock of the engine is not of this code: run `pdbench lock`"


def test_every_kind_begins_in_a_module_of_the_lock() -> None:
    """Each module that may run for one is in the lock."""
    lock = read_lock()
    roots = {kind.module for kind in KINDS.values()}

    assert roots == set(lock["roots"]), RENEW
    for root in roots:
        assert lock["roots"][root]["modules"] == _closure(root), f"{root}: {RENEW}"
        assert set(_closure(root)) <= set(lock["modules"]), f"{root}: {RENEW}"


@pytest.mark.parametrize("root", sorted({k.module for k in KINDS.values() if k.is_stored}))
def test_the_lock_is_current(root: str) -> None:
    """What is committed has a version of its own, which stands alone in specifications."""
    assert engine_of(root) == str(read_lock()["roots"][root]["version"]), f"{root}: {RENEW}"
    assert int(engine_of(root)) > 0


def test_training_runs_the_engine_and_no_drawing() -> None:
    """The closure has what decides numbers, and nothing that only shows them."""
    modules = _closure("pdbench.jobs.students")

    assert {"pdbench.engine.operations", "pdbench.engine.loop", "pdbench.data.tokens"} <= set(
        modules
    )
    rooms = {name.split(".")[1] for name in modules if "." in name}
    assert not rooms & {"artefacts", "report", "evidence", "cli", "ops"}
    assert code_of("pdbench.jobs.students") != code_of("pdbench.jobs.prepare")


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the package, and the small study."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "pdbench", tmp_path / "pdbench", ignore=ignored)
    shutil.copytree(ROOT / "config", tmp_path / "config")
    write_study_file(tmp_path / "small.yaml")
    return tmp_path


def digests(folder: Path) -> list[str]:
    """The engine of training, and the digests of a run, a teacher and a task."""
    command = [sys.executable, "-c", DIGESTS]
    environment = {"PYTHONPATH": str(folder)}
    return subprocess.check_output(command, cwd=folder, env=environment, text=True).split()


def test_edited_code_never_passes_for_the_old(copied: Path) -> None:
    """A line of training is another engine; a comment, a docstring and data are not."""
    stages, latency = (
        copied / "pdbench/jobs/training.py",
        copied / "pdbench/engine/latency.py",
    )
    code = stages.read_text(encoding="utf-8")
    before = digests(copied)

    stages.write_text(
        f'"""Training."""\n# Edited.\n{code.split(chr(34) * 3, 2)[2]}', encoding="utf-8"
    )
    latency.write_text(latency.read_text(encoding="utf-8") + "\nOTHER = 1\n", encoding="utf-8")
    assert digests(copied) == before

    stages.write_text(f"{code}\nOTHER = 1\n", encoding="utf-8")
    edited = digests(copied)

    assert edited[0].startswith(f"{before[0].partition('+')[0]}+")
    assert [old != new for old, new in zip(before, edited, strict=True)] == [True] * 3 + [False]
    stages.write_text(code, encoding="utf-8")
    assert digests(copied) == before


def test_a_renewed_lock_of_the_same_versions_keeps_every_digest(copied: Path) -> None:
    """Downloads are what their sha256 says, whatever code fetches them."""
    before, places = digests(copied), copied / "pdbench/data/places.py"

    places.write_text(places.read_text(encoding="utf-8") + "\nOTHER = 1\n", encoding="utf-8")
    assert all(old != new for old, new in zip(before, digests(copied), strict=True))
    subprocess.run(
        [sys.executable, "-c", RELOCK], cwd=copied, env={"PYTHONPATH": str(copied)}, check=True
    )

    assert digests(copied) == before
