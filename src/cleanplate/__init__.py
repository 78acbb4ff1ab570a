"""Cleanplate takes off a picture what does not belong on it, and touches nothing else.

A picture is the path of a file, the bytes of one, a Pillow image or an array:

>>> import cleanplate, numpy
>>> array = numpy.full((60, 80, 3), 200, numpy.uint8)
>>> cleaner = cleanplate.Cleaner("watermark", device="cpu")  # keeps its models for many pictures
>>> result = cleaner(array)
>>> result.picture.shape, bool(result.mask.any()), result.report["filled"]  # there was no mark
((60, 80, 3), False, 0.0)

`result.save("clean.jpg")` writes a file.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from cleanplate.errors import CleanplateError

# ONNX Runtime would report to its maker, and keep a database of that in the user's cache.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from cleanplate.document import Document
    from cleanplate.library import Cleaner, DocumentResult, Mark, Result, clean, learn_mark
    from cleanplate.picture import Picture

    __version__: str

__all__ = [
    "Cleaner",
    "CleanplateError",
    "Document",
    "DocumentResult",
    "Mark",
    "Picture",
    "Result",
    "__version__",
    "clean",
    "learn_mark",
]

_MODULES = {
    "Cleaner": "cleanplate.library",
    "Document": "cleanplate.document",
    "DocumentResult": "cleanplate.library",
    "Mark": "cleanplate.library",
    "Picture": "cleanplate.picture",
    "Result": "cleanplate.library",
    "clean": "cleanplate.library",
    "learn_mark": "cleanplate.library",
}


def __getattr__(name: str) -> Any:
    # At first use (PEP 562): these bring OpenCV and Pillow, and the command line starts without.
    if name == "__version__":
        from importlib.metadata import version

        return version("cleanplate")
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
