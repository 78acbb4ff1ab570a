"""Why a request gets no result: a status of HTTP, and a sentence that says what to do."""

from __future__ import annotations


class RefusedError(Exception):
    """A request is refused; `status` is that of HTTP, `retry` seconds to wait, if that helps."""

    def __init__(self, status: int, text: str, *, retry: int | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.retry = retry
