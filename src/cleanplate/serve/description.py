"""What the server says of itself to programs: the tasks, and the API as OpenAPI."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from cleanplate import tasks
from cleanplate.serve.queries import RETURNS, served
from cleanplate.tasks.taskinfo import Option, TaskInfo

_PICTURE = {"image/*": {"schema": {"type": "string", "format": "binary"}}}
_BINARY = {"type": "string", "format": "binary"}
_FAILURES = {
    "400": "A name or a value is none of the task's.",
    "401": "The token is not shown.",
    "413": "The request has too many bytes, or the picture too many pixels.",
    "415": "A kind of file that is not taken.",
    "422": "The picture is damaged, or cannot be cleaned.",
    "429": "Too many pictures are waiting; Retry-After says when to ask again.",
    "503": "No worker was free in time, or it ended; Retry-After says when to ask again.",
    "504": "The picture was not done in time.",
}


def listed() -> list[dict[str, Any]]:
    """Return the tasks and their options, for the page."""
    return [
        {
            "name": info.name,
            "summary": info.summary.replace(" (--mask)", ""),
            "mask": info.mask,
            "whole": info.whole,
            "options": [
                {
                    "name": one.name,
                    "kind": one.kind,
                    "default": one.default,
                    "between": one.between,
                    "choices": one.choices,
                    "help": one.help,
                }
                for one in served(info)
            ],
        }
        for info in map(tasks.info, tasks.names())
    ]


def openapi() -> dict[str, Any]:
    """Return the API as OpenAPI 3.1: a path a task, made from the table of tasks."""
    paths = {f"/v1/{name}": {"post": _operation(tasks.info(name))} for name in tasks.names()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Cleanplate", "version": version("cleanplate")},
        "paths": {
            **paths,
            "/v1": {"get": _plain("The tasks and their options.", "application/json")},
            "/healthz": {"get": _plain("Whether the server lives.", "text/plain")},
            "/readyz": {"get": _plain("Whether a worker is ready.", "text/plain")},
            "/metrics": {"get": _plain("Counts, for Prometheus.", "text/plain")},
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Error": {"type": "object", "properties": {"error": {"type": "string"}}},
            },
        },
        "security": [{}, {"token": []}],
    }


def _operation(info: TaskInfo) -> dict[str, Any]:
    form = {
        "type": "object",
        "required": ["picture"],
        "properties": {"picture": _BINARY, "protect": _BINARY},
    }
    if info.mask != "none":
        form["properties"]["mask"] = _BINARY  # type: ignore[index]
    return {
        "operationId": info.name,
        "summary": info.summary,
        "parameters": [*_common(info), *map(_parameter, served(info))],
        "requestBody": {
            "required": True,
            "content": {**_PICTURE, "multipart/form-data": {"schema": form}},
        },
        "responses": {
            "200": {
                "description": "What `return` asks for.",
                "content": {
                    **_PICTURE,
                    "application/json": {"schema": {"type": "object"}},
                    "multipart/form-data": {"schema": {"type": "object"}},
                },
            },
            **{status: _failure(text) for status, text in _FAILURES.items()},
        },
    }


def _common(info: TaskInfo) -> list[dict[str, Any]]:
    returns = [one for one in RETURNS if not (one == "mask" and info.whole)]
    said: list[tuple[str, dict[str, Any], str]] = [
        (
            "return",
            {"type": "string", "enum": returns, "default": "picture"},
            "What comes back; all: a form of picture, mask and report.",
        ),
        (
            "region",
            {"type": "string", "pattern": r"^\d+,\d+,\d+,\d+$"},
            "Look only there: x,y,width,height in pixels from the upper left.",
        ),
        ("strip_metadata", {"type": "boolean", "default": False}, "Leave out EXIF and the like."),
    ]
    return [_queried(*one) for one in said]


def _parameter(option: Option) -> dict[str, Any]:
    kinds = {"number": "number", "flag": "boolean"}
    schema: dict[str, Any] = {"type": kinds.get(option.kind, "string")}
    if option.kind == "choice":
        schema["enum"] = list(option.choices)
    if option.between is not None:
        schema["minimum"], schema["maximum"] = option.between
    if option.default is not None:
        given = option.default
        schema["default"] = ",".join(given) if isinstance(given, tuple) else given
    return _queried(option.name, schema, option.help)


def _queried(name: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": text}


def _plain(text: str, media: str) -> dict[str, Any]:
    return {"summary": text, "responses": {"200": {"description": text, "content": {media: {}}}}}


def _failure(text: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": text, "content": {"application/json": {"schema": schema}}}
