"""What every request passes first: who may ask, and from where; and what every answer says."""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cleanplate.serve.settings import Settings

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
FREE = frozenset({"/healthz", "/readyz"})  # of the token: probes have none
_SAID = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob:; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Refuses foreign hosts, foreign origins and clients without the token."""

    def __init__(self, app: ASGIApp, settings: Settings, page: frozenset[str]) -> None:
        """Stand before `app`; `page` are the paths that hold nothing but the page itself."""
        self._app = app
        self._settings = settings
        self._free = FREE | page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def say(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_SAID)
            await send(message)

        refused = self._refusal(Headers(scope=scope), scope["path"])
        await (refused or self._app)(scope, receive, say)

    def _refusal(self, headers: Headers, path: str) -> JSONResponse | None:
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            return _refuse(421, "This server does not go by that name; ask for its own address.")
        if origins not in ([], [f"http://{hosts[0]}"], [f"https://{hosts[0]}"]):
            return _refuse(403, "Pages of other origins may not ask this server.")
        if path not in self._free and not self._shows_token(headers):
            how = "Show the token: Authorization: Bearer TOKEN."
            if self._settings.token is None:
                how = "Open the page by the address that cleanplate serve says when it begins."
            response = _refuse(401, how)
            response.headers["WWW-Authenticate"] = "Bearer"
            return response
        return None

    def _is_ours(self, host: str) -> bool:
        """Tell names that lead here; one that is another's now may be made to lead here later.

        Where a token is asked for from elsewhere, such a page has none to show.
        """
        name, colon, port = host.rpartition(":")
        if not colon or not port.isdecimal():
            name = host
        return not self._settings.local or name.lower() in LOOPBACK | {self._settings.host}

    def _shows_token(self, headers: Headers) -> bool:
        token = self._settings.token
        if token is None and not _is_of_a_page(headers):
            return True
        wanted = f"Bearer {token or self._settings.page_token}".encode()
        return hmac.compare_digest(headers.get("authorization", "").encode("latin-1"), wanted)


def _is_of_a_page(headers: Headers) -> bool:
    """Tell what a page in a browser asks from what other programs ask.

    An address that is opened by itself is no page's question: its answer is shown to nobody else.
    """
    return "origin" in headers or headers.get("sec-fetch-mode", "navigate") != "navigate"


def _refuse(status: int, text: str) -> JSONResponse:
    return JSONResponse({"error": text}, status)
