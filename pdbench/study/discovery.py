"""Where methods are defined: config/methods.yaml, and packages that offer some.

A package offers methods by an entry point of the group ``pdbench.methods`` whose value is its
name, and a ``methods.yaml`` in its folder. No package is imported for that: its objectives may
import torch, and every cluster job reads the methods again.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

from pdbench.errors import UsageError

GROUP = "pdbench.methods"
FILE = "methods.yaml"


def method_files(root: Path) -> Iterator[Path]:
    """The files that define methods: the project's, then those of packages by their names.

    Raises:
        UsageError: An entry point names no package, or one without the file.
    """
    yield root / "config" / FILE
    for point in sorted(entry_points(group=GROUP), key=lambda found: found.value):
        folder = package_folder(point.value)
        if folder is None or not (folder / FILE).is_file():
            raise UsageError(
                f"entry point {point.name} of {GROUP}: no package {point.value!r} with a {FILE}",
                "mend or remove the package that offers it",
            )
        yield folder / FILE


def package_folder(package: str) -> Path | None:
    """The folder of a package or of its part (``a.b``), found without importing it."""
    top, *parts = package.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations)), *parts)
    return folder if folder.is_dir() else None


def has_module(name: str) -> bool:
    """Whether a module is installed, found without importing its package."""
    package, _, last = name.rpartition(".")
    if not package:
        return importlib.util.find_spec(last) is not None
    folder = package_folder(package)
    return folder is not None and any(p.name.split(".")[0] == last for p in folder.iterdir())
