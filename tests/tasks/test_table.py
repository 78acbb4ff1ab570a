"""What a task gets from being registered: a verb, help, a library call, masks, validation."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

import cleanplate
from cleanplate import restoring, tasks
from cleanplate.cli import make_app
from cleanplate.errors import PictureError, UsageError
from cleanplate.picture import Box, Picture
from cleanplate.tasks import Cleaned, Option, Remark, TaskInfo

Mask = np.ndarray | None


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(tasks, "_TABLE", dict(tasks._TABLE))
    yield


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A grey gradient, 64x48, as JPEG of quality 70 with subsampled colours."""
    ramp = np.linspace(40, 200, 64).astype(np.uint8)
    path = tmp_path / "in" / "a.jpg"
    path.parent.mkdir()
    Image.fromarray(np.tile(ramp[None, :, None], (48, 1, 3))).save(path, quality=70)
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(make_app(), [str(argument) for argument in arguments])


def everywhere(picture: Picture, colour: np.ndarray, share: np.ndarray) -> None:
    box = Box(0, 0, picture.height, picture.width)
    restoring.composite(picture, box, colour, share)


# A task that changes the whole picture.


class Darken:
    def __init__(self, *, device: str, threads: int) -> None:
        pass

    def clean(self, picture: Picture, *, mask: Mask = None) -> Cleaned:
        whole = np.full((picture.height, picture.width), 255, np.uint8)
        everywhere(picture, picture.rgb() / 2, whole > 0)
        return Cleaned(picture, whole, {})


DARKEN = TaskInfo("darken", "Make pictures darker.", Darken, whole=True)


def test_a_whole_picture_task(photo: Path, tmp_path: Path) -> None:
    tasks.register(DARKEN)
    assert "Make pictures darker." in run("--help").stdout
    for option in ("--mask", "--model"):
        assert option not in run("darken", "--help").stdout
    result = run("darken", photo, "-o", tmp_path / "out")
    assert (result.exit_code, "filled in" in result.stdout) == (0, False)
    before, after = Image.open(photo), Image.open(tmp_path / "out" / "a.jpg")
    assert after.quantization == before.quantization
    assert after.layer == before.layer  # the same sampling
    assert abs(np.asarray(after) - np.asarray(before) / 2.0).max() < 4
    with pytest.raises(UsageError, match="takes no mask"):
        cleanplate.clean(photo, "darken", mask=photo)


# A task whose mask is the result.


class Cut:
    def __init__(self, *, device: str, threads: int) -> None:
        pass

    def clean(self, picture: Picture, *, mask: Mask = None) -> Cleaned:
        kept = (picture.rgb().mean(2) > 0.5).astype(np.float32)
        restoring.cut_out(picture, kept)
        nowhere = np.zeros(kept.shape, bool)
        return Cleaned(picture, np.uint8(kept * 255), {}, changed=nowhere)


def png_or_other(suffix: str, options: tasks.Options) -> str:
    return suffix if suffix in (".png", ".tif", ".webp") else ".png"


CUT = TaskInfo("cut", "Cut out what is bright.", Cut, output=png_or_other, share="kept")


def test_a_task_whose_mask_is_the_result(photo: Path, tmp_path: Path) -> None:
    tasks.register(CUT)
    result = run("cut", photo, "-o", tmp_path / "out", "--mask-out", tmp_path / "masks")
    assert (result.exit_code, "% kept" in result.stdout) == (0, True)
    with Image.open(tmp_path / "out" / "a.png") as cut:
        assert cut.mode == "RGBA"
        np.testing.assert_array_equal(np.asarray(cut)[..., :3], np.asarray(Image.open(photo)))
        mask = np.asarray(Image.open(tmp_path / "masks" / "a.png"))
        np.testing.assert_array_equal(np.asarray(cut)[..., 3], mask)
    result = run("cut", photo, "-o", tmp_path / "b.jpg")
    assert (result.exit_code, "b.jpg" in result.stderr) == (2, True)
    cut = cleanplate.clean(photo.read_bytes(), "cut")
    assert Image.open(io.BytesIO(cut.picture)).format == "PNG"
    with pytest.raises(PictureError, match="no transparency"):
        cut.save(tmp_path / "c.jpg")
    assert cleanplate.clean(np.full((4, 5), 200, np.uint8), "cut").picture.shape == (4, 5, 2)


# A task with options of its own, which works on a mask.


class Tint:
    def __init__(self, *, strength: float, ink: str, device: str, threads: int) -> None:
        self.colour = np.array({"red": (1, 0, 0), "blue": (0, 0, 1)}[ink], np.float32)
        self.strength = strength

    def clean(self, picture: Picture, *, mask: Mask = None) -> Cleaned:
        where = (mask > 0.5) * np.float32(self.strength)
        everywhere(picture, np.broadcast_to(self.colour, (*where.shape, 3)), where)
        remarks = [] if where.any() else [Remark("pale", "it is not tinted")]
        return Cleaned(picture, np.uint8(where * 255), {}, remarks=remarks, doubt=0.25)


