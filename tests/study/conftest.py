"""The small study."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from study_files import write_study_file

from pdbench.study import Study, load_study


@pytest.fixture
def study_file(tmp_path: Path) -> Callable[..., Path]:
    """Write the small study with some keys changed, and return the file's path."""
    return partial(write_study_file, tmp_path / "small.yaml")


@pytest.fixture
def study(study_file: Callable[..., Path]) -> Study:
    """The small study."""
    return load_study(study_file())
