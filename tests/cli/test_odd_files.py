"""Files that are not taken, and what is lost: named, counted, and a failure where asked."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from fakes import draw
from PIL import Image
from typer.testing import CliRunner, Result

from cleanplate.cli import make_app

pytestmark = pytest.mark.usefixtures("blot")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(make_app(), [str(argument) for argument in arguments])


def frames(format_: str) -> bytes:
    out = io.BytesIO()
    several = [Image.new("RGB", (64, 48), (20, level, 60)) for level in (90, 160)]
    several[0].save(out, format_, save_all=True, append_images=several[1:])
    return out.getvalue()


ODD = {
    "a.gif": (frames("GIF"), "a GIF is not read; save it as PNG, TIFF or JPEG first"),
    "b.EPS": (b"%!PS", "PostScript is not read"),
    "c.nef": (b"II*\0", "a RAW file; `cleanplate denoise` takes such; develop it first"),
    "sub/d.webp": (frames("WEBP"), "it holds 2 pictures"),
    "e.apng": (frames("PNG"), "an animation is not read"),
    "f.png": (frames("PNG"), "it is an animated PNG"),
    "h.jpg": (frames("GIF"), "a GIF is not read"),
    "i.psd": (b"8BPS", "a Photoshop file is not read"),
    "j.avif": (frames("AVIF"), "it holds 2 pictures"),
}


def test_pictures_of_other_kinds_in_folders_are_ignored_by_name(
    photos: Path, tmp_path: Path
) -> None:
    for name, (content, _) in ODD.items():
        (photos / name).write_bytes(content)
    (photos / "notes.txt").write_text("no picture")
    (photos / ".hidden.gif").write_bytes(frames("GIF"))
    out = tmp_path / "out"
    result = run("watermark", photos, "-o", out, "--workers", "1")
    *lines, last = result.stderr.splitlines()
    assert (result.exit_code, last) == (0, "3 cleaned, 9 ignored.")
    for name, (_, words) in ODD.items():
        [line] = [line for line in lines if line.startswith(f"{photos / name}: ignored: ")]
        assert words in line
    assert len(lines) == len(ODD)
    kept = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    ignored = {Path(one["source"]).name for one in kept if one["status"] == "ignored"}
    assert ignored == {Path(name).name for name in ODD}
    again = run("watermark", photos, "-o", out, "--resume", "--json")
    assert again.stderr.splitlines()[-1] == "3 cleaned before, 9 ignored."
    assert again.exit_code == 0


def test_a_pattern_names_no_file_by_itself(photos: Path, tmp_path: Path) -> None:
    (photos / "a.gif").write_bytes(frames("GIF"))
    result = run("watermark", photos / "*.gif", "-o", tmp_path / "out")
    assert (result.exit_code, "a.gif: ignored: a GIF" in result.stderr) == (2, True)


def test_nothing_but_an_animation_is_nothing_to_do(tmp_path: Path) -> None:
    """That it is one is known only once it is read."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "f.png").write_bytes(ODD["f.png"][0])
    result = run("watermark", tmp_path / "photos", "-o", tmp_path / "out")
    assert (result.exit_code, "f.png: ignored: " in result.stderr) == (2, True)
    assert result.stderr.splitlines()[-1] == "Nothing to do: no picture that is taken."


@pytest.mark.parametrize("name", ["a.gif", "f.png"])
def test_what_is_named_by_itself_fails(photos: Path, tmp_path: Path, name: str) -> None:
    (photos / name).write_bytes(ODD[name][0])
    result = run("watermark", photos / name, "-o", tmp_path / "out")
    assert (result.exit_code, "ignored" in result.stderr) == (1, False)
    assert ODD[name][1] in result.stderr


