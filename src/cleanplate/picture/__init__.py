"""A picture and all that came with its file; reading and writing it without loss."""

from cleanplate.picture.core import Picture, encode_mask, encode_png, losses_of
from cleanplate.picture.formats import (
    ARRAY_SUFFIX,
    BY_SUFFIX,
    RAW_REFUSED,
    RAW_SUFFIXES,
    SUFFIXES,
    UNSUPPORTED,
    refusal,
    suffix_of,
)
from cleanplate.picture.marks import MarkFile, encode_mark_file, read_mark
from cleanplate.picture.mosaic import PATTERNS, Mosaic
from cleanplate.picture.raster import MAX_PIXELS, Box, limit_pixels
from cleanplate.picture.raw import RawPicture, read_any

__all__ = [
    "ARRAY_SUFFIX",
    "BY_SUFFIX",
    "MAX_PIXELS",
    "PATTERNS",
    "RAW_REFUSED",
    "RAW_SUFFIXES",
    "SUFFIXES",
    "UNSUPPORTED",
    "Box",
    "MarkFile",
    "Mosaic",
    "Picture",
    "RawPicture",
    "encode_mark_file",
    "encode_mask",
    "encode_png",
    "limit_pixels",
    "losses_of",
    "read_any",
    "read_mark",
    "refusal",
    "suffix_of",
]
