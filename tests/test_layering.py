"""The rooms of the package import only from rooms above them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from pdbench.study import ROOT

ROOMS = (
    "core",
    "study",
    "planning",
    "workflow",
    "data",
    "engine",
    "kinds",
    "methods",
    "jobs",
    "ops",
    "testing",
    "evidence",
    "artefacts",
    "report",
    "cli",
)
"""From the ground up: a room may import from those before it."""

PACKAGE = ROOT / "pdbench"
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def room_of(module: Path) -> str:
    """The room that a module belongs to."""
    return module.parts[0].removesuffix(".py")


def rooms_imported(module: Path) -> Iterator[tuple[int, str]]:
    """The line and room of every import of the package, also of those inside functions."""
    for node in ast.walk(ast.parse((PACKAGE / module).read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno} is a relative import"
            top = node.module == "pdbench"
            names = [f"pdbench.{a.name}" if top else str(node.module) for a in node.names]
        for name in names:
            root, _, rest = name.partition(".")
            if root == "pdbench" and rest:
                yield getattr(node, "lineno", 0), rest.split(".")[0]


def test_evidence_needs_no_engine() -> None:
    """What numbers mean does not depend on how they were made."""
    own = (module for module in MODULES if room_of(module) == "evidence")
    needed = {room for module in own for _, room in rooms_imported(module)}

    assert needed <= {"core", "study", "workflow", "data", "evidence"}


def test_every_module_stands_in_a_room() -> None:
    """A new room must be given its place in the order."""
    found = {room_of(module) for module in MODULES}

    assert found - {"__init__", "__main__"} == set(ROOMS)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_rooms_import_only_upwards(module: Path) -> None:
    """No module imports from a room below its own."""
    if room_of(module) not in ROOMS:
        return
    own = ROOMS.index(room_of(module))

    wrong = [
        f"{module}:{line} imports {room}"
        for line, room in rooms_imported(module)
        if room in ROOMS and ROOMS.index(room) > own
    ]

    assert wrong == []
