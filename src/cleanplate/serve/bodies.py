"""The body of a request, bounded in bytes and in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from cleanplate.serve.refusals import RefusedError

STALL = 20.0  # seconds in which something of a body has to come


async def read_body(request: Request, most: int, seconds: float) -> bytes:
    """Return the body of a request, which is refused before more than `most` bytes are held.

    Raises:
        RefusedError: it is too large, as it says or as is counted; it takes longer than `seconds`
            to come, or nothing of it comes for `STALL`; it is empty; or the client left.
    """
    if declared_length(request) > most:
        raise _too_large(most)
    try:
        body = await asyncio.wait_for(_counted(request, most), seconds)
    except asyncio.TimeoutError:
        raise RefusedError(408, f"The picture did not come within {seconds:g} seconds.") from None
    except ClientDisconnect:
        raise RefusedError(400, "The picture was not sent to its end.") from None
    if not body:
        raise RefusedError(400, "There is no picture: send its bytes as the body.")
    return body


def declared_length(request: Request) -> int:
    """Return how many bytes a body has, as it says itself; 0 where it does not.

    Raises:
        RefusedError: what it says is no number.
    """
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal():
        raise RefusedError(400, "Content-Length is no number.")
    return int(declared)


async def _counted(request: Request, most: int) -> bytes:
    held, pieces = bytearray(), request.stream()
    while (piece := await next_piece(pieces)) is not None:
        if len(held) + len(piece) > most:
            raise _too_large(most)
        held += piece
    return bytes(held)


async def next_piece(pieces: AsyncIterator[bytes]) -> bytes | None:
    """Return the next piece of a body, None at the end.

    Raises:
        RefusedError: the client stalls, and must not hold a place in the queue.
    """
    try:
        return await asyncio.wait_for(anext(pieces, None), STALL)
    except asyncio.TimeoutError:
        raise RefusedError(408, f"Nothing came for {STALL:g} seconds.") from None


def _too_large(most: int) -> RefusedError:
    return RefusedError(413, f"A request has at most {most / 1e6:g} MB.")
