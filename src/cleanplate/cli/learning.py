"""The verb that learns a mark from the pictures that share it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cleanplate.cli.messages import explained, share_bar
from cleanplate.cli.options import path_of
from cleanplate.cli.streams import put, say, shut_out_libraries

_Paths = Annotated[
    list[Path],
    typer.Argument(parser=path_of, metavar="PATH", help="Files, folders or patterns."),
]
_Out = Annotated[
    Path,
    typer.Option("--out", "-o", parser=path_of, metavar="PATH", help="File for the mark, PNG."),
]
_Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")]
_Debug = Annotated[bool, typer.Option("--debug", help="Show where in the program an error arose.")]


def learn_mark(
    paths: _Paths, out: _Out, overwrite: _Overwrite = False, debug: _Debug = False
) -> None:
    """Learn the mark that many pictures share, for `cleanplate watermark --mark`."""
    if not debug:
        shut_out_libraries()
    with explained(debug):
        from cleanplate import batch
        from cleanplate.errors import CleanplateError, UsageError

        if out.suffix.lower() != ".png":
            raise UsageError(f"{out}: a mark is written as PNG; give a name that ends in .png.")
        if out.exists() and not overwrite:
            raise CleanplateError(f"{out} exists; --overwrite replaces it.")
        pictures, troubles = batch.pictures_in(paths, out)
        for trouble in troubles:
            word = "ignored: " if trouble.status == "ignored" else ""
            say(f"{trouble.source}: {word}{trouble.reason}")
        from cleanplate.library import learn_mark as learn

        with share_bar() as progress:
            mark = learn(pictures, progress=progress)
        mark.save(out)
        for number in mark.others:
            say(f"note: {pictures[number]}: the mark was not found, nothing was learnt from it")
        height, width = mark.alpha.shape
        told = f"learnt from {len(mark.bearing)} of {len(pictures)} pictures"
        put(f"{out} ({told}, {width}x{height}, opacity {mark.alpha.max():.2f})")
        raise typer.Exit(1 if any(one.status != "ignored" for one in troubles) else 0)
