"""A hub with repositories, and pdbench in processes of its own that know no other hub."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from study_files import write_study_file

from pdbench.study import ROOT, Architecture
from tests.hub import repositories as made
from tests.hub.server import COMMIT, Hub, serving

_BOOKS = {"source": "hub", "name": made.REVIEWS, "revision": COMMIT}
_BOOKS["file"] = "raw/review_categories/Books.jsonl"
_BERT = {"source": "hub", "name": made.BASE, "revision": COMMIT}

KEYS: dict[str, Any] = {
    "vocabulary": _BERT,
    "tasks.sentiment": {
        "glue": "rte",
        "revision": COMMIT,
        "dev": 40,
        "teacher": {**_BERT, "name": made.LARGE},
    },
    "texts": {
        "films": {"source": "hub", "name": "stanfordnlp/snli", "revision": COMMIT, "size": 100},
        "reviews": {**_BOOKS, "size": 50},
    },
    "transfer_sets": {
        "films-300": {"text": "films", "size": 90},
        "films-1k": {"text": "films", "size": 100},
    },
}
"""What the small study reads from the hub: data sets, a file, a model and a vocabulary."""


@dataclass
class Project:
    """A folder in which pdbench runs, with a copy of the package and of ``config/``."""

    folder: Path
    hub: Hub

    def write(self, **changes: Any) -> None:
        """Write the study small.yaml, some of whose keys (dots are double underlines) change."""
        dotted = {name.replace("__", "."): value for name, value in changes.items()}
        write_study_file(self.folder / "small.yaml", {**copy.deepcopy(KEYS), **dotted})

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start a command that knows this hub alone."""
        return subprocess.Popen(
            [sys.executable, "-m", "pdbench", *arguments],
            cwd=self.folder,
            env={**self.environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        process = self.start(*arguments, **variables)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def fetch(self, **variables: str) -> subprocess.CompletedProcess[str]:
        """Fetch small.yaml into DIR."""
        return self.run("fetch", "small.yaml", "--to", "DIR", **variables)

    @property
    def environment(self) -> dict[str, str]:
        """The variables of its processes: the machine's own caches and tokens are not there."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        return {
            **kept,
            "PYTHONPATH": str(self.folder),
            "HF_ENDPOINT": self.hub.endpoint,
            "HF_HOME": str(self.folder / "home"),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        }


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Repositories, which tests must not change."""
    root = tmp_path_factory.mktemp("hub")
    made.write_all(root, [Architecture(2, 128)])
    made.write_squad(root)
    return root


@pytest.fixture
def hub(stored: Path) -> Iterator[Hub]:
    """A server of them without faults."""
    with serving(stored) as hub:
        yield hub


@pytest.fixture
def project(tmp_path: Path, hub: Hub) -> Project:
    """A project beside that server."""
    folder = tmp_path / "project"
    for name in ("pdbench", "config"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    found = Project(folder, hub)
    found.write()
    return found
