"""The JSON schemas of the configuration files, generated from their typed models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from pdbench.core.files import write_json
from pdbench.study.config import Study
from pdbench.study.loading import ROOT
from pdbench.study.methods import Method
from pdbench.study.waivers import SCHEMA as WAIVERS_SCHEMA
from pdbench.study.waivers import WaiversFile

SCHEMAS = Path("workflow/schemas")
FILLED_IN = {"methods": "Method", "assumptions": "Assumption"}
"""Properties of a study that stand in no study file, and the models only they refer to."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def study_schema() -> dict[str, Any]:
    """Return the schema of ``config/<study>.yaml``."""
    schema = Study.model_json_schema()
    for key, model in FILLED_IN.items():
        del schema["properties"][key], schema["$defs"][model]
    return {"$schema": _DIALECT, **schema}


def methods_schema() -> dict[str, Any]:
    """Return the schema of ``config/methods.yaml``."""
    schema = TypeAdapter(dict[str, Method]).json_schema()
    return {
        "$schema": _DIALECT,
        "title": "Methods",
        "description": "The methods by id: where a student's weights begin and what trains them.",
        **schema,
    }


def waivers_schema() -> dict[str, Any]:
    """Return the schema of ``config/waivers.yaml``."""
    return {"$schema": _DIALECT, **WaiversFile.model_json_schema()}


def schema_files() -> dict[Path, dict[str, Any]]:
    """Return every schema by the path of its file, relative to the project's root."""
    return {
        SCHEMAS / "study.schema.json": study_schema(),
        SCHEMAS / "methods.schema.json": methods_schema(),
        SCHEMAS / WAIVERS_SCHEMA: waivers_schema(),
    }


def write_schemas(root: Path = ROOT) -> list[Path]:
    """Write all schemas below ``root`` and return their paths."""
    found = schema_files()
    for path, schema in found.items():
        write_json(root / path, schema)
    return list(found)
