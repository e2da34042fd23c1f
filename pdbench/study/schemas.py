"""The JSON schemas of the configuration files, generated from their typed models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from pdbench.core.files import write_json
from pdbench.study.catalogue.glue import GLUE
from pdbench.study.config import Study
from pdbench.study.discovery import ROOT
from pdbench.study.loading import schema_file
from pdbench.study.methods import Method
from pdbench.study.waivers import WaiversFile

_GLUE = {
    "Task": "A task of GLUE: source, title, labels, metrics and version follow, from the hub, or "
    "from GLUE's original files where path names their folder; whatever is said overrides.",
    "Text": "The training texts of a GLUE task, from the hub or from the folder that path names.",
    "Data": "A GLUE task, from the hub or from the folder that path names.",
}
"""What the key ``glue`` says in each of the models that may have it."""


def _study_schema() -> dict[str, Any]:
    schema = Study.model_json_schema()
    # They stand in no study file, and only they refer to their models.
    for key, model in {"methods": "Method", "assumptions": "Assumption"}.items():
        del schema["properties"][key], schema["$defs"][model]
    for model, about in _GLUE.items():
        _add_glue(schema["$defs"][model], about)
    return schema


def _add_glue(model: dict[str, Any], about: str) -> None:
    """Let a model's required keys be missing where it has the key that they follow from."""
    spellings = [*GLUE, *(alias for task in GLUE.values() for alias in task.aliases)]
    model["properties"]["glue"] = {"enum": spellings, "description": about}
    given = set(model["required"]) & {"source", "labels", "metrics"}
    always = [key for key in model.pop("required") if key not in given]
    if always:
        model["required"] = always
    model["anyOf"] = [{"required": sorted(given)}, {"required": ["glue"]}]


def _overlay_schema() -> dict[str, Any]:
    """A study that extends another: every key of its models may be missing."""
    schema = _study_schema()
    for model in (schema, *schema["$defs"].values()):
        for key in ("required", "anyOf"):
            model.pop(key, None)
    about = "The study that this one changes: its name in config/, or the path of its file."
    schema["properties"] |= {"extends": {"type": "string", "description": about}}
    title = {"title": "Overlay", "description": "What differs from the study that it extends."}
    return schema | title | {"required": ["name", "extends"]}


def _methods_schema() -> dict[str, Any]:
    about = "The methods by id: where a student's weights begin and what trains them."
    schema = TypeAdapter(dict[str, Method]).json_schema()
    return {"title": "Methods", "description": about, **schema}


def _schema_files() -> dict[Path, dict[str, Any]]:
    """Every schema by the path of its file, relative to the project's root."""
    files = {
        "study": _study_schema(),
        "overlay": _overlay_schema(),
        "methods": _methods_schema(),
        "waivers": WaiversFile.model_json_schema(),
    }
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {schema_file(name): dialect | schema for name, schema in files.items()}


def write_schemas(root: Path = ROOT) -> list[Path]:
    """Write all schemas below ``root`` and return their paths."""
    for path, schema in (found := _schema_files()).items():
        write_json(root / path, schema)
    return list(found)
