from __future__ import annotations

import io
import itertools
import os
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

import cleanplate
from cleanplate import restoring, tasks
from cleanplate.errors import PictureError, UsageError
from cleanplate.picture import Box, Picture
from cleanplate.tasks.base import Cleaned, write_found
from cleanplate.tasks.inpainting_mask import strips
from cleanplate.tasks.masks import Masks, shrunk

BOX = Box(3, 4, 9, 14)


class Whiten:
    """A task that finds a box and fills it with white."""

    made: ClassVar[int] = 0

    def __init__(self, *, level: float, device: str, threads: int) -> None:
        Whiten.made += 1
        self.level = level

    def clean(self, picture: Picture, *, mask: np.ndarray | None = None) -> Cleaned:
        mask = np.zeros((picture.height, picture.width), np.uint8)
        mask[BOX.top : BOX.bottom, BOX.left : BOX.right] = 255
        size = (BOX.bottom - BOX.top, BOX.right - BOX.left)
        fill = np.full((*size, 3), self.level, np.float32)
        restoring.composite(picture, BOX, fill, np.ones(size, np.float32))
        return Cleaned(picture, mask, {"filled": float((mask > 0).mean())})


@pytest.fixture(autouse=True)
def whiten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(tasks, "_TABLE", dict(tasks._TABLE))
    monkeypatch.setattr(Whiten, "made", 0)
    level = tasks.Option("level", 1.0, between=(0, 1), help="How white.")
    tasks.register(tasks.TaskInfo("whiten", "Whiten a box.", Whiten, options=(level,)))
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


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_any_buffer_is_taken_for_bytes(
    pixels: np.ndarray, expected: np.ndarray, kind: type
) -> None:
    result = cleanplate.clean(kind(png(pixels)), "whiten")
    assert isinstance(result.picture, bytes)
    with Image.open(io.BytesIO(result.picture)) as image:
        np.testing.assert_array_equal(np.asarray(image), expected)


@pytest.mark.parametrize("given", [None, 3, [[0, 1]], io.BytesIO(b"")])
def test_what_is_no_picture_is_told_by_its_type(given: object) -> None:
    with pytest.raises(PictureError, match=f"A picture or mask is .*, not {type(given).__name__}"):
        cleanplate.clean(given, "whiten")  # type: ignore[arg-type]


@pytest.mark.parametrize("region", [5, "0,0,10,10", (0, 0, 10), (0.5, 0, 10, 10)])
def test_a_region_of_another_kind_is_refused(pixels: np.ndarray, region: Any) -> None:
    shown = "0,0,10" if region == (0, 0, 10) else repr(region)
    with pytest.raises(UsageError, match=re.escape(f"such as 0,0,640,480, not {shown}.")):
        cleanplate.clean(pixels, "whiten", region=region)


def test_a_model_of_another_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="restorer must be the name or the path of a model, not 5"):
        cleanplate.Cleaner("denoise", restorer=5)


def test_a_name_without_a_suffix_names_no_format(tmp_path: Path, pixels: np.ndarray) -> None:
    result = cleanplate.clean(pixels, "whiten")
    with pytest.raises(UsageError, match=r"out: the name must end in .*\.avif, \.bmp, "):
        result.save(tmp_path / "out")


def test_what_pillow_does_not_hold_comes_as_an_array(tmp_path: Path, pixels: np.ndarray) -> None:
    deep = pixels.astype(np.uint16) * 257
    cleanplate.clean(deep, "whiten").save(tmp_path / "deep.png")
    result = cleanplate.clean(tmp_path / "deep.png", "whiten")
    with pytest.raises(PictureError, match="take the array"):
        result.picture  # noqa: B018
    assert result.to_array().dtype == np.uint16
    assert (result.to_array()[BOX.top, BOX.left] == 65535).all()
    assert (result.to_array()[0] == deep[0]).all()
    np.testing.assert_array_equal(cleanplate.clean(pixels, "whiten").to_array()[0], pixels[0])


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
    assert cleanplate.__version__ == version("cleanplate")
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
    tasks, heavy = done.stdout.splitlines()
    assert "'watermark'" in tasks and heavy == "[]"


def grey(level: int, height: int = 40, width: int = 30) -> np.ndarray:
    return np.full((height, width), level, np.uint8)


def test_a_mask_has_the_very_stem_of_its_picture(tmp_path: Path) -> None:
    """Of several that begin alike, and in a tree, where stems repeat."""
    for level, name in enumerate(
        ["scan.png", "scan.old.png", "scan.jpg.png", "a/scan.bmp", "b/scan.tif.png"], 10
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(grey(level)).save(tmp_path / name, "PNG")
    (tmp_path / "lost.png").mkdir()
    masks = Masks(tmp_path)

    def level_of(name: str) -> int:
        return round(masks.of(Picture.from_array(grey(0), name=name)).max() * 255)

    wanted = {
        "scan.png": 10,
        "scan.old.png": 11,
        "scan.jpg": 12,
        "a/scan.png": 13,
        "b/scan.tif": 14,
        "b/scan.png": 10,
        "c/scan.bmp": 10,
        "/elsewhere/a/scan.png": 10,
        "../scan.png": 10,
    }
    assert {name: level_of(name) for name in wanted} == wanted
    for name in ("old.png", "lost.jpg"):
        with pytest.raises(PictureError, match="there is no mask"):
            level_of(name)


def test_a_picture_is_never_its_own_mask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos").mkdir()
    Image.fromarray(grey(200)).save(tmp_path / "photos" / "a.png")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PictureError, match="there is no mask"):
        Masks(".").of(Picture.read("photos/a.png"))