def test_a_mask_of_another_kind_is_a_failure(photos: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    (masks / "a.png").write_bytes(frames("GIF"))
    arguments = ["inpaint", photos / "*.png", "-o", tmp_path / "out", "--mask", masks]
    result = run(*arguments, "--device", "cpu")
    assert (result.exit_code, "ignored" in result.stderr) == (1, False)


def test_files_whose_package_is_missing_are_ignored(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rawpy", None)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (photos / "a.dng").write_bytes(b"II*\0" + bytes(100))
    (photos / "b.hif").write_bytes(b"\0\0\0\x1cftypheic\0\0\0\0mif1heic" + bytes(100))
    asked = ["--method", "bilateral", "--strength", "0"]
    result = run("denoise", photos, "-o", tmp_path / "out", *asked)
    assert result.exit_code == 0
    assert "a.dng: ignored: RAW files need the package rawpy: pip install" in result.stderr
    assert "b.hif: ignored: HEIC needs one more package: pip install" in result.stderr
    assert result.stderr.splitlines()[-1] == "3 unchanged, 2 ignored."


@pytest.mark.parametrize("suffix", ["jfif", "JPE", "jif", "avifs", "dib"])
def test_less_usual_endings_are_pictures(tmp_path: Path, suffix: str) -> None:
    form = {"avifs": "AVIF", "dib": "BMP"}.get(suffix, "JPEG")
    folder = tmp_path / "photos"
    Image.open(draw(tmp_path / "a.png")).save(folder.mkdir() or folder / f"a.{suffix}", form)
    out = tmp_path / "out"
    assert run("watermark", folder, "-o", out).exit_code == 0
    with Image.open(out / f"a.{suffix}") as result:
        assert result.format == form


def ultra_hdr(path: Path) -> Path:
    """A JPEG with a red rectangle, and another JPEG behind its end."""
    draw(path)
    path.write_bytes(path.read_bytes() * 2)
    return path


def test_losses_are_told_and_fail_where_all_is_strict(tmp_path: Path) -> None:
    source = ultra_hdr(tmp_path / "photos" / "a.jpg")
    out = tmp_path / "out"
    text = "the further pictures in the file (MPF) are left out"
    result = run("watermark", source, "-o", out, "--strict")
    assert (result.exit_code, result.stderr) == (1, f"{source}: {text} (--strict).\n")
    assert not (out / "a.jpg").exists()
    result = run("watermark", source, "-o", out)
    assert (result.exit_code, result.stderr) == (0, f"note: {source}: {text}\n")
    line = json.loads((out / "manifest.jsonl").read_text())
    assert line["remarks"] == [{"code": "pictures-left-out", "text": text}]
    plain = draw(tmp_path / "photos" / "b.jpg")
    assert run("watermark", plain, "-o", out, "--strict").exit_code == 0


def test_in_place_what_will_go_is_said_before(tmp_path: Path) -> None:
    source = ultra_hdr(tmp_path / "photos" / "a.jpg")
    before = source.read_bytes()
    result = run("watermark", source.parent, "-o", source.parent)
    assert result.exit_code == 1
    assert f"skipped: {source} exists; --overwrite replaces it; the further" in result.stderr
    assert source.read_bytes() == before
    result = run("watermark", source, "-o", source)
    assert (result.exit_code, "replaces it; the further pictures" in result.stderr) == (1, True)
    assert source.read_bytes() == before
    result = run("watermark", source.parent, "-o", source.parent, "--overwrite")
    assert (result.exit_code, "note: " in result.stderr) == (0, True)
    assert len(source.read_bytes()) < len(before)


@pytest.mark.parametrize("level", [0, 255])
def test_a_strict_run_fails_over_a_mask_that_names_nothing_or_all(
    tmp_path: Path, level: int
) -> None:
    source = draw(tmp_path / "a.png")
    mask = tmp_path / "mask.png"
    Image.fromarray(np.full((48, 64), level, np.uint8)).save(mask)
    arguments = ["inpaint", source, "-o", tmp_path / "out", "--mask", mask, "--device", "cpu"]
    words = "the mask names nothing" if level == 0 else "the mask names 100.0% of the picture"
    result = run(*arguments, "--strict")
    assert (result.exit_code, f"{source}: {words}" in result.stderr) == (1, True)
    result = run(*arguments)
    assert (result.exit_code, f"note: {source}: {words}" in result.stderr) == (0, True)
