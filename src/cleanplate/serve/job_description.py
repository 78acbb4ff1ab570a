"""What the server says of jobs to programs, as OpenAPI."""

from __future__ import annotations

from typing import Any

from cleanplate import tasks
from cleanplate.serve.openapi import BINARY, failures, plain, queried

_TEXT, _COUNT = {"type": "string"}, {"type": "integer", "minimum": 0}
_FLAG = {"type": "boolean", "default": False}
_NONE = failures({"404": "There is no such job, or not any more."})
_BEGIN_FAILURES = {
    "400": "The form, a name or a value is none of a job's.",
    "401": "The token is not shown.",
    "408": "The form does not come in time.",
    "413": "The job, or a file of it, has too many bytes, or it has too many files.",
    "429": "Too many jobs are kept, or too many bytes; Retry-After says when to ask again.",
    "507": "The server's disk is full.",
}


def job_paths() -> dict[str, Any]:
    """Return the paths of jobs."""
    told = {"application/json": {"schema": {"$ref": "#/components/schemas/Job"}}}
    name = {"name": "id", "in": "path", "required": True, "schema": _TEXT}
    state = plain("How far a job is.", "application/json")
    state["responses"]["200"]["content"] = told
    cancel = {"description": "It is cancelled, and its files are removed."}
    result = plain("The result of a single file, or a ZIP of the results.", "application/zip")
    result["responses"]["200"]["content"] |= {"*/*": {"schema": BINARY}}
    early = {"409": "The job is not done yet.", "422": "No file of the job has a result."}
    return {
        "/v1/jobs": {"post": _begin(told)},
        "/v1/jobs/{id}": {
            "parameters": [name],
            "get": {**state, "responses": {**state["responses"], **_NONE}},
            "delete": {"summary": "Cancel a job.", "responses": {"204": cancel, **_NONE}},
        },
        "/v1/jobs/{id}/result": {
            "parameters": [name],
            "get": {**result, "responses": {**result["responses"], **_NONE, **failures(early)}},
        },
    }


def job_schemas() -> dict[str, Any]:
    """Return the schemas of what is told of jobs."""
    remark = {"type": "object", "properties": {"code": _TEXT, "text": _TEXT, "page": _COUNT}}
    file = {
        "name": _TEXT,
        "state": {"enum": ["waiting", "working", "done", "failed"]},
        "pages": {"type": ["integer", "null"], "description": "Of a document, once it is open."},
        "pages_done": _COUNT,
        "error": {"type": ["string", "null"]},
        "remarks": {"type": "array", "items": remark},
        "filled": {"type": "number"},
        "unchanged": {"type": "boolean"},
        "doubt": {"type": ["number", "null"]},
        "report": {"type": "object"},
        "seconds": {"type": "number"},
    }
    job = {
        "id": _TEXT,
        "task": _TEXT,
        "state": {"enum": ["waiting", "working", "done"]},
        "files": _COUNT,
        "files_done": _COUNT,
        "files_failed": _COUNT,
        "pages_done": _COUNT,
        "expires_in": {"type": ["integer", "null"], "description": "Seconds."},
        "of_files": {"type": "array", "items": {"type": "object", "properties": file}},
    }
    return {"Job": {"type": "object", "properties": job}}


def _begin(told: dict[str, Any]) -> dict[str, Any]:
    form = {
        "type": "object",
        "required": ["file"],
        "properties": {
            "file": {"type": "array", "items": BINARY},
            "mask": BINARY,
            "protect": BINARY,
            "password": _TEXT,
        },
    }
    names = {"type": "string", "enum": list(tasks.names())}
    return {
        "operationId": "begin-job",
        "summary": "Clean pictures and documents; the task's own options may stand here, too.",
        "parameters": [
            {**queried("task", names, "What is done."), "required": True},
            queried("region", _TEXT, "Look only there, as for a picture."),
            queried("strip_metadata", _FLAG, "Leave out EXIF and the like."),
            queried("pages", _TEXT, "Of documents, which pages, as 1-3,7-."),
            queried("break_signature", _FLAG, "Clean signed PDFs, too; that breaks it."),
            queried("remove_repeated", _FLAG, "Of PDFs, remove what most pages repeat, too."),
        ],
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": {"schema": form}},
        },
        "responses": {
            "202": {"description": "It has begun; Location names it.", "content": told},
            **failures(_BEGIN_FAILURES),
        },
    }