STRENGTH = Option("strength", 1.0, between=(0, 2), help="How strongly.")
INK = Option("ink", "red", kind="choice", choices=("red", "blue"), help="Which ink.")
TINT = TaskInfo("tint", "Tint what a mask names.", Tint, mask="required", options=(STRENGTH, INK))


def test_a_task_with_options_of_its_own(photo: Path, tmp_path: Path) -> None:
    tasks.register(TINT)
    masks = tmp_path / "masks"
    masks.mkdir()
    Image.new("L", (64, 48), 255).save(masks / "a.png")
    help = " ".join(run("tint", "--help").stdout.split())
    assert "--ink red|blue Which ink. [default: red]" in help
    out = ["-o", tmp_path / "out", "--mask", masks]
    assert run("tint", photo, *out, "--ink", "blue").exit_code == 0
    assert np.asarray(Image.open(tmp_path / "out" / "a.jpg"))[9, 9, 2] > 250
    for wrong in (["--strength", "3"], ["--ink", "green"], ["--hue", "1"]):
        assert run("tint", photo, *out, *wrong).exit_code == 2
    assert run("tint", photo, "-o", tmp_path).exit_code == 2
    tint = cleanplate.Cleaner("tint", mask=np.ones((9, 9), bool), ink="blue")
    assert tint(np.zeros((9, 9, 3), np.uint8)).picture[0, 0].tolist() == [0, 0, 255]
    off = np.zeros((9, 9), bool)
    assert not tint(np.zeros((9, 9, 3), np.uint8), mask=off).picture.any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"strength": 3}, "strength must be a number from 0 to 2, not 3"),
        ({"strength": "1"}, "strength must be"),
        ({"strength": True}, "strength must be"),
        ({"strength": float("nan")}, "strength must be"),
        ({"ink": "green"}, "ink must be one of red, blue, not 'green'"),
        ({"hue": 1}, "no option 'hue'; it has: strength, ink, device, threads"),
    ],
)
def test_options_are_checked_before_anything_is_made(
    options: dict[str, object], words: str
) -> None:
    tasks.register(TINT)
    with pytest.raises(UsageError, match=words):
        cleanplate.Cleaner("tint", **options)


def test_options_of_every_kind() -> None:
    assert Option("a", 1.0).checked(2) == 2.0
    assert Option("a", False, kind="flag").checked(True) is True
    assert Option("a", "x", kind="choice", choices=("x", "y")).checked("y") == "y"
    several = Option("a", ("x",), kind="list", choices=("x", "y"))
    assert several.checked("x, y") == several.checked(["x", "y"]) == ("x", "y")
    assert Option("a", None, kind="text").checked("white") == "white"
    assert Option("a", None, kind="path").checked("b/c.png") == Path("b/c.png")
    assert Option("a", None).checked(None) is None
    for option, wrong in [(several, "x,z"), (several, ()), (several, 3), (Option("a", 1.0), None)]:
        with pytest.raises(UsageError):
            option.checked(wrong)


def test_a_required_mask_is_asked_for_and_none_is_none() -> None:
    for mask in ({}, {"mask": None}):
        with pytest.raises(UsageError, match="mask"):
            cleanplate.Cleaner("inpaint", **mask)(np.zeros((9, 9), np.uint8))


def test_remarks_and_doubt_are_told_everywhere(photo: Path, tmp_path: Path) -> None:
    tasks.register(TINT)
    empty = tmp_path / "empty.png"
    Image.new("L", (64, 48), 0).save(empty)
    given = ["tint", photo.parent, "--mask", empty]
    result = run(*given, "-o", tmp_path / "out")
    said = [f"note: {photo}: {text}" for text in ("the mask names nothing", "it is not tinted")]
    assert (result.exit_code, result.stderr.splitlines()) == (0, said)
    assert (tmp_path / "out" / "a.jpg").read_bytes() == photo.read_bytes()
    result = run(*given, "-o", tmp_path / "again", "--json")
    assert result.stderr == ""
    line = json.loads((tmp_path / "out" / "manifest.jsonl").read_text())
    for told in (line, json.loads(result.stdout)):
        assert [one["code"] for one in told["remarks"]] == ["mask-empty", "pale"]
        assert (told["status"], told["unchanged"], told["doubt"]) == ("done", True, 0.25)
    told = cleanplate.clean(photo, "tint", mask=empty)
    assert told.remarks[-1] == Remark("pale", "it is not tinted")
    assert told.doubt == 0.25


def test_what_is_wrong_for_every_picture_stops_the_run(photo: Path, tmp_path: Path) -> None:
    class Refuse(Darken):
        def clean(self, picture: Picture, *, mask: Mask = None) -> Cleaned:
            raise UsageError("these models give no picture")

    tasks.register(TaskInfo("darken", "Refuse.", Refuse))
    for workers in ("1", "2"):
        (photo.parent / f"{workers}.jpg").write_bytes(photo.read_bytes())
        result = run("darken", photo.parent, "-o", tmp_path / "out", "--workers", workers)
        assert (result.exit_code, result.stderr) == (2, "these models give no picture\n")
        assert not (tmp_path / "out" / "manifest.jsonl").exists()
