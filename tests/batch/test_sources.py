from __future__ import annotations

import os
from pathlib import Path

import pytest
from fakes import draw

from cleanplate.batch import Plan, format_of, plan
from cleanplate.errors import UsageError


def results(planned: Plan, out: Path) -> list[str]:
    return [job.result.relative_to(out).as_posix() for job in planned.jobs]


def test_a_folder_is_mirrored_in_order(photos: Path, tmp_path: Path) -> None:
    (photos / "notes.txt").write_text("not a picture")
    draw(photos / ".hidden.png")
    draw(photos / ".thumbnails" / "a.png")
    out = tmp_path / "out"
    planned = plan([photos], out, tmp_path / "masks")
    assert results(planned, out) == ["a.png", "b.jpg", "sub/c.png"]
    assert [job.source for job in planned.jobs] == [
        photos / "a.png",
        photos / "b.jpg",
        photos / "sub/c.png",
    ]
    masks = [job.mask for job in planned.jobs]
    assert masks == [tmp_path / "masks" / name for name in ("a.png", "b.png", "sub/c.png")]
    assert (planned.folder, len(planned), planned.troubles) == (out, 3, [])


def test_suffixes_in_capitals_count(tmp_path: Path) -> None:
    draw(tmp_path / "photos" / "a.PNG")
    assert results(plan([tmp_path / "photos"], tmp_path / "out"), tmp_path / "out") == ["a.PNG"]


def test_results_inside_the_folder_are_no_sources(photos: Path) -> None:
    out, masks = photos / "clean", photos / "masks"
    draw(out / "a.png")
    draw(masks / "a.png")
    assert results(plan([photos], out, masks), out) == ["a.png", "b.jpg", "sub/c.png"]


def test_masks_and_results_are_no_sources_of_a_pattern_either(photos: Path) -> None:
    out, masks = photos / "clean", photos / "masks"
    for folder in (out, masks):
        draw(folder / "sub" / "a.png")
    for pattern, found in (
        ("*", ["a.png", "b.jpg", "sub/c.png"]),
        ("**/*.png", ["a.png", "sub/c.png"]),
    ):
        planned = plan([photos / pattern], out, masks)
        assert results(planned, out) == found
        assert planned.troubles == []
    assert results(plan([photos / "**" / "*.png"], photos, masks), photos) == [
        "a.png",
        "clean/sub/a.png",
        "sub/c.png",
    ]


def test_what_the_shell_names_beside_others_is_no_source_either(photos: Path) -> None:
    out = photos / "clean"
    draw(out / "a.png")
    planned = plan(sorted(photos.iterdir()), out)
    assert results(planned, out) == ["a.png", "b.jpg", "c.png"]
    assert planned.troubles == []


@pytest.mark.parametrize("mask", ["masks", "mask.png"])
def test_masks_of_the_user_are_no_sources(photos: Path, tmp_path: Path, mask: str) -> None:
    draw(photos / "masks" / "a.png")
    draw(photos / "mask.png")
    out = tmp_path / "out"
    for arguments in ([photos], [photos / "**" / "*"]):
        found = results(plan(arguments, out, mask=photos / mask), out)
        assert not any(name.startswith(mask) for name in found)
        assert len(found) == 4


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of POSIX")
def test_a_pipe_is_passed_over(photos: Path, tmp_path: Path) -> None:
    os.mkfifo(photos / "pipe.png")
    out = tmp_path / "out"
    for argument in (photos, photos / "*"):
        assert results(plan([argument], out), out) == ["a.png", "b.jpg", "sub/c.png"]


def test_in_place_every_result_is_its_own_source(photos: Path) -> None:
    planned = plan([photos], photos)
    assert [job.result for job in planned.jobs] == [job.source for job in planned.jobs]
    assert len(planned.jobs) == 3


