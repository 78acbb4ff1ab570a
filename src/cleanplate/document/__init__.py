"""PDF documents (extra `pdf`): their images as pictures, written back with all else as it was."""

from importlib.util import find_spec

from cleanplate.errors import UnsupportedError

if not (find_spec("pikepdf") and find_spec("pypdfium2")):
    raise UnsupportedError("PDF needs two more packages: pip install 'cleanplate[pdf]'.")

from cleanplate.document.cleaning import CleanedPage, Cleaning, PageMask, marks_of
from cleanplate.document.document import Document
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
    "marks_of",
]
