"""Ink, pen paths, recorded strokes, handwriting fonts, and pages that were written on."""

from __future__ import annotations

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from cleanplate.errors import UsageError
from cleanplate.picture import Box
from cleanplate.training.data.synthesis.handwriting import CORRECTIONS, NOTES, Handwriting
from cleanplate.training.data.synthesis.ink import RANGES, Ink, some_ink
from cleanplate.training.data.synthesis.paths import SHAPES, inked, line, pressed, smooth
from cleanplate.training.data.synthesis.printed import find_print
from cleanplate.training.data.synthesis.scripts import Face, faces, written
from cleanplate.training.data.synthesis.strokes import Strokes, recorded

RECORDING = (
    "START\n10,-10,0\n20,-10,100\n20.5,-10,1100\n21,-10,2100\nBREAK\n50,-20,2300\n50,-60,2400\n"
)


@pytest.fixture(scope="module")
def strokes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two alphabets, one of them in an archive."""
    folder = tmp_path_factory.mktemp("strokes")
    place = folder / "plain/Latin/character01"
    place.mkdir(parents=True)
    (place / "1.txt").write_text(RECORDING)
    (folder / "plain/notes.txt").write_text("no recording")
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.writestr("set/Greek/character01/1.txt", RECORDING)
        archive.writestr("__MACOSX/set/Greek/character01/._1.txt", b"\x00\x05")
    return folder


@pytest.fixture(scope="module")
def hand(sources: Path, strokes: Path) -> Handwriting:
    return Handwriting([sources / "fonts"], [strokes])


def page(height: int = 400, width: int = 300) -> np.ndarray:
    """Grey paper with lines of words."""
    sheet = np.full((height, width, 3), 225, np.uint8)
    for y in range(30, height - 30, 20):
        for x in range(30, width - 60, 40):
            cv2.rectangle(sheet, (x, y), (x + 30, y + 8), (50, 50, 50), -1)
    return sheet


@pytest.mark.parametrize("seed", range(12))
def test_the_mask_is_where_the_page_changed(hand: Handwriting, seed: int) -> None:
    rng, clean = np.random.default_rng(seed), page()
    picture, mask, cover = hand.draw(rng, clean, [Box(5, 30, 25, 200)])
    assert picture.dtype == np.uint8 and picture.shape == clean.shape
    assert np.array_equal(mask, (picture != clean).any(-1))
    assert cover.shape == mask.shape and 0 <= cover.min() <= cover.max() <= 1
    assert (cover[mask] > 0).all()
    assert (picture <= clean).all()  # ink takes light, it gives none
    assert not np.shares_memory(picture, clean)


def test_the_same_seed_writes_the_same(hand: Handwriting) -> None:
    one, two, other = (hand.draw(np.random.default_rng(s), page()).picture for s in (1, 1, 2))
    assert np.array_equal(one, two) and not np.array_equal(one, other)


def test_most_pages_are_written_on(hand: Handwriting) -> None:
    masks = [hand.draw(np.random.default_rng(seed), page()).mask for seed in range(12)]
    assert np.mean([mask.any() for mask in masks]) > 0.8
    assert 0.002 < np.mean(masks) < 0.3


def test_blanks_are_filled_in(hand: Handwriting) -> None:
    sheet = np.full((400, 300, 3), 230, np.uint8)
    blank = Box(100, 50, 130, 250)
    inside, outside = [], []
    for seed in range(48):
        mask = hand.draw(np.random.default_rng(seed), sheet, [blank]).mask
        inside.append(mask[90:135, 50:250].mean())
        outside.append(mask[200:].mean())
    assert np.mean(inside) > 2 * np.mean(outside)


def test_a_part_of_a_page_is_written_on_in_the_pages_scale(hand: Handwriting) -> None:
    def thickest(seed: int, unit: float) -> float:
        mask = hand.draw(np.random.default_rng(seed), page(160, 160), unit=unit).mask
        return float(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5).max())

    small, large = (np.mean([thickest(s, unit) for s in range(8)]) for unit in (500, 2500))
    assert large > 1.5 * small > 0


def test_kinds_of_marks_are_known() -> None:
    for kinds, chances in (NOTES, CORRECTIONS):
        assert sum(chances) == pytest.approx(1)
        assert {*kinds} == {*SHAPES, "note", "over"}


def test_ink_over_print_is_darker_than_either() -> None:
    ink = Ink(np.array([0.2, 0.3, 0.7], np.float32), grain=0.0, flow=0.0)
    paper = np.full((8, 8, 3), 200, np.uint8)
    paper[:, 4:] = 100
    cover = np.zeros((8, 8), np.float32)
    cover[2:4], cover[4:6] = 1.0, 0.5
    picture = ink.over(np.random.default_rng(0), paper, cover)
    assert picture[2, 0].tolist() == [40, 60, 140]
    assert picture[2, 7].tolist() == [20, 30, 70]
    assert picture[4, 0].tolist() == [120, 130, 170]
    assert np.array_equal(picture[:2], paper[:2]) and np.array_equal(picture[6:], paper[6:])


@pytest.mark.parametrize("name", RANGES)
def test_inks_have_their_colours(name: str) -> None:
    rng = np.random.default_rng(0)
    colours = np.stack([some_ink(rng, name).colour for _ in range(200)])
    ranges = np.array(RANGES[name][0])
    assert (colours >= ranges[:, 0] - 1e-6).all() and (colours <= ranges[:, 1] + 1e-6).all()
    strongest = {"red": 0, "blue": 2}.get(name)
    if strongest is not None:
        assert (colours.argmax(1) == strongest).mean() > 0.95


def test_a_pen_is_as_wide_as_it_should_be() -> None:
    path = np.array([[5.0, 10.3], [45.0, 10.3]])
    for width in (0.75, 1.0, 2.5, 4.0):
        cover, _, left = inked([path], [np.full(2, width)])
        column = cover[:, 25 - left]
        assert column.sum() == pytest.approx(width, abs=0.26)
        assert 0 <= cover.min() <= cover.max() <= 1


@pytest.mark.parametrize("kind", SHAPES)
def test_shapes_lie_about_their_box(kind: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        drawing = SHAPES[kind](rng, 60.0, 20.0)
        everything = np.concatenate(drawing)
        assert np.isfinite(everything).all()
        assert (everything.min(0) > (-30, -30)).all() and (everything.max(0) < (95, 55)).all()
        assert all(len(path) == len(pressed(rng, path, 2.0)) for path in drawing)


def test_smoothing_keeps_the_ends() -> None:
    path = smooth(np.array([[0.0, 0], [10, 0], [10, 10]]))
    assert path[0].tolist() == [0, 0] and path[-1].tolist() == [10, 10]
    turns = np.abs(np.diff(np.unwrap(np.arctan2(*np.diff(path, axis=0).T))))
    assert turns.max() < 0.5
    ends = line(np.random.default_rng(0), (0, 0), (100, 0))[[0, -1]]
    assert np.abs(ends - ((0, 0), (100, 0))).max() < 5


def test_strokes_are_read_with_their_speed(strokes: Path) -> None:
    both = Strokes([strokes])
    assert [len(alphabet) for alphabet in both.alphabets] == [1, 1]
    first, second = recorded(RECORDING.encode())
    assert len(first[0]) == 4 and len(second[0]) == 2
    assert (second[0][:, 1] > 0).all()  # downwards
    assert 0 <= first[1].min() <= first[1].max() <= 1
    drawing, widths = both.word(np.random.default_rng(0), 3, 30.0, 2.0)
    assert len(drawing) == len(widths) == 6
    assert all(len(path) == len(width) for path, width in zip(drawing, widths, strict=True))
    assert drawing[0].min(0)[0] >= 0
    with pytest.raises(UsageError, match="no pen strokes"):
        Strokes([strokes / "plain/Latin/character01/none"])


def test_a_dot_is_a_stroke() -> None:
    [(path, rest)] = recorded(b"START\n5,-5,0\n5,-5,9\nBREAK\nBREAK\n")
    assert path.tolist() == [[5, 5], [5.5, 5.5]] and rest.tolist() == [1, 1]


def test_letters_differ_and_stay_in_size(sources: Path) -> None:
    [face] = faces([sources / "fonts"])
    rng = np.random.default_rng(0)
    lines = [written(rng, face, "the same", 30.0, 0.1, 0.0) for _ in range(4)]
    assert len({line.shape for line in lines}) > 1
    assert all(20 < line.shape[0] < 60 and 60 < line.shape[1] < 240 for line in lines)
    assert all(line.min() >= 0 and line.max() > 0.8 for line in lines)
    thin, thick = (
        written(np.random.default_rng(1), face, "weight", 30.0, 0.0, weight).sum()
        for weight in (-1.0, 1.0)
    )
    assert thick > 1.3 * thin
    brushed = written(np.random.default_rng(1), face, "weight", 30.0, 0.0, 1.0, spread=0.05)
    assert brushed.sum() > 1.2 * thick
    assert written(rng, face, " ", 30.0, 0.0, 0.0).shape == (1, 1)


def test_a_face_may_be_spread_over_files() -> None:
    face = Face([(Path("a"), frozenset({65, 66})), (Path("b"), frozenset({66, 67}))])
    assert face.files == {65: Path("a"), 66: Path("a"), 67: Path("b")}
    assert face.kept("A C-D") == "A C"
    assert not face.latin and not face.han


def test_print_is_found() -> None:
    found = find_print(page(), 300)
    assert len(found.words) > 60
    box = found.words[0]
    assert 6 <= box.bottom - box.top <= 14 and 26 <= box.right - box.left <= 36
    assert found.share(Box(30, 30, 38, 60)) > 0.8
    assert found.share(Box(0, 0, 20, 300)) == 0
    assert found.share(Box(-1, 0, 20, 300)) == 1
    assert not find_print(np.full((64, 64, 3), 255, np.uint8), 64).words
