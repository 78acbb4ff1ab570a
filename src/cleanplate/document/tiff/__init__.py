"""TIFF and BigTIFF of several pages: each cleaned by itself, the file patched in place."""
