"""Small stand-ins for the downloads, a vocabulary of letters, and a study of small files."""

from __future__ import annotations

import dataclasses
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import small_archives
import yaml

from pdbench.core.files import file_digest
from pdbench.data import places
from pdbench.study import Study, load_study
from pdbench.study.catalogue.archives import ARCHIVES
from pdbench.workflow import Paths


@pytest.fixture
def pin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, bytes], Path]:
    """Write an archive's content and pin its sha256; return the archives' folder."""
    folder = tmp_path / "results" / "archives"
    folder.mkdir(parents=True)
    pinned = dict(ARCHIVES)
    monkeypatch.setattr(places, "ARCHIVES", pinned)

    def write(name: str, content: bytes) -> Path:
        path = folder / ARCHIVES[name].file
        path.write_bytes(content)
        pinned[name] = dataclasses.replace(ARCHIVES[name], sha256=file_digest(path))
        return folder

    return write


@pytest.fixture
def tiny_archives(pin: Callable[[str, bytes], Path]) -> Path:
    """All archives of texts, with a few each; returns their folder."""
    for name, content in small_archives.contents().items():
        folder = pin(name, content)
    return folder


@pytest.fixture
def pieces(tmp_path: Path) -> Path:
    """A folder with a vocabulary of letters, in which every ASCII text can be written."""
    letters = string.ascii_lowercase + string.digits + string.punctuation
    lines = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters)]
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def make_study(
    tmp_path: Path, pieces: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Study, Paths]]:
    """Load a study of the given tasks, texts and transfer sets, with ``tmp_path`` as root."""
    monkeypatch.chdir(tmp_path)
    teacher = {"source": "directory", "path": "teacher"}

    def make(tasks: dict[str, Any], **blocks: Any) -> tuple[Study, Paths]:
        stage = {"epochs": 1, "learning_rate": [0.001]}
        content = {
            "name": "small",
            "title": "Small",
            "scale": "demo",
            "vocabulary": {"source": "directory", "path": str(pieces)},
            "architectures": {"grid": {"layers": [1], "hidden": [32]}, "named": {"Tiny": "1/32"}},
            "tasks": {name: {"teacher": teacher, **task} for name, task in tasks.items()},
            "training": {"pretrain": {}, "distill": stage, "finetune": stage},
            "artefacts": {},
            **blocks,
        }
        path = tmp_path / "small.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        study = load_study(path)
        return study, Paths(study)

    return make
