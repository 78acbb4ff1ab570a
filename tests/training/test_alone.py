"""One exported model measured by itself, hard examples, and 8-bit forms that do as well."""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_models
import pytest
import torch
from picture_makers import save
from PIL import Image
from typer.testing import CliRunner

from cleanplate.cli import make_app
from cleanplate.errors import CleanplateError, ModelError, UsageError
from cleanplate.models import load
from cleanplate.picture import Picture
from cleanplate.tasks.exported import Exported
from cleanplate.training import evaluate, export, int8, mining
from cleanplate.training.cli import main
from cleanplate.training.data.layouts import Pair, survey
from cleanplate.training.data.raw_files import BAYER
from cleanplate.training.evaluate import Extremes, Score
from cleanplate.training.modules.restoration import Restoration
from cleanplate.training.raw_model import RawModel

RGB = {"inputs": ["red", "green", "blue"]}


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Three dark pictures under a white square, larger from one to the next."""
    for number in range(3):
        clean = np.full((64, 80, 3), 40, np.uint8)
        mask = np.zeros((64, 80), np.uint8)
        mask[10 : 20 + 10 * number, 10:30] = 255
        dirty = np.where(mask[..., None] > 0, np.uint8(255), clean)
        for kind, pixels in (("input", dirty), ("target", clean), ("mask", mask)):
            save(tmp_path / f"pairs/{kind}/p{number}.png", pixels)
    return tmp_path / "pairs"


def test_a_model_of_a_mask_is_measured_by_it(pairs: Path, tmp_path: Path) -> None:
    path = onnx_models.write(tmp_path, "finder", onnx_models.threshold(), outputs=["mask"], **RGB)
    for score in evaluate.evaluate(survey(pairs).pairs, Exported(path, device="cpu")):
        assert score.figures["mask_iou"] == score.figures["mask_miou"] == 1
        assert score.figures["psnr"] == score.figures["psnr_input"]
        assert math.isnan(score.figures["raw_score"])
        assert score.figures["peak_mb"] > 50 or math.isnan(score.figures["peak_mb"])


def test_a_model_of_a_picture_takes_its_place(pairs: Path, tmp_path: Path) -> None:
    path = onnx_models.write(tmp_path, "blur", onnx_models.pooled(8), multiple=8, **RGB)
    scores = list(evaluate.evaluate(survey(pairs).pairs, Exported(path, device="cpu")))
    picture = Picture.read(pairs / "input/p0.png").rgb()
    small = picture.reshape(8, 8, 10, 8, 3).mean((1, 3))
    expected = np.rint(np.repeat(np.repeat(small, 8, 0), 8, 1) * 255)
    assert np.abs(scores[0].columns[1].astype(int) - expected).max() <= 1
    assert all(math.isnan(score.figures["mask_iou"]) for score in scores)


def test_a_model_of_one_size_is_run_tile_by_tile(pairs: Path, tmp_path: Path) -> None:
    path = onnx_models.write(tmp_path, "fixed", onnx_models.pooled(32), multiple=32, tile=32, **RGB)
    task = Exported(path, device="cpu")
    picture = Picture.read(pairs / "input/p0.png")
    before = picture.pixels.copy()
    cleaned = task.clean(picture).picture.pixels
    for top in (0, 32):
        for left in (0, 32):
            mean = before[top : top + 32, left : left + 32].mean((0, 1))
            assert np.abs(cleaned[top : top + 32, left : left + 32] - mean).max() <= 1


def test_a_filler_fills_what_the_mask_names(pairs: Path, tmp_path: Path) -> None:
    planes = ["red", "green", "blue", "mask"]
    path = onnx_models.write(
        tmp_path,
        "hole",
        onnx_models.identity(4),
        inputs=planes,
        parameters={"factor": 2, "crop": 32},
    )
    task = Exported(path, device="cpu")
    before = Picture.read(pairs / "input/p1.png").pixels
    [_, score, _] = evaluate.evaluate(survey(pairs).pairs, task)
    inside = score.columns[4][..., 0] > 0
    after = score.columns[1]
    assert np.array_equal(after[~inside], before[~inside])
    assert after[12:28, 12:28].max() == 0  # the model gives back the hole, which is blanked
    with pytest.raises(UsageError, match="mask"):
        task.clean(Picture.read(pairs / "input/p1.png"))


def test_verb_evaluation_and_validation_give_the_same(pairs: Path, tmp_path: Path) -> None:
    """The composite that validation measures is what the verb writes, but for rounding."""
    graph = onnx_models.identity(3)
    scaled = onnx.helper.make_node("Mul", ["blue", "half"], ["mask"])
    graph["nodes"][1].output[0] = "blue"  # a mask of one half under the mark, 0.08 elsewhere
    graph["nodes"] += [scaled, onnx.helper.make_node("Mul", ["planes", "half"], ["picture"])]
    del graph["nodes"][0]
    graph["weights"]["half"] = np.array(0.5, np.float32)
    model = onnx_models.write(tmp_path, "soft", graph, task="watermark", role="eraser", **RGB)
    out = tmp_path / "out"
    asked = ["watermark", str(pairs / "input"), "-o", str(out), "--model", str(model)]
    assert CliRunner().invoke(make_app(), asked).exit_code == 0
    for score in evaluate.evaluate(survey(pairs).pairs, evaluate.open_model(model)):
        before, after, *_ = score.columns
        np.testing.assert_array_equal(after, Picture.read(out / Path(score.name).name).pixels)
        picture = torch.tensor(before.transpose(2, 0, 1)[None]) / 255.0
        found = {"picture": picture / 2, "mask": picture[:, 2:] / 2}
        cleaned = Restoration.composite(found["picture"], picture, found["mask"])[0]
        assert np.abs(cleaned.numpy().transpose(1, 2, 0) * 255 - after).max() <= 0.51
        assert (after == before).any() and (after != before).any()


def test_planes_of_a_task_need_it(tmp_path: Path) -> None:
    path = onnx_models.write(tmp_path, "own", onnx_models.identity(5))
    with pytest.raises(UsageError, match="--task test --model filler="):
        Exported(path, device="cpu")


def write_raw(folder: Path, **fields: Any) -> Path:
    """A model that gives a mosaic's planes back, and a pair of flat ones beside it."""
    graph = onnx_models.identity(4)
    graph["nodes"] = [onnx.helper.make_node("Identity", ["planes"], ["picture"])]
    graph["outputs"], graph["weights"] = {"picture": 4}, {}
    clean = np.full((32, 32, 4), 8000, np.uint16)
    for kind, planes in (("input", clean + 154), ("target", clean)):
        (folder / kind).mkdir()
        np.save(folder / kind / "a.npy", planes)
    return onnx_models.write(
        folder, "raw", graph, inputs=list(BAYER), outputs=["picture"], **fields
    )


