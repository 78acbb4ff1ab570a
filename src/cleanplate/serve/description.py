"""What the server says of itself to programs: the tasks, and the API as OpenAPI."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from cleanplate import tasks
from cleanplate.serve.job_description import job_paths, job_schemas
from cleanplate.serve.openapi import BINARY, failures, parameter, plain, queried
from cleanplate.serve.queries import RETURNS, help_of, served
from cleanplate.tasks.taskinfo import TaskInfo

_PICTURE = {"image/*": {"schema": BINARY}}
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
                    "help": help_of(one),
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
            **job_paths(),
            "/v1": {"get": plain("The tasks and their options.", "application/json")},
            "/preview": {"post": _preview()},
            "/healthz": {"get": plain("Whether the server lives.", "text/plain")},
            "/readyz": {"get": plain("Whether a worker is ready.", "text/plain")},
            "/metrics": {"get": plain("Counts, for Prometheus.", "text/plain")},
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Error": {"type": "object", "properties": {"error": {"type": "string"}}},
                **job_schemas(),
            },
        },
        "security": [{}, {"token": []}],
    }


def _operation(info: TaskInfo) -> dict[str, Any]:
    form = {
        "type": "object",
        "required": ["picture"],
        "properties": {"picture": BINARY, "protect": BINARY},
    }
    if info.mask != "none":
        form["properties"]["mask"] = BINARY  # type: ignore[index]
    return {
        "operationId": info.name,
        "summary": info.summary,
        "parameters": [*_common(info), *map(parameter, served(info))],
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
            **failures(_FAILURES),
        },
    }


def _preview() -> dict[str, Any]:
    text = "A copy for the screen, and the size of the picture; of a document, its first page."
    described = plain(text, "multipart/form-data")
    described["requestBody"] = {"required": True, "content": {"*/*": {"schema": BINARY}}}
    described["responses"] |= failures(_FAILURES)
    return described


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
    return [queried(*one) for one in said]
