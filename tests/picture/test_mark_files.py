"""A mark as a file: 16 bits with alpha, and a chunk of certainty."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from cleanplate.errors import PictureError
from cleanplate.picture import MarkFile, Picture, encode_mark_file, encode_png, read_mark


def some() -> MarkFile:
    rng = np.random.default_rng(2)
    colour, alpha, certainty = (
        rng.random(shape, np.float32) for shape in ((7, 9, 3), (7, 9), (7, 9))
    )
    return MarkFile(colour, alpha, certainty)


def test_a_mark_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path, mark = tmp_path / "mark.png", some()
    path.write_bytes(encode_mark_file(mark))
    read = read_mark(path)
    for part, other, step in zip(read, mark, (65535, 65535, 255), strict=True):
        assert np.abs(part - other).max() < 1 / step
    picture = Picture.read(path)  # and is a picture like any other
    assert picture.pixels.dtype == np.uint16 and picture.alpha is not None


def test_a_logo_is_certain_and_needs_alpha(tmp_path: Path) -> None:
    logo = tmp_path / "logo.png"
    logo.write_bytes(encode_png(np.full((4, 5, 4), 99, np.uint8)))
    assert (read_mark(logo).certainty == 1).all()
    logo.write_bytes(encode_png(np.full((4, 5, 3), 99, np.uint8)))
    with pytest.raises(PictureError, match=r"logo\.png: a mark needs transparency"):
        read_mark(logo)
    logo.write_bytes(encode_png(np.zeros((4, 5, 4), np.uint8)))
    with pytest.raises(PictureError, match="nothing of this mark can be seen"):
        read_mark(logo)


def test_certainty_of_another_size_is_damage(tmp_path: Path) -> None:
    content = encode_mark_file(some())
    at = content.index(b"cpCf") - 4
    length = int.from_bytes(content[at : at + 4], "big")
    body = b"cpCf" + zlib.compress(b"short")
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    path = tmp_path / "mark.png"
    path.write_bytes(content[:at] + chunk + content[at + length + 12 :])
    with pytest.raises(PictureError, match="cpCf is not of its size"):
        read_mark(path)
