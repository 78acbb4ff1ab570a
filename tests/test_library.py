from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

import cleanplate
from cleanplate import restoring, tasks
from cleanplate.errors import PictureError, UsageError
from cleanplate.picture import Box, Picture
from cleanplate.tasks.base import Cleaned

BOX = Box(3, 4, 9, 14)


class Whiten:
    """A task that finds a box and fills it with white."""

    name: ClassVar[str] = "whiten"
    made: ClassVar[int] = 0

    def __init__(self, *, level: float = 1.0) -> None:
        Whiten.made += 1
        self.level = level

    def clean(self, picture: Picture) -> Cleaned:
        mask = np.zeros((picture.height, picture.width), np.uint8)
        mask[BOX.top : BOX.bottom, BOX.left : BOX.right] = 255
        size = (BOX.bottom - BOX.top, BOX.right - BOX.left)
        fill = np.full((*size, 3), self.level, np.float32)
        restoring.composite(picture, BOX, fill, np.ones(size, np.float32))
        return Cleaned(picture, mask, {"filled": float((mask > 0).mean())})


@pytest.fixture(autouse=True)
def whiten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(tasks, "_TASKS", dict(tasks._TASKS))
    monkeypatch.setattr(Whiten, "made", 0)
    tasks.register("whiten", Whiten)
    yield


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 200, (20, 30, 3), np.uint8)


@pytest.fixture
def expected(pixels: np.ndarray) -> np.ndarray:
    whitened = pixels.copy()
    whitened[BOX.top : BOX.bottom, BOX.left : BOX.right] = 255
    return whitened


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_an_array_gives_an_array(pixels: np.ndarray, expected: np.ndarray) -> None:
    before = pixels.copy()
    result = cleanplate.clean(pixels, "whiten")
    np.testing.assert_array_equal(result.picture, expected)
    np.testing.assert_array_equal(pixels, before)
    assert result.mask.dtype == np.uint8
    assert result.mask.shape == (20, 30)
    assert result.report == {"filled": 60 / 600}


def test_a_grey_float_array_keeps_its_kind() -> None:
    grey = np.full((20, 30), 0.25)
    picture = cleanplate.clean(grey, "whiten").picture
    assert picture.shape == grey.shape
    assert picture.dtype == grey.dtype
    assert picture[BOX.top, BOX.left] == 1
    assert picture[0, 0] == pytest.approx(0.25, abs=1e-4)


def test_a_pillow_image_gives_one(pixels: np.ndarray, expected: np.ndarray) -> None:
    image = Image.fromarray(pixels)
    result = cleanplate.clean(image, "whiten")
    assert isinstance(result.picture, Image.Image)
    np.testing.assert_array_equal(np.asarray(result.picture), expected)
    np.testing.assert_array_equal(np.asarray(image), pixels)


def test_bytes_give_bytes_of_the_same_format(pixels: np.ndarray, expected: np.ndarray) -> None:
    result = cleanplate.clean(png(pixels), "whiten")
    assert isinstance(result.picture, bytes)
    with Image.open(io.BytesIO(result.picture)) as image:
        assert image.format == "PNG"
        np.testing.assert_array_equal(np.asarray(image), expected)


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_gives_a_pillow_image_and_saves(
    tmp_path: Path, pixels: np.ndarray, expected: np.ndarray, kind: type
) -> None:
    source = tmp_path / "in.png"
    source.write_bytes(png(pixels))
    result = cleanplate.clean(kind(source), "whiten")
    np.testing.assert_array_equal(np.asarray(result.picture), expected)
    for name, form in (("out.png", "PNG"), ("out.TIFF", "TIFF")):
        result.save(kind(tmp_path / name))
        with Image.open(tmp_path / name) as image:
            assert image.format == form
            np.testing.assert_array_equal(np.asarray(image), expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.png", "out.TIFF", "out.png"]


def test_saving_says_what_is_wrong(tmp_path: Path, pixels: np.ndarray) -> None:
    result = cleanplate.clean(pixels, "whiten")
    with pytest.raises(UsageError, match=r"out\.xyz"):
        result.save(tmp_path / "out.xyz")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(PictureError, match=r"folder\.png"):
        result.save(tmp_path / "folder.png")


def test_a_cleaner_is_set_up_once_for_many_pictures(pixels: np.ndarray) -> None:
    cleaner = cleanplate.Cleaner("whiten", level=0.0)
    for _ in range(3):
        assert (cleaner(pixels).picture[BOX.top, BOX.left] == 0).all()
    assert Whiten.made == 1


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "in.png"
    path.write_bytes(b"no picture")
    with pytest.raises(cleanplate.CleanplateError, match=r"in\.png"):
        cleanplate.clean(path, "whiten")


def test_unknown_tasks_and_options_are_named() -> None:
    with pytest.raises(UsageError, match=r"'iron'; there are: .*watermark, whiten"):
        cleanplate.Cleaner("iron")
    with pytest.raises(UsageError, match=r"whiten.*'heat'"):
        cleanplate.Cleaner("whiten", heat=3)


def test_names_are_listed_and_others_refused() -> None:
    assert set(cleanplate.__all__) <= set(dir(cleanplate))
    assert cleanplate.Picture is Picture
    assert cleanplate.__version__.count(".") == 2
    with pytest.raises(AttributeError, match="cleen"):
        cleanplate.cleen  # noqa: B018
    with pytest.raises(AttributeError, match="Chore"):
        tasks.Chore  # noqa: B018
    assert tasks.Cleaned is Cleaned


def test_nothing_heavy_is_imported_before_it_is_used() -> None:
    code = """
import sys, cleanplate, cleanplate.tasks
print(cleanplate.tasks.names())
print([name for name in ("cv2", "numpy", "onnxruntime", "PIL", "torch") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['inpaint', 'occlusion', 'watermark']\n[]\n"