def test_raw_planes_are_scored_as_the_contest_does(tmp_path: Path) -> None:
    path = write_raw(tmp_path)
    [score] = evaluate.evaluate(survey(tmp_path).pairs, RawModel(path, device="cpu"))
    decibels = -20 * math.log10(154 / (16383 - 1024))
    assert score.figures["psnr"] == score.figures["psnr_input"] == pytest.approx(decibels, abs=1e-3)
    expected = 100 * (0.8 * (decibels - 30) / 30 + (score.figures["ssim"] - 0.8))
    assert score.figures["raw_score"] == pytest.approx(expected, abs=1e-3)
    assert [column.shape for column in score.columns] == [(32, 32, 3)] * 3


def scored(name: str, gain: float, iou: float = 1.0) -> Score:
    figures = dict.fromkeys(evaluate.FIGURES, math.nan)
    figures |= {"psnr": 30 + gain, "psnr_input": 30, "mask_iou": iou, "mask_miou": iou}
    return Score(name, figures, (np.zeros((960, 640, 3), np.uint8),))


def test_the_worst_and_the_best_are_kept_small() -> None:
    kept = Extremes(4)
    for name, gain in zip("abcdefg", (3, -1, 8, 0, 5, 2, 7), strict=True):
        kept.add(scored(name, gain))
    assert [score.name for score in kept.scores] == ["b", "d", "g", "c"]
    assert kept.scores[0].columns[0].shape == (320, 213, 3)


