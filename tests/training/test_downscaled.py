"""What the networks see of pictures, masks, holes and mosaics."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from picture_makers import save
from PIL import Image

from cleanplate.errors import CleanplateError, PictureError, UsageError
from cleanplate.training.cli import main
from cleanplate.training.data.cutouts import Cutouts, Framing
from cleanplate.training.data.holes import Holes, square_around
from cleanplate.training.data.layouts import survey, survey_any
from cleanplate.training.data.pairs import Pairs
from cleanplate.training.data.raw_pairs import RawPairs


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Pictures with masks alone: red inside, with a green left half, on blue."""
    for number in range(8):
        mask = np.zeros((60, 80), np.uint8)
        mask[20:40, 30:50] = 255
        photo = np.zeros((60, 80, 3), np.uint8)
        photo[..., 2] = 200 - number
        photo[mask > 0] = (200, 0, 0)
        photo[:, :40, 1] = 90
        save(tmp_path / f"input/p{number}.png", photo)
        save(tmp_path / f"mask/p{number}.png", mask)
    return tmp_path


def test_framing_keeps_picture_and_mask_together() -> None:
    mask = np.zeros((90, 120, 1), np.uint8)
    mask[10:30, 90:110] = 255
    frame = Framing((64, 48), rotation=0, blur=0)
    flips = set()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        picture, found = frame(np.repeat(mask, 3, 2), mask, rng)
        assert picture.shape == (64, 48, 3) and found.shape == (64, 48, 1)
        assert found.any()
        assert np.mean((picture[..., :1] > 127) != (found > 0)) < 0.001
        flips.add(bool(found[:, :24].sum() > found[:, 24:].sum()))
    assert flips == {True, False}


def test_crops_have_the_areas_and_ratios_asked_for() -> None:
    mask = np.full((200, 300, 1), 255, np.uint8)
    frame = Framing((8, 8))
    places = [frame._place(mask, (0.3, 1.2), np.random.default_rng(seed)) for seed in range(300)]
    areas = [height * width / mask.size for _, _, height, width in places]
    ratios = [width / height for _, _, height, width in places]
    assert 0.29 < min(areas) < 0.35 and 0.85 < max(areas) <= 1
    assert 0.74 < min(ratios) < 0.8 and 1.25 < max(ratios) < 1.35
    assert all(0 <= top <= 200 - h and 0 <= left <= 300 - w for top, left, h, w in places)


def test_a_crop_holds_foreground_or_the_whole_is_taken() -> None:
    mask = np.zeros((100, 100, 1), np.uint8)
    mask[0, 0] = 255
    frame = Framing((8, 8))
    whole = 0
    for seed in range(30):
        top, left, height, width = frame._place(mask, (0.3, 0.31), np.random.default_rng(seed))
        assert mask[top : top + height, left : left + width].any()
        whole += (height, width) == (100, 100)
    assert whole > 0


def test_rotation_turns_both() -> None:
    mask = np.zeros((64, 64, 1), np.uint8)
    mask[:, 30:34] = 255
    frame = Framing((64, 64), area=None, hflip=0, rotation=15, blur=0)
    leanings = []
    for seed in range(20):
        picture, found = frame(np.repeat(mask, 3, 2), mask, np.random.default_rng(seed))
        columns = [float(np.flatnonzero(found[row, :, 0]).mean()) for row in (2, 61)]
        leanings.append(columns[0] - columns[1])
        assert np.mean((picture[4:-4, 8:-8, :1] > 127) != (found[4:-4, 8:-8] > 0)) < 0.01
    assert min(leanings) < -8 and max(leanings) > 8
    assert max(map(abs, leanings)) <= 59 * np.tan(np.radians(15)) + 1


def test_corners_are_filled_alike() -> None:
    mask = np.zeros((64, 64, 1), np.uint8)
    mask[:, :12] = mask[56:] = 255
    frame = Framing((64, 64), area=None, hflip=0, rotation=15, blur=0)
    for seed in range(10):
        picture, found = frame(np.repeat(mask, 3, 2), mask, np.random.default_rng(seed))
        assert np.array_equal(picture[..., 0] > 127, found.reshape(64, 64) > 0)


