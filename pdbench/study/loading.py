"""Reading study files: one clear line for everything that is wrong with one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from pdbench.errors import UsageError, suggestion
from pdbench.study.architecture import Architecture
from pdbench.study.config import Study
from pdbench.study.embedded import EMBEDDED
from pdbench.study.methods import Method
from pdbench.study.settings import Source, is_sourced

ROOT = Path(__file__).resolve().parents[2]
"""The checkout: where ``config/`` and ``workflow/`` are."""


def load_study(name_or_path: str | Path, root: Path = ROOT) -> Study:
    """Load a study by its name in ``config/`` or by the path of its file.

    Raises:
        UsageError: The file is missing, is not YAML, or names something that does not
            exist; the message has the file, the key and the remedy.
    """
    path = _find(str(name_or_path), root)
    raw = _read_yaml(path)
    raw_methods = _read_yaml(root / "config" / "methods.yaml")
    methods = _validate(TypeAdapter(dict[str, Method]), raw_methods, root / "config/methods.yaml")
    for key in ("methods", "assumptions"):
        if key in raw:
            raise UsageError(f"{path}: unknown key {key!r}", "methods stand in config/methods.yaml")
    raw["methods"] = {name: method.model_dump() for name, method in methods.items()}
    raw["assumptions"] = list(_sourced_values(raw))
    study: Study = _validate(TypeAdapter(Study), raw, path)
    for problem, remedy in _broken_references(study):
        raise UsageError(f"{path}: {problem}", remedy)
    return study


def check_artefacts(study: Study, known: Iterable[str]) -> None:
    """Refuse a study that names an artefact nobody can draw.

    Raises:
        UsageError: An artefact is not in ``known``.
    """
    for name in study.artefacts:
        for problem, remedy in _unknown("artefacts", name, known, "artefact"):
            raise UsageError(f"study {study.name}: {problem}", remedy)


def _find(name: str, root: Path) -> Path:
    direct = Path(name)
    if direct.suffix in {".yaml", ".yml"}:
        if direct.is_file():
            return direct
        raise UsageError(f"{direct}: no such study file", "give a name in config/ or a path")
    path = root / "config" / f"{name}.yaml"
    if not path.is_file():
        known = sorted(p.stem for p in path.parent.glob("*.yaml") if p.stem != "methods")
        raise UsageError(f"config/{name}.yaml: no such study", f"there are {', '.join(known)}")
    return path


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error})", "check the file") from error
    except yaml.YAMLError as error:
        where = " ".join(str(error).split())
        raise UsageError(f"{path}: not valid YAML ({where})", "mend the line it names") from error
    if not isinstance(raw, dict):
        raise UsageError(f"{path}: not a mapping of keys", "see config/README.md for the keys")
    return raw


def _validate(adapter: TypeAdapter[Any], raw: Any, path: Path) -> Any:
    try:
        return adapter.validate_python(raw)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(top level)"
        raise UsageError(f"{path}: key {key}: {_reason(first)}", _remedy(first)) from error


def _reason(problem: Any) -> str:
    if problem["type"] == "extra_forbidden":
        return "unknown key"
    if problem["type"] == "missing":
        return "missing"
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    return f"{problem['msg']}, not {problem['input']!r}"


def _remedy(problem: Any) -> str:
    if problem["type"] == "missing":
        return "add it; workflow/schemas/study.schema.json describes it"
    if problem["type"] == "extra_forbidden":
        return "remove it or mend its spelling; workflow/schemas/study.schema.json lists the keys"
    return "workflow/schemas/study.schema.json describes it"


def _sourced_values(raw: Any, key: str = "") -> Iterator[dict[str, Any]]:
    if is_sourced(raw):
        yield {"key": key, **raw}
    elif isinstance(raw, dict):
        for name, value in raw.items():
            yield from _sourced_values(value, f"{key}.{name}" if key else str(name))


def _broken_references(study: Study) -> Iterator[tuple[str, str]]:
    yield from _bad_sources(study)
    for name, transfer in study.transfer_sets.items():
        key = f"transfer_sets.{name}.text"
        yield from _unknown(key, transfer.text, study.texts, "text")
        if transfer.text in study.texts and transfer.size > study.texts[transfer.text].size:
            most = study.texts[transfer.text].size
            yield (
                f"key transfer_sets.{name}.size: {transfer.size} items, but text "
                f"{transfer.text!r} keeps {most}",
                f"lower it or raise texts.{transfer.text}.size",
            )
    for name, parts in study.corpora.items():
        for i, part in enumerate(parts):
            yield from _unknown(f"corpora.{name}.{i}.text", part.text, study.texts, "text")
    for artefact, needs in study.artefacts.items():
        for i, block in enumerate(needs.cells):
            yield from _bad_block(f"artefacts.{artefact}.cells.{i}", block, study)
        for published, task in needs.stands_for.items():
            key = f"artefacts.{artefact}.stands_for.{published}"
            yield from _unknown(key, task, study.tasks, "task")


def _bad_sources(study: Study) -> Iterator[tuple[str, str]]:
    sources: dict[str, Source] = {"vocabulary": study.vocabulary}
    for name, task in study.tasks.items():
        sources |= {f"tasks.{name}": task, f"tasks.{name}.teacher": task.teacher}
    sources |= {f"texts.{name}": text for name, text in study.texts.items()}
    for key, source in sources.items():
        if source.source == "embedded":
            yield from _unknown(f"{key}.name", source.name, EMBEDDED, "embedded data")
        if source.source == "directory" and not source.path:
            yield f"key {key}.path: missing", "name the folder that a directory source reads"
        if source.source == "hub" and not source.revision:
            yield f"key {key}.revision: missing", "pin a commit of the hub repository"


def _bad_block(key: str, block: Any, study: Study) -> Iterator[tuple[str, str]]:
    for task in _as_list(block.task):
        yield from _unknown(f"{key}.task", task, study.tasks, "task")
    for method in _as_list(block.method):
        yield from _unknown(f"{key}.method", method, study.methods, "method")
        definition = study.methods.get(method)
        if definition is not None and definition.distils and block.transfer is None:
            what = f"key {key}.transfer: missing, and method {method!r} distils"
            yield what, "name a transfer set"
        if definition is not None and definition.needs_corpus and block.corpus is None:
            what = f"key {key}.corpus: missing, and method {method!r} starts pre-trained"
            yield what, "name a corpus"
    for transfer in _as_list(block.transfer):
        yield from _unknown(f"{key}.transfer", transfer, study.transfer_sets, "transfer set")
    if block.corpus is not None:
        yield from _unknown(f"{key}.corpus", block.corpus, study.corpora, "corpus")
    if block.architecture not in ("all", "named"):
        for text in _as_list(block.architecture):
            yield from _bad_architecture(f"{key}.architecture", text, study)


def _bad_architecture(key: str, text: str, study: Study) -> Iterator[tuple[str, str]]:
    if text in study.architectures.named:
        return
    try:
        found = Architecture.parse(text)
    except ValueError as error:
        yield f"key {key}: {error}", "see architectures in the study file"
        return
    if found not in study.all_architectures:
        yield f"key {key}: {text!r} is not a size of the study", "add it to architectures.grid"


def _unknown(key: str, name: str, known: Iterable[str], kind: str) -> Iterator[tuple[str, str]]:
    if name in known:
        return
    yield f"key {key}: unknown {kind} {name!r}", suggestion(name, known)


def _as_list(names: Any) -> list[str]:
    if names is None:
        return []
    return [names] if isinstance(names, str) else list(names)
