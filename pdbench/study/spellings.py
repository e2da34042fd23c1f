"""Values that a configuration file may write in several ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True)
class MayBeWritten:
    """Annotates a type whose values may be written in other ways than its own.

    Attributes:
        read: Turns whatever is written into what the type itself reads; ValueError refuses it.
        schemas: The JSON schemas of all ways, from that of its own.
    """

    read: Callable[[Any], Any]
    schemas: Callable[[dict[str, Any]], list[dict[str, Any]]]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": self.schemas(handler(schema))}
