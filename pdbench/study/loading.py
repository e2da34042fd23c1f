"""Reading study files: one clear line for everything that is wrong with one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from pdbench.core.errors import UsageError, suggestion
from pdbench.study.axes import Artefact, misfits
from pdbench.study.catalogue.archives import EMBEDDED
from pdbench.study.catalogue.glue import expanded
from pdbench.study.catalogue.metrics import METRICS, metrics_for
from pdbench.study.cells import Architecture
from pdbench.study.config import Study
from pdbench.study.discovery import has_module, method_files
from pdbench.study.kinds import kind_of_task
from pdbench.study.methods import Method
from pdbench.study.pins import PINS, Pins, fill_in, is_commit
from pdbench.study.settings import (
    PINNED,
    Name,
    Released,
    Source,
    Task,
    Text,
    is_sourced,
)

ROOT = Path(__file__).resolve().parents[2]
"""The checkout: where ``config/`` and ``workflow/`` are."""

_SCHEMA = "study.schema.json"
NO_STUDIES = {"methods", "pins", "waivers"}
"""Files in ``config/`` that are no studies."""


def load_study(name_or_path: str | Path, root: Path = ROOT) -> Study:
    """Load a study by its name in ``config/`` or by the path of its file.

    Raises:
        UsageError: The file is missing, is not YAML, or names something that does not
            exist; the message has the file, the key and the remedy.
    """
    path = _find(str(name_or_path), root)
    raw = read_yaml(path)
    try:
        raw = fill_in(expanded(raw), read_pins(root))
    except UsageError as error:
        raise UsageError(f"{path}: {error.what}", error.remedy) from error
    methods = load_methods(root)
    for key in ("methods", "assumptions"):
        if key in raw:
            raise UsageError(f"{path}: unknown key {key!r}", "methods stand in config/methods.yaml")
    raw["methods"] = {name: method.model_dump() for name, method in methods.items()}
    raw["assumptions"] = list(_sourced_values(raw))
    study: Study = validated(TypeAdapter(Study), raw, path)
    for problem, remedy in _broken_references(study):
        raise UsageError(f"{path}: {problem}", remedy)
    study.asked_for(_argument_of(name_or_path))
    return study


def _argument_of(name_or_path: str | Path) -> str:
    """A study as commands are given it: its name if it stands in ``config/``, else a path.

    One spelling for both keeps ``--config study=demo`` and ``study=config/demo.yaml`` from
    looking like two different studies to Snakemake.
    """
    path = Path(name_or_path)
    in_config = path.suffix in {".yaml", ".yml"} and path.resolve().parent == ROOT / "config"
    return path.stem if in_config else str(path)


def load_methods(root: Path = ROOT) -> dict[str, Method]:
    """Read the methods of the project, and those that installed packages offer.

    Raises:
        UsageError: A file is broken, or two define one method.
    """
    methods: dict[str, Method] = {}
    origin: dict[str, Path] = {}
    for path in method_files(root):
        found = validated(
            TypeAdapter(dict[Name, Method]), read_yaml(path), path, "methods.schema.json"
        )
        for name in origin.keys() & found.keys():
            raise UsageError(
                f"{path}: method {name!r} stands in {origin[name]} too", "rename one of them"
            )
        methods |= found
        origin |= dict.fromkeys(found, path)
    return methods


def check_artefacts(study: Study, known: Mapping[str, Artefact]) -> None:
    """Refuse a study that names an artefact nobody can draw, or cells that one cannot show.

    Raises:
        UsageError: An artefact is not in ``known``, or its cells do not fit its axes.
    """
    for name in study.artefacts:
        problems = [*_unknown("artefacts", name, known, "artefact")]
        for problem, remedy in problems or misfits(study, name, known[name].axes):
            raise UsageError(f"study {study.name}: {problem}", remedy)


def _find(name: str, root: Path) -> Path:
    direct = Path(name)
    if direct.suffix in {".yaml", ".yml"}:
        if direct.is_file():
            return direct
        raise UsageError(f"{direct}: no such study file", "give a name in config/ or a path")
    path = root / "config" / f"{name}.yaml"
    if not path.is_file():
        known = sorted(p.stem for p in path.parent.glob("*.yaml") if p.stem not in NO_STUDIES)
        raise UsageError(f"config/{name}.yaml: no such study", f"there are {', '.join(known)}")
    return path


def read_pins(root: Path = ROOT) -> Pins:
    """Read the pinned commits of hub repositories; there are none without the file.

    Raises:
        UsageError: A value is no commit.
    """
    path = root / PINS
    if not path.is_file():
        return {}
    pins = read_yaml(path)
    for name, revision in pins.items():
        if not is_commit(revision):
            what = f"{path}: key {name}: {revision!r} is no commit"
            raise UsageError(what, "write 40 hexadecimal digits in quotes")
    return pins


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
    """Read a file of keys.

    Raises:
        UsageError: It cannot be read, or is not a mapping.
    """
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


def validated(adapter: TypeAdapter[Any], raw: Any, path: Path, schema: str = _SCHEMA) -> Any:
    """Turn what a file says into its model; ``schema`` names the file that describes its keys.

    Raises:
        UsageError: A key is unknown, missing or has another value than it may.
    """
    try:
        return adapter.validate_python(raw)
    except ValidationError as error:
        first = error.errors()[0]
        kinds = ("(texts)", "(released)")  # of a corpus; no part of a key
        key = ".".join(str(p) for p in first["loc"] if p not in kinds) or "(top level)"
        raise UsageError(f"{path}: key {key}: {_reason(first)}", _remedy(first, schema)) from error


def _reason(problem: Any) -> str:
    if problem["type"] == "extra_forbidden":
        return "unknown key"
    if problem["type"] == "missing":
        return "missing"
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    return f"{problem['msg']}, not {problem['input']!r}"


def _remedy(problem: Any, schema: str) -> str:
    if problem["type"] == "missing":
        return f"add it; workflow/schemas/{schema} describes it"
    if problem["type"] == "extra_forbidden":
        return f"remove it or mend its spelling; workflow/schemas/{schema} lists the keys"
    return f"workflow/schemas/{schema} describes it"


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
    yield from _bad_tasks(study)
    for name in study.corpora:
        for i, part in enumerate(study.corpus_parts(name)):
            yield from _unknown(f"corpora.{name}.{i}.text", part.text, study.texts, "text")
    for artefact, needs in study.artefacts.items():
        for i, block in enumerate(needs.cells):
            yield from _bad_block(f"artefacts.{artefact}.cells.{i}", block, study)
        for published, task in needs.stands_for.items():
            key = f"artefacts.{artefact}.stands_for.{published}"
            yield from _unknown(key, task, study.tasks, "task")
    yield from _bad_gate(study)


def _bad_gate(study: Study) -> Iterator[tuple[str, str]]:
    for i, match in enumerate(study.gate):
        for role, method in (("baseline", match.baseline), ("candidate", match.candidate)):
            yield from _unknown(f"gate.{i}.{role}", method, study.methods, "method")
            if not any(cell.method == method for cell in study.seeds):
                what = f"key gate.{i}.{role}: no artefact has a cell of method {method!r}"
                yield what, "name it in the cells of an artefact"
        if match.margin is None and study.evidence.margin is None:
            yield f"key gate.{i}.margin: missing", "give it in points, or evidence.margin for all"
        if match.baseline == match.candidate:
            yield f"key gate.{i}: {match.baseline!r} with itself", "name two methods"


def _bad_sources(study: Study) -> Iterator[tuple[str, str]]:
    sources: dict[str, Source] = {"vocabulary": study.vocabulary}
    for name, task in study.tasks.items():
        sources[f"tasks.{name}"] = task
        if task.teacher:
            sources[f"tasks.{name}.teacher"] = task.teacher
    for name, text in study.texts.items():
        sources[f"texts.{name}"] = text
        sources |= {f"texts.{name}.parts.{i}": part for i, part in enumerate(text.parts)}
    for name, corpus in study.corpora.items():
        if isinstance(corpus, Released):
            sources[f"corpora.{name}"] = corpus
    for key, source in sources.items():
        parts = source.parts if isinstance(source, Text) else ()
        if (source.source == "mixture") != bool(parts):
            yield f"key {key}.parts: a mixture has parts, other sources none", "add or remove them"
        if source.source == "embedded":
            yield from _unknown(f"{key}.name", source.name, EMBEDDED, "embedded data")
        if source.source == "directory" and not source.path:
            yield f"key {key}.path: missing", "name the folder that a directory source reads"
        if source.source == "hub":
            yield from _bad_revision(f"{key}.revision", source.revision)
        if isinstance(source, Released):
            yield from _bad_template(key, source)


def _bad_revision(key: str, revision: str | None) -> Iterator[tuple[str, str]]:
    if not revision:
        yield f"key {key}: missing", "pin a commit of the hub repository"
    elif revision != PINNED and not is_commit(revision):
        remedy = "pin one by its 40 hexadecimal digits: branches and tags move"
        yield f"key {key}: {revision!r} is no commit", remedy


def _bad_template(key: str, released: Released) -> Iterator[tuple[str, str]]:
    try:
        released.of(Architecture(2, 128))
    except (KeyError, IndexError, ValueError) as error:
        what = f"key {key}: name or path cannot be filled in ({error})"
        yield what, "it may hold {layers}, {hidden} and {heads}"


def _bad_tasks(study: Study) -> Iterator[tuple[str, str]]:
    for name, task in study.tasks.items():
        if task.model_of is not None:
            key = f"tasks.{name}.model_of"
            yield from _unknown(key, task.model_of, study.tasks, "task")
            host = study.tasks[task.model_of]
            if host.model_of is not None:
                yield f"key {key}: {task.model_of!r} trains no models", "name a task that does"
            if host.labels != task.labels:
                what = f"key {key}: the labels of {task.model_of!r} are {', '.join(host.labels)}"
                yield what, "write the same labels in the same order"
        yield from _bad_kind(f"tasks.{name}", task)
        yield from _bad_ratings(f"tasks.{name}.ratings", task)


def _bad_kind(key: str, task: Task) -> Iterator[tuple[str, str]]:
    known = metrics_for(task.kind)
    strange = [metric for metric in task.metrics if metric not in known]
    if strange:
        what = f"key {key}.metrics: {', '.join(strange)}, and its kind is {task.kind}"
        yield what, f"choose among {', '.join(known)}"
    kind = kind_of_task(task)
    if kind.has_labels:
        yield from _bad_labels(key, task)
        return
    if task.labels or task.model_of or task.file or task.source not in ("directory", "hub"):
        what = f"key {key}: a {task.kind} has no label names, model_of or file"
        yield what, "write labels: [], and source directory or hub"
    yield from kind.problems(key, task)


def _bad_labels(key: str, task: Task) -> Iterator[tuple[str, str]]:
    if len(task.labels) == 1 or len(set(task.labels)) < len(task.labels):
        what = f"key {key}.labels: {', '.join(task.labels)}"
        yield what, "name two or more, each once, or none of a regression"
    for metric in task.metrics:
        if METRICS[metric].of_scores == bool(task.labels):
            what = f"key {key}.metrics: {metric}, and it has {len(task.labels)} labels"
            known = ", ".join(name for name, own in METRICS.items() if own.of_scores)
            yield what, f"a regression, without labels, has {known}"
        if metric == "f1" and len(task.labels) != 2:
            what = f"key {key}.metrics: f1, and it has {len(task.labels)} labels"
            yield what, "f1 is that of the second of two labels"


def _bad_ratings(key: str, task: Task) -> Iterator[tuple[str, str]]:
    if task.file is None and (task.ratings or task.balanced):
        yield f"key {key}, or balanced: no key file names reviews", "name it, or leave them out"
    if not task.ratings:
        if task.file is not None:
            yield f"key {key}: missing, and key file names reviews", "say which stars make a label"
        return
    if set(task.ratings) != set(task.labels) or not all(task.ratings.values()):
        yield f"key {key}: {', '.join(task.ratings)}", "give every label stars"
    stars = [star for own in task.ratings.values() for star in own]
    if len(set(stars)) < len(stars):
        yield f"key {key}: a number of stars has two labels", "give each to one"


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
        if definition is not None and (definition.distils or definition.asks_teacher):
            for task in _as_list(block.task):
                chosen = study.tasks[study.tasks[task].model_of or task]
                if chosen.teacher is None:
                    what = f"key tasks.{task}.teacher: missing, and method {method!r} needs one"
                    yield what, "name a teacher"
        if definition is not None:
            yield from _missing_modules(method, definition)
            yield from _only_classes(f"{key}.method", method, definition, block, study)
    for transfer in _as_list(block.transfer):
        yield from _unknown(f"{key}.transfer", transfer, study.transfer_sets, "transfer set")
    if block.corpus is not None:
        yield from _unknown(f"{key}.corpus", block.corpus, study.corpora, "corpus")
    if block.architecture not in ("all", "named"):
        for text in _as_list(block.architecture):
            yield from _bad_architecture(f"{key}.architecture", text, study)
    yield from _without_teacher(key, block, study)


def _only_classes(
    key: str, name: str, method: Method, block: Any, study: Study
) -> Iterator[tuple[str, str]]:
    tasks = _as_list(block.task)
    other = [task for task in tasks if not kind_of_task(study.tasks[task]).has_stages]
    if other and method.asks_teacher:
        kind = study.tasks[other[0]].kind
        what = f"key {key}: {name!r} has an objective of its own, and {other[0]!r} is of {kind}s"
        yield what, "choose a method of distill and finetune alone"


def _missing_modules(name: str, method: Method) -> Iterator[tuple[str, str]]:
    own = [stage.objective for stage in method.stages if stage.is_custom]
    for objective in [*own, *([method.pretraining.objective] if method.pretraining else [])]:
        module = objective.partition(":")[0]
        if not has_module(module):
            what = f"method {name!r}: objective {objective}: there is no module {module}"
            yield what, "mend its name in methods.yaml, or install its package"


def _without_teacher(key: str, block: Any, study: Study) -> Iterator[tuple[str, str]]:
    own = [name for name in _as_list(block.method) if study.methods[name].pretraining]
    if not own:
        return
    for size in study.select(block.architecture):
        if size == study.deepest(size):
            what = f"key {key}.architecture: {size} is the deepest of its width"
            yield what, f"name shallower ones: method {own[0]!r} pre-trains from the deepest"
    if isinstance(study.corpora[block.corpus], Released):
        what = f"key {key}.corpus: {block.corpus!r} holds released models, not text"
        yield what, f"name a corpus: method {own[0]!r} pre-trains"


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
