"""Reading the files of ``config/``: one clear line for everything that is wrong with one."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from pdbench.core.errors import UsageError
from pdbench.study.catalogue.glue import expanded
from pdbench.study.checks import problems_of
from pdbench.study.config import Study
from pdbench.study.discovery import method_files
from pdbench.study.methods import Method
from pdbench.study.settings import PINNED, PINS, Name, is_commit, is_sourced

ROOT = Path(__file__).resolve().parents[2]
"""The checkout: where ``config/`` and ``workflow/`` are."""

GIT = ("git", f"--git-dir={ROOT / '.git'}", f"--work-tree={ROOT}")
"""Asks the checkout's own repository: one around it, or that of a hook, has other commits."""

_NO_STUDIES = {"methods", "pins", "waivers"}  # files in config/


def refuse_other_checkouts() -> None:
    """Refuse to work in a checkout whose package, and whose studies, are not those that run.

    The programs of a ``.venv`` that was copied with its checkout still run the old one.
    """
    program, environment = Path(sys.argv[0]).resolve(), Path(sys.prefix).resolve()
    for place in (Path.cwd(), *([] if program.is_relative_to(environment) else [program])):
        checkout = next(filter(_is_checkout, (place, *place.parents)), ROOT)
        if not checkout.samefile(ROOT):
            what = f"{checkout}: another checkout than that of the pdbench that runs, {ROOT}"
            remedy = "remove .venv there, run make .venv/.run and use the programs that it installs"
            raise UsageError(what, remedy)


def _is_checkout(folder: Path) -> bool:
    return (folder / "Snakefile").is_file() and (folder / "pdbench/__init__.py").is_file()


def load_study(name_or_path: str | Path, root: Path = ROOT) -> Study:
    """Load a study by its name in ``config/`` or the path of its file; UsageError names a fault."""
    path = _find(str(name_or_path), root)
    raw = read_yaml(path)
    try:
        raw = _fill_in(expanded(raw), read_pins(root))
    except UsageError as error:
        raise UsageError(f"{path}: {error.what}", error.remedy) from error
    methods = load_methods(root)
    for key in ("methods", "assumptions"):
        if key in raw:
            raise UsageError(f"{path}: unknown key {key!r}", "methods stand in config/methods.yaml")
    raw["methods"] = {name: method.model_dump() for name, method in methods.items()}
    raw["assumptions"] = list(_sourced_values(raw))
    study: Study = validated(Study, raw, path, "study")
    for problem, remedy in problems_of(study):
        raise UsageError(f"{path}: {problem}", remedy)
    # One spelling for both keeps ``--config study=demo`` and ``study=config/demo.yaml`` from
    # looking like two different studies to Snakemake.
    in_config = path.resolve().parent == ROOT / "config"
    study.asked_for(path.stem if in_config else str(Path(name_or_path)))
    return study


def studies_in(root: Path = ROOT) -> list[str]:
    """The names of the studies in ``config/``."""
    names = (path.stem for path in (root / "config").glob("*.yaml"))
    return sorted(name for name in names if name not in _NO_STUDIES)


def _find(name: str, root: Path) -> Path:
    path = Path(name)
    if path.suffix in {".yaml", ".yml"}:
        if not path.is_file():
            raise UsageError(f"{path}: no such study file", "give a name in config/ or a path")
        return path
    path = root / "config" / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(studies_in(root))
        raise UsageError(f"config/{name}.yaml: no such study", f"there are {known}")
    return path


def load_methods(root: Path = ROOT) -> dict[str, Method]:
    """Read the methods of the project, and those that installed packages offer."""
    methods: dict[str, Method] = {}
    origin: dict[str, Path] = {}
    for path in method_files(root):
        found = validated(dict[Name, Method], read_yaml(path), path, "methods")
        for name in origin.keys() & found.keys():
            what = f"{path}: method {name!r} stands in {origin[name]} too"
            raise UsageError(what, "rename one of them")
        methods |= found
        origin |= dict.fromkeys(found, path)
    return methods


def read_pins(root: Path = ROOT) -> dict[str, str]:
    """Read the commits of hub repositories by their ids; there are none without the file."""
    path = root / PINS
    pins = read_yaml(path) if path.is_file() else {}
    for name, revision in pins.items():
        if not is_commit(revision):
            what = f"{path}: key {name}: {revision!r} is no commit"
            raise UsageError(what, "write 40 hexadecimal digits in quotes")
    return pins


def _fill_in(raw: Any, pins: Mapping[str, str]) -> Any:
    """Return a raw configuration with every ``revision: pinned`` replaced by its commit.

    A repository that is not pinned yet keeps the word: the study can be planned, and nothing
    of it is read. Where ``name`` is a template of several repositories, the commits of those
    that fit it are added as ``revisions``.
    """
    if isinstance(raw, list):
        return [_fill_in(value, pins) for value in raw]
    if not isinstance(raw, dict):
        return raw
    filled = {key: _fill_in(value, pins) for key, value in raw.items()}
    if raw.get("source") != "hub" or raw.get("revision") != PINNED:
        return filled
    name = str(raw.get("name", ""))
    if "{" in name:
        pattern = re.sub(r"\\\{\w+\\\}", r"\\d+", re.escape(name))
        return {**filled, "revisions": {r: c for r, c in pins.items() if re.fullmatch(pattern, r)}}
    return {**filled, "revision": pins.get(name, PINNED)}


class _OneOfEachKey(yaml.SafeLoader):  # type: ignore[misc]
    """Refuses a mapping in which a key stands twice, of which YAML would take the last."""

    def compose_mapping_node(self, anchor: Any) -> Any:
        """Read a mapping, before other mappings are merged into it."""
        node: Any = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                problem = f"key {key.value!r} stands twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(str(key.value))
        return node


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a file of keys; UsageError where it is none."""
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), _OneOfEachKey)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error})", "check the file") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a day that no month has
        where = " ".join(str(error).split())
        raise UsageError(f"{path}: not valid YAML ({where})", "mend the line it names") from error
    if not isinstance(raw, dict):
        raise UsageError(f"{path}: not a mapping of keys", "see config/README.md for the keys")
    return raw


def schema_file(of: str) -> Path:
    """Where the JSON schema of studies, methods or waivers stands, below the project's root."""
    return Path(f"workflow/schemas/{of}.schema.json")


def validated(model: Any, raw: Any, path: Path, schema: str) -> Any:
    """Turn what a file says into its model; ``schema`` is the name of that of its keys."""
    try:
        return TypeAdapter(model).validate_python(raw)
    except ValidationError as error:
        first: Any = error.errors()[0]
        reason, remedy = f"{first['msg']}, not {first['input']!r}", "{} describes it"
        if first["type"] == "extra_forbidden":
            reason, remedy = "unknown key", "remove it or mend its spelling; {} lists the keys"
        elif first["type"] == "missing":
            reason, remedy = "missing", "add it; {} describes it"
        elif first["type"] == "value_error":
            reason = str(first["ctx"]["error"])
        kinds = ("(texts)", "(released)")  # of a corpus; no part of a key
        key = ".".join(str(part) for part in first["loc"] if part not in kinds) or "(top level)"
        remedy = remedy.format(schema_file(schema))
        raise UsageError(f"{path}: key {key}: {reason}", remedy) from error


def _sourced_values(raw: Any, key: str = "") -> Iterator[dict[str, Any]]:
    if is_sourced(raw):
        yield {"key": key, **raw}
    elif isinstance(raw, dict):
        for name, value in raw.items():
            yield from _sourced_values(value, f"{key}.{name}" if key else str(name))
