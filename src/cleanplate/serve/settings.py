"""What a server is told before it begins: where it listens, and what bounds its work."""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass, field

from cleanplate.errors import UsageError

SHORTEST_TOKEN = 16  # characters; shorter ones can be guessed over a network


@dataclass(frozen=True)
class Settings:
    """What a server is told before it begins.

    Attributes:
        host: the address to listen on.
        port: the port; 0: any that is free.
        token: what a client has to show; without it, only this machine is listened to.
        page_token: what the page has to show where there is no token.
        workers: processes that clean, each one picture at a time.
        queue: pictures that may wait for a worker; more are refused.
        deadline: seconds that a picture may wait, and then be worked on.
        most_bytes: of a request.
        most_pixels: of a picture.
        jobs: that are kept at a time, those that are done too; more are refused.
        most_job_bytes: of the files of all jobs together, on the disk.
        most_pages: of a job; a picture counts as one.
        keep: seconds for which the results of a job are kept.
        device: see `models.load`.
        threads: see `models.load`.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    page_token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    workers: int = 1
    queue: int = 16
    deadline: float = 120.0
    most_bytes: int = 100_000_000
    most_pixels: int = 100_000_000
    jobs: int = 16
    most_job_bytes: int = 1_000_000_000
    most_pages: int = 1000
    keep: float = 3600.0
    device: str = "auto"
    threads: int = 0

    def check(self) -> None:
        """Refuse settings that would serve strangers.

        Raises:
            UsageError: another address without a token, or a token that can be guessed.
        """
        if not self.local and self.token is None:
            raise UsageError(
                f"{self.host} can be reached from other machines: set a --token that they must "
                "show, or leave out --host."
            )
        if self.token is not None and len(self.token) < SHORTEST_TOKEN:
            raise UsageError(f"A --token has {SHORTEST_TOKEN} characters at least.")
        if self.token is not None and not (self.token.isascii() and self.token.isprintable()):
            raise UsageError("A --token is of printable ASCII characters.")

    @property
    def local(self) -> bool:
        """Whether only this machine is listened to."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
