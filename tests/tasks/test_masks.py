"""Masks as people have them: on a clear layer, of 0 and 1, of any depth, lying or upright."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from picture_makers import exif, saved
from PIL import Image

import cleanplate
from cleanplate.errors import PictureError
from cleanplate.picture import Picture
from cleanplate.tasks.masks import Masks, mask_of, remarks_of

WHERE = np.zeros((20, 30), bool)
WHERE[5:9, 10:20] = True


def painted(colour: int) -> np.ndarray:
    """A stroke of one grey on a clear layer."""
    alpha = np.where(WHERE, 255, 0).astype(np.uint8)
    return np.dstack([np.full((20, 30, 3), colour, np.uint8), alpha])


@pytest.mark.parametrize(
    "mask",
    [
        WHERE,
        WHERE.astype(np.uint8),
        WHERE.astype(np.uint8) * 255,
        WHERE.astype(np.uint16),
        WHERE.astype(np.uint16) * 65535,
        WHERE.astype(np.int64),
        WHERE.astype(np.int32) * 255,
        painted(0),
        painted(255),
        np.dstack([WHERE.astype(np.uint8) * 255] * 3 + [np.full((20, 30), 255, np.uint8)]),
    ],
    ids=[
        "bool",
        "0-1",
        "8 bits",
        "0-1 of 16",
        "16 bits",
        "labels",
        "wide",
        "black paint",
        "white paint",
        "opaque",
    ],
)
def test_a_mask_names_what_was_painted(mask: np.ndarray, tmp_path: Path) -> None:
    picture = Picture.from_array(np.zeros((20, 30, 3), np.uint8))
    assert np.array_equal(Masks(mask).of(picture) > 0.5, WHERE)
    if mask.dtype == np.uint8:
        Image.fromarray(mask).save(tmp_path / "mask.png")
        assert np.array_equal(Masks(tmp_path / "mask.png").of(picture) > 0.5, WHERE)


def made(kind: str, folder: Path) -> Any:
    """The mask of 20 x 30 pixels in any of the forms that are taken."""
    grey = WHERE.astype(np.uint8) * 255
    image = Image.fromarray(grey)
    file = io.BytesIO()
    image.save(file, "PNG")
    (folder / "mask.png").write_bytes(file.getvalue())
    kinds = {
        "path": folder / "mask.png",
        "name": str(folder / "mask.png"),
        "bytes": file.getvalue(),
        "view": memoryview(file.getvalue()),
        "bool": WHERE,
        "uint8": grey,
        "float": WHERE.astype(np.float32),
        "image": image,
        "bits": image.convert("1"),
        "clear layer": Image.fromarray(painted(0)),
    }
    return kinds[kind]


@pytest.mark.parametrize(
    "kind",
    ["path", "name", "bytes", "view", "bool", "uint8", "float", "image", "bits", "clear layer"],
)
def test_a_mask_of_any_kind_fills_what_it_names(kind: str, tmp_path: Path) -> None:
    picture = np.full((20, 30, 3), 180, np.uint8)
    filled = cleanplate.clean(picture, "inpaint", mask=made(kind, tmp_path), device="cpu")
    assert np.array_equal(filled.mask > 127, WHERE)
    assert filled.remarks == []


@pytest.mark.parametrize(
    ("share", "codes"), [(0, ["mask-empty"]), (0.9, []), (0.96, ["mask-nearly-all"])]
)
def test_a_mask_that_names_nothing_or_nearly_all_is_told(share: float, codes: list[str]) -> None:
    mask = np.zeros((100, 50), np.float32)
    mask[: round(share * 100)] = 1
    assert [remark.code for remark in remarks_of(mask)] == codes
    assert all(remark.grave for remark in remarks_of(mask))
    result = cleanplate.clean(np.zeros((100, 50), np.uint8), "inpaint", mask=mask, device="cpu")
    assert [remark.code for remark in result.remarks] == codes


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_mask_lies_as_a_viewer_shows_the_picture(orientation: int) -> None:
    """One that has the size in which the picture is stored is turned with it."""
    source = saved(np.zeros((20, 30, 3), np.uint8), "PNG", exif=exif(orientation))
    picture = Picture.read(source)
    upright = picture.upright(WHERE)
    assert np.array_equal(Masks(upright).of(picture) > 0.5, upright)
    if orientation > 4:
        assert np.array_equal(Masks(WHERE).of(picture) > 0.5, upright)


def test_wide_integers_beyond_a_byte_are_refused() -> None:
    with pytest.raises(PictureError, match="the mask: its dtype is int32"):
        Masks(np.full((20, 30), 256, np.int32))


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_mask_of_another_size_is_refused_with_both_sizes(orientation: int) -> None:
    source = saved(np.zeros((20, 30, 3), np.uint8), "PNG", exif=exif(orientation))
    picture = Picture.read(source, name="scan.png")
    upright = "30x20" if orientation == 1 else "20x30"
    with pytest.raises(PictureError, match=rf"scan\.png: its mask has 8x9 .*picture {upright};"):
        Masks(np.zeros((9, 8), np.uint8)).of(picture)


def test_the_mask_in_a_folder_is_found_by_name_without_looking_through_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a.jpg, a.jpg.* goes before a.*; only what nothing usual is found for is looked for."""
    for name in ("a.png", "a.jpg.TIF", "b.png", "c.Png"):
        (tmp_path / name).touch()
    looked = []
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda *given: looked.append(given) or glob(*given))
    found = {name: mask_of(tmp_path, f"{name}.jpg") for name in "abcd"}
    assert [path and path.name for path in found.values()] == ["a.jpg.TIF", "b.png", "c.Png", None]
    assert {pattern for _, pattern in looked} == {"c.*", "d.*"}
