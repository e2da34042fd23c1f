"""Reading the files of ``config/``: one clear line for everything that is wrong with one."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from pdbench.core.errors import UsageError
from pdbench.core.files import bounded, digest
from pdbench.study.catalogue.glue import expanded
from pdbench.study.checks import problems_of
from pdbench.study.config import Study
from pdbench.study.discovery import METHODS, ROOT, configured, offered_methods, places
from pdbench.study.methods import Method
from pdbench.study.overlays import Layer, file_of, file_of_problem, overlaid
from pdbench.study.settings import PINNED, PINS, Name, is_commit, is_sourced

_NO_STUDIES = {"methods", "pins", "waivers"}  # files in config/

# Of a file of keys: ours have 12,000 bytes at most, 600 values, 7 levels and 200 characters.
_LARGEST, _MOST_VALUES, _DEEPEST, _LONGEST = 2**20, 50_000, 30, 3_000

_HALF = re.compile("[\ud800-\udfff]")  # which YAML can write, and no file can hold


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


def load_study(name_or_path: str | Path) -> Study:
    """Load a study by its name in ``config/`` or the path of its file; UsageError names a fault.

    A name is looked for in the working folder, and then among pdbench's own.
    """
    path = _found(str(name_or_path))
    layers = _layers(path)
    raw = overlaid(layers)
    try:
        raw = _fill_in(expanded(raw), read_pins())
    except UsageError as error:
        file = file_of_problem(error.what, layers)
        raise UsageError(f"{file}: {error.what}", error.remedy) from error
    for key in ("methods", "assumptions"):
        if key in raw:
            what = f"{file_of(key, layers)}: unknown key {key!r}"
            raise UsageError(what, f"methods stand in {METHODS}")
    raw["methods"] = {name: method.model_dump() for name, method in load_methods().items()}
    raw["assumptions"] = list(_sourced_values(raw))
    schema = "study" if len(layers) == 1 else "overlay"
    study: Study = validated(Study, raw, path, schema, layers)
    for problem, remedy in problems_of(study):
        raise UsageError(f"{file_of_problem(problem, layers)}: {problem}", remedy)
    # One spelling for both keeps ``--config study=demo`` and ``study=config/demo.yaml`` from
    # looking like two different studies to Snakemake.
    is_named = path.resolve() == configured(_named(path.stem)).resolve()
    argument = path.stem if is_named else str(Path(name_or_path))
    is_shipped = path.is_absolute() and path != Path(name_or_path)
    study.asked_for(argument, _seen_from_here(path), is_shipped=is_shipped)
    return study


def _layers(path: Path) -> list[Layer]:
    """What a study's file says, and each of those that it extends, one after the other."""
    layers: list[Layer] = []
    while True:
        raw = read_yaml(path)
        base = raw.pop("extends", None)
        layers.append((path, raw))
        if base is None:
            return layers
        if "name" not in raw:
            remedy = "give it one: its results are its own"
            raise UsageError(f"{path}: key name: missing, and it extends {base!r:.80}", remedy)
        if not isinstance(base, str):
            what = f"{path}: key extends: {base!r:.80} is no study"
            raise UsageError(what, "name one in config/, or the path of its file")
        try:
            path = _found(base, [known for known, _ in layers])
        except UsageError as error:
            raise UsageError(f"{path}: key extends: {error.what}", error.remedy) from error


def _seen_from_here(path: Path) -> str:
    """One spelling of a path, which stays the same where all is moved together."""
    whole = path.resolve()
    for base in (ROOT, Path.cwd()):
        if whole.is_relative_to(base):
            return str(whole.relative_to(base))
    return f"{whole.name} of folder {digest(str(whole.parent))[:8]}"  # whose name is nobody's


def studies_in() -> list[str]:
    """The names of the studies in ``config/`` of the working folder, and of pdbench's own."""
    files = itertools.chain.from_iterable(folder.glob("*.yaml") for folder in places("config"))
    return sorted({path.stem for path in files} - _NO_STUDIES)


def _named(name: str) -> Path:
    return Path("config", f"{name}.yaml")


def _found(name: str, extending: Collection[Path] = ()) -> Path:
    try:
        return _find(name, extending)
    except OSError as error:  # a name that no file has
        raise UsageError(f"{name}: {error.strerror}", "name a study in config/") from error


def _find(name: str, extending: Collection[Path] = ()) -> Path:
    """The file of a study; those that extend it are not it, but it may be called as they are."""
    path = Path(name)
    is_path = path.suffix in {".yaml", ".yml"}
    there = [file for file in ([path] if is_path else places(_named(name))) if file.is_file()]
    for file in there:
        if file.resolve() not in [one.resolve() for one in extending]:
            return file
    if there:
        what = f"{there[0]} would extend itself"
        raise UsageError(what, "name another study, or leave out key extends")
    if is_path:
        raise UsageError(f"{path}: no such study file", "give a name in config/ or a path")
    known = ", ".join(studies_in())
    raise UsageError(f"{_named(name)}: no such study", f"there are {known}")


