"""PDF documents (extra `pdf`): their images as pictures, written back with all else as it was."""

from importlib.util import find_spec

from cleanplate.errors import UnsupportedError

if not (find_spec("pikepdf") and find_spec("pypdfium2")):
    raise UnsupportedError("PDF needs two more packages: pip install 'cleanplate[pdf]'.")

from cleanplate.document.pdf.cleaning import PdfCleaning, marks_of
from cleanplate.document.pdf.document import PdfDocument

__all__ = ["PdfCleaning", "PdfDocument", "marks_of"]
