from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_makers import EXIF_CAMERA, ICC, exif, samples, saved, scribbled
from PIL import Image

from cleanplate.errors import PictureError
from cleanplate.picture import Picture, container

XMP = b"<x:xmpmeta/>"


def made(format_: str, channels: int = 3, orientation: int = 1, **options: Any) -> bytes:
    options |= {"exif": exif(orientation), "xmp": XMP}
    array = samples(40, 64, channels)
    if format_ == "AVIF":
        return saved(array, "AVIF", **options)
    heif = pytest.importorskip("pillow_heif")
    out = io.BytesIO()
    heif.from_pillow(Image.fromarray(array)).save(out, **options)
    return out.getvalue()


def stripped(picture: Picture) -> bytes:
    return picture.encode(np.zeros((picture.height, picture.width), bool), strip_metadata=True)


@pytest.mark.parametrize("format_", ["AVIF", "HEIC"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("orientation", [1, 6])
def test_stripping_leaves_the_coded_samples(format_: str, channels: int, orientation: int) -> None:
    picture = Picture.read(made(format_, channels, orientation, icc_profile=ICC))
    bare = stripped(picture)
    again = Picture.read(bare)
    np.testing.assert_array_equal(again.to_array(), picture.to_array())
    for words in (EXIF_CAMERA.encode(), XMP, b"Exif", b"mime"):
        assert words not in bare
    assert ICC in bare
    assert stripped(again) == bare


@pytest.mark.parametrize("format_", ["AVIF", "HEIC"])
@pytest.mark.parametrize(("old", "new"), [(b"pixi", b"udes"), (b"iinf", b"oinf")])
def test_words_that_cannot_be_left_out_alone_are_a_failure(
    format_: str, old: bytes, new: bytes
) -> None:
    source = made(format_)
    changed = source.replace(old, new)
    with pytest.raises((ValueError, KeyError)):
        container.without_words(changed)
    if old == b"pixi":
        picture = Picture.read(changed)
        with pytest.raises(PictureError, match=f"out of this {format_} without coding"):
            stripped(picture)
        assert picture.encode(np.zeros((picture.height, picture.width), bool)) == changed


@pytest.mark.parametrize("format_", ["AVIF", "HEIC"])
def test_an_edited_picture_is_coded_again_without_words(format_: str) -> None:
    picture = Picture.read(made(format_))
    mask = scribbled(picture)
    again = picture.encode(mask, strip_metadata=True)
    assert EXIF_CAMERA.encode() not in again
    assert np.abs(Picture.read(again).pixels.astype(int) - picture.pixels)[mask].mean() < 25


@settings(max_examples=150, deadline=None)
@given(format_=st.sampled_from(["AVIF", "HEIC"]), at=st.integers(0, 600), value=st.integers(0, 255))
def test_one_wrong_byte_raises_nothing_else(format_: str, at: int, value: int) -> None:
    source = bytearray(made(format_))
    source[at % len(source)] = value
    try:
        stripped(Picture.read(bytes(source)))
    except PictureError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("channels", [2, 4])
def test_avif_alpha_is_coded_without_loss(channels: int) -> None:
    array = samples(60, 80, channels)
    picture = Picture.from_array(array)
    again = Picture.read(picture.encode(np.ones((60, 80), bool), format="avif"))
    np.testing.assert_array_equal(again.alpha, array[..., -1])
