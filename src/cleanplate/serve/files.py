"""The page: a few files of the package, held in memory, so that no path of a client is opened."""

from __future__ import annotations

from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_MEDIA = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def page_routes() -> list[Route]:
    """Return a route for each file of the page."""
    routes = []
    for file in sorted(files(__package__).joinpath("page").iterdir(), key=lambda one: one.name):
        suffix = file.name[file.name.rfind(".") :]
        if suffix in _MEDIA:
            path = "/" if file.name == "index.html" else f"/{file.name}"
            routes.append(_route(path, file.read_bytes(), _MEDIA[suffix]))
    return routes


def _route(path: str, content: bytes, media: str) -> Route:
    async def give(request: Request) -> Response:
        return Response(content, media_type=media)

    return Route(path, give, methods=["GET"])
