"""RAW planes in training: their phase, cameras' noise, and the recipe of the model that ships."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx_models
import pytest
import torch
from onnx import helper
from raw_makers import BLACK, LEVELS, WHITE, dng, flat

from cleanplate.models import load
from cleanplate.picture import PATTERNS, RawPicture
from cleanplate.tasks.denoise.raw import BAYER, denoise
from cleanplate.tasks.denoise.sensor_noise import UNIT, estimate
from cleanplate.training import networks
from cleanplate.training.cli import main
from cleanplate.training.data.layouts import survey
from cleanplate.training.data.raw import Levels, mirrored, pack, transposed, unified, unpack
from cleanplate.training.data.raw_files import read_raw
from cleanplate.training.data.raw_noise import NoisyMosaics
from cleanplate.training.data.raw_pairs import RawPairs, some_tile
from cleanplate.training.data.synthesis.sensors import (
    SENSORS,
    noise_at,
    photographed,
    scene,
    some_noise,
)
from cleanplate.training.modules.raw import SensorDenoising
from cleanplate.training.networks.table import count_macs

OURS = Levels(BLACK, WHITE)
COLOURS = [LEVELS[colour] for colour in "RGGB"]


def by_place(mosaic: np.ndarray) -> np.ndarray:
    return np.stack([mosaic[y::2, x::2] for y in (0, 1) for x in (0, 1)], -1)


def colours(planes: np.ndarray) -> list[float]:
    return np.asarray(planes, float).mean((0, 1)).tolist()


def scene_at(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Light that lies slantwise, so that a displaced plane is seen."""
    return 0.01 * x + 0.003 * y


def ramp(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width].astype(float)
    return scene_at(y, x)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_mosaics_of_every_phase_give_the_same_planes(pattern: str, tmp_path: Path) -> None:
    mosaic = flat(pattern, 64, 96)
    packed = pack(mosaic, OURS, pattern)
    assert np.allclose(colours(packed), COLOURS, atol=0.01)
    np.save(tmp_path / "mosaic.npy", mosaic)
    np.save(tmp_path / "planes.npy", by_place(mosaic))
    (tmp_path / "a.dng").write_bytes(dng(mosaic, pattern))
    assert np.array_equal(read_raw(tmp_path / "mosaic.npy", OURS, pattern), packed)
    planes = read_raw(tmp_path / "planes.npy", OURS, pattern)
    assert np.array_equal((planes.astype(np.float32) - BLACK) / (WHITE - BLACK), packed)
    assert np.allclose(read_raw(tmp_path / "a.dng"), packed, atol=1e-6)
    again = unpack(packed, OURS)
    down, across = divmod(pattern.index("R"), 2)
    wanted = mosaic[down : down + len(again), across : across + again.shape[1]]
    assert np.abs(again - wanted).max() < 0.01


@pytest.mark.parametrize("pattern", PATTERNS)
def test_tiles_keep_red_red_and_blue_blue(pattern: str) -> None:
    planes = pack(flat(pattern, 64, 96), OURS, pattern)
    for seed in range(16):
        for tile in some_tile([planes, planes], 20, np.random.default_rng(seed)):
            assert tile.shape == (20, 20, 4)
            assert np.allclose(colours(tile), COLOURS, atol=0.02)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_tiles_are_of_one_scene(pattern: str) -> None:
    """After any turn the light still lies on one plane over the mosaic, no colour displaced."""
    planes = unified(by_place(ramp(64, 96)), pattern)
    for seed in range(16):
        [tile] = some_tile([planes], 20, np.random.default_rng(seed))
        mosaic = unpack(tile, Levels(0, 1)).astype(float)
        for axis in (0, 1):
            steps = np.diff(mosaic, axis=axis)
            assert np.ptp(steps) < 1e-5


def test_mirrored_planes_are_those_of_the_mirrored_mosaic() -> None:
    mosaic = np.arange(48.0).reshape(6, 8)
    assert np.array_equal(mirrored(by_place(mosaic), 1), by_place(mosaic[:, ::-1][:, 1:-1]))
    assert np.array_equal(mirrored(by_place(mosaic), 0), by_place(mosaic[::-1][1:-1]))
    assert np.array_equal(transposed(by_place(mosaic)), by_place(mosaic.T))