def test_hard_examples_and_a_sample_of_the_others() -> None:
    scores = [scored(f"p{number}", 0, number / 20) for number in range(20)]
    scores.append(scored("no mask", 0, math.nan))
    hard, others = mining.choose(scores, "mask_miou", 0.5, 0.3)
    assert [score.name for score in hard] == [*(f"p{n}" for n in range(10)), "no mask"]
    assert len(others) == 3 and not {s.name for s in hard} & {s.name for s in others}
    assert mining.choose(scores, "mask_miou", 0.5, 0.3)[1] == others
    assert mining.choose(scores, "mask_miou", 0.5, 0.3, seed=1)[1] != others
    with pytest.raises(UsageError, match="figure"):
        mining.choose(scores, "beauty", 0.5, 0.3)
    with pytest.raises(UsageError, match="share"):
        mining.choose(scores, "psnr", 0.5, 1.3)


def test_mine_lists_them(pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = onnx_models.write(tmp_path, "finder", onnx_models.threshold(), outputs=["mask"], **RGB)
    save(pairs / "mask/p1.png", np.full((64, 80), 255, np.uint8))
    listing = tmp_path / "hard.txt"
    given = [str(pairs), "--model", str(path), "--under", "0.98", "--sample", "0.5"]
    assert main("mine", [*given, "--list", str(listing)]) == 0
    names = listing.read_text().split()
    assert "input/p1.png" in names and len(names) == 2
    assert "1 of 3 pairs under 0.98, and 1 of the others" in capsys.readouterr().out


def denoiser(folder: Path, channels: float) -> Path:
    """A model that gives a picture back through two wide convolutions."""
    graph = onnx_models.convolutions(2)
    kernel = np.zeros((24, 3, 3, 3), np.float32)
    back = np.zeros((3, 24, 3, 3), np.float32)
    for plane in range(3):
        kernel[plane::3, plane, 1, 1] = 1
        back[plane, plane::3, 1, 1] = 1 / 8
    kernel[3, :, 0, 0] = channels
    graph["weights"] = {
        "kernel0": kernel,
        "bias0": np.zeros(24, np.float32),
        "kernel1": np.repeat(back, 1, 0),
        "bias1": np.zeros(3, np.float32),
    }
    return onnx_models.write(folder, "plain", graph, multiple=8, **RGB)


def test_whole_numbers_are_near_the_weights() -> None:
    weights = np.random.default_rng(0).normal(size=(6, 5, 3, 3)).astype(np.float32)
    weights[2] = 0
    for axis in (0, 1):
        whole, scale = int8.rounded(weights, axis)
        shape = [-1 if dim == axis else 1 for dim in range(4)]
        steps = scale.reshape(shape)
        assert np.abs(whole * steps - weights).max() <= scale.max() / 2 + 1e-6
        assert np.abs(whole).max() == 127 and len(scale) == weights.shape[axis]


@pytest.fixture
def noisy_pairs(pairs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The pairs with noise in the place of the square; weights of any size become integers."""
    monkeypatch.setattr(int8, "SMALL", 1)
    noise = np.random.default_rng(0).integers(-9, 9, (64, 80, 3))
    for path in (pairs / "input").iterdir():
        clean = np.asarray(Image.open(pairs / "target" / path.name)).astype(int)
        save(path, (clean + noise).astype(np.uint8))
    return pairs


def timed(monkeypatch: pytest.MonkeyPatch, *seconds: float) -> None:
    """Let measuring find these seconds a megapixel, one after the other."""
    measure, left = int8.measure, list(seconds)
    monkeypatch.setattr(
        int8, "measure", lambda *given: measure(*given)._replace(seconds_mp=left.pop(0))
    )


@pytest.mark.parametrize("way", int8.WAYS)
def test_int8_is_kept_where_it_does_as_well(
    noisy_pairs: Path, tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed(monkeypatch, 2.0, 1.0)
    model = denoiser(tmp_path, 0.0)
    said = int8.keep_int8(model, tmp_path / "small.onnx", way, survey(noisy_pairs).pairs)
    assert "dB" in said and "s/MP" in said
    made = onnx.load(tmp_path / "small.onnx").graph
    assert onnx.TensorProto.INT8 in {tensor.data_type for tensor in made.initializer}
    card = load(tmp_path / "small.onnx", device="cpu").card
    assert (card.name, card.figures["int8"]) == ("small", way)
    assert float(card.figures["int8_loss_db"]) <= 0.1


def test_int8_that_loses_is_refused(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8, "ALLOWED", -1.0)
    model = denoiser(tmp_path, 0.0)
    with pytest.raises(ModelError, match=r"small\.onnx was not written.* 3 pairs.*dB"):
        int8.keep_int8(model, tmp_path / "small.onnx", "weights", survey(pairs).pairs)
    assert not (tmp_path / "small.onnx").exists()
    with pytest.raises(UsageError, match="--pairs"):
        main("export", ["some.ckpt", "-o", str(tmp_path / "x.onnx"), "--int8", "weights"])


@pytest.mark.parametrize("seconds", [1.0, 1.2])
def test_static_int8_that_is_no_faster_is_refused(
    noisy_pairs: Path, tmp_path: Path, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, out = denoiser(tmp_path, 0.0), tmp_path / "small.onnx"
    timed(monkeypatch, 1.0, seconds, 1.0, seconds)
    with pytest.raises(ModelError, match=rf"no faster here \(1\.00 to {seconds:.2f} s/MP\)"):
        int8.keep_int8(model, out, "static", survey(noisy_pairs).pairs)
    assert not out.exists()
    int8.keep_int8(model, out, "weights", survey(noisy_pairs).pairs)
    assert out.exists()


def test_int8_measures_some_pairs_evenly_spread(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []

    def measure(task: Exported, given: list[Pair]) -> int8.Measured:
        names.append([pair.name for pair in given])
        return int8.Measured(30.0, 1.0)

    monkeypatch.setattr(int8, "MEASURED", 2)
    monkeypatch.setattr(int8, "measure", measure)
    said = int8.keep_int8(
        denoiser(tmp_path, 0.0), tmp_path / "small.onnx", "weights", survey(pairs).pairs
    )
    assert names == [["input/p0.png", "input/p1.png"]] * 2 and "on 2 pairs" in said


def test_measuring_holds_one_picture_at_a_time(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []

    def evaluated(*given: object) -> Iterator[Score]:
        for number in range(5):
            assert sum(one() is not None for one in held) <= 1
            score = scored(f"p{number}", number)
            held.append(weakref.ref(score))
            score.figures["seconds_mp"] = float(number)
            yield score
            del score

    monkeypatch.setattr(evaluate, "evaluate", evaluated)
    task = Exported(denoiser(tmp_path, 0.0), device="cpu")
    assert int8.measure(task, []) == int8.Measured(32.0, 2.0)


def test_scales_are_found_between_the_cards_levels(tmp_path: Path) -> None:
    path = write_raw(tmp_path, parameters={"black": 100, "white": 300})
    [pair] = survey(tmp_path).pairs
    shown = int8.seen(evaluate.open_model(path, device="cpu"), pair)
    assert np.allclose(shown, (8154 - 100) / 200)


def test_int8_is_measured_on_listed_pairs(
    pairs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def keep(model: Path, out: Path, way: str, given: list[Pair]) -> str:
        out.touch()
        return f"measured on {[pair.name for pair in given]}"

    def exported(place: Path) -> int:
        given = ["some.ckpt", "-o", str(tmp_path / "x.onnx"), "--int8", "weights"]
        return main("export", [*given, "--pairs", str(place)])

    monkeypatch.setattr(int8, "keep_int8", keep)
    monkeypatch.setattr(export, "export_checkpoint", lambda *given, **fields: None)
    save(pairs / "input/orphan.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(CleanplateError, match=r"orphan\.png"):
        exported(pairs)
    for listing, name in (("sound.txt", "p2"), ("validation.txt", "p1")):
        (pairs / listing).write_text(f"input/{name}.png\n")
    assert exported(pairs / "sound.txt") == exported(pairs) == 0
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if line.startswith("measured")] == [
        "measured on ['input/p2.png']",
        "measured on ['input/p1.png']",
    ]
