"""The verb that serves the page and the API."""

from __future__ import annotations

from typing import Annotated

import typer

from cleanplate.cli.messages import explained
from cleanplate.cli.streams import put, shut_out_libraries

_Host = Annotated[
    str, typer.Option(metavar="ADDRESS", help="Where to listen; elsewhere only with --token.")
]
_Port = Annotated[int, typer.Option(min=0, max=65535, help="The port; 0: any that is free.")]
_Token = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        envvar="CLEANPLATE_TOKEN",
        help="What clients must show, 16 characters at least.",
    ),
]
_Workers = Annotated[int, typer.Option(min=1, max=64, help="Pictures that are cleaned at a time.")]
_Queue = Annotated[
    int, typer.Option(min=0, max=10_000, help="Pictures that may wait; more are refused.")
]
_Deadline = Annotated[
    float, typer.Option(min=1, max=86_400, help="Seconds to wait for a worker, and then to work.")
]
_Megabytes = Annotated[int, typer.Option(min=1, max=2000, help="Of a request, at most.")]
_Megapixels = Annotated[int, typer.Option(min=1, max=500, help="Of a picture, at most.")]
_Jobs = Annotated[
    int, typer.Option(min=1, max=10_000, help="Jobs that are kept; more are refused.")
]
_JobMegabytes = Annotated[
    int, typer.Option(min=1, max=1_000_000, help="Of all jobs together, on the disk, at most.")
]
_JobPages = Annotated[
    int, typer.Option(min=1, max=100_000, help="Files and pages of a job, at most.")
]
_Keep = Annotated[
    float, typer.Option(min=1, max=10_000, help="Minutes for which results of jobs are kept.")
]
_Device = Annotated[str, typer.Option(help="auto, cpu, cuda, coreml, directml or openvino.")]
_Threads = Annotated[
    int, typer.Option(min=0, help="A model's threads; 0: the cores, shared by the workers.")
]
_Debug = Annotated[bool, typer.Option("--debug", help="Show where in the program an error arose.")]


def serve(
    host: _Host = "127.0.0.1",
    port: _Port = 8000,
    token: _Token = None,
    workers: _Workers = 1,
    queue: _Queue = 16,
    deadline: _Deadline = 120.0,
    megabytes: _Megabytes = 100,
    megapixels: _Megapixels = 100,
    jobs: _Jobs = 16,
    job_megabytes: _JobMegabytes = 1000,
    job_pages: _JobPages = 1000,
    keep: _Keep = 60.0,
    device: _Device = "auto",
    threads: _Threads = 0,
    debug: _Debug = False,
) -> None:
    """Serve a page to look and brush, and an API, to this machine."""
    if not debug:
        shut_out_libraries()
    with explained(debug):
        from cleanplate.errors import CleanplateError
        from cleanplate.models import check_device, usable_cores

        try:
            from cleanplate.serve.running import run
        except ModuleNotFoundError as error:
            raise CleanplateError(
                f"serve needs packages that are not installed ({error.name}): "
                "pip install 'cleanplate[serve]'."
            ) from error
        from cleanplate.serve.settings import Settings

        check_device(device)
        run(
            Settings(
                host=host,
                port=port,
                token=token or None,
                workers=workers,
                queue=queue,
                deadline=deadline,
                most_bytes=megabytes * 1_000_000,
                most_pixels=megapixels * 1_000_000,
                jobs=jobs,
                most_job_bytes=job_megabytes * 1_000_000,
                most_pages=job_pages,
                keep=keep * 60,
                device=device,
                threads=threads or max(1, usable_cores() // workers),
            ),
            put,
        )
