"""`--region` and `--protect`: where a picture may be changed, whatever the task."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx_models
import pytest
from picture_makers import exif, samples, saved
from PIL import Image
from typer.testing import CliRunner, Result

import cleanplate
from cleanplate import restoring, tasks
from cleanplate.cli import make_app
from cleanplate.errors import PictureError, UsageError
from cleanplate.picture import Box, Mosaic, Picture, RawPicture, encode_png
from cleanplate.tasks import Cleaned, TaskInfo
from cleanplate.tasks.limits import clean_with, limits_of

Mask = np.ndarray | None
REGION = (10, 5, 30, 20)
INSIDE = np.s_[5:25, 10:40]


class Blacken:
    """Paints all that it is shown, or what a mask names, black, and notes what it was shown."""

    shown: ClassVar[list[tuple[int, ...]]] = []

    def __init__(self, *, device: str, threads: int, **given: Any) -> None:
        pass

    def clean(self, picture: Picture, *, mask: Mask = None) -> Cleaned:
        self.shown.append(picture.pixels.shape)
        where = np.ones((picture.height, picture.width), bool) if mask is None else mask > 0.5
        box = Box(0, 0, picture.height, picture.width)
        black = np.zeros((*where.shape, 3), np.float32)
        restoring.composite(picture, box, black, where.astype(np.float32))
        found = where.astype(np.uint8) * 255
        return Cleaned(picture, found, {"filled": float(where.mean())})


class CutAway:
    """Makes the left half of what it is shown transparent; with `crop`, cuts it off."""

    def __init__(self, *, device: str, threads: int, crop: bool) -> None:
        self.crop = crop

    def clean(self, picture: Picture, *, mask: Mask = None) -> Cleaned:
        kept = np.ones((picture.height, picture.width), np.float32)
        kept[:, : picture.width // 2] = 0
        restoring.cut_out(picture, kept)
        if self.crop:
            picture.crop(Box(0, picture.width // 2, picture.height, picture.width))
            kept = kept[:, kept.shape[1] // 2 :]
        found = (kept * 255).astype(np.uint8)
        return Cleaned(picture, found, {"kept": 0.5}, changed=np.ones(found.shape, bool))


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(tasks, "_TABLE", dict(tasks._TABLE))
    monkeypatch.setattr(Blacken, "shown", [])
    tasks.register(TaskInfo("blacken", "Blacken.", Blacken, mask="optional"))
    crop = tasks.Option("crop", False, kind="flag", help="Cut it down.")
    tasks.register(TaskInfo("cutaway", "Cut away.", CutAway, options=(crop,)))
    yield


@pytest.fixture
def pixels() -> np.ndarray:
    return samples(48, 64) // 2 + 100  # nowhere black


@pytest.fixture
def spared() -> np.ndarray:
    """What is protected: a square that lies across the edge of the region."""
    spared = np.zeros((48, 64), bool)
    spared[10:30, 30:50] = True
    return spared


def run(*arguments: object) -> Result:
    return CliRunner().invoke(make_app(), [*map(str, arguments)])


def test_a_task_is_shown_the_region_alone_and_nothing_else_changes(pixels: np.ndarray) -> None:
    result = cleanplate.clean(pixels, "blacken", region=REGION)
    expected = pixels.copy()
    expected[INSIDE] = 0
    np.testing.assert_array_equal(result.picture, expected)
    assert Blacken.shown == [(20, 30, 3)]
    np.testing.assert_array_equal(result.mask > 0, expected[..., 0] == 0)
    assert result.report["filled"] == round(600 / (48 * 64), 6)


@pytest.mark.parametrize("region", [None, REGION])
def test_what_is_protected_is_never_touched(
    pixels: np.ndarray, spared: np.ndarray, region: tuple[int, int, int, int] | None
) -> None:
    result = cleanplate.clean(pixels, "blacken", region=region, protect=spared)
    changed = np.zeros(spared.shape, bool)
    changed[INSIDE if region else ...] = True
    changed &= ~spared
    np.testing.assert_array_equal(result.picture, pixels * ~changed[..., None])
    np.testing.assert_array_equal(result.mask > 0, changed)
    assert result.report["filled"] == pytest.approx(changed.mean(), abs=1e-6)
    assert result.remarks == []


def test_a_protecting_mask_of_another_size_is_called_so(pixels: np.ndarray) -> None:
    with pytest.raises(PictureError, match="the mask of what is protected has 9x9 pixels"):
        cleanplate.clean(pixels, "blacken", protect=np.zeros((9, 9), bool))


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0", "4:2:2"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_in_a_jpeg_what_is_protected_looks_exactly_as_before(
    spared: np.ndarray, subsampling: str, orientation: int
) -> None:
    """Blocks that reach into it stay as they are, and what decoders smooth across their edge."""
    data = saved(
        samples(90, 131), "JPEG", quality=80, subsampling=subsampling, exif=exif(orientation)
    )
    before = Picture.read(data).pixels
    protect = np.zeros(before.shape[:2], bool)
    protect[33:50, 40:47] = True
    result = cleanplate.clean(data, "blacken", protect=protect)
    after = Picture.read(result.picture).pixels
    np.testing.assert_array_equal(after[protect], before[protect])
    assert (result.mask[protect] == 0).all()
    assert after[:16].max() < 60  # all else is as black as JPEG makes it
    assert (result.mask > 0).mean() > 0.75


def test_transparency_is_kept_within_limits_too(pixels: np.ndarray, spared: np.ndarray) -> None:
    result = cleanplate.clean(pixels, "cutaway", region=REGION, protect=spared)
    away = np.zeros(spared.shape, bool)
    away[5:25, 10:25] = True
    away &= ~spared
    np.testing.assert_array_equal(result.picture[..., 3], np.where(away, 0, 255))
    np.testing.assert_array_equal(result.picture[..., :3], pixels)
    assert result.report["kept"] == pytest.approx(300 / (48 * 64), abs=1e-6)


def test_a_picture_that_is_cut_down_has_no_limits(pixels: np.ndarray) -> None:
    with pytest.raises(UsageError, match="cut down as a whole"):
        cleanplate.clean(pixels, "cutaway", crop=True, region=REGION)


def test_where_nothing_was_changed_the_file_comes_back(spared: np.ndarray) -> None:
    data = saved(samples(48, 64), "PNG")
    result = cleanplate.clean(data, "blacken", protect=np.ones((48, 64), bool))
    assert result.picture == data
    assert [remark.code for remark in result.remarks] == ["mask-protects-all"]
    result = cleanplate.clean(data, "blacken", protect=np.zeros((48, 64), bool))
    assert [remark.code for remark in result.remarks] == ["mask-protects-nothing"]


def test_a_mask_counts_within_limits(pixels: np.ndarray, spared: np.ndarray) -> None:
    mask = np.zeros((48, 64), bool)
    mask[:, 35:] = True
    result = cleanplate.clean(pixels, "blacken", mask=mask, region=REGION, protect=spared)
    changed = np.zeros(mask.shape, bool)
    changed[5:10, 35:40] = True
    np.testing.assert_array_equal(result.picture, pixels * ~changed[..., None])
    result = cleanplate.clean(pixels, "blacken", mask=mask, region=(0, 0, 20, 20))
    np.testing.assert_array_equal(result.picture, pixels)
    assert [remark.code for remark in result.remarks] == ["mask-outside"]


def test_a_region_may_end_outside_of_the_picture_but_not_begin_there(pixels: np.ndarray) -> None:
    cleanplate.clean(pixels, "blacken", region=(60, 40, 100, 100))
    assert Blacken.shown == [(8, 4, 3)]
    with pytest.raises(PictureError, match="64,0, outside of the picture, which has 64x48"):
        cleanplate.clean(pixels, "blacken", region=(64, 0, 5, 5))


@pytest.mark.parametrize("region", [(0, 0, 0, 5), (-1, 0, 5, 5), (0, 0, 5), (0.5, 0, 5, 5)])
def test_what_is_no_region_is_refused(pixels: np.ndarray, region: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="x,y,width,height"):
        cleanplate.clean(pixels, "blacken", region=region)
    picture = tmp_path / "a.png"
    picture.write_bytes(encode_png(pixels))
    said = ",".join(map(str, region))
    result = run("blacken", picture, "-o", tmp_path / "out", f"--region={said}")
    assert (result.exit_code, "x,y,width,height" in result.stderr) == (2, True)


class Flatten:
    """Gives every sample of a mosaic the same value."""

    def clean(self, picture: RawPicture, *, mask: Mask = None) -> Cleaned:
        picture.mosaic.samples[:] = 7
        picture.noise_left = 0.1
        return Cleaned(picture, np.full((picture.height, picture.width), 255, np.uint8), {})


def test_mosaics_have_limits_too(spared: np.ndarray) -> None:
    before = samples(48, 64, 1, np.uint16)
    picture = RawPicture("a.npy", Mosaic(before.copy(), (0.0,) * 4, 65535.0, "RGGB"), format="npy")
    done = clean_with(Flatten(), picture, None, limits_of(REGION, spared))  # type: ignore[arg-type]
    changed = np.zeros(spared.shape, bool)
    changed[INSIDE] = True
    changed &= ~spared
    np.testing.assert_array_equal(picture.mosaic.samples, np.where(changed, 7, before))
    np.testing.assert_array_equal(done.mask > 0, changed)
    assert picture.noise_left == 1


def test_the_command_line_does_what_the_library_does(
    pixels: np.ndarray, spared: np.ndarray, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        path = tmp_path / "photos" / "sub" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(pixels))
        mask = tmp_path / "photos" / "spared" / "sub" / f"{name}.png"
        mask.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(spared).save(mask)
    arguments = ["blacken", tmp_path / "photos", "-o", tmp_path / "out", "--region", "10,5,30,20"]
    arguments += ["--protect", tmp_path / "photos" / "spared"]
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (0, "2 cleaned.\n")
    expected = cleanplate.clean(pixels, "blacken", region=REGION, protect=spared).picture
    for name in ("a", "b"):
        written = np.asarray(Image.open(tmp_path / "out" / "sub" / f"{name}.png"))
        np.testing.assert_array_equal(written, expected)
    [line, _] = (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()
    assert json.loads(line)["settings"]["region"] == [10, 5, 30, 20]
    assert run(*arguments, "--resume").stderr == "2 cleaned before.\n"
    Image.fromarray(spared[::-1].copy()).save(mask)
    assert run(*arguments, "--resume").stderr == "1 cleaned, 1 cleaned before.\n"
    arguments[5] = "10,5,30,21"
    assert run(*arguments, "--resume").stderr == "2 cleaned.\n"
    mask.unlink()
    result = run(*arguments, "--overwrite")
    assert (result.exit_code, "there is no mask b.*" in result.stderr) == (1, True)


def test_standard_input_has_limits(pixels: np.ndarray, spared: np.ndarray, tmp_path: Path) -> None:
    mask = tmp_path / "mask.png"
    Image.fromarray(spared).save(mask)
    arguments = ["blacken", "-", "--region", "10,5,30,20", "--protect", str(mask)]
    result = CliRunner().invoke(make_app(), arguments, input=encode_png(pixels))
    expected = cleanplate.clean(pixels, "blacken", region=REGION, protect=spared).picture
    np.testing.assert_array_equal(Image.open(io.BytesIO(result.stdout_bytes)), expected)


@pytest.mark.parametrize("name", tasks.names())
def test_every_task_keeps_within_limits(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (96, 128, 3), np.uint8)
    picture[30:70, 40:90] = (200, 30, 30)
    spared = np.zeros((96, 128), bool)
    spared[:, 60:80] = True
    options: dict[str, Any] = {"device": "cpu"}
    if name == "handwriting":
        rgb = ("red", "green", "blue")
        graph = onnx_models.identity(3)
        options["eraser"] = onnx_models.write(tmp_path, "eraser", graph, role="eraser", inputs=rgb)
    mask = None
    if tasks.info(name).mask == "required":
        mask = np.zeros((96, 128), bool)
        mask[40:60, 50:100] = True
    result = cleanplate.clean(
        picture, name, mask=mask, region=(20, 10, 100, 80), protect=spared, **options
    )
    outside = np.ones((96, 128), bool)
    outside[10:90, 20:120] = False
    kept = outside | spared
    np.testing.assert_array_equal(result.picture[..., :3][kept], picture[kept])
    if result.picture.shape[2] == 4:
        assert (result.picture[..., 3][kept] == 255).all()
    if name in ("inpaint", "denoise", "cutout"):
        assert (result.picture[..., :3] != picture).any() or result.picture.shape[2] == 4
