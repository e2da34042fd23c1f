"""The JSON schemas of the configuration files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from pdbench.core.files import read_json
from pdbench.study import ROOT
from pdbench.study.schemas import (
    _methods_schema,
    _overlay_schema,
    _schema_files,
    _study_schema,
    write_schemas,
)


@pytest.mark.parametrize("path", _schema_files(), ids=str)
def test_the_files_are_current(path: Path) -> None:
    """The committed schemas are those of the models: run `pdbench schema` after a change."""
    assert read_json(ROOT / path) == _schema_files()[path]


def test_schemas_are_written_below_a_root(tmp_path: Path) -> None:
    """Writing gives the files their names."""
    assert all((tmp_path / path).is_file() for path in write_schemas(tmp_path))


@pytest.mark.parametrize("name", ["basic", "demo", "extended", "glue", "paper", "smoke"])
def test_shipped_studies_fit(name: str) -> None:
    """Study files are valid as they are written, with their sourced values."""
    raw = yaml.safe_load((ROOT / f"config/{name}.yaml").read_text(encoding="utf-8"))

    jsonschema.Draft202012Validator(_study_schema()).validate(raw)


def test_an_overlay_says_what_differs_alone() -> None:
    """It has a name and what it extends; of its other keys none is required, and none unknown."""
    check = jsonschema.Draft202012Validator(_overlay_schema())
    mine = {"name": "mine", "extends": "demo", "training": {"distill": {"epochs": 5}}}
    epochs = {"value": 5, "origin": "assumed"}

    assert check.is_valid(mine)
    assert check.is_valid(mine | {"tasks": {"films": {"teacher": {"epochs": epochs}}}})
    assert not check.is_valid({"name": "mine"})
    assert not check.is_valid(mine | {"training": {"distil": {}}})
    assert not check.is_valid(mine | {"tasks": {"films": {"train": {"value": 5}}}})


def test_the_methods_fit() -> None:
    """The file of methods is valid."""
    raw = yaml.safe_load((ROOT / "config/methods.yaml").read_text(encoding="utf-8"))

    jsonschema.Draft202012Validator(_methods_schema()).validate(raw)


def test_unknown_keys_are_errors_everywhere() -> None:
    """Every object with properties of its own refuses others."""
    for schema in (_study_schema(), _methods_schema()):
        for found in objects(schema):
            assert found.get("additionalProperties") is False, found.get("title")


def test_every_property_is_described() -> None:
    """No property is left without a description."""
    bare = [
        f"{found['title']}.{name}"
        for schema in (_study_schema(), _methods_schema())
        for found in objects(schema)
        if "title" in found
        for name, value in found["properties"].items()
        if not value.get("description")
    ]

    assert bare == []


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """All parts of a schema that have properties."""
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("type") == "object":
            yield schema
        for value in schema.values():
            yield from objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from objects(value)
