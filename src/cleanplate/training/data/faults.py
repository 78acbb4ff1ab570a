"""What a step says of a file that it could not use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """What is wrong, in one sentence that names the file; or, a `note`, only worth a look."""

    text: str
    note: bool = False

    def __str__(self) -> str:
        return self.text
