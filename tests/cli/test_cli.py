from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import types
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx_models
import onnxruntime
import pytest
from fakes import Blot, draw, stand_in
from PIL import Image
from typer.testing import CliRunner, Result

from cleanplate import models
from cleanplate.cli import make_app
from cleanplate.errors import UsageError
from cleanplate.picture import Picture
from cleanplate.tasks.base import Cleaned

pytestmark = pytest.mark.usefixtures("blot")


def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(make_app(), [str(argument) for argument in arguments], input=stdin)


def test_a_folder_is_cleaned(photos: Path, tmp_path: Path) -> None:
    result = run("watermark", photos, "-o", tmp_path / "out", "--mask-out", tmp_path / "masks")
    assert (result.exit_code, result.stderr) == (0, "3 cleaned.\n")
    assert len(result.stdout.splitlines()) == 3
    assert f"{photos / 'a.png'} -> {tmp_path / 'out' / 'a.png'} (8.33% filled" in result.stdout
    assert (tmp_path / "masks" / "sub" / "c.png").exists()


def test_one_bad_picture_makes_the_status_1(photos: Path, tmp_path: Path) -> None:
    (photos / "bad.png").write_bytes(b"no picture")
    result = run("watermark", photos, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "3 cleaned, 1 failed."
    assert result.stderr.count(str(photos / "bad.png")) == 1
    assert "Traceback" not in result.stderr
    assert "Traceback" in run("watermark", photos, "-o", tmp_path / "x", "--debug").stderr


def jpeg(mode: str) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (64, 48)).save(file, "JPEG")
    return file.getvalue()


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header claims a size; its samples are those of a single pixel."""
    file = io.BytesIO()
    Image.new("RGB", (1, 1)).save(file, "PNG")
    content = file.getvalue()
    header = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + content[24:29]
    return content[:12] + header + zlib.crc32(header).to_bytes(4, "big") + content[33:]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("bad.jpg", jpeg("RGB")[:-100], "damaged"),
        ("bad.jpg", b"", "the file is empty"),
        ("bad.png", b"no picture", "this is no picture"),
        ("bad.png", png_of(60_000, 60_000), "60000"),
        ("bad.jpg", jpeg("CMYK"), "CMYK"),
        ("one.png", png_of(1, 1), None),
    ],
    ids=["truncated", "empty", "text", "huge", "CMYK", "one pixel"],
)
def test_odd_files_stop_nothing(
    photos: Path, tmp_path: Path, name: str, content: bytes, words: str | None
) -> None:
    odd = photos / name
    odd.write_bytes(content)
    out = tmp_path / "out"
    result = run("watermark", photos, "-o", out, "--workers", "1")
    *errors, end = result.stderr.splitlines()
    if words is None:
        assert (result.exit_code, errors, end) == (0, [], "3 cleaned, 1 unchanged.")
        assert (out / name).read_bytes() == content
    else:
        assert (result.exit_code, end) == (1, "3 cleaned, 1 failed.")
        [line] = errors
        assert line.startswith(f"{odd}: ")
        assert words in line
        assert not (out / name).exists()
    assert all((out / name).is_file() for name in ("a.png", "b.jpg", "sub/c.png"))


def test_a_refusal_names_the_way_out(photos: Path, tmp_path: Path) -> None:
    run("watermark", photos, "-o", tmp_path / "out")
    result = run("watermark", photos, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stderr.count("skipped: ") == result.stderr.count("--overwrite") == 3
    result = run("watermark", photos, "-o", tmp_path / "out", "--resume")
    assert (result.exit_code, result.stderr) == (0, "3 cleaned before.\n")
    assert run("watermark", photos, "-o", tmp_path / "out", "--overwrite").exit_code == 0


def test_json_lines_are_those_of_the_manifest(photos: Path, tmp_path: Path) -> None:
    (photos / "bad.png").write_bytes(b"no picture")
    result = run("watermark", photos, "-o", tmp_path / "out", "--json", "--workers", "1")
    manifest = (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(lines) == len(manifest) == 4
    for line, kept in zip(lines, map(json.loads, manifest), strict=True):
        for role in ("source", "result"):
            assert os.path.normpath(tmp_path / "out" / kept.pop(role)) == line.pop(role)
        assert line.items() <= kept.items()
    assert {line["status"] for line in lines} == {"done", "failed"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["PHOTOS"], "-o FOLDER"),
        (["PHOTOS/*.gif", "-o", "OUT"], "Nothing to do"),
        (["PHOTOS", "-o", "OUT.png"], "OUT.png"),
        (["PHOTOS", "-", "-o", "OUT"], "standard input"),
        (["-", "--json"], "standard input"),
        (["PHOTOS", "-o", "OUT", "--model", "=mine.onnx"], "ROLE=MODEL"),
        (["PHOTOS", "-o", "OUT", "--model", "nafnet"], "cleanplate train RECIPE"),
        (["PHOTOS", "-o", "OUT", "--model", "watermark-filler"], "the role filler"),
        (["PHOTOS", "-o", "OUT", "--model", "cook=mine.onnx"], "cook"),
        (["PHOTOS", "-o", "OUT", "--device", "abacus"], "auto, cuda"),
        (["PHOTOS", "-o", "OUT", "--device", "cuda"], "The device cuda is not there"),
        (["PHOTOS/none.png", "-o", "OUT"], "PHOTOS/none.png: there is no such file"),
        (["PHOTOS", "-o", "OUT", "--mask", "none.png"], "none.png: there is no such file"),
        (["PHOTOS", "-o", "OUT", "--mark", "none.png"], "none.png: there is no such file"),
        (["PHOTOS/a.png", "-o", "OUT.xyz"], "written as .xyz, but: .avif, .bmp, "),
        (["PHOTOS", "-o", "-"], "standard input"),
        (["PHOTOS", "-o", "OUT", "--mask-out", "-"], "standard input"),
        (["PHOTOS/a.png", "-o", "OUT.gif"], ".gif"),
        (["", "-o", "OUT"], "must not be empty"),
        (["PHOTOS", "-o", ""], "must not be empty"),
        (["PHOTOS/a.png", "-o", "OUT.png", "--resume"], "--resume"),
        (["PHOTOS", "-o", "OUT", "--threshold", "2"], "threshold"),
        (["PHOTOS", "-o", "OUT", "--workers", "-1"], "workers"),
        ([], "PATH"),
    ],
)
def test_wrong_usage_has_status_2_and_a_reason(
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {"PHOTOS": str(photos), "OUT": str(tmp_path / "OUT")}
    for name, place in places.items():
        arguments = [argument.replace(name, place) for argument in arguments]
        words = words.replace(name, place)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    result = run("watermark", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == [photos]


@pytest.mark.parametrize(
    ("task", "model", "words"),
    [
        ("inpaint", "filler=watermark-filler", "it takes 8 planes, and this task gives it 7"),
        ("occlusion", "filler=denoiser", "it takes 4 planes"),
        ("occlusion", "locator=watermark-locator", "its card has no number parameters.least"),
        ("occlusion", "eraser=occlusion-locator", "it gives mask, but not picture"),
        ("cutout", "locator=watermark-locator", "its card has no number parameters.least"),
        ("denoise", "restorer=occlusion-filler", "it does not denoise"),
        ("handwriting", "eraser=occlusion-locator", "does not take handwriting off"),
    ],
)
def test_a_model_that_does_not_fit_the_task_is_refused_before_a_picture_is_read(
    photos: Path, tmp_path: Path, task: str, model: str, words: str
) -> None:
    mask = ["--mask", photos / "a.png"] if task == "inpaint" else []
    result = run(task, photos, "-o", tmp_path / "out", "--model", model, *mask)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert model.partition("=")[2] in result.stderr
    assert words in result.stderr


def test_a_folder_may_end_like_a_file(photos: Path, tmp_path: Path) -> None:
    for folder in ("v1.2", "2024.11"):
        assert run("watermark", photos / "a.png", "-o", tmp_path / folder).exit_code == 0
    (tmp_path / "out.xyz").mkdir()
    assert run("watermark", photos / "a.png", "-o", tmp_path / "out.xyz").exit_code == 0
    assert run("watermark", photos, "-o", tmp_path / "all.xyz").exit_code == 0
    assert (tmp_path / "all.xyz" / "a.png").is_file()


def test_one_missing_file_among_others_stops_nothing(photos: Path, tmp_path: Path) -> None:
    result = run("watermark", photos, tmp_path / "none.png", "-o", tmp_path / "out")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (1, "3 cleaned, 1 failed.")


def test_the_package_is_a_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cleanplate", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("cleanplate ")


def test_inpainting_asks_for_a_mask_and_has_no_threshold(photos: Path, tmp_path: Path) -> None:
    out, mask = tmp_path / "out", tmp_path / "mask.png"
    result = run("inpaint", photos, "-o", out)
    assert (result.exit_code, result.stderr) == (2, "Say what to fill in: --mask FILE or FOLDER.\n")
    result = run("inpaint", photos, "-o", out, "--mask", mask, "--threshold", "0.5")
    assert result.exit_code == 2
    assert "--threshold" in result.stderr
    assert not out.exists()
    assert "--threshold" not in run("inpaint", "--help").stdout
    assert "--threshold" in run("occlusion", "--help").stdout


def test_masks_that_were_written_can_be_given(photos: Path, tmp_path: Path) -> None:
    """Same stems, in one folder and in two: each picture gets its own mask back."""
    draw(photos / "sub" / "a.png", blot=(8, 8))
    draw(photos / "a.jpg", blot=(20, 24))
    masks = tmp_path / "masks"
    assert run("watermark", photos, "-o", tmp_path / "x", "--mask-out", masks).exit_code == 0
    again = ["--mask", masks, "--mask-out", tmp_path / "again", "--device", "cpu"]
    result = run("inpaint", photos, "-o", tmp_path / "out", *again)
    assert (result.exit_code, result.stderr) == (0, "5 cleaned on cpu.\n")
    assert len(list(masks.rglob("*.png"))) == 5
    for path in masks.rglob("*.png"):
        filled = np.asarray(Image.open(tmp_path / "again" / path.relative_to(masks)))
        assert ((filled > 127) == (np.asarray(Image.open(path)) > 127)).all()


def test_options_reach_the_task(photos: Path, tmp_path: Path) -> None:
    options = ["--model", "locator=mine.onnx", "--threshold", "0.25", "--device", "cpu"]
    run("watermark", photos, "-o", tmp_path / "out", *options, "--threads", "3")
    assert Blot.made == [
        {"device": "cpu", "threads": 3, "threshold": 0.25, "locator": "mine.onnx"},
    ]


def test_a_model_alone_has_the_role_of_its_card(photos: Path, tmp_path: Path) -> None:
    mine = onnx_models.write(tmp_path, "mine", onnx_models.threshold(), role="locator")
    assert run("watermark", photos, "-o", tmp_path / "out", "--model", mine).exit_code == 0
    assert Blot.made[0]["locator"] == str(mine)


def test_the_suffix_of_a_models_file_may_be_left_out(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx_models.write(tmp_path, "mine", onnx_models.threshold(), role="locator")
    monkeypatch.chdir(tmp_path)
    for model in ("mine", "locator=mine"):
        assert models.by_role([model], ["locator"]) == {"locator": "mine.onnx"}
    (tmp_path / "watermark-locator.onnx").write_bytes(b"")
    assert models.by_role(["locator=watermark-locator"], ["locator"]) == {
        "locator": "watermark-locator"
    }


def test_resume_cleans_anew_with_another_model_of_the_same_name(
    photos: Path, tmp_path: Path
) -> None:
    mine = onnx_models.write(tmp_path, "mine", onnx_models.threshold(), role="locator")
    arguments = ["watermark", photos, "-o", tmp_path / "out", "--model", mine, "--resume"]
    assert run(*arguments).stderr == "3 cleaned.\n"
    assert run(*arguments).stderr == "3 cleaned before.\n"
    onnx_models.write(tmp_path, "mine", onnx_models.threshold(0.123), role="locator")
    assert run(*arguments).stderr == "3 cleaned.\n"
    card = mine.with_suffix(".json")
    card.write_text(card.read_text() + "\n")
    assert run(*arguments).stderr == "3 cleaned.\n"


def test_what_it_ran_on_is_told(photos: Path, tmp_path: Path) -> None:
    class Told(Blot):
        def clean(self, picture: Picture, **given: Any) -> Cleaned:
            cleaned = super().clean(picture, **given)
            cleaned.report["device"] = "cuda"
            return cleaned

    stand_in(Told)
    result = run("watermark", photos, "-o", tmp_path / "out")
    assert result.stderr == "3 cleaned on cuda.\n"
    assert result.stdout.count(" s on cuda)") == 3
    result = run("watermark", photos, "-o", tmp_path / "json", "--json")
    assert [json.loads(line)["device"] for line in result.stdout.splitlines()] == ["cuda"] * 3


def test_metadata_is_kept_or_stripped(tmp_path: Path) -> None:
    source = draw(tmp_path / "a.jpg")
    exif = Image.Exif()
    exif[0x010E] = "a description"
    Image.open(source).save(source, exif=exif)
    assert run("watermark", source, "-o", tmp_path / "kept").exit_code == 0
    assert run("watermark", source, "-o", tmp_path / "bare", "--strip-metadata").exit_code == 0
    assert Image.open(tmp_path / "kept" / "a.jpg").getexif()[0x010E] == "a description"
    assert 0x010E not in Image.open(tmp_path / "bare" / "a.jpg").getexif()


def test_standard_input_goes_to_standard_output(photos: Path) -> None:
    result = run("watermark", "-", stdin=(photos / "a.png").read_bytes())
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout_bytes.startswith(b"\x89PNG")


def test_standard_input_goes_to_a_file(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "x.png"
    arguments = ["watermark", "-", "-o", out, "--mask-out", tmp_path / "m.png"]
    result = run(*arguments, stdin=(photos / "b.jpg").read_bytes())
    assert (result.exit_code, result.stdout_bytes) == (0, b"")
    assert Image.open(out).format == "PNG"
    assert np.asarray(Image.open(tmp_path / "m.png")).any()
    result = run(*arguments, stdin=(photos / "b.jpg").read_bytes())
    assert result.exit_code == 1
    assert "--overwrite" in result.stderr


def test_standard_input_without_a_picture_is_explained() -> None:
    result = run("watermark", "-", stdin=b"")
    assert result.exit_code == 1
    assert "standard input" in result.stderr


def test_names_that_are_no_unicode_are_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / "photos" / b"a\xff.png".decode("utf-8", "surrogateescape")
    try:
        draw(tmp_path / "x.png").rename(path.parent.mkdir() or path)
    except OSError:
        pytest.skip("this file system takes valid Unicode only")
    result = run("watermark", path.parent, "-o", tmp_path / "out")
    assert result.exit_code == 0
    assert (tmp_path / "out" / path.name).exists()
    assert run("watermark", path.parent, "-o", tmp_path / "out", "--resume").exit_code == 0


def test_models_are_listed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from cleanplate.models import Card, catalogue

    card = Card(
        name="finder",
        task="watermark",
        role="locator",
        file="finder.onnx",
        sha256="0" * 64,
        inputs=("red", "green", "blue"),
        outputs=("mask",),
        tile=512,
        multiple=32,
        figures={"IoU": 0.9},
        recipe="finder",
        data=(),
        licence="Apache-2.0",
        parameters={},
    )
    (tmp_path / "finder.json").write_text(card.to_json())
    (tmp_path / "finder.onnx").write_bytes(b"x" * 1_500_000)
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path)
    table = run("models").stdout
    for words in ("watermark", "locator", "finder", "1.5 MB", "IoU 0.9"):
        assert words in table
    [line] = run("models", "--json").stdout.splitlines()
    listed: dict[str, Any] = json.loads(line)
    assert listed["size"] == 1_500_000
    assert listed["figures"] == {"IoU": 0.9}


def test_training_verbs_pass_their_arguments_on(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []

    def main(verb: str, arguments: list[str]) -> int:
        told.append((verb, arguments))
        return 3

    monkeypatch.setitem(
        sys.modules,
        "cleanplate.training.cli",
        types.SimpleNamespace(main=main),  # type: ignore[arg-type]
    )
    for verb in ("train", "evaluate", "export", "prepare"):
        result = run(verb, "watermark", "--help", "--trainer.max_epochs=1", "-x")
        assert result.exit_code == 3
    arguments = ["watermark", "--help", "--trainer.max_epochs=1", "-x"]
    assert told == [(verb, arguments) for verb in ("train", "evaluate", "export", "prepare")]


def test_training_without_its_packages_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def main(verb: str, arguments: list[str]) -> int:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    module = types.SimpleNamespace(main=main)
    monkeypatch.setitem(sys.modules, "cleanplate.training.cli", module)  # type: ignore[arg-type]
    result = run("train", "watermark")
    assert result.exit_code == 1
    assert "(torch): pip install 'cleanplate[train]'" in result.stderr


def test_the_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    assert run("--version").stdout == f"cleanplate {version('cleanplate')}\n"


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from cleanplate.cli import make_app; "
        "make_app()(['--help'], standalone_mode=False); "
        "print(sorted({'numpy', 'cv2', 'PIL', 'onnxruntime', 'rich', 'torch'} & set(sys.modules)))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert shown.splitlines()[-1] == "[]"


def test_a_dry_run_tells_what_would_be_and_writes_nothing(photos: Path, tmp_path: Path) -> None:
    (photos / "bad.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    arguments = ["watermark", photos, tmp_path / "no.png", "-o", out]
    before = sorted(tmp_path.rglob("*"))
    result = run(*arguments, "--dry-run", "--mask-out", tmp_path / "masks")
    assert result.exit_code == 1
    names = ("a.png", "b.jpg", "bad.png", "sub/c.png")
    told = [f"{photos / name} -> {out / name}" for name in names]
    assert result.stdout.splitlines() == told
    missing, end = result.stderr.splitlines()
    assert missing == f"{tmp_path / 'no.png'}: there is no such file or folder"
    assert end == "4 to be cleaned, 1 failed; about 1 s."
    assert sorted(tmp_path.rglob("*")) == before


def test_a_dry_run_knows_what_was_done_before(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["watermark", photos, "-o", out]
    run(*arguments)
    draw(photos / "d.png")
    manifest = (out / "manifest.jsonl").read_bytes()
    result = run(*arguments, "--dry-run", "--resume")
    assert (result.exit_code, result.stdout) == (0, f"{photos / 'd.png'} -> {out / 'd.png'}\n")
    assert result.stderr == "1 to be cleaned, 3 cleaned before; about 1 s.\n"
    result = run(*arguments, "--dry-run", "--json")
    assert result.exit_code == 1
    statuses = [json.loads(line)["status"] for line in result.stdout.splitlines()]
    assert statuses == ["skipped", "skipped", "planned", "skipped"]
    assert (out / "manifest.jsonl").read_bytes() == manifest
    run(*arguments, "--resume")
    Blot.made.clear()
    result = run(*arguments, "--dry-run", "--resume")
    assert (result.exit_code, result.stderr) == (0, "0 to be cleaned, 4 cleaned before.\n")
    assert Blot.made == []  # no model is started for nothing


def test_a_dry_run_says_about_how_long_it_takes(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each kind of file counts by its size: of a kind, one is tried."""
    content = (photos / "a.png").read_bytes()
    for number in range(38):
        (photos / f"more{number}.png").write_bytes(content)
    (photos / "sub" / "c.png").write_bytes(content)
    monkeypatch.setenv("BLOT_SECONDS", "0.2")
    result = run("watermark", photos, "-o", tmp_path / "out", "--dry-run", "--workers", "1")
    [told] = result.stderr.splitlines()
    assert told.startswith("41 to be cleaned; about ")
    assert 8 <= int(told.split()[-2]) <= 16


def test_a_dry_run_finds_what_is_wrong_with_every_picture(photos: Path, tmp_path: Path) -> None:
    class Refuse(Blot):
        def clean(self, picture: Picture, **given: Any) -> Cleaned:
            raise UsageError("these models give no picture")

    stand_in(Refuse)
    result = run("watermark", photos, "-o", tmp_path / "out", "--dry-run")
    assert (result.exit_code, result.stderr) == (2, "these models give no picture\n")
