"""Why an image of a document is left as it was."""

from __future__ import annotations


class LeftAlone(Exception):  # noqa: N818 - it is no error: the user is told, and all goes on
    """An image cannot be written back faithfully; its text goes into a remark."""
