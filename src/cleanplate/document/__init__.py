"""Documents: files of pages, each cleaned by itself, written back with all else as it was.

A kind of document is a `Document` with a `Cleaning`: `pdf/` (extra `pdf`) and `tiff/`.
"""

from cleanplate.document.base import MASK_MISSING, CleanedPage, Cleaning, Document, PageAhead, Ways
from cleanplate.document.finished import Finished, FinishedIn
from cleanplate.document.kinds import Kind, kind_of
from cleanplate.document.limits import PageLimits, PageMask
from cleanplate.document.ranges import check_pages

__all__ = [
    "MASK_MISSING",
    "CleanedPage",
    "Cleaning",
    "Document",
    "Finished",
    "FinishedIn",
    "Kind",
    "PageAhead",
    "PageLimits",
    "PageMask",
    "Ways",
    "check_pages",
    "kind_of",
]
