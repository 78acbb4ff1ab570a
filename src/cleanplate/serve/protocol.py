"""What is said to those who do not speak HTTP; uvicorn does all else."""

from __future__ import annotations

import json

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_SAID = json.dumps({"error": "This is no request of HTTP/1.1."}).encode()


class Protocol(H11Protocol):
    """HTTP/1.1 whose own refusals are JSON, as all others are."""

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, and end the connection."""
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(_SAID))),
            ("Connection", "close"),
        ]
        answer = h11.Response(status_code=400, headers=headers, reason="Bad Request")
        for event in (answer, h11.Data(data=_SAID), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
