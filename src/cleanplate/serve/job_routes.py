"""What the API has for jobs: many files in, how far they are, a ZIP out."""

from __future__ import annotations

import asyncio
import mimetypes
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from cleanplate import tasks
from cleanplate.errors import UsageError
from cleanplate.serve.archives import MEDIA, zip_of
from cleanplate.serve.bodies import declared_length, next_piece
from cleanplate.serve.jobs import Job
from cleanplate.serve.keeping import Jobs
from cleanplate.serve.metrics import Metrics
from cleanplate.serve.names import safe_name
from cleanplate.serve.queries import read_job_query
from cleanplate.serve.refusals import RefusedError
from cleanplate.serve.settings import Settings
from cleanplate.serve.spooling import FormReader

_ONCE = ("mask", "protect", "password")


class JobRoutes:
    """The routes of jobs."""

    def __init__(self, jobs: Jobs, settings: Settings, metrics: Metrics) -> None:
        self._jobs = jobs
        self._settings = settings
        self._metrics = metrics

    def routes(self) -> list[Route]:
        """Return them."""
        return [
            Route("/v1/jobs", self._begin, methods=["POST"]),
            Route("/v1/jobs/{id}", self._told, methods=["GET"]),
            Route("/v1/jobs/{id}", self._cancel, methods=["DELETE"]),
            Route("/v1/jobs/{id}/result", self._result, methods=["GET"]),
        ]

    async def _begin(self, request: Request) -> Response:
        with self._metrics.counting("jobs") as count:
            job = await self._received(request)
            count(202)
        self._jobs.set_off(job)
        where = {"Location": f"/v1/jobs/{job.id}"}
        return JSONResponse(job.told(self._settings.keep), 202, where)

    async def _received(self, request: Request) -> Job:
        """Return a job whose files are here."""
        work = read_job_query(request.query_params.multi_items())
        job, seconds = self._jobs.begin(work, declared_length(request)), self._settings.keep
        try:
            receiving = _Receiving(job, self._jobs, self._settings).receive(request)
            await asyncio.wait_for(receiving, seconds)
        except asyncio.TimeoutError:
            await self._jobs.remove(job.id)
            raise RefusedError(408, f"The job did not come within {seconds:g} seconds.") from None
        except BaseException:
            await self._jobs.remove(job.id)
            raise
        return job

    async def _told(self, request: Request) -> Response:
        job = self._jobs.get(request.path_params["id"])
        return JSONResponse(job.told(self._settings.keep))

    async def _cancel(self, request: Request) -> Response:
        job = self._jobs.get(request.path_params["id"])
        await self._jobs.remove(job.id)
        return Response(status_code=204)

    async def _result(self, request: Request) -> Response:
        job = self._jobs.get(request.path_params["id"])
        if job.ended is None:
            raise RefusedError(409, "The job is not done yet.", retry=1)
        results = job.results()
        if not results:
            raise RefusedError(422, job.files[0].error or "No file of the job has a result.")
        if len(job.files) > 1:
            headers = _saved_as(f"{job.work.task}.zip")
            return StreamingResponse(zip_of(results), media_type=MEDIA, headers=headers)
        (name, path), *_ = results.items()
        media = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return FileResponse(path, media_type=media, headers=_saved_as(Path(name).name))


class _Receiving:
    """A job while its form comes."""

    def __init__(self, job: Job, jobs: Jobs, settings: Settings) -> None:
        self._job = job
        self._jobs = jobs
        self._settings = settings
        self._parts: dict[str, Path] = {}  # those that come once

    async def receive(self, request: Request) -> None:
        """Write the files of a form into the job's folder.

        Raises:
            RefusedError: it is no form, or too large, or does not come to its end in time.
        """
        reader = FormReader(request.headers.get("content-type", ""), self._opened)
        try:
            async with aclosing(request.stream()) as pieces:
                while (piece := await next_piece(pieces)) is not None:
                    self._jobs.grow(self._job, len(piece))
                    await asyncio.to_thread(reader.feed, piece)
        except ClientDisconnect:
            raise RefusedError(400, "The form was not sent to its end.") from None
        except OSError as error:
            why = f"The server's disk does not take the job: {error.strerror}."
            raise RefusedError(507, why) from None
        finally:
            reader.close()
        reader.check_end()
        self._check()

    def _opened(self, name: str, file: str) -> BinaryIO:
        """Open where a part of the form goes."""
        if name in _ONCE and name not in self._parts:
            self._parts[name] = self._job.folder / name
            return self._parts[name].open("wb")
        if name != "file":
            known = ", ".join(_ONCE)
            raise RefusedError(400, f"A form has parts called file, and once each: {known}.")
        if len(self._job.files) >= self._settings.most_pages:
            most = self._settings.most_pages
            raise RefusedError(413, f"A job has at most {most} files and pages.")
        added = self._job.add(safe_name(file, len(self._job.files) + 1))
        return cast(BinaryIO, added.source.open("wb"))

    def _check(self) -> None:
        """Check what has come, and say what is to be done to it."""
        job, most = self._job, self._settings.most_bytes
        if not job.files:
            raise RefusedError(400, "The form has no part that is called file.")
        for file in job.files:
            if file.source.stat().st_size > most:
                raise RefusedError(413, f"{file.name} has more than {most / 1e6:g} MB.")
        try:
            tasks.info(job.work.task).check_mask("mask" in self._parts)
        except UsageError as error:
            raise RefusedError(400, str(error)) from None
        password = self._parts.pop("password", None)
        job.work = replace(
            job.work,
            mask=self._parts.get("mask"),
            protect=self._parts.get("protect"),
            password=password.read_text("utf-8", "replace") if password else "",
        )
        if password:
            password.unlink()


def _saved_as(name: str) -> dict[str, str]:
    plain = name.encode("ascii", "replace").decode().replace("?", "_")  # curl reads this one alone
    both = f"filename=\"{plain}\"; filename*=utf-8''{quote(name, safe='')}"
    return {"Content-Disposition": f"attachment; {both}"}
