"""The ruler: figures that can be worked out by hand."""

from __future__ import annotations

import csv
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cleanplate import tasks
from cleanplate.errors import PictureError
from cleanplate.picture import Picture
from cleanplate.tasks.base import Cleaned
from cleanplate.training import evaluate
from cleanplate.training.cli import main
from cleanplate.training.data.layouts import survey


class Eraser:
    """Paints every white pixel with a grey level."""

    def __init__(self, grey: float | str = 100, device: str = "auto", threads: int = 0) -> None:
        self.grey = int(grey)

    def clean(self, picture: Picture, *, mask: np.ndarray | None = None) -> Cleaned:
        found = (picture.pixels == 255).all(axis=2)
        picture.pixels[found] = self.grey
        return Cleaned(picture, np.where(found, 255, 0).astype(np.uint8), {})


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """Two grey pictures under a white square of 20 px, one large enough for MS-SSIM."""
    for name, side in (("a", 200), ("b", 64)):
        clean = np.full((side, side, 3), 100, np.uint8)
        dirty = clean.copy()
        dirty[10:30, 10:30] = 255
        dirty[side - 1, side - 1] = 255  # what was marked, but is not in the true mask
        mask = np.zeros((side, side), np.uint8)
        mask[10:30, 10:30] = 255
        for kind, pixels in (("target", clean), ("input", dirty), ("mask", mask)):
            (tmp_path / kind).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / kind / f"{name}.png")
    return tmp_path


def test_figures(flat: Path) -> None:
    first, second = evaluate.evaluate(survey(flat).pairs, Eraser(grey=110))
    squared = 401 * 10**2
    assert first.figures["psnr"] == pytest.approx(10 * math.log10(255**2 * 200**2 / squared))
    assert first.figures["psnr_mask"] == pytest.approx(10 * math.log10(255**2 / 10**2))
    assert first.figures["psnr_input"] == pytest.approx(
        10 * math.log10(255**2 * 200**2 / (401 * 155**2))
    )
    assert first.figures["mask_iou"] == pytest.approx(400 / 401)
    assert first.figures["changed"] == pytest.approx(1 / (200**2 - 38**2))
    assert 0 < first.figures["ms_ssim"] < 1
    assert math.isnan(second.figures["ms_ssim"])
    assert first.figures["seconds_mp"] > 0
    means = evaluate.means([first, second])
    assert means["ms_ssim"] == first.figures["ms_ssim"]
    assert means["psnr"] == pytest.approx((first.figures["psnr"] + second.figures["psnr"]) / 2)


def test_perfect_pictures_count_as_100(flat: Path) -> None:
    [first, _] = evaluate.evaluate(survey(flat).pairs, Eraser(grey=100))
    assert first.figures["psnr"] == first.figures["psnr_mask"] == 100
    assert first.figures["ms_ssim"] == pytest.approx(1)


def test_mask_is_made_where_there_is_none(flat: Path) -> None:
    for path in (flat / "mask").iterdir():
        path.unlink()
    [first, _] = evaluate.evaluate(survey(flat).pairs, Eraser())
    assert first.figures["mask_iou"] == 1
    assert first.figures["changed"] == 0


def test_sizes_must_agree(flat: Path) -> None:
    Image.new("RGB", (9, 9)).save(flat / "target" / "b.png")
    with pytest.raises(PictureError, match=r"b\.png.*9x9"):
        list(evaluate.evaluate(survey(flat).pairs, Eraser()))


def test_command(
    flat: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    info = tasks.TaskInfo("eraser", "Erase.", Eraser, roles=("grey",))
    monkeypatch.setitem(tasks._TABLE, "eraser", info)
    table, drawn = flat / "out/figures.csv", flat / "out/sheet.png"
    given = [str(flat), "--task", "eraser", "--model", "grey=110", "--csv", str(table)]
    assert main("evaluate", [*given, "--sheet", str(drawn)]) == 0
    said = dict(line.split() for line in capsys.readouterr().out.splitlines())
    rows = list(csv.reader(table.open()))
    assert rows[0] == ["picture", *evaluate.FIGURES]
    assert [row[0] for row in rows[1:]] == ["input/a.png", "input/b.png", "mean"]
    assert rows[2][3] == ""
    assert float(rows[3][2]) == pytest.approx(float(said["psnr"]), abs=1e-3)
    assert said["pictures"] == "2"
    sheet = np.asarray(Image.open(drawn))
    assert sheet.shape == (200 + 4 + 64 + 4, 5 * (200 + 4), 3)


def test_needs_no_torch() -> None:
    code = "import sys, cleanplate.training.evaluate, cleanplate.training.cli\n"
    code += "assert not {'torch', 'lightning'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("limit", "over"), [("1e-09", 2), ("1000", 0)])
def test_pictures_over_a_limit_of_seconds_are_counted(
    flat: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    limit: str,
    over: int,
) -> None:
    monkeypatch.setitem(tasks._TABLE, "eraser", tasks.TaskInfo("eraser", "Erase.", Eraser))
    assert main("evaluate", [str(flat), "--task", "eraser", "--seconds", limit]) == 0
    assert f"{over} of 2 took more than {limit} s" in capsys.readouterr().out
