"""Files appear whole, under their names, and on the disk before that."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pdbench.core import files


@pytest.mark.parametrize("names", [[], ["a", "b/c"]], ids=["file", "folder"])
def test_content_is_on_the_disk_before_it_has_its_name(
    names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that loses its power leaves no empty file under a final name."""
    target, done = tmp_path / "made", []
    rename = os.replace
    monkeypatch.setattr(files, "flush", lambda path: done.append(path.name))
    monkeypatch.setattr(os, "replace", lambda *paths: (done.append("replace"), rename(*paths)))

    with files.replacing(target) as temporary:
        for path in [temporary / name for name in names] or [temporary]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("content")

    assert done[-1] == "replace"
    assert sorted(done[:-1]) == ([Path(name).name for name in names] or [temporary.name])
