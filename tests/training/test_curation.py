"""Pairs on disk: found, masked, thinned, split and checked."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from picture_makers import save
from PIL import Image

from cleanplate.errors import CleanplateError, PictureError, UsageError
from cleanplate.training.cli import main
from cleanplate.training.data.curation import divide, mask_of_pair, thin
from cleanplate.training.data.files import PairFiles, read_pair
from cleanplate.training.data.layouts import read_list, select, survey, survey_any


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


def test_version_folders_keep_their_masks_apart(competition: Path) -> None:
    (competition / "fainter").mkdir()
    for number, path in enumerate(sorted((competition / "watermarked_images").iterdir())):
        dirty = np.asarray(Image.open(competition / f"bg_images/{path.stem[:-5]}.png")).copy()
        dirty[number : number + 5, 30:35] = 255
        save(competition / "fainter" / path.name, dirty)
    save(competition / f"masks/{path.name}", np.full((40, 48), 255, np.uint8))  # whose is it?
    assert all(pair.mask is None for pair in survey(competition).pairs)
    assert survey(competition, "fainter").pairs[-1].mask == competition / f"masks/{path.name}"
    assert main("prepare", ["masks", str(competition)]) == 0
    pairs = survey(competition).pairs
    assert len({pair.mask for pair in pairs}) == len(pairs) == 36
    for pair in pairs:
        dirty, clean, mask = read_pair(pair)
        assert np.array_equal(mask, mask_of_pair(dirty, clean))


def test_a_list_does_away_with_no_picture(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = next((plain / "input").iterdir())
    before = picture.read_bytes()
    with pytest.raises(UsageError, match=r"\.txt"):
        main("prepare", ["check", str(plain), "--list", f"input/{picture.name}"])
    assert picture.read_bytes() == before


def test_pictures_with_masks_alone_are_checked_and_split(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main("prepare", ["masks", str(plain)]) == 0
    shutil.rmtree(plain / "target")
    folder = str(plain)
    assert main("prepare", ["check", folder, "--list", "sound.txt"]) == 0
    assert "6 sound pairs, 0 faults." in capsys.readouterr().out
    (plain / "groups.txt").write_text("p0\tpage\np1\tpage\np2\tpage\n")
    assert main("prepare", ["split", folder, "--validation", "0.3"]) == 0
    parts = [read_list(plain / f"{part}.txt") for part in ("train", "validation")]
    together = {f"input/p{number}.png" for number in range(3)}
    assert len(parts[0] + parts[1]) == 6 and any(together <= set(part) for part in parts)
    assert main("prepare", ["halve", folder, str(tmp_path / "half")]) == 0
    assert sorted(p.name for p in (tmp_path / "half").iterdir() if p.is_dir()) == ["input", "mask"]
    assert {pair.group for pair in survey_any(tmp_path / "half").pairs} >= {"page"}
    with pytest.raises(UsageError, match="no clean pictures"):
        main("prepare", ["triples", folder])
    with Image.open(plain / "mask/p4.png") as mask:
        Image.new("L", mask.size).save(plain / "mask/p4.png")
    (plain / "mask/p5.png").unlink()
    assert main("prepare", ["check", folder]) == 1
    said = capsys.readouterr().out
    assert "p5.png has no partner" in said and "p4.png is a blank mask." in said
    assert "4 sound pairs, 2 faults." in said


@pytest.mark.parametrize("suffix", ["png", "npy"])
def test_mosaics_are_compared_at_their_full_depth(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    for number in range(3):
        clean = rng.integers(1024, 16000, (8, 10)).astype(np.uint16)
        noisy = clean + rng.integers(0, 9, clean.shape).astype(np.uint16)
        for kind, mosaic in (("input", noisy), ("target", clean if number else noisy)):
            (tmp_path / kind).mkdir(exist_ok=True)
            if suffix == "png":
                Image.fromarray(mosaic).save(tmp_path / kind / f"p{number}.png")
            else:
                np.save(tmp_path / kind / f"p{number}.npy", mosaic)
    assert main("prepare", ["check", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert f"p0.{suffix} does not differ" in said and "2 sound pairs, 1 faults." in said


def test_check_names_unlike_and_infinite_planes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    for kind in ("input", "target"):
        (tmp_path / kind).mkdir()
        for number in range(4):
            np.save(tmp_path / kind / f"p{number}.npy", rng.random((6, 8, 4), np.float32))
    np.save(tmp_path / "target/p1.npy", rng.random((6, 8, 3), np.float32))
    for kind, number, value in (("input", 2, np.nan), ("target", 3, np.inf)):
        planes = rng.random((6, 8, 4), np.float32)
        planes[2, 3, 1] = value
        np.save(tmp_path / kind / f"p{number}.npy", planes)
    assert main("prepare", ["check", str(tmp_path)]) == 1
    said = capsys.readouterr().out.splitlines()
    assert "p1.npy is of shape (6, 8, 3)" in said[0] and "(6, 8, 4)" in said[0]
    assert all("not finite" in line for line in said[1:3])
    assert "input/p2.npy" in said[1] and "target/p3.npy" in said[2]
    assert said[-1] == "1 sound pairs, 3 faults."


def test_a_grey_scan_has_a_partner_in_colour(plain: Path) -> None:
    with Image.open(plain / "input/p0.png") as picture:
        grey = np.asarray(picture.convert("L")).astype(np.uint16) * 257
    Image.fromarray(grey).save(plain / "input/p0.png")
    assert main("prepare", ["check", str(plain)]) == 0


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


def test_a_split_by_count_and_of_the_last(competition: Path) -> None:
    def validated(*more: str) -> list[str]:
        assert main("prepare", ["split", str(competition), *more]) == 0
        return read_list(competition / "validation.txt")

    assert len(validated("--validation", "2")) == 2 * 6
    last = validated("--validation", "1", "--last")
    assert len(last) == 6 and all("bg_image_00002" in name for name in last)
    with pytest.raises(UsageError, match="whole number"):
        validated("--validation", "1.5")
