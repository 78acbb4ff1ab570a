"""Images of every kind: what the task has not reached keeps its samples, and so its kind."""

from __future__ import annotations

import io
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pikepdf
import pytest
from pdf_makers import (
    BLOT,
    GREEN,
    RED,
    SIZE,
    add_page,
    blotted,
    cleaned,
    image,
    image_of,
    jpeg,
    problems,
    samples,
    saved,
)
from pikepdf import Array, Dictionary, Name, Pdf, Stream
from PIL import Image

from cleanplate.document.leaving import LeftAlone
from cleanplate.document.pdf.images import embedded
from cleanplate.picture import Picture
from cleanplate.picture.embedded import encode_fax
from cleanplate.tasks.base import Cleaned

Mask = np.ndarray | None


class Grey:
    """A task that paints grey over what is in the middle, whatever it is."""

    def __init__(self, value: float = 0.5) -> None:
        self.value = value

    def clean(self, picture: Picture, *, mask: Mask = None) -> Cleaned:
        where = np.zeros((picture.height, picture.width), bool)
        where[16:32, 16:32] = True
        picture.pixels[where] = round(self.value * picture.max_value)
        return Cleaned(picture, np.where(where, 255, 0).astype(np.uint8), {})


def one_image(pdf: Pdf, stream: Stream, **entries: Any) -> bytes:
    add_page(pdf, [stream], **entries)
    return saved(pdf)


def test_flate_samples_that_were_not_reached_are_the_same() -> None:
    pdf = Pdf.new()
    content = one_image(pdf, image(pdf, blotted().tobytes()))
    result, (page,) = cleaned(content)
    after = samples(image_of(result))
    assert (after[BLOT] == 128).all()
    np.testing.assert_array_equal(after[~BLOT], blotted()[~BLOT])
    np.testing.assert_array_equal(page.mask > 127, BLOT)
    assert (page.unchanged, page.report["edited"], page.filled) == (False, 1, round(1 / 12, 6))
    assert problems(result) == []


def test_a_document_in_which_nothing_is_found_is_not_written() -> None:
    pdf = Pdf.new()
    content = one_image(pdf, image(pdf, blotted(blot=False).tobytes()))
    result, (page,) = cleaned(content)
    assert result is content
    assert page.unchanged and not page.mask.any()


def test_jpeg_blocks_that_were_not_reached_keep_their_coefficients() -> None:
    import jpeglib

    pdf = Pdf.new()
    before = jpeg(blotted((64, 96)), subsampling=2)
    stream = image(pdf, before, (64, 96), filter="/DCTDecode")
    result, _ = cleaned(one_image(pdf, stream))
    after = image_of(result).read_raw_bytes()
    old, new = _dct(jpeglib, before), _dct(jpeglib, after)
    changed = (old.Y != new.Y).any((2, 3))
    assert changed.any()
    assert not changed[:2].any() and not changed[4:].any()
    assert not changed[:, :2].any() and not changed[:, 4:].any()
    seen = np.asarray(Image.open(io.BytesIO(after)))
    assert np.abs(seen[18:30, 18:30].astype(int) - 128).max() < 12


def _dct(jpeglib: Any, data: bytes) -> Any:
    import tempfile

    with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
        file.write(data)
        file.flush()
        return jpeglib.read_dct(file.name)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("decode", [None, [1, 0], [0.2, 0.9]])
def test_grey_of_any_depth_and_decode(bits: int, decode: list[float] | None) -> None:
    from cleanplate.document.samples import packed, unpacked

    codes = np.random.default_rng(bits).integers(0, 1 << bits, (48, 61, 1))
    codes = codes.astype(np.uint16 if bits == 16 else np.uint8)
    pdf = Pdf.new()
    entries = {} if decode is None else {"Decode": Array(decode)}
    stream = image(pdf, packed(codes, bits), (48, 61), space=Name.DeviceGray, bits=bits, **entries)
    result, _ = cleaned(one_image(pdf, stream), Grey(0.5))
    after = image_of(result)
    blot = BLOT[:, :61]
    if bits == 1:
        shown = embedded(after, 1, "it").picture.pixels[..., 0]
        plain = codes[..., 0] if decode is None else 1 - codes[..., 0]
        if decode == [0.2, 0.9]:
            return  # what it means is tested on the other depths
        np.testing.assert_array_equal(shown[~blot] > 127, plain[~blot] > 0)
        assert set(np.unique(shown)) <= {0, 255}
        return
    new = unpacked(after.read_bytes(), (48, 61), 1, bits)
    np.testing.assert_array_equal(new[~blot], codes[~blot])
    low, high = decode or (0, 1)
    meant = low + new[blot] / ((1 << bits) - 1) * (high - low)
    assert np.abs(meant - 0.5).max() <= 0.5 / ((1 << bits) - 1) + 0.5 / 255
    assert int(after.BitsPerComponent) == bits