@pytest.mark.parametrize("sides", [(90, 60), (60, 90), (64, 48)])
def test_a_whole_page_keeps_its_ratio(sides: tuple[int, int]) -> None:
    page = np.zeros((*sides, 1), np.uint8)
    page[sides[0] // 4 : -sides[0] // 4, sides[1] // 4 : -sides[1] // 4] = 255
    frame = Framing((64, 48), area=None, hflip=0, rotation=0, blur=0)
    picture, found = frame(np.repeat(page, 3, 2), page, np.random.default_rng(0))
    assert picture.shape == (64, 48, 3) and found.shape == (64, 48, 1)
    assert np.array_equal(picture[..., :1] > 127, found > 0)
    seen = found[32 - 16 : 32 + 16, 24 - 12 : 24 + 12, 0] > 0  # the middle, without reflections
    height, width = seen.any(1).sum(), seen.any(0).sum()
    scale = min(64 / sides[0], 48 / sides[1])
    assert height == pytest.approx(scale * sides[0] / 2, abs=2)
    assert width == pytest.approx(scale * sides[1] / 2, abs=2)


def test_cutouts_need_no_targets(photos: Path) -> None:
    data = Cutouts(str(photos), (32, 24), workers=0, batch_size=2, validation_share=0.3)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert batch["input"].shape == (2, 3, 32, 24) and batch["mask"].shape == (2, 1, 32, 24)
    assert set(batch["mask"].unique().tolist()) == {0, 255}
    whole = next(iter(data.val_dataloader()))
    assert whole["input"].shape == (1, 3, 24, 32)  # the longer side is that of the size
    red = whole["input"][0, 0] > 150
    assert ((whole["mask"][0, 0] > 0) != red).float().mean() < 0.03


def test_a_blank_mask_is_refused_or_skipped_as_asked(photos: Path) -> None:
    save(photos / "mask/p2.png", np.zeros((60, 80), np.uint8))
    (photos / "input/p1.png").write_bytes(b"cut off")
    refusing = Cutouts(str(photos), workers=0, validation_share=0.3)
    refusing.setup("fit")
    with pytest.raises(PictureError, match=r"p[12]\.png"):
        for pair in refusing.training + refusing.validation:
            refusing.read(pair)
    skipping = Cutouts(str(photos), workers=0, validation_share=0.5, faulty="skip")
    with pytest.warns(UserWarning, match=r"left out"):
        skipping.setup("fit")
    names = {pair.name for pair in skipping.training + skipping.validation}
    assert names == {f"input/p{number}.png" for number in (0, 3, 4, 5, 6, 7)}


def test_a_mask_of_another_size_is_named(photos: Path) -> None:
    save(photos / "mask/p0.png", np.full((9, 9), 255, np.uint8))
    data = Cutouts(str(photos), workers=0, validation_share=0.3)
    data.setup("fit")
    with pytest.raises(PictureError, match=r"mask.p0\.png and .*input.p0\.png differ in size"):
        data.read(survey_any(photos).pairs[0])


def test_a_black_mask_is_refused_or_skipped_as_asked(plain: Path) -> None:
    assert main("prepare", ["masks", str(plain)]) == 0
    for number in (1, 4):
        path = plain / f"mask/p{number}.png"
        save(path, np.zeros_like(np.asarray(Image.open(path))))
    (plain / "mask/p5.png").unlink()  # nothing to be taken off, and no mask that says otherwise
    shutil.copy(plain / "target/p5.png", plain / "input/p5.png")
    refusing = Pairs(str(plain), workers=0, batch_size=1, crop=16, everything=True)
    refusing.setup("fit")
    with pytest.raises(PictureError, match=r"mask.p[14]\.png: the mask is blank"):
        list(refusing.train_dataloader())
    skipping = Pairs(str(plain), workers=0, faulty="skip", everything=True)
    with pytest.warns(UserWarning, match=r"2 of 6 pairs cannot be used.*p[14]\.png"):
        skipping.setup("fit")
    assert {p.name for p in skipping.training} == {f"input/p{n}.png" for n in (0, 2, 3, 5)}
    assert len(list(skipping.train_dataloader())) == 1


def test_a_missing_partner_is_refused_or_skipped_as_asked(plain: Path) -> None:
    (plain / "target/p1.png").unlink()
    with pytest.raises(CleanplateError, match=r"p1\.png"):
        Pairs(str(plain)).setup("fit")
    data = Pairs(str(plain), faulty="skip", everything=True)
    with pytest.warns(UserWarning, match=r"left out: 1 files .*no partner.*p1\.png"):
        data.setup("fit")
    assert len(data.training) == 5
    assert {pair.name for pair in data.validation} < {pair.name for pair in data.training}


def test_empty_folders_are_refused(tmp_path: Path) -> None:
    for kind in ("input", "mask"):
        (tmp_path / kind).mkdir()
    with pytest.raises(UsageError, match="no picture with a mask"):
        Cutouts(str(tmp_path)).setup("fit")


def test_pictures_with_masks_are_their_own_targets(photos: Path) -> None:
    found = survey_any(photos)
    assert all(pair.own_target for pair in found.pairs)
    with pytest.raises(UsageError, match="no training pairs"):
        Pairs(str(photos)).setup("fit")  # there is nothing to learn cleaning from
    shutil.copy(photos / "input/p0.png", photos / "input/p0.jpg")
    with pytest.raises(UsageError, match=r"p0\.jpg and .*p0\.png have one name"):
        survey_any(photos)
    (photos / "input/p0.jpg").unlink()
    (photos / "target").mkdir()
    with pytest.raises(UsageError):
        survey_any(photos)


def test_squares_lie_about_a_hole() -> None:
    picture = np.arange(90 * 120 * 3, dtype=np.uint32).reshape(90, 120, 3).astype(np.uint8)
    mask = np.zeros((90, 120, 1), np.uint8)
    mask[40:50, 60:66] = 255
    mask[80:84, 2:4] = 255
    cut, hole = square_around(picture, mask, 32)
    assert cut.shape == (32, 32, 3) and hole[11:21, 13:19].all() and hole.sum() == 60 * 255
    assert np.array_equal(cut, picture[29:61, 47:79])
    seen = set()
    for seed in range(30):
        _, hole = square_around(picture, mask, 32, np.random.default_rng(seed))
        assert hole.sum() in (60 * 255, 8 * 255)
        seen.add((int(hole.sum()), int(np.flatnonzero(hole.any((1, 2)))[0])))
    assert len(seen) > 10 and len({count for count, _ in seen}) == 2


def test_a_hole_larger_than_the_square_is_reduced() -> None:
    mask = np.zeros((200, 200, 1), np.uint8)
    mask[20:180, 90:110] = 255
    cut, hole = square_around(np.repeat(mask, 3, 2), mask, 64)
    assert cut.shape == (64, 64, 3)
    assert 0.03 < (hole > 0).mean() < 0.2 and not hole[0].any() and not hole[-1].any()


@pytest.mark.parametrize("crop", [4, 16, 64])
@pytest.mark.parametrize("turned", [False, True])
def test_a_thin_hole_stays(crop: int, turned: bool) -> None:
    mask = np.zeros((300, 200, 1), np.uint8)
    mask[20:280, 90] = 255
    mask[150, 20:180] = 255
    mask = np.ascontiguousarray(np.swapaxes(mask, 0, 1)) if turned else mask
    for rng in (None, np.random.default_rng(0)):
        cut, hole = square_around(np.repeat(mask, 3, 2), mask, crop, rng)
        assert cut.shape == (crop, crop, 3)
        assert max((hole > 0).any(axis).sum() for axis in (0, 1)) > 0.6 * crop
        assert not (cut[..., :1].any(2, keepdims=True) & (hole == 0)).any()


def test_a_thin_hole_is_not_blank_when_the_page_is_reduced(plain: Path) -> None:
    assert main("prepare", ["masks", str(plain)]) == 0
    for path in (plain / "mask").iterdir():
        mask = np.asarray(Image.open(path)).copy()
        mask[:, 1:] = 0
        mask[5:12, 0] = 255
        save(path, mask)
    data = Holes(str(plain), factor=6, crop=8, workers=0, validation_share=0.3)
    data.setup("fit")
    for pair in data.training:
        assert (data.read(pair)[1][..., 0] > 0).any(0).tolist()[:2] == [True, False]


def test_holes_are_of_the_clean_page(plain: Path) -> None:
    data = Holes(str(plain), factor=2, crop=16, workers=0, batch_size=2, validation_share=0.3)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert batch["target"].shape == (2, 3, 16, 16)
    assert (batch["mask"] > 0).flatten(1).any(1).all()
    assert batch["target"].max() < 250  # what was put there is 255


def test_mosaics_of_every_kind_give_the_same_planes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    mosaic = rng.integers(1024, 16383, (24, 32)).astype(np.uint16)
    planes = np.stack([mosaic[y::2, x::2] for y in (0, 1) for x in (0, 1)], 2)
    for kind in ("input", "target"):
        (tmp_path / kind).mkdir()
        np.save(tmp_path / kind / "a.npy", planes)
        np.save(tmp_path / kind / "b.npy", mosaic)
        np.save(tmp_path / kind / "c.npy", (planes.astype(np.float32) - 1024) / (16383 - 1024))
        Image.fromarray(mosaic).save(tmp_path / kind / "d.png")
    data = RawPairs(str(tmp_path), crop=8, workers=0, validation_share=0.3, everything=True)
    data.setup("fit")
    data.validation = survey(tmp_path).pairs
    wholes = [batch["input"] for batch in data.val_dataloader()]
    assert wholes[0].shape == (1, 4, 12, 16)
    expected = (planes.astype(np.float32) - 1024) / (16383 - 1024)
    for found in wholes:
        assert np.allclose(found[0].permute(1, 2, 0), expected, atol=1e-6)
    batch = next(iter(data.train_dataloader()))
    assert batch["input"].shape == (4, 4, 8, 8)
    assert np.array_equal(batch["input"], batch["target"])


def test_faulty_mosaics_are_named(tmp_path: Path) -> None:
    for kind, sides in (("input", (8, 8, 4)), ("target", (8, 6, 4))):
        (tmp_path / kind).mkdir()
        for number in range(2):
            np.save(tmp_path / kind / f"p{number}.npy", np.full(sides, number, np.uint16))
    data = RawPairs(str(tmp_path), workers=0, validation_share=0.3)
    data.setup("fit")
    with pytest.raises(PictureError, match=r"target.*npy.*\(8, 6, 4\)"):
        data.read(data.training[0])
    with pytest.raises(UsageError, match="white"):
        RawPairs(str(tmp_path), black=9, white=9)


def test_a_crop_holds_its_least_share_of_foreground() -> None:
    mask = np.zeros((100, 100, 1), np.uint8)
    mask[:40, :40] = 255
    rng = np.random.default_rng(0)

    def enough(least: float) -> float:
        frame = Framing((8, 8), least=least)
        places = [frame._place(mask, (0.3, 0.5), rng) for _ in range(40)]
        shares = [(mask[t : t + h, x : x + w] > 0).mean() for t, x, h, w in places]
        return float(np.mean(np.array(shares) >= 0.25))

    assert enough(0.25) > 0.5 > enough(0.0)
    spot = np.zeros((200, 100, 1), np.uint8)
    spot[90:110, 40:60] = 255
    vain = Framing((8, 8), ratio=(1, 1), least=0.9)
    assert {vain._place(spot, (0.3, 0.5), rng)[2] for _ in range(20)} == {100, 200}
