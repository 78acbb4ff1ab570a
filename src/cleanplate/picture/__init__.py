"""A picture and all that came with its file; reading and writing it without loss."""

from cleanplate.picture.core import Picture, encode_mask, encode_png
from cleanplate.picture.formats import BY_SUFFIX, SUFFIXES
from cleanplate.picture.planes import MAX_PIXELS, Box

__all__ = [
    "BY_SUFFIX",
    "MAX_PIXELS",
    "SUFFIXES",
    "Box",
    "Picture",
    "encode_mask",
    "encode_png",
]