@pytest.mark.parametrize("pattern", ["RGGB", "GBRG"])
def test_preparing_unifies_the_phase(pattern: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    np.save(tmp_path / "in/a.npy", flat(pattern, 32, 32))
    (tmp_path / "in/b.dng").write_bytes(dng(flat("GRBG", 32, 32), "GRBG"))
    asked = ["--black", str(BLACK), "--white", str(WHITE), "--pattern", pattern.lower()]
    out = tmp_path / "out"
    assert main("prepare", ["raw", str(tmp_path / "in"), str(out), *asked]) == 0
    for name in ("a", "b"):
        assert np.allclose(colours(np.load(out / f"{name}.npy")), COLOURS, atol=0.02)


def test_pairs_of_a_phase_are_trained_on(tmp_path: Path) -> None:
    for kind in ("input", "target"):
        (tmp_path / kind).mkdir()
        for number in range(4):
            np.save(tmp_path / kind / f"{number}.npy", flat("BGGR", 64, 64, seed=number))
    levels = {"black": BLACK, "white": WHITE, "pattern": "bggr"}
    data = RawPairs(str(tmp_path), crop=16, validation_share=0.3, workers=0, **levels)
    data.setup("fit")
    sample = data.crops()[(0, 0)]
    assert np.allclose(sample["input"].mean((1, 2)), COLOURS, atol=0.03)
    assert np.allclose(data.wholes()[0]["target"].mean((1, 2)), COLOURS, atol=0.03)
    assert len(survey(tmp_path).pairs) == 4


@pytest.mark.parametrize("name", SENSORS)
def test_cameras_have_the_noise_that_was_measured(name: str) -> None:
    low, high = noise_at(SENSORS[name], 100), noise_at(SENSORS[name], 6400)
    assert high.slope == pytest.approx(64 * low.slope)
    assert 1e-9 < low.offset < high.offset < 1e-3
    assert 2e-6 < low.slope < 5e-5


def test_photographs_have_the_noise_that_they_are_said_to_have() -> None:
    grey = np.full((128, 128, 3), 120, np.uint8)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        noise = some_noise(rng)
        shot, clean = photographed(rng, grey, noise)
        for plane in range(4):
            light = float(clean[..., plane].mean())
            found = float((shot - clean)[..., plane].var())
            rounding = 1 / (12 * (16383 - 1024) ** 2)
            assert found == pytest.approx(noise.variance(light) + rounding, rel=0.12)


def test_scenes_are_squares_of_any_picture() -> None:
    rng = np.random.default_rng(0)
    for shape in ((64, 80, 3), (300, 40, 3), (200, 200, 3)):
        assert scene(rng, np.zeros(shape, np.uint8), 64).shape == (64, 64, 3)


def test_items_are_the_same_each_time() -> None:
    pictures = [[np.full((90, 90, 3), 100, np.uint8)]]
    data = NoisyMosaics(pictures, [1.0], 16, seed=1, size=8)
    one, two = data[(0, 3)], data[(0, 3)]
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert one["input"].shape == (4, 16, 16) and one["slope"].shape == (1, 1, 1)
    assert not torch.equal(one["input"], data[(1, 3)]["input"])


def test_the_lean_network_costs_little() -> None:
    with torch.device("meta"):
        network = networks.create("lean-raw")
        macs = count_macs(network, 4, 256) / 256**2
    assert macs / 4 < 21_000  # a sample of the mosaic; four make a position


def test_an_untrained_network_changes_nothing() -> None:
    network = networks.create("lean-raw", width=0.25)
    planes = torch.rand(1, 4, 24, 32) * 3
    assert torch.allclose(network(planes)["picture"], planes, atol=1e-5)


def test_kernels_and_levels_can_be_chosen() -> None:
    network = networks.create("convnext-unet-raw", width=0.05, kernel=[23, 23, 23, 17, 3])
    sides = [block.body[0].kernel_size[0] for block in network.downs]
    assert sides == [23, 23, 23, 17, 3]
    assert [block.body[0].kernel_size[0] for block in network.ups] == [17, 23, 23, 23]
    assert network(torch.rand(1, 4, 32, 32))["picture"].shape == (1, 4, 32, 32)
    with pytest.raises(Exception, match="odd"):
        networks.create("convnext-unet-raw", kernel=[4, 3])


def test_the_lean_network_learns() -> None:
    torch.manual_seed(0)
    picture = cv2.resize(
        np.random.default_rng(0).integers(20, 200, (6, 6, 3), dtype=np.uint8), (160, 160)
    )
    data = NoisyMosaics([[picture]], [1.0], 24, seed=0, size=64)
    module = SensorDenoising(network_options={"width": 0.5})
    optimiser = torch.optim.Adam(module.parameters(), 2e-3)
    losses = []
    for step in range(60):
        items = [data[(step, index)] for index in range(4)]
        batch = {name: torch.stack([item[name] for item in items]) for name in items[0]}
        planes, truth = module.unpack(batch)
        loss, _ = module.total(module(planes), truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-10:]) < 0.75 * np.mean(losses[:3])


