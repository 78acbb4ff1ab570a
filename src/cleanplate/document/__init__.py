"""Documents: files of pages, each cleaned by itself, written back with all else as it was.

A kind of document is a `Document` with a `Cleaning`: `pdf/` (extra `pdf`) and `tiff/`.
"""

from cleanplate.document.base import CleanedPage, Cleaning, Document, PageMask, Ways
from cleanplate.document.finished import Finished, FinishedIn
from cleanplate.document.kinds import Kind, kind_of
from cleanplate.document.ranges import check_pages

__all__ = [
    "CleanedPage",
    "Cleaning",
    "Document",
    "Finished",
    "FinishedIn",
    "Kind",
    "PageMask",
    "Ways",
    "check_pages",
    "kind_of",
]
