"""Pieces of which an OpenAPI description is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cleanplate.serve.queries import help_of
from cleanplate.tasks.taskinfo import Option

BINARY = {"type": "string", "format": "binary"}


def parameter(option: Option) -> dict[str, Any]:
    """Return an option of a task as a parameter of a query."""
    kinds = {"number": "number", "flag": "boolean"}
    schema: dict[str, Any] = {"type": kinds.get(option.kind, "string")}
    if option.kind == "choice":
        schema["enum"] = list(option.choices)
    if option.between is not None:
        schema["minimum"], schema["maximum"] = option.between
    if option.default is not None:
        given = option.default
        schema["default"] = ",".join(given) if isinstance(given, tuple) else given
    return queried(option.name, schema, help_of(option))


def queried(name: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    """Return a parameter of a query."""
    return {"name": name, "in": "query", "schema": schema, "description": text}


def plain(text: str, media: str) -> dict[str, Any]:
    """Return what is asked without parameters."""
    return {"summary": text, "responses": {"200": {"description": text, "content": {media: {}}}}}


def failures(said: Mapping[str, str]) -> dict[str, Any]:
    """Return answers that say why there is no result, by their status."""
    schema = {"$ref": "#/components/schemas/Error"}
    content = {"application/json": {"schema": schema}}
    return {status: {"description": text, "content": content} for status, text in said.items()}
