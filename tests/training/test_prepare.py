"""The steps that make new files: triples, crops, gradients, halves, planes, cut-outs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from picture_makers import save
from PIL import Image

from cleanplate.errors import PictureError, UsageError
from cleanplate.training.cli import main
from cleanplate.training.data.curation import divide
from cleanplate.training.data.files import PairFiles, read_pair
from cleanplate.training.data.gradients import mean_gradient
from cleanplate.training.data.halving import halved
from cleanplate.training.data.histogram import histogram
from cleanplate.training.data.layouts import read_list, select, survey
from cleanplate.training.data.occluder_crops import crop_around_occluder
from cleanplate.training.data.parallel import each
from cleanplate.training.data.preprocessing import claim
from cleanplate.training.data.raw import Levels, pack, unpack


@pytest.fixture
def triples(tmp_path: Path) -> Path:
    """`annotation.txt` with four pages, two occluded versions of each, 200x300."""
    rng, lines = np.random.default_rng(2), []
    for page in range(4):
        clean = cv2.resize(rng.integers(0, 200, (4, 4, 3), dtype=np.uint8), (300, 200))
        save(tmp_path / f"set/clean/{page}.png", clean)
        for version in range(2):
            place = 60 * version + 20
            mask = np.zeros((200, 300), np.uint8)
            mask[place : place + 8, place : place + 8] = 60  # above 40, under 127
            occluded = np.where(mask[..., None], np.uint8(255), clean)
            save(tmp_path / f"set/hands/{page}_{version}.png", occluded)
            save(tmp_path / f"set/masks/{page}_{version}.png", mask)
            paths = (
                f"clean/{page}.png",
                f"hands/{page}_{version}.png",
                f"masks/{page}_{version}.png",
            )
            lines.append(" ".join(paths))
    (tmp_path / "set/annotation.txt").write_text("\n".join(lines) + "\n\n")
    return tmp_path / "set"


def arrays(side: tuple[int, int], *spots: tuple[int, int, int, int]) -> list[np.ndarray]:
    """Input, target and mask whose samples tell their place."""
    rows, columns = np.indices(side)
    picture = np.dstack([rows % 256, columns % 256, rows // 256 * 16 + columns // 256])
    mask = np.zeros((*side, 1), np.uint8)
    for top, left, height, width in spots:
        mask[top : top + height, left : left + width] = 255
    return [picture.astype(np.uint8), picture.astype(np.uint8), mask]


def corner(crop: np.ndarray) -> tuple[int, int]:
    high, low = divmod(int(crop[0, 0, 2]), 16)
    return int(crop[0, 0, 0]) + 256 * high, int(crop[0, 0, 1]) + 256 * low


def test_triples_are_pairs_with_masks(triples: Path) -> None:
    pairs = select(survey(triples), None)
    assert [pair.name for pair in pairs][:3] == ["hands/0_0.png", "hands/0_1.png", "hands/1_0.png"]
    assert pairs[3].target == triples / "clean/1.png"
    assert pairs[3].mask == triples / "masks/1_1.png"
    training, validation = divide(pairs, 0.3)
    assert len(training) == 6 and len(validation) == 2
    assert not {p.target for p in training} & {p.target for p in validation}
    dirty, clean, mask = read_pair(pairs[1])
    assert dirty.shape == clean.shape == (200, 300, 3) and mask.shape == (200, 300, 1)
    assert not mask.any() and read_pair(pairs[1], 40)[2].sum() == 255 * 64


def test_triples_name_what_is_wrong(triples: Path) -> None:
    (triples / "clean/3.png").unlink()
    found = survey(triples)
    assert len(found.pairs) == 6 and found.orphans == [triples / "clean/3.png"]
    (triples / "annotation.txt").write_text("clean/0.png hands/0_0.png\n")
    with pytest.raises(UsageError, match=r"line 1, holds 2 paths"):
        survey(triples)
    line = "clean/0.png hands/0_0.png masks/0_0.png\n"
    (triples / "annotation.txt").write_text(line + "\n" + line)
    with pytest.raises(UsageError, match=r"line 3, names hands/0_0\.png again"):
        survey(triples)


def test_annotation_is_written(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match=r"p0\.png has no mask"):
        main("prepare", ["triples", str(plain)])
    assert main("prepare", ["masks", str(plain)]) == 0
    before = [(pair.name, pair.target, pair.mask) for pair in survey(plain).pairs]
    assert main("prepare", ["triples", str(plain)]) == 0
    assert "6 triples" in capsys.readouterr().out
    assert read_list(plain / "annotation.txt")[0] == "target/p0.png input/p0.png mask/p0.png"
    assert [(pair.name, pair.target, pair.mask) for pair in survey(plain).pairs] == before
    assert main("prepare", ["check", str(plain)]) == 0


@pytest.mark.parametrize(
    ("spot", "wanted"),
    [
        ((250, 600, 100, 50), (44, 369)),  # about the middle
        ((0, 0, 100, 50), (0, 0)),  # moved inside at the upper left
        ((690, 950, 10, 50), (188, 488)),  # and at the lower right
    ],
)
def test_crops_lie_about_the_occluder(
    spot: tuple[int, int, int, int], wanted: tuple[int, int]
) -> None:
    crops = crop_around_occluder(arrays((700, 1000), spot), 512)
    assert crops is not None
    assert [crop.shape for crop in crops] == [(512, 512, 3)] * 2 + [(512, 512, 1)]
    assert corner(crops[0]) == wanted
    assert crops[2].sum() == 255 * spot[2] * spot[3]


def test_crops_hold_all_contours_or_the_largest() -> None:
    both = crop_around_occluder(arrays((700, 1000), (200, 300, 10, 10), (300, 500, 40, 40)), 512)
    assert both is not None and both[2].sum() == 255 * 1700
    apart = crop_around_occluder(arrays((700, 1400), (0, 0, 10, 10), (600, 1300, 40, 40)), 256)
    assert apart is not None and apart[2].sum() == 255 * 1600
    assert crop_around_occluder(arrays((64, 64)), 32) is None


def test_small_pages_are_padded() -> None:
    crops = crop_around_occluder(arrays((60, 100), (10, 10, 5, 5)), 128)
    assert crops is not None and crops[0].shape == (128, 128, 3)
    assert crops[0][:60, 100].tolist() == crops[0][:60, 98].tolist()  # reflected


def test_crops_keep_groups_and_are_made_once(
    triples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "crops"
    command = ["crops", str(triples), str(out), "--size", "64"]
    assert main("prepare", command) == 0
    assert "8 pairs made, 0 were there" in capsys.readouterr().out
    pairs = select(survey(out), None)
    assert len(pairs) == 8 and len({pair.group for pair in pairs}) == 4
    dirty, clean, mask = read_pair(pairs[1])
    assert dirty.shape == (64, 64, 3) and mask.sum() == 255 * 64
    assert np.array_equal((dirty != clean).any(2), mask[..., 0] > 0)
    assert main("prepare", ["triples", str(out)]) == 0
    assert len({pair.group for pair in survey(out).pairs}) == 4
    (out / "annotation.txt").unlink()
    (out / "mask/0_1.png").unlink()
    kept = (out / "input/0_0.png").stat().st_mtime_ns
    assert main("prepare", command) == 0
    assert "1 pairs made, 7 were there" in capsys.readouterr().out
    assert (out / "input/0_0.png").stat().st_mtime_ns == kept
    with pytest.raises(UsageError, match=r"other settings \(size"):
        main("prepare", ["crops", str(triples), str(out), "--size", "32"])
    with pytest.raises(UsageError, match="holds the pairs themselves"):
        main("prepare", ["halve", str(out), str(out)])


def test_a_bad_file_is_told_and_the_rest_made(
    triples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = triples / "hands/2_0.png"
    bad.write_bytes(bad.read_bytes()[:90])
    Image.new("L", (300, 200)).save(triples / "masks/3_1.png")
    assert main("prepare", ["crops", str(triples), str(tmp_path / "out"), "--size", "64"]) == 1
    said = capsys.readouterr().out
    assert "2_0.png" in said and "6 pairs made, 0 were there, 1 blank, 1 faults" in said
    assert len(survey(tmp_path / "out").pairs) == 6


def test_halves_are_means_of_four(
    triples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    mask = np.zeros((6, 8, 1), np.uint8)
    mask[3, 5] = 255
    small, _, found = halved([picture, picture, mask])
    means = picture.astype(float).reshape(3, 2, 4, 2, 3).mean((1, 3))
    assert np.abs(small - means).max() <= 0.5
    assert np.argwhere(found[..., 0]).tolist() == [[1, 2]]
    assert halved([picture[:1, :5], picture[:1, :5]])[0].shape == (1, 2, 3)
    assert main("prepare", ["halve", str(triples), str(tmp_path / "half")]) == 0
    assert "8 pairs made" in capsys.readouterr().out
    pairs = survey(tmp_path / "half").pairs
    assert read_pair(pairs[0])[0].shape == (100, 150, 3)
    assert len({pair.group for pair in pairs}) == 4


def test_gradient_is_the_mean_of_both_directions() -> None:
    page = np.zeros((10, 10, 3), np.uint8)
    assert mean_gradient(page) == 0
    page[:, 5:] = 20  # the two columns at the step: |x| = 4 * 20, |y| = 0
    assert mean_gradient(page) == pytest.approx(0.5 * 80 * 2 / 10)
    assert mean_gradient(page.transpose(1, 0, 2)) == pytest.approx(0.5 * 80 * 2 / 10)
    page[:, 5:] = 255  # cut off at 255
    assert mean_gradient(page) == pytest.approx(0.5 * 255 * 2 / 10)


def test_blank_paper_is_left_out(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    for number in range(6):
        with Image.open(plain / f"target/p{number}.png") as page:
            size = page.size[::-1]
        text = rng.integers(0, 2, (*size, 1)) * 200 * np.ones(3) if number % 2 else 240
        save(plain / f"target/p{number}.png", np.broadcast_to(text, (*size, 3)).astype(np.uint8))
    assert main("prepare", ["gradients", str(plain)]) == 0
    assert read_list(plain / "kept.txt") == [f"input/p{n}.png" for n in (1, 3, 5)]
    with Image.open(plain / "gradients.png") as drawn:
        assert drawn.size == (648, 312)
    table = (plain / "gradients.txt").read_text()
    assert len(table.splitlines()) == 6
    (plain / "gradients.txt").write_text(table[:-4])  # as a kill may leave it
    (plain / "target/p0.png").write_bytes(b"not read again")
    assert main("prepare", ["gradients", str(plain), "--least", "0"]) == 0
    assert "6 of 6 pairs" in capsys.readouterr().out
    assert len((plain / "gradients.txt").read_text().splitlines()) == 6


def test_the_histogram_counts(tmp_path: Path) -> None:
    drawn = histogram([1.0, 1.1, 30.0], 10.0, "mean gradient")
    red = (drawn == (200, 60, 50)).all(-1).sum()
    blue = (drawn == (60, 90, 160)).all(-1).sum()
    assert 1.5 < red / blue < 2.5  # two bars' height to one, and the line of the limit


def test_packing_is_undone_by_unpacking() -> None:
    mosaic = np.random.default_rng(0).integers(900, 16384, (6, 8)).astype(np.uint16)
    planes = pack(mosaic)
    assert planes.shape == (3, 4, 4) and planes.dtype == np.float32
    assert planes[1, 2].tolist() == pytest.approx(
        [(float(v) - 1024) / (16383 - 1024) for v in (*mosaic[2, 4:6], *mosaic[3, 4:6])]
    )
    assert np.abs(unpack(planes) - mosaic).max() < 0.01
    assert pack(np.full((2, 2), 64), Levels(0, 64)).tolist() == [[[1.0] * 4]]
    with pytest.raises(ValueError, match="7x6"):
        pack(np.zeros((6, 7)))


def test_raw_files_are_packed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    mosaics = [rng.integers(1024, 16384, (8, 10)).astype(np.uint16) for _ in range(3)]
    (tmp_path / "in/input").mkdir(parents=True)
    (tmp_path / "in/target").mkdir()
    np.save(tmp_path / "in/input/a.npy", mosaics[0])
    cv2.imwrite(str(tmp_path / "in/target/a.png"), mosaics[1])
    cv2.imwrite(str(tmp_path / "in/target/b.tif"), mosaics[2])
    np.save(tmp_path / "in/input/b.npy", mosaics[2][:, :9])
    out = tmp_path / "out"
    assert main("prepare", ["raw", str(tmp_path / "in"), str(out)]) == 1
    assert "b.npy: 9x8" in capsys.readouterr().out
    assert np.array_equal(np.load(out / "input/a.npy"), pack(mosaics[0]))
    assert np.array_equal(np.load(out / "target/a.npy"), pack(mosaics[1]))
    assert np.array_equal(np.load(out / "target/b.npy"), pack(mosaics[2]))
    [pair] = survey(out).pairs
    noisy, clean = PairFiles([pair]).read(pair)
    assert noisy.shape == clean.shape == (4, 5, 4) and noisy.dtype == np.float32
    (out / "target/b.npy").write_bytes(b"\x93NUMPY no more")
    np.save(out / "input/b.npy", pack(mosaics[0]))
    with pytest.raises(PictureError, match=r"target.b\.npy"):
        read_pair(survey(out).pairs[1])


def test_check_names_repeated_pictures(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind, name, other in (("input", "p6", "p0"), ("target", "p6", "p0"), ("input", "p7", "p1")):
        with Image.open(plain / kind / f"{other}.png") as picture:
            picture.save(plain / kind / f"{name}.png", compress_level=1)  # other bytes
    truth = np.asarray(Image.open(plain / "target/p1.png")).copy()
    truth[0, 0] = 0
    save(plain / "target/p7.png", truth)
    assert main("prepare", ["check", str(plain)]) == 1
    said = capsys.readouterr().out.splitlines()
    assert "p6.png is the same picture as" in said[0] and "truth" not in said[0]
    assert "p7.png is the same picture as" in said[1] and "its truth is another" in said[1]
    assert said[-1] == "6 sound pairs, 2 faults."


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_check_names_truncated_files(
    plain: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source = plain / "input/p2.png"
    with Image.open(source) as picture:
        picture.save(source.with_suffix(f".{suffix}"))
    if suffix != "png":
        source.unlink()
    short = source.with_suffix(f".{suffix}")
    short.write_bytes(short.read_bytes()[: short.stat().st_size // 2])
    assert main("prepare", ["check", str(plain)]) == 1
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2 and short.name in said[0]
    assert said[1] == "5 sound pairs, 1 faults."


def test_cutouts_are_cut_and_mirrored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = np.full((400, 480, 3), 250, np.uint8)
    cv2.ellipse(photo, (240, 120), (70, 160), 0, 0, 360, (200, 140, 110), -1)
    save(tmp_path / "hands/one/a.png", photo)
    save(tmp_path / "hands/b.png", np.full((400, 480, 3), 250, np.uint8))
    command = ["cutouts", str(tmp_path / "hands"), str(tmp_path / "out")]
    assert main("prepare", command) == 0
    assert "1 cut-outs made, 0 were there, 1 blank" in capsys.readouterr().out
    with Image.open(tmp_path / "out/one/a.png") as patch:
        assert patch.mode == "RGBA"
        assert np.asarray(patch)[..., 3].mean() > 127
    assert main("prepare", command) == 0
    assert "0 cut-outs made, 1 were there" in capsys.readouterr().out
    with pytest.raises(UsageError, match="has no mask"):
        main("prepare", [*command[:2], str(tmp_path / "x"), "--masks", str(tmp_path / "hands/one")])


@pytest.mark.parametrize("step", ["raw", "cutouts"])
def test_an_output_within_the_input_is_not_searched(
    step: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = np.full((400, 480, 3), 250, np.uint8)
    cv2.ellipse(photo, (240, 120), (70, 160), 0, 0, 360, (200, 140, 110), -1)
    photo = photo[..., 0] if step == "raw" else photo
    save(tmp_path / "one/a.png", photo)
    command = [step, str(tmp_path), str(tmp_path / "out")]
    for made, there in ((1, 0), (0, 1)):
        assert main("prepare", command) == 0
        said = capsys.readouterr().out
        assert f": {made} " in said and f" made, {there} were there." in said
    with pytest.raises(UsageError, match="another folder"):
        main("prepare", [step, str(tmp_path), str(tmp_path)])
    save(tmp_path / "one/a.tif", photo)
    with pytest.raises(UsageError, match=r"a\.png and .*a\.tif have one name"):
        main("prepare", command)


def test_a_person_is_cut_out_by_the_mask_of_the_same_folder(tmp_path: Path) -> None:
    shapes = {"one": (slice(40, 560), slice(120, 280)), "two": (slice(200, 560), slice(60, 340))}
    for name, where in shapes.items():
        mask = np.zeros((600, 400), np.uint8)
        mask[where] = 255
        save(tmp_path / f"people/{name}/a.jpg", np.full((600, 400, 3), 90, np.uint8))
        save(tmp_path / f"masks/{name}/a.png", mask)
    command = ["cutouts", str(tmp_path / "people"), str(tmp_path / "out")]
    command += ["--masks", str(tmp_path / "masks")]
    assert main("prepare", command) == 0
    for name, size in (("one", (160, 520)), ("two", (280, 360))):
        with Image.open(tmp_path / f"out/{name}/a.png") as patch:
            assert patch.size == pytest.approx(size, abs=4)
    (tmp_path / "masks/two/a.png").unlink()
    with pytest.raises(UsageError, match=r"two.a\.jpg has no mask"):
        main("prepare", command)


def test_processes_keep_the_order() -> None:
    assert list(each(abs, range(-20, 0), 2)) == list(range(20, 0, -1))


def test_settings_bind_what_was_made_with_them(tmp_path: Path) -> None:
    claim(tmp_path, {"size": 1})
    claim(tmp_path, {"size": 2})  # nothing was made yet
    (tmp_path / "input").mkdir()
    claim(tmp_path, {"size": 2})
    with pytest.raises(UsageError, match="size"):
        claim(tmp_path, {"size": 1})
