"""Where ``config/`` is, and where methods are defined: there, and in packages that offer some.

What stands in ``config/`` of the working folder counts before pdbench's own, which is that of the
checkout, or in the installed package.

A package offers methods by an entry point of the group ``pdbench.methods`` whose value is its
name, and a ``methods.yaml`` in its folder. No package is imported for that: its objectives may
import torch, and every cluster job reads the methods again.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import itertools
import subprocess
from collections.abc import Iterator, Sequence
from importlib.metadata import entry_points, version
from pathlib import Path

from pdbench.core.errors import UsageError
from pdbench.core.files import digest

_GROUP = "pdbench.methods"
_PACKAGE = Path(__file__).resolve().parents[1]
_SHIPPED = _PACKAGE / "shipped"
IS_CHECKOUT = not _SHIPPED.is_dir()
ROOT = _PACKAGE.parent if IS_CHECKOUT else _SHIPPED
"""Where pdbench's own ``config/``, ``workflow/`` and ``slurm/`` are: the checkout, or a folder of
the installed package."""

GIT = ("git", f"--git-dir={ROOT / '.git'}", f"--work-tree={ROOT}")
"""Asks the checkout's own repository: one around it, or that of a hook, has other commits."""

_FILE = "methods.yaml"
METHODS = Path("config") / _FILE
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@functools.cache
def commit() -> str:
    """The commit of the checkout that pdbench runs from; of a package its version."""
    if not IS_CHECKOUT:
        return version("pdbench")
    how = ["--always", "--exclude=*", "--abbrev=40", "--dirty=+changes"]
    command = [*GIT, "describe", *how]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def of_checkout(command: str) -> Path:
    """The checkout, which a command changes; UsageError where pdbench is an installed package."""
    if not IS_CHECKOUT:
        what = f"pdbench {command}: it changes a checkout of pdbench, and this one is installed"
        raise UsageError(what, "clone the repository, and run `make .venv/.run` there")
    return ROOT


def places(name: str | Path) -> Sequence[Path]:
    """Where a file or folder of ``config/`` may stand: in the working folder, then pdbench's own.

    In a checkout that is the working folder, both are one, which is named once.
    """
    own, shipped = Path(name), ROOT / name
    return (own,) if own.exists() and own.resolve() == shipped.resolve() else (own, shipped)


def configured(name: str | Path) -> Path:
    """The first of the :func:`places` that is there; else the last."""
    own, *others = places(name)
    return own if own.exists() or not others else others[0]


def offered_methods() -> Iterator[Path]:
    """The files in which packages define methods, by the names of the packages."""
    for point in sorted(entry_points(group=_GROUP), key=lambda found: found.value):
        folder = _package_folder(point.value)
        if folder is None or not (folder / _FILE).is_file():
            what = f"entry point {point.name} of {_GROUP}: no package {point.value!r}"
            raise UsageError(f"{what} with a {_FILE}", "mend or remove the package that offers it")
        yield folder / _FILE


def _package_folder(package: str) -> Path | None:
    """The folder of a package or of its part (``a.b``)."""
    top, *parts = package.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations)), *parts)
    return folder if folder.is_dir() else None


def code_digest_of(path: Path | None) -> str:
    """Digest of what a module does: of its code, without comments and docstrings.

    What it imports is not followed. Of code with a mistake in its syntax it is that of the
    text: its jobs say what is wrong. A module that is not there has a digest too.
    """
    if path is None:
        return digest("")
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return digest(text)
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return digest(ast.unparse(tree))


def own_modules(module: str, without: str = "") -> tuple[str, ...]:
    """A module, and all of its own package that it imports, directly or not, by name.

    One is left ``without``, and with it what it alone imports.
    """
    found = [module]
    for name in found:  # which grows
        found += [other for other in _imported(name) if other not in (*found, without)]
    return tuple(sorted(found))


@functools.cache
def _imported(module: str) -> tuple[str, ...]:
    """The modules of its package that a module imports, also in functions, and their packages."""
    file = module_file(module)
    if file is None:
        return ()
    try:
        tree = ast.parse(file.read_text(encoding="utf-8", errors="replace"))
    except (SyntaxError, ValueError):
        return ()
    package = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
    named: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            named += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            named += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    top = module.partition(".")[0]
    own = (name for name in named if name.partition(".")[0] == top)
    parts = (part for name in own for part in itertools.accumulate(name.split("."), "{}.{}".format))
    return tuple(sorted({part for part in parts if module_file(part)}))


def module_file(module: str) -> Path | None:
    """The file of a module, if it is installed, found without importing its package."""
    package, _, last = module.rpartition(".")
    if not package:
        spec = importlib.util.find_spec(last)
        return None if spec is None or spec.origin is None else Path(spec.origin)
    folder = _package_folder(package)
    files = (folder / f"{last}.py", folder / last / "__init__.py") if folder else ()
    return next((file for file in files if file.is_file()), None)