def test_a_palette_stays_one() -> None:
    palette = bytes([*GREEN, *RED, 128, 128, 128, 255, 255, 255])
    codes = BLOT.astype(np.uint8)
    pdf = Pdf.new()
    space = Array([Name.Indexed, Name.DeviceRGB, 3, pikepdf.String(palette)])
    stream = image(pdf, codes.tobytes(), space=space)
    result, (page,) = cleaned(one_image(pdf, stream))
    np.testing.assert_array_equal(samples(image_of(result), 1)[..., 0], codes * 2)
    assert page.remarks == []
    shorter = Array([Name.Indexed, Name.DeviceRGB, 1, pikepdf.String(palette[:6])])
    stream = image(pdf, codes.tobytes(), space=shorter)
    result, pages = cleaned(one_image(pdf, stream))
    assert [one.code for one in pages[-1].remarks] == ["palette-too-small"]


def test_cmyk_stays_cmyk_and_dark_is_made_of_black_as_it_was() -> None:
    codes = np.zeros((*SIZE, 4), np.uint8)
    codes[..., 3] = 100  # grey of black ink alone
    codes[BLOT] = (0, 255, 255, 0)
    pdf = Pdf.new()
    stream = image(pdf, codes.tobytes(), space=Name.DeviceCMYK)
    result, _ = cleaned(one_image(pdf, stream))
    after = samples(image_of(result), 4)
    np.testing.assert_array_equal(after[~BLOT], codes[~BLOT])
    assert (after[BLOT] == (0, 0, 0, 127)).all()


def inks(*names: str) -> Array:
    """A colour space of spot inks: a separation of one, DeviceN of more."""
    mixed = Dictionary(FunctionType=2, Domain=[0, 1], C0=[0, 0, 0, 0], C1=[0, 1, 1, 0], N=1)
    if len(names) == 1:
        return Array([Name.Separation, Name(names[0]), Name.DeviceCMYK, mixed])
    return Array([Name.DeviceN, Array([Name(one) for one in names]), Name.DeviceCMYK, mixed])


def adobe(data: bytes, transform: int | None) -> bytes:
    """A JPEG whose Adobe segment says another transform of its colours, or that has none."""
    at = data.index(b"\xff\xee\0\x0eAdobe")
    segment = b"" if transform is None else data[at : at + 15] + bytes([transform])
    return data[:at] + segment + data[at + 16 :]


@pytest.mark.parametrize("transform", [0, 2, None])
@pytest.mark.parametrize("decode", [None, [1, 0] * 4])
@pytest.mark.parametrize("space", [Name.DeviceCMYK, inks("/A", "/B", "/C", "/D")])
def test_jpegs_of_four_inks_are_left_and_named(
    transform: int | None, decode: list[int] | None, space: Any
) -> None:
    out = io.BytesIO()
    Image.fromarray(blotted()).convert("CMYK").save(out, "JPEG")
    pdf = Pdf.new()
    entries = {} if decode is None else {"Decode": Array(decode)}
    data = adobe(out.getvalue(), transform)
    stream = image(pdf, data, space=space, filter="/DCTDecode", **entries)
    content = one_image(pdf, stream)
    result, (page,) = cleaned(content, Grey())
    assert result is content
    assert [one.code for one in page.remarks] == ["image-left-out"]
    assert "a CMYK JPEG" in page.remarks[0].text


@pytest.mark.parametrize("decode", [None, [1, 0]])
@pytest.mark.parametrize("filter", ["/FlateDecode", "/DCTDecode"])
def test_a_separation_of_black_stays_one(filter: str, decode: list[int] | None) -> None:
    ink = np.full(SIZE, 40, np.uint8)  # dark where there is much, or by /Decode, little
    data = ink.tobytes() if filter == "/FlateDecode" else jpeg(ink)
    entries = {} if decode is None else {"Decode": Array(decode)}
    pdf = Pdf.new()
    stream = image(pdf, data, space=inks("/Black"), filter=filter, **entries)
    result, _ = cleaned(one_image(pdf, stream), Grey(0.25))
    after = image_of(result)
    assert (str(after.Filter), str(after.ColorSpace[1])) == (filter, "/Black")
    raw = after.read_bytes() if filter == "/FlateDecode" else after.read_raw_bytes()
    coded = filter == "/DCTDecode"
    new = np.asarray(Image.open(io.BytesIO(raw))) if coded else np.frombuffer(raw, np.uint8)
    new = new.reshape(SIZE)
    assert (new[~BLOT] == 40).all()
    assert np.abs(new[BLOT].astype(int) - (191 if decode is None else 64)).max() <= 1