def test_the_recipe_trains_exports_and_runs(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "clean").mkdir()
    for number in range(3):
        small = rng.integers(20, 200, (5, 5, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"clean/{number}.png"), cv2.resize(small, (96, 96)))
    run = tmp_path / "run"
    data = {"backgrounds": "{clean: 1}", "validation": "[clean]", "crop": "32", "batch_size": "2"}
    data |= {"workers": "0", "validation_pictures": "2", "steps": "2"}
    given = ["denoise-raw-cpu", "--data", str(tmp_path), "--run", str(run)]
    given += [f"--data.init_args.{name}={value}" for name, value in data.items()]
    quiet = ["enable_progress_bar=false", "enable_model_summary=false", "log_every_n_steps=1"]
    given += [f"--trainer.{one}" for one in [*quiet, "max_steps=2"]]
    given.append("--trainer.val_check_interval=2")
    assert main("train", given) == 0
    model = tmp_path / "mine.onnx"
    last = run / "checkpoints/last.ckpt"
    assert main("export", [str(last), "-o", str(model), "--tile", "64"]) == 0
    loaded = load(model, device="cpu", threads=1)
    assert (loaded.card.task, loaded.card.role) == ("denoise", "restorer")
    assert loaded.card.parameters["unit"] == UNIT
    picture = RawPicture.read(dng(flat("GBRG", 96, 128), "GBRG"))
    before = picture.mosaic.planes()
    denoise(loaded, picture.mosaic, estimate(before))
    after = picture.mosaic.planes()
    assert np.isfinite(after).all()
    assert np.abs(after.mean((0, 1)) / before.mean((0, 1)) - 1).max() < 0.2


def write_pairs(folder: Path) -> None:
    """Two pairs of planes, noisy and clean, of a smooth scene."""
    rng = np.random.default_rng(0)
    for number in range(2):
        small = rng.integers(20, 200, (5, 5, 3), dtype=np.uint8)
        picture = cv2.resize(small, (160, 128), interpolation=cv2.INTER_CUBIC)
        noisy, clean = photographed(rng, picture, noise_at(SENSORS["Nikon D850"], 6400))
        for kind, planes in (("input", noisy), ("target", clean)):
            (folder / kind).mkdir(exist_ok=True)
            np.save(folder / kind / f"{number}.npy", planes)


def test_raw_pairs_are_measured_with_a_filter_and_with_a_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pairs(tmp_path)
    pool = {"kernel_shape": [3, 3], "strides": [1, 1], "pads": [1] * 4, "count_include_pad": 0}
    graph = {
        "nodes": [helper.make_node("AveragePool", ["planes"], ["picture"], **pool)],
        "weights": {},
        "planes": 4,
        "outputs": {"picture": 4},
    }
    card = {"inputs": BAYER, "tile": 64, "parameters": {"unit": UNIT}}
    model = onnx_models.write(tmp_path, "raw", graph, **card)
    figures = {}
    for name, asked in (("filter", ["--method", "bilateral"]), ("model", ["--model", str(model)])):
        assert main("evaluate", [str(tmp_path), *asked]) == 0
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        figures[name] = {line[0]: line[1:] for line in lines if len(line) > 1}
    for found in figures.values():
        assert float(found["psnr"][0]) > float(found["psnr_input"][0]) + 1
        assert found["pictures"] == ["2"] and float(found["seconds_mp"][0]) > 0
        assert float(found["raw_score"][0]) > 0
    assert "model_mib" not in figures["filter"]
    assert " ".join(figures["model"]["model_mib"]).endswith("(within the limit of 8 MiB)")
    assert main("evaluate", [str(tmp_path), "--model", str(model), "--limit", "0.0001"]) == 0
    assert "OVER the limit of 0.0001 MiB" in capsys.readouterr().out
