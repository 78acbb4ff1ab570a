"""The verbs that clean pictures: one a task, all with the same options."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cleanplate.cli.messages import explained, follow, foresee, tell_marks, tell_remarks
from cleanplate.cli.options import parameter_of, path_of, region_of
from cleanplate.cli.streams import put_bytes, shut_out_libraries
from cleanplate.tasks.taskinfo import TaskInfo, Value

if TYPE_CHECKING:
    from cleanplate.batch import Run
    from cleanplate.tasks.base import Task

_STREAM = Path("-")

_path_option = partial(typer.Option, parser=path_of, metavar="PATH")


_Paths = Annotated[
    list[Path],
    typer.Argument(
        parser=path_of, metavar="PATH", help="Files, folders, patterns, or - for standard input."
    ),
]
_Out = Annotated[
    Path | None,
    _path_option(
        "--out",
        "-o",
        help="Folder for the results; for one picture, a file.",
    ),
]
_MaskOut = Annotated[
    Path | None,
    _path_option(help="Folder for masks (PNG) of what was filled in."),
]
_Explain = Annotated[
    Path | None,
    _path_option(
        help="Folder for sheets (PNG) of the steps that led to each result.",
    ),
]
_Report = Annotated[
    Path | None,
    _path_option(
        metavar="FILE", help="A page (HTML) of what became of each picture, the doubtful first."
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
    _path_option(
        help="What to fill in, white: a picture, or a folder with one for each picture.",
    ),
]
_Region = Annotated[
    Any,  # a tuple of whole numbers, as typer takes none of a parser's
    typer.Option(
        parser=region_of, metavar="X,Y,W,H", help="Look only there, in pixels from the upper left."
    ),
]
_Protect = Annotated[
    Path | None,
    _path_option(
        help="What is never touched, white: a picture, or a folder with one for each picture.",
    ),
]
_Pages = Annotated[
    str | None,
    typer.Option(metavar="PAGES", help="Of documents, which pages, as 1-3,7-. [default: all]"),
]
_Password = Annotated[str | None, typer.Option(metavar="TEXT", help="Of encrypted PDFs.")]
_Break = Annotated[
    bool, typer.Option("--break-signature", help="Clean signed PDFs, too; that breaks it.")
]
_ListMarks = Annotated[
    bool, typer.Option("--list-marks", help="Of PDFs, say what would be removed as marks; no more.")
]
_Repeated = Annotated[
    bool,
    typer.Option(
        "--remove-repeated",
        help="Of PDFs, remove what most pages repeat and is translucent or turned, too.",
    ),
]
_Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace results that are there.")]
_Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with a stopped run; retry what failed.")
]
_DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Write nothing; tell what would be, and how long it takes."),
]
_Workers = Annotated[int, typer.Option(min=0, help="Pictures at a time; 0: the cores, at most 4.")]
_Threads = Annotated[
    int, typer.Option(min=0, help="A model's threads; 0: the cores, shared by the workers.")
]
_Device = Annotated[str, typer.Option(help="auto, cpu, cuda, coreml, directml or openvino.")]
_Engine = Annotated[str, typer.Option(help="local, or ray: the machines of a cluster.")]
_Address = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Of a Ray cluster. [default: a Ray on this machine]"),
]
_Json = Annotated[bool, typer.Option("--json", help="One JSON line a picture on standard output.")]
_Strip = Annotated[bool, typer.Option("--strip-metadata", help="Leave out EXIF and the like.")]
_Times = Annotated[
    bool, typer.Option("--preserve-times", help="Give results the times of their sources.")
]
_NoFollow = Annotated[
    bool, typer.Option("--no-follow", help="In place, replace a link, not the file it leads to.")
]
_Strict = Annotated[
    bool,
    typer.Option("--strict", help="Make failures of remarks about masks and about what is lost."),
]
_Debug = Annotated[bool, typer.Option("--debug", help="Show where in the program an error arose.")]


def add_task(app: typer.Typer, info: TaskInfo) -> None:
    """Add the verb of a task to the command line: what all have in common, and its own options."""

    def verb(**given: Any) -> None:
        clean(info, **given)

    left_out = {"info", "own"}
    left_out |= {"mask"} if info.mask == "none" else set()
    left_out |= {"mask_out"} if info.whole else set()
    left_out |= set() if info.documents else {"pages", "password", "break_signature"}
    left_out |= set() if info.marks else {"list_marks", "remove_repeated"}
    left_out |= set() if info.roles else {"model"}
    common = inspect.signature(clean, eval_str=True).parameters
    parameters = [one for name, one in common.items() if name not in left_out]
    place = [one.name for one in parameters].index("overwrite")
    parameters[place:place] = [parameter_of(option) for option in info.options]
    verb.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    verb.__annotations__ = {one.name: one.annotation for one in parameters}
    app.command(info.name, help=info.summary)(verb)


def clean(
    info: TaskInfo,
    *,
    paths: _Paths,
    out: _Out = None,
    mask_out: _MaskOut = None,
    explain: _Explain = None,
    report: _Report = None,
    model: _Model = None,
    mask: _Mask = None,
    region: _Region = None,
    protect: _Protect = None,
    pages: _Pages = None,
    password: _Password = None,
    break_signature: _Break = False,
    list_marks: _ListMarks = False,
    remove_repeated: _Repeated = False,
    overwrite: _Overwrite = False,
    resume: _Resume = False,
    dry_run: _DryRun = False,
    workers: _Workers = 0,
    threads: _Threads = 0,
    device: _Device = "auto",
    engine: _Engine = "local",
    address: _Address = None,
    json: _Json = False,
    strip_metadata: _Strip = False,
    preserve_times: _Times = False,
    no_follow: _NoFollow = False,
    strict: _Strict = False,
    debug: _Debug = False,
    **own: Value,
) -> None:
    """Carry out a verb; `own` are the options of the task, None where nothing was said."""
    if not debug:
        shut_out_libraries()
    with explained(debug):
        from cleanplate import batch, models
        from cleanplate.errors import UsageError
        from cleanplate.picture import Picture, read_any

        read = read_any if info.raw else Picture.read
        if info.mask == "required" and mask is None:
            raise UsageError("Say what to fill in: --mask FILE or FOLDER.")
        said = {name: value for name, value in own.items() if value is not None}
        looks = models.by_role(model or [], info.roles) | said
        chosen = info.checked(looks)  # before anything is written
        for path in (mask, protect, *(value for value in said.values() if isinstance(value, Path))):
            if path is not None and not path.exists():
                raise UsageError(f"{path}: there is no such file or folder.")
        models.check_device(device)
        kind = _kind_of_run(engine, address, threads, workers, device)
        documents = batch.DocumentOptions(
            pages, password or "", break_signature, info.whole, info.marks, remove_repeated
        )
        documents.check(limited=region is not None or protect is not None)
        if list_marks:
            raise typer.Exit(tell_marks(paths, documents))

        def create(share: int) -> Task:
            return info.create(**looks, device=device, threads=threads or share)

        def output(suffix: str) -> str:
            return info.output(suffix, chosen)

        if _STREAM in paths:
            never = [json, resume, explain, report, preserve_times, dry_run, engine != "local"]
            if len(paths) > 1 or any(never):
                raise UsageError(
                    "- (standard input) goes without other paths, --json, --resume, --explain, "
                    "--report, --preserve-times, --dry-run and --engine."
                )
            if sys.stdin is None:
                raise UsageError("Standard input is closed.")
            to_file = None if out == _STREAM else out
            content, remarks = batch.clean_one(
                sys.stdin.buffer.read(),
                create,
                out=to_file,
                mask_out=mask_out,
                overwrite=overwrite,
                strip_metadata=strip_metadata,
                strict=strict,
                mask=mask,
                region=region,
                protect=protect,
                output=output,
                read=read,
                documents=documents if info.documents else None,
            )
            tell_remarks("standard input", remarks)
            if to_file is None:
                put_bytes(content)
            return
        if out is None:
            raise UsageError("Say where the results go: -o FOLDER.")
        if _STREAM in (out, mask_out, explain, report):
            raise UsageError("Standard output (-) is for the picture on standard input alone.")
        if report is not None:
            from cleanplate.batch.report import check_place

            check_place(report, replace=overwrite or resume)
        planned = batch.plan(
            paths,
            out,
            mask_out,
            explain,
            mask,
            protect=protect,
            output=output,
            raw=info.raw,
            documents=info.documents,
            follow=not no_follow,
        )
        if resume and planned.folder is None and not planned.of_document():
            raise UsageError("--resume goes on with a folder; a single file is cleaned anew.")
        run = kind(
            planned,
            create,
            batch.settings_of(info, looks, strip_metadata=strip_metadata, region=region),
            mask=mask,
            region=region,
            protect=protect,
            overwrite=overwrite,
            resume=resume,
            strip_metadata=strip_metadata,
            preserve_times=preserve_times,
            strict=strict,
            workers=workers,
            read=read,
            documents=documents if info.documents else None,
        )
        if dry_run and engine != "local":
            raise UsageError("--dry-run tells what a local run takes: leave out --engine.")
        if dry_run:
            raise typer.Exit(foresee(run, json=json))
        share = None if info.whole else info.share
        raise typer.Exit(follow(run, share=share, json=json, debug=debug, report=report))


def _kind_of_run(
    engine: str, address: str | None, threads: int, workers: int, device: str
) -> Callable[..., Run]:
    """Give what makes the run that `--engine` asks for."""
    from cleanplate import batch
    from cleanplate.errors import UsageError

    if engine == "local":
        if address is not None:
            raise UsageError("--address is that of a cluster: --engine ray.")
        return batch.Run
    if engine != "ray":
        raise UsageError(f"There is no engine {engine!r}; there are: local, ray.")
    if importlib.util.find_spec("ray") is None:  # to import it takes seconds
        raise UsageError("--engine ray needs a further package: pip install 'cleanplate[ray]'.")
    from cleanplate.batch.cluster import ClusterRun, on_ray

    gpus = int(device == "cuda")
    carry_out = partial(on_ray, address=address, actors=workers, gpus=gpus)
    return partial(ClusterRun, engine=carry_out, threads=threads or 1)
