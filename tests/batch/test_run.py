from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx_models
import pytest
from fakes import Blot, draw, leftovers
from PIL import Image

from cleanplate import batch, models
from cleanplate.batch import Outcome, Run, clean_one, plan
from cleanplate.batch.sheets import CAPTION
from cleanplate.errors import CleanplateError, PictureError, UsageError
from cleanplate.picture import Picture
from cleanplate.tasks.base import Cleaned, Remark

Clean = Callable[..., dict[str, Outcome]]


@pytest.fixture
def clean(photos: Path, tmp_path: Path) -> Clean:
    """Clean the photos into `out`; give the outcomes by name."""

    def run(
        source: Path = photos, out: Path | None = None, mask_out: Path | None = None, **options: Any
    ) -> dict[str, Outcome]:
        follow = options.pop("follow", True)
        explain = options.pop("explain", None)
        planned = plan([source], out or tmp_path / "out", mask_out, explain, follow=follow)
        create = options.pop("create", lambda threads: Blot(threads=threads))
        outcomes = list(Run(planned, create, **options).outcomes())
        assert len(outcomes) == len(planned)
        return {outcome.source.name: outcome for outcome in outcomes}

    return run


def statuses(outcomes: dict[str, Outcome]) -> dict[str, str]:
    return {name: outcomes[name].status for name in sorted(outcomes)}


