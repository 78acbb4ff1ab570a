"""The verbs that clean pictures: one a task, all with the same options."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cleanplate.cli.messages import explained, follow

if TYPE_CHECKING:
    from cleanplate.tasks.base import Task

_STREAM = Path("-")


def _path(text: str) -> Path:
    if not text:  # as an unset variable leaves it; as a Path it would be the current folder
        raise typer.BadParameter("a path must not be empty.")
    return Path(text)


_Paths = Annotated[
    list[Path],
    typer.Argument(
        parser=_path, metavar="PATH", help="Files, folders, patterns, or - for standard input."
    ),
]
_Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        parser=_path,
        metavar="PATH",
        help="Folder for the results; for one picture, a file.",
    ),
]
_MaskOut = Annotated[
    Path | None,
    typer.Option(
        parser=_path, metavar="PATH", help="Folder for masks (PNG) of what was filled in."
    ),
]
_Explain = Annotated[
    Path | None,
    typer.Option(
        parser=_path,
        metavar="PATH",
        help="Folder for sheets (PNG) of the steps that led to each result.",
    ),
]
_Model = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[ROLE=]MODEL",
        help="Another model, by name or .onnx file; its card names its role. Repeatable.",
    ),
]
_Mask = Annotated[
    Path | None,
    typer.Option(
        parser=_path,
        metavar="PATH",
        help="What to fill in, white: a picture, or a folder with one for each picture.",
    ),
]
_Threshold = Annotated[
    float | None, typer.Option(min=0, max=1, help="How sure to be of a find; lower finds more.")
]
_NoThreshold = Annotated[float | None, typer.Option(min=0, max=1, hidden=True)]
_Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace results that are there.")]
_Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with a stopped run; retry what failed.")
]
_Workers = Annotated[int, typer.Option(min=0, help="Pictures at a time; 0: the cores, at most 4.")]
_Threads = Annotated[
    int, typer.Option(min=0, help="A model's threads; 0: the cores, shared by the workers.")
]
_Device = Annotated[str, typer.Option(help="auto, cpu, cuda, coreml, directml or openvino.")]
_Json = Annotated[bool, typer.Option("--json", help="One JSON line a picture on standard output.")]
_Strip = Annotated[bool, typer.Option("--strip-metadata", help="Leave out EXIF and the like.")]
_Debug = Annotated[bool, typer.Option("--debug", help="Show where in the program an error arose.")]


def add_task(app: typer.Typer, task: str, summary: str, *, searches: bool) -> None:
    """Add the verb of a task to the command line; one that does not search goes by a mask."""

    def verb(
        paths: _Paths,
        out: _Out = None,
        mask_out: _MaskOut = None,
        explain: _Explain = None,
        model: _Model = None,
        mask: _Mask = None,
        threshold: _Threshold = None,
        overwrite: _Overwrite = False,
        resume: _Resume = False,
        workers: _Workers = 0,
        threads: _Threads = 0,
        device: _Device = "auto",
        json: _Json = False,
        strip_metadata: _Strip = False,
        debug: _Debug = False,
    ) -> None:
        with explained(debug):
            from cleanplate import batch, models, tasks
            from cleanplate.errors import UsageError

            if not searches and mask is None:
                raise UsageError("Say what to fill in: --mask FILE or FOLDER.")
            if not searches and threshold is not None:
                raise UsageError(f"{task} searches for nothing: leave out --threshold.")
            looks = _looks(task, model or [], mask, threshold)
            if device not in models.DEVICES:
                raise UsageError(f"--device {device}: there are {', '.join(models.DEVICES)}.")

            def create(share: int) -> Task:
                return tasks.create(task, **looks, device=device, threads=threads or share)

            if _STREAM in paths:
                if len(paths) > 1 or json or resume or explain:
                    raise UsageError(
                        "- (standard input) goes without other paths, --json, --resume and "
                        "--explain."
                    )
                _clean_stream(create, out, mask_out, overwrite, strip_metadata)
                return
            if out is None:
                raise UsageError("Say where the results go: -o FOLDER.")
            if _STREAM in (out, mask_out, explain):
                raise UsageError("Standard output (-) is for the picture on standard input alone.")
            planned = batch.plan(paths, out, mask_out, explain, mask)
            if resume and planned.folder is None:
                raise UsageError("--resume goes on with a folder; a single file is cleaned anew.")
            run = batch.Batch(
                planned,
                create,
                {
                    "task": task,
                    "strip_metadata": strip_metadata,
                    **looks,
                    "models": _states(looks),
                },
                mask=mask,
                overwrite=overwrite,
                resume=resume,
                strip_metadata=strip_metadata,
                workers=workers,
            )
            raise typer.Exit(follow(run, json=json, debug=debug))

    if not searches:
        verb.__annotations__["threshold"] = _NoThreshold
    app.command(task, help=summary)(verb)


def _looks(
    task: str, model: list[str], mask: Path | None, threshold: float | None
) -> dict[str, Any]:
    """Give the options of a task that decide how a result looks.

    Raises UsageError before anything is written where the task lacks one.
    """
    from cleanplate import tasks

    looks: dict[str, Any] = tasks.by_role(task, model)
    if mask is not None:
        looks["mask"] = str(mask)
    if threshold is not None:
        looks["threshold"] = threshold
    tasks.check(task, **looks)
    return looks


def _states(looks: dict[str, Any]) -> list[Any]:
    """Give the states of the models' files and their cards, by which a change of one is told."""
    from cleanplate.batch import fingerprint

    files = [Path(look) for look in looks.values() if str(look).endswith(".onnx")]
    files += [path.with_suffix(".json") for path in files]
    return [fingerprint(path) for path in files if path.is_file()]


def _clean_stream(
    create: Callable[[int], Task],
    out: Path | None,
    mask_out: Path | None,
    overwrite: bool,
    strip_metadata: bool,
) -> None:
    """Clean the picture on standard input; it goes to standard output, or to the file `out`."""
    from cleanplate.batch import clean_one

    to_file = None if out == _STREAM else out
    content = clean_one(
        sys.stdin.buffer.read(),
        create,
        out=to_file,
        mask_out=mask_out,
        overwrite=overwrite,
        strip_metadata=strip_metadata,
    )
    if to_file is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
