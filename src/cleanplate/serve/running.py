"""A server run until it is told to end."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable

import uvicorn

from cleanplate.serve.app import make_app
from cleanplate.serve.protocol import Protocol
from cleanplate.serve.settings import Settings

_MOST_CONNECTIONS = 1000
_BACKLOG = 128


def run(settings: Settings, say: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM; what is in hand then is done first.

    Args:
        settings: what is served, and where.
        say: takes the address, once the server listens there.

    Raises:
        UsageError: the settings would serve strangers.
        OSError: the port is taken, or the address is none of this machine's.
    """
    settings.check()
    with _listening(settings.host, settings.port) as place:
        config = uvicorn.Config(
            make_app(settings),
            http=Protocol,
            access_log=False,
            log_level="warning",
            server_header=False,
            lifespan="on",
            limit_concurrency=_MOST_CONNECTIONS,
            backlog=_BACKLOG,
            # A picture may wait for its turn as long as it may then take.
            timeout_graceful_shutdown=int(2 * settings.deadline) + 1,
        )
        # When it has drained, uvicorn raises the signal again, for whoever was there before it.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, frame: None)
        name = f"[{settings.host}]" if ":" in settings.host else settings.host
        # A token of the user's own is not put where anybody may read it.
        shown = "" if settings.token else f"#token={settings.page_token}"
        say(f"http://{name}:{place.getsockname()[1]}/{shown}")
        uvicorn.Server(config).run(sockets=[place])


def _listening(host: str, port: int) -> socket.socket:
    where = f"{host}:{port}"
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise OSError(error.errno, f"{where} is no address: {error.strerror}") from None
    place = socket.socket(family, socket.SOCK_STREAM)
    try:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind(address)
        place.listen(_BACKLOG)  # from now on a client waits; it is not turned away
    except OSError as error:
        place.close()
        raise OSError(error.errno, f"{where} cannot be listened on: {error.strerror}") from None
    return place