def load_methods(folder: Path = Path()) -> dict[str, Method]:
    """Read the methods by their ids: pdbench's own, and those that installed packages offer.

    Those of ``config/methods.yaml`` in a working folder are added, in the place of pdbench's own
    of the same ids.
    """
    own, shipped = folder / METHODS, ROOT / METHODS
    origin: dict[str, Path] = {}
    methods: dict[str, Method] = {}
    is_another = own.is_file() and own.resolve() != shipped.resolve()
    for path in (shipped, own) if is_another else (shipped,):
        added = _methods_of(path)
        methods |= added
        origin |= dict.fromkeys(added, path)
    for path in offered_methods():
        offered = _methods_of(path)
        for name in origin.keys() & offered.keys():
            what = f"{path}: method {name!r} stands in {origin[name]} too"
            raise UsageError(what, "rename one of them")
        methods |= offered
        origin |= dict.fromkeys(offered, path)
    return methods


def _methods_of(path: Path) -> dict[str, Method]:
    methods: dict[str, Method] = validated(dict[Name, Method], read_yaml(path), path, "methods")
    return methods


def read_pins() -> dict[str, str]:
    """Read the commits of hub repositories by their ids; there are none without the file."""
    path = configured(PINS)
    pins = read_yaml(path) if path.is_file() else {}
    for name, revision in pins.items():
        if not isinstance(name, str) or not is_commit(revision):
            what = f"{path}: key {name}: {revision!r:.80} is no commit"
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


class _Bounded(yaml.SafeLoader):  # type: ignore[misc]
    """Refuses what no file of keys needs, aliases written out, before it takes time or memory.

    Also a mapping in which a key stands twice, of which YAML would take the last.
    """

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = self._values = 0
        self._sizes: dict[int, int] = {}  # values within each node

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Read a value, or what an alias names, and count it."""
        mark, is_alias = self.peek_event().start_mark, self.check_event(yaml.AliasEvent)
        before, self._depth = self._values, self._depth + 1
        _refuse(self._depth > _DEEPEST, f"nested more than {_DEEPEST} levels deep", mark)
        node: Any = super().compose_node(parent, index)
        text = node.value if isinstance(node, yaml.ScalarNode) else ""
        _refuse(len(text) > _LONGEST, f"a text of over {_LONGEST:,} characters", mark)
        _refuse(_HALF.search(text) is not None, "half a character", mark)
        _refuse(is_alias and id(node) not in self._sizes, "an alias in what it names", mark)
        self._values += self._sizes[id(node)] if is_alias else 1
        _refuse(self._values > _MOST_VALUES, f"over {_MOST_VALUES:,} values", mark)
        self._sizes.setdefault(id(node), self._values - before)
        self._depth -= 1
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        """Read a mapping, before other mappings are merged into it."""
        node: Any = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            _refuse(str(key.value) in seen, f"key {key.value!r} stands twice", key.start_mark)
            seen.add(str(key.value))
        return node


def _refuse(wrong: bool, problem: str, mark: yaml.Mark) -> None:
    if wrong:
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a file of keys; UsageError where it is none."""
    try:
        text = bounded(path, _LARGEST).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error})", "check the file") from error
    try:
        raw = yaml.load(text, _Bounded)
    except Exception as error:  # of values that their own tags do not fit, any kind
        where = " ".join(str(error).split())
        raise UsageError(f"{path}: not valid YAML ({where})", "mend the line it names") from error
    if not isinstance(raw, dict):
        raise UsageError(f"{path}: not a mapping of keys", "see config/README.md for the keys")
    return raw


def schema_file(of: str) -> Path:
    """Where the JSON schema of studies, overlays, methods or waivers stands, below ROOT."""
    return Path(f"workflow/schemas/{of}.schema.json")


def validated(model: Any, raw: Any, path: Path, schema: str, layers: Sequence[Layer] = ()) -> Any:
    """Turn what a file says into its model; ``schema`` is the name of that of its keys.

    Where several ``layers`` say it together, a mistake is that of one of them.
    """
    try:
        return TypeAdapter(model).validate_python(raw)
    except ValidationError as error:
        first: Any = error.errors()[0]
        reason, remedy = f"{first['msg']}, not {first['input']!r:.200}", "{} describes it"
        if first["type"] == "extra_forbidden":
            reason, remedy = "unknown key", "remove it or mend its spelling; {} lists the keys"
        elif first["type"] == "missing":
            reason, remedy = "missing", "add it; {} describes it"
        elif first["type"] == "value_error":
            reason = str(first["ctx"]["error"])
        kinds = ("(texts)", "(fitted)", "(released)")  # of a corpus; no part of a key
        parts = [f"{part!s:.80}" for part in first["loc"] if part not in kinds]
        key = ".".join(parts) or "(top level)"
        file = file_of(key, layers) if layers else path
        remedy = remedy.format(_shown(ROOT / schema_file(schema)))
        raise UsageError(f"{file}: key {key}: {reason}", remedy) from error


def _shown(path: Path) -> Path:
    """A path of pdbench's own as it is shortest from here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _sourced_values(raw: Any, key: str = "") -> Iterator[dict[str, Any]]:
    if is_sourced(raw):
        yield {"key": key, **raw}
    elif isinstance(raw, dict):
        for name, value in raw.items():
            yield from _sourced_values(value, f"{key}.{name}" if key else str(name))