def test_a_pattern_is_mirrored_below_its_fixed_part(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert results(plan([photos / "**" / "*.png"], out), out) == ["a.png", "sub/c.png"]
    assert results(plan([photos / "*"], out), out) == ["a.png", "b.jpg", "sub/c.png"]


def test_a_name_with_brackets_is_a_name_first(tmp_path: Path) -> None:
    path = draw(tmp_path / "a[1].png")
    assert [job.source for job in plan([path], tmp_path / "out").jobs] == [path]


def test_links_in_a_circle_end(photos: Path, tmp_path: Path) -> None:
    (photos / "sub" / "up").symlink_to(photos, target_is_directory=True)
    out = tmp_path / "out"
    assert results(plan([photos], out), out) == ["a.png", "b.jpg", "sub/c.png"]
    assert results(plan([photos / "**" / "*.png"], out), out) == ["a.png", "sub/c.png"]


def test_a_linked_folder_is_walked(photos: Path, tmp_path: Path) -> None:
    draw(tmp_path / "elsewhere" / "d.png")
    (photos / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    out = tmp_path / "out"
    assert "link/d.png" in results(plan([photos], out), out)


def test_a_file_named_twice_is_cleaned_once(photos: Path, tmp_path: Path) -> None:
    same = Path(os.path.relpath(photos / "a.png"))
    planned = plan([photos / "a.png", same, photos], tmp_path / "out")
    assert len(planned.jobs) == len(planned) == 3


def test_of_two_sources_of_one_result_the_second_is_refused(photos: Path, tmp_path: Path) -> None:
    draw(tmp_path / "others" / "a.png")
    planned = plan([photos, tmp_path / "others"], tmp_path / "out")
    assert len(planned.jobs) == 3
    [trouble] = planned.troubles
    assert (trouble.source, trouble.status) == (tmp_path / "others" / "a.png", "skipped")
    assert str(photos / "a.png") in trouble.reason


def test_of_two_sources_of_one_mask_the_second_takes_a_longer_name(
    photos: Path, tmp_path: Path
) -> None:
    draw(photos / "a.jpg")
    draw(photos / "sub" / "c.tiff")
    masks, sheets = tmp_path / "masks", tmp_path / "sheets"
    planned = plan([photos], tmp_path / "out", masks, sheets)
    assert planned.troubles == []
    for job in planned.jobs:
        assert job.mask is not None
        assert job.sheet is not None
        assert job.mask.relative_to(masks) == job.sheet.relative_to(sheets)
    places = {job.name: str(job.mask and job.mask.relative_to(masks)) for job in planned.jobs}
    assert places == {
        "a.jpg": "a.png",
        "a.png": "a.png.png",
        "b.jpg": "b.png",
        str(Path("sub/c.png")): str(Path("sub/c.png")),
        str(Path("sub/c.tiff")): str(Path("sub/c.tiff.png")),
    }


def test_a_mask_never_lies_on_a_result_or_a_source(photos: Path, tmp_path: Path) -> None:
    sources = [photos / "a.png", photos / "b.jpg"]
    for out, masks in ((tmp_path / "out", tmp_path / "out"), (tmp_path / "out", photos)):
        planned = plan(sources, out, masks)
        assert [job.mask for job in planned.jobs] == [masks / "a.png.png", masks / "b.png"]
    planned = plan(sources[:1], tmp_path / "x.png", tmp_path / "x.png")
    assert [trouble.source for trouble in planned.troubles] == sources[:1]


def test_a_result_never_lies_on_another_source(photos: Path) -> None:
    draw(photos / "sub" / "a.png")
    planned = plan([photos / "a.png", photos / "sub" / "a.png"], photos / "sub")
    assert [job.source for job in planned.jobs] == [photos / "sub" / "a.png"]
    assert [trouble.source for trouble in planned.troubles] == [photos / "a.png"]


def test_one_file_may_go_to_a_file(photos: Path, tmp_path: Path) -> None:
    planned = plan([photos / "a.png"], tmp_path / "x.jpg", tmp_path / "m.png")
    [job] = planned.jobs
    assert (job.result, job.mask) == (tmp_path / "x.jpg", tmp_path / "m.png")
    assert planned.folder is None
    [job] = plan([photos / "a.png"], tmp_path / "x.jpg", tmp_path / "masks").jobs
    assert job.mask == tmp_path / "masks" / "a.png"


def test_a_folder_may_be_called_like_a_picture(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "x.png").mkdir()
    [job] = plan([photos / "a.png"], tmp_path / "x.png").jobs
    assert job.result == tmp_path / "x.png" / "a.png"


def test_many_never_go_to_one_file(photos: Path, tmp_path: Path) -> None:
    for arguments in ([photos], [photos / "a.png", photos / "b.jpg"], [photos / "*.*"]):
        with pytest.raises(UsageError, match=r"x\.png"):
            plan(arguments, tmp_path / "x.png")


def test_a_file_of_a_format_that_is_not_written_is_no_folder(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"y\.gif: no picture is written as \.gif, but: \.avif, "):
        plan([photos / "a.png"], tmp_path / "y.gif")
    (tmp_path / "y.gif").mkdir()
    assert plan([photos], tmp_path / "y.gif").folder == tmp_path / "y.gif"
    assert plan([photos], tmp_path / "scans.2020").folder == tmp_path / "scans.2020"


def test_nothing_to_do_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for argument in (tmp_path / "empty", tmp_path / "empty" / "*.png"):
        with pytest.raises(UsageError, match="empty"):
            plan([argument], tmp_path / "out")


def test_a_missing_file_does_not_hinder_the_rest(photos: Path, tmp_path: Path) -> None:
    planned = plan([tmp_path / "no.png", photos], tmp_path / "out")
    assert len(planned.jobs) == 3
    [trouble] = planned.troubles
    assert (trouble.source, trouble.status) == (tmp_path / "no.png", "failed")


def test_an_unreadable_folder_does_not_hinder_the_rest(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refuse(path: str) -> object:
        if Path(path) == photos / "sub":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    planned = plan([photos], tmp_path / "out")
    assert [job.source.name for job in planned.jobs] == ["a.png", "b.jpg"]
    [trouble] = planned.troubles
    assert (trouble.source, trouble.status) == (photos / "sub", "failed")
    assert "Permission denied" in trouble.reason


def test_a_format_is_known_by_its_suffix() -> None:
    with pytest.raises(UsageError, match=r"\.txt"):
        format_of(Path("a.txt"))


def as_png(suffix: str) -> str:
    """Give what a cut-out's result is called."""
    return suffix if suffix in (".png", ".tif") else ".png"


def test_a_result_of_another_format_has_its_suffix_and_takes_no_other_ones_place(
    tmp_path: Path,
) -> None:
    for name in ("a.jpg", "a.png", "b.JPG", "c.bmp", "c.jpg", "d.tif"):
        draw(tmp_path / "photos" / name)
    out = tmp_path / "out"
    planned = plan([tmp_path / "photos"], out, tmp_path / "masks", output=as_png)
    assert results(planned, out) == [
        "a.jpg.png",
        "a.png",
        "b.png",
        "c.png",
        "c.jpg.png",
        "d.tif",
    ]
    assert [job.format for job in planned.jobs] == ["png", None, "png", "png", "png", None]
    paths = [path for job in planned.jobs for path in job.places().values()]
    assert len({*paths}) == len(paths) == 12
    assert planned.troubles == []


def test_a_file_that_cannot_hold_the_result_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"x\.jpg: the result is \.png, which \.jpg cannot hold"):
        plan([draw(tmp_path / "a.jpg")], tmp_path / "x.jpg", output=as_png)
    [job] = plan([tmp_path / "a.jpg"], tmp_path / "x.tif", output=as_png).jobs
    assert job.format == "tiff"
