"""A query of the API, read by the table of tasks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cleanplate import tasks
from cleanplate.errors import UsageError
from cleanplate.serve.refusals import RefusedError
from cleanplate.serve.work import FileWork
from cleanplate.tasks.taskinfo import Option, TaskInfo

RETURNS = ("picture", "mask", "report", "all")
JOB_COMMON = ("region", "strip_metadata")
COMMON = ("return", *JOB_COMMON)
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_OF_PATHS = set("/\\.:~%")  # no text of a client names a file of the server's


def served(info: TaskInfo) -> list[Option]:
    """Return the options of a task that a client may set: those that name no file."""
    return [option for option in info.options if option.kind != "path"]


def help_of(option: Option) -> str:
    """Return what an option is for, to those who can name no file of the server's."""
    return f"{option.help} No file can be named here." if option.kind == "text" else option.help


def read_query(info: TaskInfo, pairs: Iterable[tuple[str, str]]) -> tuple[dict[str, Any], str]:
    """Return the fields of a `Work` that a query fills, and what is to be returned.

    Raises:
        RefusedError: a name or a value is none of the task's.
    """
    given = _once(pairs)
    wanted = given.pop("return", "picture")
    if wanted not in RETURNS:
        raise RefusedError(400, f"return must be one of {', '.join(RETURNS)}, not {wanted!r}.")
    if wanted == "mask" and info.whole:
        raise RefusedError(400, f"{info.name} changes the whole picture; it has no mask.")
    return _fields(info, given, COMMON), wanted


def read_job_query(pairs: Iterable[tuple[str, str]]) -> FileWork:
    """Return what is done to each file of a job, which has no places yet.

    Raises:
        RefusedError: there is no task, or a name or a value is none of its.
    """
    given = _once(pairs)
    if "task" not in given:
        raise RefusedError(400, f"Say which task: ?task=, one of {', '.join(tasks.names())}.")
    try:
        info = tasks.info(given.pop("task"))
        more = {name: given.pop(name) for name in of_documents(info) if name in given}
        fields = _fields(info, given, ("task", *JOB_COMMON, *of_documents(info)))
        info.checked(fields["options"])
    except UsageError as error:
        raise RefusedError(400, str(error)) from None
    nowhere = Path()
    return FileWork(
        nowhere,
        nowhere,
        info.name,
        **fields,
        pages=more.get("pages"),
        break_signature=_flag("break_signature", more.get("break_signature", "false")),
        remove_repeated=_flag("remove_repeated", more.get("remove_repeated", "false")),
    )


def of_documents(info: TaskInfo) -> tuple[str, ...]:
    """Return what a job's query may say of documents."""
    names = ("pages", "break_signature") if info.documents else ()
    return (*names, "remove_repeated") if info.marks else names


def _fields(info: TaskInfo, given: dict[str, str], common: tuple[str, ...]) -> dict[str, Any]:
    """Return what a query says of region, metadata and the task's own options."""
    fields: dict[str, Any] = {
        "region": _region(given.pop("region", "")),
        "strip_metadata": _flag("strip_metadata", given.pop("strip_metadata", "false")),
    }
    own = {option.name: option for option in served(info)}
    for name in given:
        if name not in own:
            known = ", ".join((*own, *common))
            raise RefusedError(400, f"{info.name} has no option {name!r} here; it has: {known}.")
    fields["options"] = {name: _value(own[name], text) for name, text in given.items()}
    return fields


def _once(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, text in pairs:
        if name in given:
            raise RefusedError(400, f"{name} is given twice.")
        given[name] = text
    return given


def _value(option: Option, text: str) -> Any:
    """Read the text of an option; whether the value is allowed, `TaskInfo.checked` says."""
    if option.kind == "flag":
        return _flag(option.name, text)
    if option.kind == "number":
        try:
            return float(text)
        except ValueError:
            raise RefusedError(
                400, f"{option.name} must be {option.wanted()}, not {text!r}."
            ) from None
    if option.kind == "text" and _OF_PATHS & set(text):
        raise RefusedError(400, f"{option.name} names no file here.")
    return text


def _flag(name: str, text: str) -> bool:
    if text not in _FLAGS:
        raise RefusedError(400, f"{name} must be true or false, not {text!r}.")
    return _FLAGS[text]


def _region(text: str) -> tuple[int, ...] | None:
    if not text:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise RefusedError(
            400, f"{text!r} is no region; give x,y,width,height, as 0,0,640,480."
        ) from None
