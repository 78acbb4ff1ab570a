"""Which pages a user means."""

from __future__ import annotations

import re

from cleanplate.errors import UsageError


def check_pages(text: str) -> None:
    """Check that a text names pages, as `1-3,7-` does.

    Raises:
        UsageError: it does not.
    """
    pages_of(text, 0)


def pages_of(text: str | None, count: int) -> list[int]:
    """Return the numbers of pages, from 1, that a text names in a document of `count`.

    Ranges are divided by commas; one without an end reaches to the last page. None names all.

    >>> pages_of("1-3,7-", 9)
    [1, 2, 3, 7, 8, 9]

    Raises:
        UsageError: the text names no pages.
    """
    if text is None:
        return list(range(1, count + 1))
    chosen: set[int] = set()
    for part in text.split(","):
        found = re.fullmatch(r"\s*([1-9]\d*)?\s*(-)?\s*([1-9]\d*)?\s*", part)
        if found is None or not (found[1] or found[3]):
            raise UsageError(f"pages must be named like 1-3,7-, not {text!r}.")
        first = int(found[1] or 1)
        last = int(found[3] or count) if found[2] else first
        if found[3] and last < first:
            raise UsageError(f"pages must be named like 1-3,7-, not {text!r}.")
        chosen.update(range(first, min(last, count) + 1))
    return sorted(chosen)