@pytest.mark.parametrize("deep", [False, True])
def test_a_mask_is_the_mean_of_its_colours(deep: bool) -> None:
    """Half of the range is just not filled in, the next value is; a copy averages over areas."""
    top = 65535 if deep else 255
    array = np.zeros((2, 2, 3), np.uint16 if deep else np.uint8)
    array[0] = [[top // 2] * 3, [top // 2 + 1] * 3]
    array[1, 0] = (0, 0, top)
    array[1, 1] = (top, top, top)
    masks, picture = Masks(array), Picture.from_array(grey(0, 2, 2))
    found = masks.of(picture)
    assert found == pytest.approx(np.array([[0.5, 0.5], [1 / 3, 1]]), abs=0.005)
    assert (found > 0.5).tolist() == [[False, True], [False, True]]
    assert shrunk(found, (1, 1)) == pytest.approx(0.583, abs=0.005)


def test_a_mask_takes_little_memory() -> None:
    """A byte a pixel is kept; a copy costs one more."""
    array = np.zeros((1000, 1000, 3), np.uint8)
    picture = Picture.from_array(grey(0, 1000, 1000))
    tracemalloc.start()
    masks = Masks(array)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    mask = masks.of(picture)
    _, whole = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    shrunk(mask, (100, 100))
    _, copying = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1.2e6
    assert whole - kept < 4.2e6
    assert copying - whole < 1.2e6


@pytest.mark.parametrize("rows", [(100, 528), (16, 272), (272, 300)])
@pytest.mark.parametrize("level", [0.25, 0.75])
def test_a_find_has_one_soft_edge_however_it_is_cut(rows: tuple[int, int], level: float) -> None:
    """Written in boxes, a fill gives what it gives in one; the boxes end where the find does."""
    sure = np.zeros((600, 40), bool)
    sure[slice(*rows), 10:30] = True
    sure[rows[0] : rows[1] : 2, 8:32] = True  # an edge that is no straight line
    fill = np.full((3, 600, 40), level, np.float32)

    def written(cuts: list[int]) -> tuple[np.ndarray, np.ndarray]:
        picture = Picture.from_array(grey(100, 600, 40))
        mask = np.zeros((600, 40), np.uint8)
        for top, bottom in itertools.pairwise([0, *cuts, 600]):
            write_found(
                picture, mask, Box(top, 0, bottom, 40), fill[:, top:bottom], sure[top:bottom]
            )
        return picture.to_array(), mask

    whole, mask = written([])
    assert mask[rows[0] - 1, 15] == mask[rows[1], 15] == 84
    for cuts in ([528], [16, 272, 528], [99, 100, 527, 529], [rows[0], rows[1]]):
        pixels, noted = written(cuts)
        np.testing.assert_array_equal(noted, mask)
        assert abs(pixels.astype(int) - whole).max() <= 2
        assert (pixels[mask == 0] == 100).all()


@pytest.mark.parametrize("rows", [(20, 528), (20, 700)])
def test_a_mask_of_the_users_own_keeps_its_soft_edge_between_strips(rows: tuple[int, int]) -> None:
    where = np.zeros((720, 60), bool)
    where[slice(*rows), 20:40] = True
    result = cleanplate.clean(grey(180, 720, 60), "inpaint", mask=where, device="cpu", threads=1)
    edge = np.argwhere((result.mask > 0) & (result.mask < 255))
    assert set(result.mask[rows[0] - 1, 20:40]) == set(result.mask[rows[1], 20:40]) == {84}
    assert len(edge) == 2 * (rows[1] - rows[0]) + 2 * 20 + 4


def test_strips_are_even() -> None:
    for height in (1, 512, 513, 1024, 1030, 5000):
        cuts = list(strips(Box(7, 3, 7 + height, 9)))
        sizes = [box.bottom - box.top for box in cuts]
        assert (cuts[0].top, cuts[-1].bottom, sum(sizes)) == (7, 7 + height, height)
        assert max(sizes) <= 512
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("kind", [np.asarray, Image.fromarray])
def test_a_mask_of_another_size_is_refused(kind: Callable[..., Any]) -> None:
    mask = kind(np.zeros((20, 30), np.uint8))
    clean = cleanplate.Cleaner("inpaint", device="cpu", threads=1)
    with pytest.raises(PictureError, match="its mask has 30x20 pixels, the picture 50x40"):
        clean(np.zeros((40, 50), np.uint8), mask=mask)


def test_a_mask_may_be_an_image_or_a_files_bytes() -> None:
    picture = np.full((40, 50, 3), 200, np.uint8)
    picture[10:20, 10:20] = 0
    where = np.zeros((40, 50), np.uint8)
    where[8:22, 8:22] = 255
    image = Image.fromarray(where)
    content = io.BytesIO()
    image.save(content, "PNG")
    clean = cleanplate.Cleaner("inpaint", device="cpu", threads=1)
    expected = clean(picture, mask=where).to_array()
    for mask in (image, content.getvalue()):
        assert np.array_equal(clean(picture, mask=mask).to_array(), expected)


def test_nothing_is_left_in_a_users_folders(tmp_path: Path) -> None:
    """ONNX Runtime would note there what it was used for, and report it."""
    code = (
        "import cleanplate, numpy\n"
        "picture = numpy.full((40, 40, 3), 200, numpy.uint8)\n"
        "cleanplate.clean(picture, 'inpaint', mask=numpy.eye(40), device='cpu')\n"
    )
    own = {name: str(tmp_path) for name in ("HOME", "USERPROFILE", "TMPDIR", "XDG_CACHE_HOME")}
    env = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"} | own
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
