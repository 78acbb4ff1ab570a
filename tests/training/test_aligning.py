"""Pairs that are shifted, or otherwise unlike: named, and cut to what both show."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from cleanplate.errors import UsageError
from cleanplate.training.cli import main
from cleanplate.training.data.aligning import aligned, shift_of


def scene(seed: int, side: int = 160) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)


def marked(clean: np.ndarray) -> np.ndarray:
    dirty = clean.copy()
    dirty[60:80, 40:120] = 255
    return dirty


def pair_of(folder: Path, dirty: np.ndarray, clean: np.ndarray, name: str = "a") -> Path:
    for place, picture in (("input", dirty), ("target", clean)):
        (folder / place).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / place / f"{name}.png")
    return folder


@pytest.mark.parametrize("shift", [(0, 0), (2, 0), (0, -3), (-5, 4)])
def test_a_shift_is_told_and_mended(shift: tuple[int, int]) -> None:
    whole = scene(1, 200)
    x, y = shift
    clean, dirty = whole[20:180, 20:180], marked(whole[20 - y : 180 - y, 20 - x : 180 - x])
    assert shift_of(dirty, clean) == shift
    mask = np.where((dirty == 255).all(-1, keepdims=True), np.uint8(255), np.uint8(0))
    ours, theirs, marks = aligned([dirty, clean, mask])
    assert ours.shape == theirs.shape == (160 - abs(y), 160 - abs(x), 3)
    assert np.array_equal(ours[marks[..., 0] == 0], theirs[marks[..., 0] == 0])


def test_flat_and_tiny_pictures_are_not_shifted() -> None:
    flat = np.full((64, 64, 3), 200, np.uint8)
    assert shift_of(marked(scene(3))[:64, :64], flat) == (0, 0)
    assert shift_of(scene(1)[:8, :8], scene(2)[:8, :8]) == (0, 0)


def test_check_names_a_shift_and_align_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = scene(4, 200)
    folder = pair_of(tmp_path / "pairs", marked(whole[:160, :160]), whole[2:162, :160])
    assert main("prepare", ["check", str(folder), "--workers", "1"]) == 1
    said = capsys.readouterr().out
    assert "lies 0 px to the right and 2 px down" in said and "prepare align" in said
    assert main("prepare", ["align", str(folder), str(tmp_path / "new"), "--workers", "1"]) == 0
    assert main("prepare", ["check", str(tmp_path / "new"), "--workers", "1"]) == 0


def test_check_names_a_grey_partner(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clean = scene(5)
    grey = np.repeat(cv2.cvtColor(marked(clean), cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    assert main("prepare", ["check", str(pair_of(tmp_path, grey, clean)), "--workers", "1"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("note: ") and "input/a.png is grey, its partner has colours" in said


def test_a_mark_in_colour_on_a_grey_page_is_sound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = np.repeat(cv2.cvtColor(scene(6), cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    dirty = page.copy()
    dirty[20:30, 20:40] = (200, 30, 30)
    assert main("prepare", ["check", str(pair_of(tmp_path, dirty, page)), "--workers", "1"]) == 0
    assert capsys.readouterr().out == "1 sound pairs, 0 faults.\n"


def test_noise_on_one_of_a_pair_is_noted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clean = scene(7)
    noise = np.random.default_rng(0).normal(0, 12, clean.shape)
    dirty = np.clip(clean + noise, 0, 255).astype(np.uint8)
    folder = pair_of(tmp_path, dirty, clean)
    assert main("prepare", ["check", str(folder), "--list", "sound.txt", "--workers", "1"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("note: ") and "1 sound pairs, 0 faults, 1 notes." in said
    assert (folder / "sound.txt").read_text().split() == ["input/a.png"]


def test_a_folder_inside_the_input_is_refused(plain: Path) -> None:
    for out in ("input/out", "input"):
        with pytest.raises(UsageError, match="holds the pairs themselves") as error:
            main("prepare", ["align", str(plain), str(plain / out)])
        assert "\n" not in str(error.value) and not (plain / "input/out").exists()
