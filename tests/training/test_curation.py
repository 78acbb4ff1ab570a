"""Pairs on disk: found, masked, thinned, split and checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cleanplate.errors import CleanplateError, PictureError, UsageError
from cleanplate.training.cli import main
from cleanplate.training.data.curation import divide, mask_of_pair, thin
from cleanplate.training.data.files import PairFiles
from cleanplate.training.data.layouts import read_list, select, survey


def test_mask_is_where_a_channel_differs_by_more_than_the_threshold() -> None:
    clean = np.full((2, 3, 3), 100, np.uint8)
    dirty = clean.copy()
    dirty[0, 0, 1] = 105
    dirty[0, 1, 2] = 94
    dirty[1, 2] = 255
    expected = [[0, 255, 0], [0, 0, 255]]
    assert mask_of_pair(dirty, clean, 5)[..., 0].tolist() == expected


def test_both_layouts_are_found(plain: Path, competition: Path) -> None:
    pairs = select(survey(plain), None)
    assert [pair.name for pair in pairs] == [f"input/p{n}.png" for n in range(6)]
    assert len({pair.group for pair in pairs}) == 6
    versions = select(survey(competition), None)
    assert len(versions) == 18
    assert versions[7].target.name == "bg_image_00001.png"
    assert versions[7].name == "watermarked_images/bg_image_00001_0001.png"
    assert select(survey(competition, "watermarked_images"), None) == versions


def test_equal_targets_are_one_group(plain: Path) -> None:
    for kind, other in (("target", "p0"), ("input", "p1")):
        content = (plain / kind / f"{other}.png").read_bytes()
        (plain / kind / "zz.png").write_bytes(content)
    groups = {pair.name: pair.group for pair in survey(plain).pairs}
    assert groups["input/zz.png"] == groups["input/p0.png"] != groups["input/p1.png"]


def test_thinning_is_deterministic_and_nested(competition: Path) -> None:
    pairs = survey(competition).pairs
    few, more = ({p.name for p in thin(pairs, n, seed=3)} for n in (2, 4))
    assert few < more
    assert {p.name for p in thin(pairs[::-1], 2, seed=3)} == few
    assert {p.name for p in thin(pairs, 2, seed=4)} != few
    kept = thin(pairs, 4)
    assert {sum(p.group == g for p in kept) for g in {p.group for p in kept}} == {4}


@pytest.mark.parametrize("share", [0.01, 0.4, 0.99])
def test_split_never_parts_versions(competition: Path, share: float) -> None:
    pairs = survey(competition).pairs
    training, validation = divide(pairs, share)
    assert len(training) + len(validation) == 18
    assert training and validation
    assert not {p.group for p in training} & {p.group for p in validation}
    assert divide(pairs, share) == (training, validation)


def test_prepare_lists_and_masks(competition: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in competition.rglob("*.png")}
    folder = str(competition)
    assert main("prepare", ["check", folder, "--list", "sound.txt", "--workers", "1"]) == 0
    assert main("prepare", ["thin", folder, "--versions", "2", "--pairs", "sound.txt"]) == 0
    assert main("prepare", ["split", folder, "--pairs", "thin-2.txt", "--validation", "0.3"]) == 0
    assert main("prepare", ["masks", folder, "--pairs", "thin-2.txt"]) == 0
    assert "6 masks made, 0 were there" in capsys.readouterr().out
    assert main("prepare", ["masks", folder, "--pairs", "thin-2.txt"]) == 0
    assert "0 masks made, 6 were there" in capsys.readouterr().out
    assert len(read_list(competition / "train.txt")) == 4
    assert len(read_list(competition / "validation.txt")) == 2
    pair = select(survey(competition), "thin-2.txt")[0]
    assert pair.mask is not None
    found = np.asarray(Image.open(pair.mask))
    dirty, clean = (np.asarray(Image.open(p)) for p in (pair.input, pair.target))
    assert np.array_equal(found, mask_of_pair(dirty, clean)[..., 0])
    assert all(path.read_bytes() == content for path, content in before.items())


def test_check_names_every_fault(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truncated = plain / "input" / "p0.png"
    truncated.write_bytes(truncated.read_bytes()[:200])
    (plain / "target" / "p1.png").unlink()
    Image.new("RGB", (9, 9)).save(plain / "target" / "p2.png")
    (plain / "mask").mkdir()
    with Image.open(plain / "input" / "p3.png") as picture:
        Image.new("L", picture.size).save(plain / "mask" / "p3.png")
    (plain / "input" / "p4.png").write_bytes((plain / "target" / "p4.png").read_bytes())
    assert main("prepare", ["check", str(plain), "--list", "sound.txt"]) == 1
    said = capsys.readouterr().out.splitlines()
    faults = {n: [line for line in said if f"p{n}.png" in line] for n in range(6)}
    assert "no partner" in faults[1][0]
    assert "9x9" in faults[2][0]
    assert "blank mask, but the pair differs" in faults[3][0]
    assert "does not differ" in faults[4][0]
    assert faults[0] and not faults[5]
    assert said[-1] == "1 sound pairs, 5 faults."
    assert read_list(plain / "sound.txt") == ["input/p5.png"]


def test_bad_folders_are_named(plain: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        survey(tmp_path / "nowhere")
    for name in ("input", "target"):
        (tmp_path / "empty" / name).mkdir(parents=True)
    with pytest.raises(UsageError, match="empty"):
        survey(tmp_path / "empty")
    with pytest.raises(UsageError, match="no training pairs"):
        survey(plain / "input")
    (plain / "target" / "p1.png").unlink()
    with pytest.raises(CleanplateError, match=r"1 files .*p1\.png"):
        select(survey(plain), None)
    (plain / "list.txt").write_text("input/p1.png\n")
    with pytest.raises(CleanplateError, match=r"p1\.png"):
        select(survey(plain), "list.txt")


def test_reading_names_the_file(plain: Path) -> None:
    (plain / "input" / "p0.png").write_bytes(b"no picture")
    Image.new("RGB", (9, 9)).save(plain / "target" / "p2.png")
    pairs = survey(plain).pairs
    files = PairFiles(pairs)
    with pytest.raises(PictureError, match=r"p0\.png"):
        files.read(pairs[0])
    with pytest.raises(PictureError, match=r"p2\.png is 9x9"):
        files.read(pairs[2])