def manifest(folder: Path) -> dict[str, dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    assert len({line["source"] for line in lines}) == len(lines)
    for line in lines:
        for role in ("source", "result", "mask", "sheet"):
            if line.get(role):
                assert not os.path.isabs(line[role])
                line[role] = os.path.normpath(folder / line[role])
    return {Path(line["source"]).name: line for line in lines}


ALL_DONE = {"a.png": "done", "b.jpg": "done", "c.png": "done"}
ALL_SKIPPED = dict.fromkeys(ALL_DONE, "skipped")


def test_a_sheet_of_the_steps_is_written_and_never_over_anything(tmp_path: Path) -> None:
    source, out, sheets = draw(tmp_path / "in" / "a.png"), tmp_path / "out", tmp_path / "sheets"

    class Told(Blot):
        def clean(self, picture: Picture, **given: Any) -> Cleaned:
            cleaned = super().clean(picture, **given)
            cleaned.steps["before"] = np.zeros((48, 64, 3), np.float32)
            return cleaned

    def run() -> list[str]:
        planned = plan([source.parent], out, explain=sheets)
        return [outcome.status for outcome in Run(planned, lambda threads: Told()).outcomes()]

    assert run() == ["done"]
    drawn = np.asarray(Image.open(sheets / "a.png"))
    assert drawn.shape[1] >= 2 * 64
    drawn = drawn[CAPTION:]
    assert not drawn[:48, :64].any()
    assert (drawn[16:32, -48:-40] == 128).any()
    assert manifest(out)["a.png"]["sheet"] == str(sheets / "a.png")
    (out / "a.png").unlink()
    assert run() == ["skipped"]


def test_a_resumed_run_writes_the_sheets_that_are_missing(
    clean: Clean, photos: Path, tmp_path: Path
) -> None:
    clean()
    sheets = tmp_path / "sheets"
    assert statuses(clean(explain=sheets, resume=True)) == ALL_DONE
    assert statuses(clean(explain=sheets, resume=True)) == ALL_SKIPPED
    (sheets / "b.png").unlink()
    outcomes = clean(explain=sheets, resume=True)
    assert statuses(outcomes) == {**ALL_SKIPPED, "b.jpg": "done"}
    others = draw(tmp_path / "others" / "a.png")
    outcomes = clean(explain=others.parent, resume=True)
    assert (outcomes["a.png"].status, outcomes["a.png"].settled) == ("skipped", False)


def test_every_picture_gets_its_result_mask_and_line(
    clean: Clean, photos: Path, tmp_path: Path
) -> None:
    outcomes = clean(mask_out=tmp_path / "masks")
    assert statuses(outcomes) == ALL_DONE
    out = tmp_path / "out"
    before, after = (np.asarray(Image.open(path / "sub/c.png")) for path in (photos, out))
    mask = np.asarray(Image.open(tmp_path / "masks/sub/c.png"))
    assert mask.shape == (48, 64)
    assert mask[16:32, 16:32].all()
    assert not mask[:16].any()
    assert (after[mask > 0] == 128).all()
    assert (after[mask == 0] == before[mask == 0]).all()
    assert Image.open(tmp_path / "masks/b.png").mode == "L"
    line = manifest(out)["c.png"]
    assert line["source"] == str(photos / "sub" / "c.png")
    assert line["result"] == str(out / "sub" / "c.png")
    assert line["mask"] == str(tmp_path / "masks" / "sub" / "c.png")
    assert (line["status"], line["reason"]) == ("done", None)
    assert line["filled"] == round(16 * 16 / (48 * 64), 6)
    assert line["seconds"] >= 0
    assert leftovers(tmp_path) == []


def test_a_bad_picture_stops_nothing(clean: Clean, photos: Path, tmp_path: Path) -> None:
    (photos / "bad.png").write_bytes(b"no picture")
    draw(photos / "impossible.png")
    (photos / "gone.png").symlink_to(photos / "nowhere.png")
    outcomes = clean()
    failed = dict.fromkeys(["bad.png", "gone.png", "impossible.png"], "failed")
    assert statuses(outcomes) == {**ALL_DONE, **failed}
    assert "at a loss" in str(outcomes["impossible.png"].reason)
    assert "Traceback" in str(outcomes["impossible.png"].trace)
    lines = manifest(tmp_path / "out")
    assert {name: line["status"] for name, line in lines.items()} == {**ALL_DONE, **failed}
    assert lines["bad.png"]["reason"] == outcomes["bad.png"].reason
    assert str(outcomes["bad.png"].reason).startswith("this is no picture")
    assert not (tmp_path / "out" / "bad.png").exists()


def test_results_that_are_there_are_refused(clean: Clean, tmp_path: Path) -> None:
    there = tmp_path / "out" / "a.png"
    there.parent.mkdir()
    there.write_bytes(b"of the user")
    for options in ({}, {"resume": True}):
        outcomes = clean(**options)
        assert outcomes["a.png"].status == "skipped"
        assert not outcomes["a.png"].settled
        assert "--overwrite" in str(outcomes["a.png"].reason)
        assert there.read_bytes() == b"of the user"
    assert clean(overwrite=True)["a.png"].status == "done"
    assert Image.open(there).size == (64, 48)


def test_masks_that_are_there_are_refused(clean: Clean, tmp_path: Path) -> None:
    there = tmp_path / "masks" / "a.png"
    there.parent.mkdir()
    there.write_bytes(b"of the user")
    assert clean(mask_out=tmp_path / "masks")["a.png"].status == "skipped"
    assert there.read_bytes() == b"of the user"
    assert not (tmp_path / "out" / "a.png").exists()


def test_resume_keeps_what_is_done_and_starts_no_model(clean: Clean, tmp_path: Path) -> None:
    clean()
    lines = manifest(tmp_path / "out")

    def create(threads: int) -> Blot:
        raise AssertionError("nothing is to be done")

    outcomes = clean(resume=True, create=create)
    assert statuses(outcomes) == ALL_SKIPPED
    assert all(outcome.settled for outcome in outcomes.values())
    assert manifest(tmp_path / "out") == lines
    assert not any(outcome.settled for outcome in clean(create=create).values())
    assert manifest(tmp_path / "out") == lines


def test_resume_takes_nothing_for_ours_that_is_not(
    clean: Clean, photos: Path, tmp_path: Path
) -> None:
    """The same sources with other results: what lies there was not made by the first run."""
    clean()
    other, mask = tmp_path / "out" / "c.png", tmp_path / "masks" / "c.png"
    mask.parent.mkdir()
    for path in (other, mask):
        path.write_bytes(b"of the user")
    assert not clean(photos / "sub", resume=True)["c.png"].settled
    other.unlink()
    masked = clean(photos / "sub", mask_out=tmp_path / "masks", resume=True)
    assert not masked["c.png"].settled
    assert mask.read_bytes() == b"of the user"
    assert statuses(clean(photos / "sub", resume=True)) == {"c.png": "done"}


def test_resume_redoes_what_has_changed(clean: Clean, photos: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    draw(photos / "d.png")
    draw(photos / "e.png")
    clean(mask_out=masks)
    draw(photos / "a.png", blot=(8, 8))
    (tmp_path / "out" / "sub" / "c.png").unlink()
    (masks / "d.png").unlink()
    status = (photos / "e.png").stat()
    os.utime(photos / "e.png", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    outcomes = clean(mask_out=masks, resume=True)
    done = dict.fromkeys(["a.png", "c.png", "d.png", "e.png"], "done")
    assert statuses(outcomes) == {**done, "b.jpg": "skipped"}
    assert outcomes["a.png"].filled == round(64 / (48 * 64), 6)


def test_resume_redoes_an_empty_result_and_keeps_its_hands_off_another(
    clean: Clean, tmp_path: Path
) -> None:
    clean()
    empty, worked_on = tmp_path / "out" / "a.png", tmp_path / "out" / "sub" / "c.png"
    empty.write_bytes(b"")
    worked_on.write_bytes(b"of the user")
    outcomes = clean(resume=True)
    assert statuses(outcomes) == {**ALL_SKIPPED, "a.png": "done"}
    assert not outcomes["c.png"].settled
    assert "--overwrite" in str(outcomes["c.png"].reason)
    assert worked_on.read_bytes() == b"of the user"
    assert statuses(clean(resume=True, overwrite=True)) == {**ALL_SKIPPED, "c.png": "done"}


def test_resume_redoes_what_has_another_mask(clean: Clean, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    draw(masks / "a.png")
    draw(masks / "sub" / "c.png")
    draw(masks / "b.png", blot=(8, 8))
    clean(mask=masks)
    assert statuses(clean(mask=masks, resume=True)) == ALL_SKIPPED
    draw(masks / "sub" / "c.png", blot=(8, 8))
    draw(masks / "b.png")
    outcomes = clean(mask=masks, resume=True)
    assert statuses(outcomes) == {**ALL_DONE, "a.png": "skipped"}
    assert statuses(clean(mask=masks / "a.png", resume=True)) == {**ALL_DONE, "a.png": "skipped"}


class Remarking(Blot):
    """Says of a.png that something of it is lost."""

    def clean(self, picture: Picture, **given: Any) -> Cleaned:
        cleaned = super().clean(picture, **given)
        if picture.name == "a.png":
            cleaned.remarks.append(Remark("video-left-out", "the video is left out"))
        return cleaned


@pytest.mark.parametrize("in_place", [False, True])
def test_a_strict_run_takes_what_was_done_with_a_loss_for_failed(
    clean: Clean, photos: Path, tmp_path: Path, in_place: bool
) -> None:
    """But leaves it as it is: in place, the picture before is not there any more."""
    out = photos if in_place else tmp_path / "out"
    given = {"out": out, "overwrite": in_place, "create": lambda threads: Remarking()}
    clean(**given)
    lines, content = manifest(out), (out / "a.png").read_bytes()
    outcomes = clean(resume=True, strict=True, **given)
    assert statuses(outcomes) == {**ALL_SKIPPED, "a.png": "failed"}
    assert outcomes["a.png"].reason == "the video is left out (--strict)"
    assert (manifest(out), (out / "a.png").read_bytes()) == (lines, content)
    assert statuses(clean(resume=True, **given)) == ALL_SKIPPED


def test_resume_redoes_all_with_other_settings(clean: Clean) -> None:
    clean(settings={"threshold": 0.5})
    assert statuses(clean(resume=True, settings={"threshold": 0.5})) == ALL_SKIPPED
    assert statuses(clean(resume=True, settings={"threshold": 0.4})) == ALL_DONE


def test_resume_goes_on_when_both_folders_have_moved(
    clean: Clean, photos: Path, tmp_path: Path
) -> None:
    clean(mask_out=tmp_path / "out" / "masks")
    (tmp_path / "out" / "b.jpg").unlink()
    (tmp_path / "moved").mkdir()
    photos = photos.rename(tmp_path / "moved" / "photos")
    out = (tmp_path / "out").rename(tmp_path / "moved" / "out")
    outcomes = clean(photos, out, out / "masks", resume=True)
    assert statuses(outcomes) == {**ALL_SKIPPED, "b.jpg": "done"}
    assert all(outcome.settled for outcome in outcomes.values())
    assert manifest(out)["a.png"]["source"] == str(photos / "a.png")


def test_resume_reads_the_manifest_of_an_older_version(
    clean: Clean, photos: Path, tmp_path: Path
) -> None:
    """Paths absolute, no version, no models that ran, and files of models among the settings."""
    clean(settings={"task": "watermark", "strip_metadata": False})
    older = list(manifest(tmp_path / "out").values())
    for line in older:
        del line["version"], line["models"]
        line["settings"]["models"] = []
    path = tmp_path / "out" / "manifest.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in older))
    settings = {"task": "watermark", "strip_metadata": False}
    assert statuses(clean(resume=True, settings=settings)) == ALL_SKIPPED
    assert statuses(clean(resume=True, settings=settings | {"threshold": 0.4})) == ALL_DONE


class Modelled(Blot):
    """A task of one model, which it does not ask about pictures in JPEG."""

    model: ClassVar[Path]

    def clean(self, picture: Picture, **given: Any) -> Cleaned:
        if picture.format != "jpeg":
            models.load(self.model, device="cpu")(np.zeros((1, 3, 32, 32), np.float32))
        return super().clean(picture, **given)


def test_a_line_names_version_and_models_and_resume_does_again_what_others_did(
    clean: Clean, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models.catalogue, "FOLDER", tmp_path)  # as if it shipped
    Modelled.model = onnx_models.write(tmp_path, "finder", onnx_models.threshold())
    sha256 = models.read_card(tmp_path / "finder.json").sha256
    clean(create=lambda threads: Modelled())
    lines = manifest(tmp_path / "out")
    assert {line["version"] for line in lines.values()} == {version("cleanplate")}
    ran = {name: line["models"] for name, line in lines.items()}
    assert ran == {"a.png": {"finder": sha256}, "b.jpg": {}, "c.png": {"finder": sha256}}
    assert statuses(clean(resume=True)) == ALL_SKIPPED
    onnx_models.write(tmp_path, "finder", onnx_models.threshold(0.123))
    again = clean(resume=True, create=lambda threads: Modelled())
    assert statuses(again) == {**ALL_DONE, "b.jpg": "skipped"}
    assert manifest(tmp_path / "out")["a.png"]["models"] != ran["a.png"]
    for name in ("finder.json", "finder.onnx"):
        (tmp_path / name).unlink()
    assert statuses(clean(resume=True)) == {**ALL_DONE, "b.jpg": "skipped"}


def test_in_place_what_other_models_did_is_kept(
    clean: Clean, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source is not there any more: it would be cleaned twice."""
    monkeypatch.setattr(models.catalogue, "FOLDER", tmp_path)
    Modelled.model = onnx_models.write(tmp_path, "finder", onnx_models.threshold())
    clean(out=photos, overwrite=True, create=lambda threads: Modelled())
    onnx_models.write(tmp_path, "finder", onnx_models.threshold(0.123))
    assert statuses(clean(out=photos, overwrite=True, resume=True)) == ALL_SKIPPED


def test_what_is_private_stays_so(clean: Clean, photos: Path, tmp_path: Path) -> None:
    (photos / "a.png").chmod(0o600)
    (photos / "sub").chmod(0o700)
    masks, sheets = tmp_path / "masks", tmp_path / "sheets"
    clean(mask_out=masks, explain=sheets)
    for folder in (tmp_path / "out", masks, sheets):
        assert (folder / "a.png").stat().st_mode & 0o077 == 0
        assert (folder / "sub").stat().st_mode & 0o077 == 0
    assert (tmp_path / "out" / "b.jpg").stat().st_mode & 0o044 == 0o044


def test_times_are_those_of_the_source_where_that_is_asked_for(
    clean: Clean, photos: Path, tmp_path: Path
) -> None:
    os.utime(photos / "a.png", ns=(10**18, 10**18 + 5))
    clean(mask_out=tmp_path / "masks", preserve_times=True)
    for folder in (tmp_path / "out", tmp_path / "masks"):
        assert (folder / "a.png").stat().st_mtime_ns == 10**18 + 5
    assert statuses(clean(mask_out=tmp_path / "masks", resume=True)) == ALL_SKIPPED


def test_resume_retries_what_failed(clean: Clean, photos: Path, tmp_path: Path) -> None:
    (photos / "a.png").write_bytes(b"no picture")
    assert clean()["a.png"].status == "failed"
    draw(photos / "a.png")
    outcomes = clean(resume=True)
    assert statuses(outcomes) == {**ALL_SKIPPED, "a.png": "done"}
    assert manifest(tmp_path / "out")["a.png"]["status"] == "done"


def test_in_place_asks_for_overwrite_and_resumes(clean: Clean, photos: Path) -> None:
    content = (photos / "a.png").read_bytes()
    assert statuses(clean(out=photos)) == ALL_SKIPPED
    assert (photos / "a.png").read_bytes() == content
    assert statuses(clean(out=photos, overwrite=True)) == ALL_DONE
    cleaned = (photos / "a.png").read_bytes()
    assert cleaned != content
    assert statuses(clean(out=photos, overwrite=True, resume=True)) == ALL_SKIPPED


@pytest.fixture
def linked(photos: Path, tmp_path: Path) -> Path:
    """A picture elsewhere, to which a link in the folder leads; its path."""
    target = draw(tmp_path / "elsewhere" / "target.png")
    (photos / "link.png").symlink_to(target)
    return target


def is_clean(path: Path) -> bool:
    return Image.open(path).getpixel((20, 20)) == (128, 128, 128)


def test_in_place_a_link_stays_and_its_target_is_cleaned(
    clean: Clean, photos: Path, linked: Path
) -> None:
    assert clean(out=photos)["link.png"].status == "skipped"
    outcome = clean(out=photos, overwrite=True)["link.png"]
    assert (outcome.status, outcome.result) == ("done", linked)
    assert (photos / "link.png").is_symlink()
    assert is_clean(linked)
    again = clean(out=photos, overwrite=True, resume=True)
    assert statuses(again) == {**ALL_SKIPPED, "link.png": "skipped"}
    assert all(outcome.settled for outcome in again.values())


def test_in_place_a_link_is_replaced_where_that_is_asked_for(
    clean: Clean, photos: Path, linked: Path
) -> None:
    before = linked.read_bytes()
    assert clean(out=photos, overwrite=True, follow=False)["link.png"].status == "done"
    assert not (photos / "link.png").is_symlink()
    assert is_clean(photos / "link.png")
    assert linked.read_bytes() == before


def test_of_two_links_to_a_picture_one_cleans_it(clean: Clean, photos: Path, linked: Path) -> None:
    (photos / "second.png").symlink_to(linked)
    (photos / "third.png").symlink_to(photos / "a.png")
    outcomes = clean(out=photos, overwrite=True)
    assert statuses(outcomes) == {
        **ALL_DONE,
        "link.png": "done",
        "second.png": "skipped",
        "third.png": "skipped",
    }
    assert str(photos / "link.png") in str(outcomes["second.png"].reason)
    assert str(photos / "a.png") in str(outcomes["third.png"].reason)


def test_a_link_in_the_place_of_a_result_is_not_written_through(
    clean: Clean, photos: Path, tmp_path: Path
) -> None:
    before = (photos / "a.png").read_bytes()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").symlink_to(photos / "a.png")
    assert clean()["a.png"].status == "skipped"
    assert clean(overwrite=True)["a.png"].status == "done"
    assert not (tmp_path / "out" / "a.png").is_symlink()
    assert (photos / "a.png").read_bytes() == before


def test_the_task_knows_a_picture_by_its_place_and_tells_its_device(
    clean: Clean, tmp_path: Path
) -> None:
    names = []

    class Told(Blot):
        def clean(self, picture: Picture, **given: Any) -> Cleaned:
            names.append(picture.name)
            cleaned = super().clean(picture, **given)
            cleaned.report["device"] = "cuda"
            return cleaned

    outcomes = clean(create=lambda threads: Told(), workers=1)
    assert names == ["a.png", "b.jpg", str(Path("sub/c.png"))]
    assert {outcome.device for outcome in outcomes.values()} == {"cuda"}
    assert {line["device"] for line in manifest(tmp_path / "out").values()} == {"cuda"}


def test_a_run_that_cannot_begin_leaves_no_manifest(clean: Clean, tmp_path: Path) -> None:
    def create(threads: int) -> Blot:
        raise CleanplateError("no such device")

    with pytest.raises(CleanplateError):
        clean(create=create)
    assert not (tmp_path / "out" / "manifest.jsonl").exists()
    clean()
    (tmp_path / "out" / "a.png").unlink()
    lines = manifest(tmp_path / "out")
    with pytest.raises(CleanplateError):
        clean(create=create, resume=True)
    assert manifest(tmp_path / "out") == lines


def test_a_full_disk_fails_the_picture_and_nothing_else(
    clean: Clean, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = batch.run.staged

    def full(contents: dict[Path, bytes], **options: Any) -> Any:
        if any(path.name == "a.png" for path in contents):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a.png")
        return staged(contents, **options)

    monkeypatch.setattr(batch.run, "staged", full)
    outcomes = clean()
    assert statuses(outcomes) == {**ALL_DONE, "a.png": "failed"}
    assert outcomes["a.png"].reason == "a.png: No space left on device"
    monkeypatch.undo()
    assert statuses(clean(resume=True)) == {**ALL_SKIPPED, "a.png": "done"}


@pytest.mark.parametrize(
    ("cores", "workers", "threads"), [(8, 0, 2), (8, 1, 0), (8, 2, 4), (2, 3, 1), (1, 0, 0)]
)
def test_workers_share_the_cores(
    clean: Clean, monkeypatch: pytest.MonkeyPatch, cores: int, workers: int, threads: int
) -> None:
    monkeypatch.setattr(batch.run, "usable_cores", lambda: cores)
    Blot.made.clear()
    clean(workers=workers)
    assert [made["threads"] for made in Blot.made] == [threads]


def test_a_run_that_is_closed_stops_and_can_be_resumed(
    clean: Clean, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        draw(photos / f"more{number}.png")
    monkeypatch.setenv("BLOT_SECONDS", "0.02")
    run = Run(plan([photos], tmp_path / "out"), lambda threads: Blot(), workers=2).outcomes()
    assert next(run).status == "done"
    run.close()
    done = manifest(tmp_path / "out")
    assert 0 < len(done) < 13
    assert {line["status"] for line in done.values()} == {"done"}
    outcomes = clean(resume=True)
    assert sum(outcome.status == "skipped" for outcome in outcomes.values()) == len(done)
    assert all(outcome.settled for outcome in outcomes.values())


def test_a_file_of_its_own_has_no_manifest(clean: Clean, photos: Path, tmp_path: Path) -> None:
    [outcome] = clean(photos / "b.jpg", out=tmp_path / "x.png").values()
    assert outcome.status == "done"
    assert Image.open(tmp_path / "x.png").format == "PNG"
    assert not (tmp_path / "manifest.jsonl").exists()
    [outcome] = clean(photos / "a.png", out=tmp_path / "x.png").values()
    assert outcome.status == "skipped"


def test_bytes_are_cleaned_without_a_name(photos: Path, tmp_path: Path) -> None:
    content = (photos / "a.png").read_bytes()
    options: dict[str, Any] = {"overwrite": False, "strip_metadata": False}
    mask_out = tmp_path / "mask.png"
    cleaned, _ = clean_one(content, lambda _: Blot(), out=None, mask_out=mask_out, **options)
    assert cleaned.startswith(b"\x89PNG")
    assert cleaned != content
    assert np.count_nonzero(np.asarray(Image.open(mask_out))) == 256
    with pytest.raises(CleanplateError, match="--overwrite"):
        clean_one(content, lambda _: Blot(), out=None, mask_out=mask_out, **options)
    with pytest.raises(UsageError, match=r"\.png file"):
        clean_one(content, lambda _: Blot(), out=None, mask_out=tmp_path, **options)
    with pytest.raises(PictureError, match="standard input"):
        clean_one(b"no picture", lambda _: Blot(), out=None, mask_out=None, **options)
