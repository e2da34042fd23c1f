"""The engine: which version of the code a job runs, or that it runs code of no version.

``engine.lock.json`` has, for each module in which jobs begin, the version of its code, the modules
that it runs, and digests of them. Where the code is what the lock says, a version stands in a job's
specification, so that an upgrade that changes no number keeps what was trained. Where it is
not, the digest of the code stands beside it, so that edited code never passes for the old.
``pdbench lock`` renews the lock: it trains a small study, and raises the version of each module
whose jobs' files have other bits than before.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pdbench.core.files import digest, file_digest, read_json
from pdbench.study.discovery import code_digest_of, own_modules

_PACKAGE = Path(__file__).resolve().parents[1]
LOCK = _PACKAGE / "engine.lock.json"

_TOP = _PACKAGE.name


@cache
def engine_of(root: str) -> str:
    """The engine of jobs whose code begins in a module: "3", or "3+1a2b3c4d" of unlocked code."""
    version = read_lock()["roots"].get(root, {}).get("version", 0)
    return str(version) if _is_locked(root) else f"{version}+{code_of(root)[:8]}"


@cache
def code_of(root: str) -> str:
    """Digest of the code of a module, and of all modules of the package that it may import."""
    if _is_locked(root):
        return str(read_lock()["roots"][root]["code"])
    return digest({name: code_digest_of(_path_of(name)) for name in _closure(root)})


@cache
def _is_locked(root: str) -> bool:
    """Whether the code that begins in a module is what the lock says."""
    modules = read_lock()["roots"].get(root, {}).get("modules", [])
    return bool(modules) and not any(map(_is_changed, modules))


def _closure(root: str) -> list[str]:
    """A module and all modules of the package that it imports, directly or not, by name."""
    return [*own_modules(root, without=_TOP)]  # the package itself only offers what is elsewhere


def _path_of(module: str) -> Path:
    base = _PACKAGE.parent.joinpath(*module.split("."))
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


def lock_of(versions: Mapping[str, int], golden: Mapping[str, Any]) -> dict[str, Any]:
    """The content of the lock for the code as it is.

    ``versions`` has each module in which a kind of job begins, ``golden`` what the small study
    came to, as :mod:`pdbench.testing.golden` describes it.
    """
    closures = {root: _closure(root) for root in sorted(versions)}
    names = sorted({name for names in closures.values() for name in names})
    code = {name: code_digest_of(_path_of(name)) for name in names}
    return {
        "roots": {
            root: {
                "version": versions[root],
                "code": digest({name: code[name] for name in modules}),
                "modules": modules,
            }
            for root, modules in closures.items()
        },
        "modules": {name: [file_digest(_path_of(name)), code[name]] for name in names},
        "golden": dict(golden),
    }


@cache
def _is_changed(module: str) -> bool:
    """Whether a module's code is another than the lock's; most are the same to the letter."""
    known, path = read_lock()["modules"], _path_of(module)
    if module not in known or not path.is_file():
        return True
    text, code = known[module]
    return bool(file_digest(path) != text and code_digest_of(path) != code)


@cache
def read_lock() -> dict[str, Any]:
    """The lock as it stands; an empty one where there is none."""
    found: dict[str, Any] = read_json(LOCK) if LOCK.is_file() else {"roots": {}, "modules": {}}
    return found
