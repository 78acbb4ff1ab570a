"""`cleanplate synthesise`: what it writes, and that it writes the same again."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from cleanplate.errors import UsageError
from cleanplate.training.cli import main
from cleanplate.training.data.curation import divide, mask_of_pair
from cleanplate.training.data.files import read_pair
from cleanplate.training.data.layouts import select, survey
from cleanplate.training.data.synthesis.backgrounds import Backgrounds, Pictures
from cleanplate.training.data.synthesis.sources import Settings, source_of
from cleanplate.training.data.synthesis.writing import loaded, write


@pytest.fixture(scope="module")
def cutouts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cutouts")
    patch = np.zeros((200, 120, 4), np.uint8)
    cv2.ellipse(patch, (60, 110), (50, 90), 0, 0, 360, (110, 140, 200, 255), -1)
    cv2.imwrite(str(folder / "hand.png"), patch)
    return folder


def arguments(kind: str, sources: Path, cutouts: Path) -> list[str]:
    photos, fonts = str(sources / "photos"), str(sources / "fonts")
    given = {
        "watermark": ["--backgrounds", photos, "--fonts", fonts, "--logos", str(sources / "logos")],
        "occlusion": ["--backgrounds", photos, "--cutouts", str(cutouts)],
        "handwriting": ["--fonts", fonts, "--pens", fonts, "--surfaces", photos],
        "pages": ["--fonts", fonts, "--surfaces", photos],
        "noise": ["--backgrounds", photos],
        "raw": ["--backgrounds", photos],
    }
    return [*given[kind], "--size", "160", "--workers", "1"]


@pytest.mark.parametrize("kind", ["watermark", "occlusion", "handwriting", "noise", "raw"])
def test_pairs_are_written_and_read(
    kind: str, sources: Path, cutouts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [kind, str(tmp_path), "--count", "4", *arguments(kind, sources, cutouts)]
    assert main("synthesise", command) == 0
    assert "4 pairs made, 0 were there" in capsys.readouterr().out
    pairs = select(survey(tmp_path), None)
    assert [pair.input.stem for pair in pairs] == [f"{n:06d}" for n in range(4)]
    for pair in pairs:
        arrays = read_pair(pair)
        if kind == "raw":
            assert arrays[0].shape == arrays[1].shape and arrays[0].shape[2] == 4
            assert arrays[0].dtype == arrays[1].dtype == np.float32
        elif kind == "noise":
            assert pair.mask is None and mask_of_pair(arrays[0], arrays[1], 1).any()
        else:
            assert mask_of_pair(arrays[0], arrays[1]).any()
            assert arrays[2].any() and not arrays[2].all()


@pytest.mark.parametrize("kind", ["watermark", "handwriting"])
def test_nothing_changes_outside_the_mask(
    kind: str, sources: Path, cutouts: Path, tmp_path: Path
) -> None:
    options = [*arguments(kind, sources, cutouts), "--jpeg", "0"]
    assert main("synthesise", [kind, str(tmp_path), "--count", "3", *options]) == 0
    for pair in survey(tmp_path).pairs:
        dirty, clean, mask = read_pair(pair)
        assert np.array_equal((dirty != clean).any(2), mask[..., 0] > 0)


def test_pages_are_pictures_alone(sources: Path, cutouts: Path, tmp_path: Path) -> None:
    command = ["pages", str(tmp_path), "--count", "2", *arguments("pages", sources, cutouts)]
    assert main("synthesise", command) == 0
    made = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*"))
    assert made == ["settings.json", "target/000000.png", "target/000001.png"]
    page = cv2.imread(str(tmp_path / "target/000000.png"))
    assert page is not None and page.shape[0] == 160


def test_a_stopped_run_goes_on(
    sources: Path, cutouts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = arguments("noise", sources, cutouts)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert main("synthesise", ["noise", str(whole), "--count", "5", *options]) == 0
    assert main("synthesise", ["noise", str(parts), "--count", "2", *options]) == 0
    (parts / "input/000001.png").unlink()
    assert main("synthesise", ["noise", str(parts), "--count", "5", *options]) == 0
    assert "4 pairs made, 1 were there" in capsys.readouterr().out
    for path in whole.rglob("*.*"):
        assert path.read_bytes() == (parts / path.relative_to(whole)).read_bytes()
    with pytest.raises(UsageError, match="seed"):
        main("synthesise", ["noise", str(parts), "--count", "5", *options, "--seed", "1"])
    other = tmp_path / "other"
    assert main("synthesise", ["noise", str(other), "--count", "1", *options, "--seed", "1"]) == 0
    first = "input/000000.png"
    assert (other / first).read_bytes() != (whole / first).read_bytes()


def test_a_pair_does_not_depend_on_the_others(sources: Path, tmp_path: Path) -> None:
    settings = Settings("noise", size=96, backgrounds=(str(sources / "photos"),))
    for number in (0, 1, 2, 3):
        write(settings, tmp_path / "up", number)
    loaded.cache_clear()
    for number in (3, 1, 2, 0):
        assert write(settings, tmp_path / "down", number) == "made"
    made = sorted((tmp_path / "up").rglob("*.png"))
    assert len({path.read_bytes() for path in made if path.parent.name == "input"}) == 4
    for path in made:
        same = tmp_path / "down" / path.relative_to(tmp_path / "up")
        assert path.read_bytes() == same.read_bytes()


@pytest.mark.slow
def test_processes_make_the_same_bytes(sources: Path, cutouts: Path, tmp_path: Path) -> None:
    options = arguments("raw", sources, cutouts)
    for workers in ("1", "2"):
        command = ["raw", str(tmp_path / workers), "--count", "10", *options, "--workers", workers]
        assert main("synthesise", command) == 0
    made = sorted((tmp_path / "1").rglob("*.npy"))
    assert len(made) == 20
    for path in made:
        same = tmp_path / "2" / path.relative_to(tmp_path / "1")
        assert path.read_bytes() == same.read_bytes()


def test_pairs_of_one_picture_stay_together(sources: Path, cutouts: Path, tmp_path: Path) -> None:
    options = arguments("noise", sources, cutouts)
    assert main("synthesise", ["noise", str(tmp_path), "--count", "9", *options]) == 0
    pairs = survey(tmp_path).pairs
    assert {pair.group for pair in pairs} <= {"0.png", "1.png", "2.png"}
    for pair in pairs:
        truth = cv2.imread(str(sources / "photos" / pair.group))
        assert truth is not None
        small = cv2.resize(truth, (160, 120), interpolation=cv2.INTER_AREA)
        assert np.array_equal(read_pair(pair)[1], small[..., ::-1])
    training, validation = divide(pairs, 0.3)
    assert not {p.group for p in training} & {p.group for p in validation}


def test_a_damaged_picture_is_told_and_the_rest_made(
    sources: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    content = (sources / "photos/0.png").read_bytes()
    (photos / "good.png").write_bytes(content)
    (photos / "bad.png").write_bytes(content[:100])
    command = ["noise", str(tmp_path / "out"), "--count", "8", "--backgrounds", str(photos)]
    assert main("synthesise", [*command, "--workers", "1"]) == 1
    said = capsys.readouterr().out
    assert "bad.png" in said and "faults" in said
    made = len(survey(tmp_path / "out").pairs)
    assert 0 < made < 8 and f"{made} pairs made" in said


def test_empty_sources_are_named(sources: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no pictures under"):
        Pictures([tmp_path], 64)
    with pytest.raises(UsageError, match="Pages are needed"):
        Backgrounds(None, None)
    with pytest.raises(UsageError, match="no fonts under"):
        source_of(Settings("watermark", backgrounds=(str(sources / "photos"),)))
    with pytest.raises(UsageError, match="--backgrounds"):
        main("synthesise", ["noise", str(tmp_path / "out"), "--count", "1"])


def test_an_item_is_drawn_again_until_it_shows(sources: Path) -> None:
    fonts = (str(sources / "fonts"),)
    source = source_of(Settings("handwriting", size=128, fonts=fonts, pens=fonts))
    items = [source.draw(np.random.default_rng(seed)) for seed in range(6)]
    assert all(item.input is not None and item.mask is not None for item in items)
    assert all(mask_of_pair(item.input, item.target).any() for item in items)
