"""PDF documents (extra `pdf`): their images as pictures, written back with all else as it was."""

from cleanplate.document.cleaning import CleanedPage, Cleaning, PageMask
from cleanplate.document.document import Document, page_file
from cleanplate.document.finished import Finished, FinishedIn
from cleanplate.document.ranges import check_pages

__all__ = [
    "CleanedPage",
    "Cleaning",
    "Document",
    "Finished",
    "FinishedIn",
    "PageMask",
    "check_pages",
    "page_file",
]
