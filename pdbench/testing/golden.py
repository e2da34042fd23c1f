"""The golden study: what a small study comes to, bit for bit, with the engine as it is.

Its digests stand in the lock of the engine (:mod:`pdbench.workflow.engine`). A change of the code
that leaves all of them as they were changes no number, and keeps the engine's version.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from pdbench.core.errors import UsageError
from pdbench.core.files import digest, file_digest, write_json
from pdbench.data.columns import predictions_file
from pdbench.jobs.record import RunRecord
from pdbench.jobs.students import attempt
from pdbench.study import Architecture, load_study
from pdbench.testing.small_study import CONFIG, prepare_cells, write_small_study
from pdbench.workflow import Paths
from pdbench.workflow.engine import LOCK, code_of, lock_of, read_lock
from pdbench.workflow.kinds import KINDS

_METHODS = ("basic", "pf", "d", "pd", "pd-f", "tf", "pd-embeddings", "patient-kd", "minilm")


def _golden() -> dict[str, Any]:
    (block,) = CONFIG["artefacts"]["figure6"]["cells"]
    # Wide enough for bfloat16, whose bits are others.
    sizes = {"grid": {"layers": [1, 2], "hidden": [64]}, "named": {"Tiny": "1/64"}}
    cells = {**block, "method": list(_METHODS), "architecture": "2/64"}
    artefacts = {"figure6": {"seeds": 1, "cells": [cells]}}
    config = {**CONFIG, "architectures": sizes, "artefacts": artefacts}
    with tempfile.TemporaryDirectory(prefix="pdbench-") as name, contextlib.chdir(name):
        study = load_study(write_small_study(Path(), config, Architecture(2, 64)))
        paths = Paths(study)
        prepare_cells(study, paths)
        for cell in study.seed_counts:
            attempt(study, paths, cell)
        runs = [paths.run(run) for cell in study.seed_counts for run in study.runs(cell)]
        labels = [paths.soft_labels(*key) for key in study.soft_labelled]
        return {
            # What bits depend on beside the code: torch, and the instructions of the processor.
            "machine": [torch.__version__, torch.backends.cpu.get_cpu_capability()],
            "pdbench.jobs.prepare": _arrays(map(paths.task, study.tasks))
            + _arrays(map(paths.text, study.texts)),
            "pdbench.jobs.teachers": _outputs(map(paths.teacher, study.taught)) + _arrays(labels),
            "pdbench.jobs.pretraining": _outputs(map(paths.pretrained, study.pretrained)),
            # What is kept beside them decides no score.
            "pdbench.jobs.students": _outputs(runs, predictions_file("test")),
        }


def renew_lock(*, is_another: bool = False) -> dict[str, int]:
    """Write the lock of the engine anew; return the version of each part of it.

    ``is_another`` raises the version of all code that changed, without comparing bits. These
    are compared on the kind of machine that the lock is of; UsageError on another.
    """
    lock, now = read_lock(), _golden()
    before = lock.get("golden", {})
    parts = {kind.module for kind in KINDS.values() if kind.is_stored}
    changed = {part for part in parts if lock["roots"].get(part, {}).get("code") != code_of(part)}
    alike = before.get("machine") == now["machine"]
    if before and changed and not alike and not is_another:
        raise UsageError(
            f"{LOCK}: its bits are of {' '.join(before['machine'])}, and this is "
            f"{' '.join(now['machine'])}",
            "renew it on such a machine, or raise the version of what changed with --raise",
        )
    versions = {}
    for part in parts:
        version = lock["roots"].get(part, {}).get("version", 0)
        differs = is_another or before.get(part) != now.get(part)
        versions[part] = version + (part in changed and (differs or not version))
    others = {kind.module for kind in KINDS.values() if not kind.is_stored}
    write_json(LOCK, lock_of({**dict.fromkeys(others, 0), **versions}, now))
    return versions


def _arrays(folders: Iterable[Path]) -> str:
    files = (file for folder in folders for file in sorted(folder.rglob("*.npy")))
    return digest([[file.name, file_digest(file)] for file in files])


def _outputs(folders: Iterable[Path], *names: str) -> str:
    """The digest of what entries hold, or of the files of some names."""
    every = [RunRecord.read(folder).outputs for folder in folders]
    return digest([{n: own[n] for n in names or own} for own in every])
