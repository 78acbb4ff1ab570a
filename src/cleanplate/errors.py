"""What is said when a thing cannot be done: one sentence that names the file and the remedy."""

from __future__ import annotations


class CleanplateError(Exception):
    """Any failure that a user can act upon; its text is shown as it stands, without a traceback."""


class PictureError(CleanplateError):
    """A picture cannot be read or written without losing something."""


class UnsupportedError(PictureError):
    """A file is a picture of a kind that is not taken, such as an animation; it may be sound."""


class TooLargeError(PictureError):
    """A picture has more pixels than are worked on; its header says so."""


class ModelError(CleanplateError):
    """A model's weights, card or device cannot be used."""


class UsageError(CleanplateError):
    """The arguments contradict each other or name nothing; the command line exits with 2."""
