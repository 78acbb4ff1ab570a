"""The server's routes: a picture in, and what is asked of it out."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from cleanplate import tasks
from cleanplate.errors import UsageError
from cleanplate.serve.bodies import read_body
from cleanplate.serve.description import listed, openapi
from cleanplate.serve.files import page_routes
from cleanplate.serve.forms import Part, read_form, write_form
from cleanplate.serve.guard import Guard
from cleanplate.serve.home import Home
from cleanplate.serve.job_routes import JobRoutes
from cleanplate.serve.keeping import Jobs
from cleanplate.serve.metrics import MEDIA, Metrics
from cleanplate.serve.pool import Pool
from cleanplate.serve.queries import read_query
from cleanplate.serve.refusals import RefusedError
from cleanplate.serve.settings import Settings
from cleanplate.serve.work import Answer, Work

LEFT = 499  # as proxies note a client that did not wait; nobody reads it
_FORM = "multipart/form-data"
_PARTS = ("picture", "mask", "protect")


def make_app(settings: Settings, pool: Pool | None = None) -> ASGIApp:
    """Make the server's application.

    Args:
        settings: what bounds it.
        pool: its workers; None: those that the settings say.
    """
    return _Server(settings, pool or Pool(settings)).app()


class _Server:
    def __init__(self, settings: Settings, pool: Pool) -> None:
        self._settings = settings
        self._pool = pool
        self._metrics = Metrics()
        self._jobs = Jobs(settings, pool)

    def app(self) -> Starlette:
        page = page_routes()
        app = Starlette(
            routes=[
                Route("/healthz", self._health),
                Route("/readyz", self._readiness),
                Route("/metrics", self._measures),
                Route("/openapi.json", self._openapi),
                Route("/v1", self._tasks),
                *JobRoutes(self._jobs, self._settings, self._metrics).routes(),
                Route("/v1/{task}", self._clean, methods=["POST"]),
                Route("/preview", self._preview, methods=["POST"]),
                *page,
            ],
            middleware=[
                Middleware(Guard, settings=self._settings, page=frozenset(one.path for one in page))
            ],
            exception_handlers={HTTPException: _http_error, RefusedError: _refused},
            lifespan=self._lifespan,
        )
        app.router.redirect_slashes = False  # what is not there is 404, not a place elsewhere
        return app

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        home = Home()
        try:
            self._jobs.start(home.folder / "jobs")
            await self._pool.start(home.folder)
            yield
        finally:
            await self._jobs.close()
            await self._pool.close()
            home.remove()

    async def _health(self, request: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def _readiness(self, request: Request) -> Response:
        if self._pool.ready:
            return PlainTextResponse("ready\n")
        return PlainTextResponse("no worker is ready yet\n", 503)

    async def _measures(self, request: Request) -> Response:
        gauges = {
            "pictures_in_hand": self._pool.in_hand,
            "workers": self._settings.workers,
            "workers_killed": self._pool.killed,
            "ready": self._pool.ready,
            **self._jobs.gauges(),
        }
        text = self._metrics.text(gauges, self._jobs.counts())
        return PlainTextResponse(text, media_type=MEDIA)

    async def _openapi(self, request: Request) -> Response:
        return JSONResponse(openapi())

    async def _tasks(self, request: Request) -> Response:
        return JSONResponse({"tasks": listed(), "most_bytes": self._settings.most_bytes})

    async def _clean(self, request: Request) -> Response:
        name = request.path_params["task"]
        try:
            info = tasks.info(name)
        except UsageError as error:
            raise RefusedError(404, str(error)) from None
        fields, wanted = read_query(info, request.query_params.multi_items())
        with _asked_well():
            info.checked(fields["options"])

        async def work() -> Response:
            parts = await self._parts(request)
            with _asked_well():
                info.check_mask("mask" in parts)
            return _response(await self._run(request, Work(task=name, **parts, **fields)), wanted)

        return await self._counted(name, work())

    async def _preview(self, request: Request) -> Response:
        async def work() -> Response:
            picture = await self._body(request)
            return _response(await self._run(request, Work(picture)), "all")

        return await self._counted("preview", work())

    async def _counted(self, name: str, work: Coroutine[Any, Any, Response]) -> Response:
        """Do work that needs a place in the queue, and count what became of it."""
        with (
            self._metrics.counting(name) as count,
            contextlib.closing(work),
            self._pool.place(),
        ):
            response = await work
            count(response.status_code)
        return response

    async def _parts(self, request: Request) -> dict[str, Any]:
        body = await self._body(request)
        media = request.headers.get("content-type", "")
        if not media.lower().startswith(_FORM):
            return {"picture": body}
        parts = dict(read_form(body, media, _PARTS))
        if not parts.get("picture"):
            raise RefusedError(400, "The form has no part that is called picture.")
        return parts

    async def _body(self, request: Request) -> bytes:
        return await read_body(request, self._settings.most_bytes, self._settings.deadline)

    async def _run(self, request: Request, work: Work) -> Answer:
        """Have work carried out, as long as the client waits for it."""
        working = asyncio.ensure_future(self._pool.run(work))
        leaving = asyncio.ensure_future(_left(request))
        try:
            await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise RefusedError(LEFT, "The client left.")
            return working.result()
        finally:
            leaving.cancel()
            working.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


@contextlib.contextmanager
def _asked_well() -> Any:
    """Turn wrong usage into a refusal."""
    try:
        yield
    except UsageError as error:
        raise RefusedError(400, str(error)) from None


def _response(answer: Answer, wanted: str) -> Response:
    if answer.status != 200:
        raise RefusedError(answer.status, answer.reason)
    if wanted == "picture":
        return Response(answer.picture, media_type=answer.media)
    if wanted == "mask":
        return Response(answer.mask, media_type="image/png")
    if wanted == "report":
        return JSONResponse(answer.report)
    report = json.dumps(answer.report).encode()
    parts = [Part("picture", "picture", answer.media, answer.picture)]
    parts += [Part("mask", "mask.png", "image/png", answer.mask)] if answer.mask else []
    parts += [Part("preview", "preview.png", "image/png", answer.preview)] if answer.preview else []
    parts += [Part("report", "report.json", "application/json", report)]
    body, media = write_form(parts)
    return Response(body, media_type=media)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    headers = {} if error.retry is None else {"Retry-After": str(error.retry)}
    return JSONResponse({"error": str(error)}, error.status, headers)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = {404: "There is nothing here; /openapi.json says what there is."}
    said = text.get(error.status_code, f"{error.detail}.")
    return JSONResponse({"error": said}, error.status_code, error.headers)