@pytest.mark.parametrize("one_is_black", [True, False])
def test_fax_stays_fax(one_is_black: bool) -> None:
    black = np.zeros(SIZE, bool)
    black[10:40:3, 5:50] = True
    parms = Dictionary(K=-1, Columns=SIZE[1], Rows=SIZE[0], BlackIs1=one_is_black)
    pdf = Pdf.new()
    stream = image(
        pdf,
        encode_fax(black),
        space=Name.DeviceGray,
        bits=1,
        filter="/CCITTFaxDecode",
        DecodeParms=parms,
    )
    result, _ = cleaned(one_image(pdf, stream), Grey(1))
    after = image_of(result)
    assert str(after.Filter) == "/CCITTFaxDecode"
    white = embedded(after, 1, "it").picture.pixels[..., 0] > 127
    expected = black if one_is_black else ~black
    np.testing.assert_array_equal(white[~BLOT], expected[~BLOT])
    assert white[BLOT].all()


def test_jpeg_2000_is_coded_otherwise_and_says_so() -> None:
    for lossless, filter in ((True, "/FlateDecode"), (False, "/DCTDecode")):
        out = io.BytesIO()
        options = {} if lossless else {"quality_mode": "rates", "quality_layers": [4]}
        Image.fromarray(blotted()).save(out, "JPEG2000", irreversible=not lossless, **options)
        pdf = Pdf.new()
        stream = image(pdf, out.getvalue(), space=None, filter="/JPXDecode")
        result, (page,) = cleaned(one_image(pdf, stream))
        after = image_of(result)
        assert str(after.Filter) == filter
        assert [one.code for one in page.remarks] == ["image-coded-again"]
        if lossless:
            np.testing.assert_array_equal(samples(after)[~BLOT], blotted()[~BLOT])


def test_soft_masks_profiles_and_other_entries_stay() -> None:
    pdf = Pdf.new()
    soft = image(pdf, np.full(SIZE, 200, np.uint8).tobytes(), space=Name.DeviceGray)
    profile = Stream(pdf, b"a profile")
    profile.N = 3
    space = Array([Name.ICCBased, profile])
    small = image(pdf, blotted().tobytes())
    stream = image(
        pdf,
        blotted().tobytes(),
        space=space,
        SMask=soft,
        Intent=Name.Perceptual,
        Alternates=Array([Dictionary(Image=small)]),
    )
    result, _ = cleaned(one_image(pdf, stream))
    after = image_of(result)
    assert after.SMask.read_bytes() == np.full(SIZE, 200, np.uint8).tobytes()
    assert after.ColorSpace[1].read_bytes() == b"a profile"
    assert after.Intent == Name.Perceptual
    assert Name.Alternates not in after


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"Mask": Array([0, 3, 0, 3, 0, 3])}, "stands for transparency"),
        ({"space": Name.Lab}, "colours of the kind Lab"),
        ({"size": (4000, 64)}, "cut short"),
        ({"size": (100_000, 100_000)}, "100000x100000 pixels"),
        ({"bits": 3}, "3 bits a sample"),
        ({"space": inks("/Spot")}, "colours of the kind Separation"),
        ({"space": inks("/A", "/B", "/C")}, "colours of the kind DeviceN"),
        (
            {"space": Array([Name.Indexed, inks("/A", "/B"), 1, pikepdf.String(bytes(4))])},
            "colours of the kind DeviceN",
        ),
    ],
)
def test_what_cannot_be_written_back_is_left_and_named(entries: Any, words: str) -> None:
    pdf = Pdf.new()
    content = one_image(pdf, image(pdf, blotted().tobytes(), **entries))
    result, (page,) = cleaned(content)
    assert result is content
    assert [one.code for one in page.remarks] == ["image-left-out"]
    assert words in page.remarks[0].text


@pytest.mark.parametrize("predictor", [1, 15])
def test_a_bomb_takes_no_more_memory_than_its_image(predictor: int) -> None:
    packer = zlib.compressobj(1)
    data = b"".join(packer.compress(bytes(1 << 24)) for _ in range(4)) + packer.flush()
    pdf = Pdf.new()
    stream = image(pdf, data, filter=None)
    stream.Filter, stream.DecodeParms = Name.FlateDecode, Dictionary(Predictor=predictor)
    tracemalloc.start()
    try:
        image_ = embedded(stream, 1, "it")
        assert predictor == 1 and not image_.picture.pixels.any()
    except LeftAlone as reason:
        assert predictor == 15 and "unpack to more" in str(reason)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < len(data) + 8_000_000  # of 67 MB unpacked


def test_filters_around_a_jpeg_are_undone() -> None:
    pdf = Pdf.new()
    stream = image(pdf, jpeg(blotted()).hex().encode() + b">", filter=None)
    stream.Filter = Array([Name.ASCIIHexDecode, Name.DCTDecode])
    result, (page,) = cleaned(one_image(pdf, stream))
    assert not page.unchanged
    assert str(image_of(result).Filter) == "/DCTDecode"
