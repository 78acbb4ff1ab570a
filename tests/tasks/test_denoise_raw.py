"""`cleanplate denoise` on RAW files: with a tiny model, and with the bilateral filter."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx_models
import pytest
import rawpy
from onnx import helper
from PIL import Image
from raw_makers import BLACK, LEVELS, WHITE, dng, flat
from typer.testing import CliRunner

import cleanplate
from cleanplate.cli import make_app
from cleanplate.errors import PictureError, UsageError
from cleanplate.picture import PATTERNS, RawPicture
from cleanplate.tasks.denoise import raw
from cleanplate.tasks.denoise.raw import BAYER
from cleanplate.tasks.denoise.sensor_noise import UNIT, SensorNoise


def mean_of_three() -> dict[str, Any]:
    """`picture` is the mean of 3x3 positions of each plane."""
    pool = {"kernel_shape": [3, 3], "strides": [1, 1], "pads": [1] * 4, "count_include_pad": 0}
    node = helper.make_node("AveragePool", ["planes"], ["picture"], **pool)
    return {"nodes": [node], "weights": {}, "planes": 4, "outputs": {"picture": 4}}


def gone() -> dict[str, Any]:
    """`picture` is half of the planes: what the normalisation does is seen in the result."""
    node = helper.make_node("Mul", ["planes", "half"], ["picture"])
    weights = {"half": np.array([0.5], np.float32)}
    return {"nodes": [node], "weights": weights, "planes": 4, "outputs": {"picture": 4}}


def model(folder: Path, graph: dict[str, Any], name: str = "raw", **parameters: float) -> Path:
    return onnx_models.write(
        folder,
        name,
        graph,
        task="denoise",
        role="restorer",
        inputs=BAYER,
        tile=64,
        parameters=parameters,
    )


@pytest.fixture
def restorer(tmp_path: Path) -> Path:
    return model(tmp_path, mean_of_three(), unit=UNIT)


def run(*arguments: object) -> Any:
    return CliRunner().invoke(make_app(), ["denoise", *map(str, arguments)])


def spread(samples: np.ndarray) -> float:
    """Standard deviation over the samples of one colour, all four places alike."""
    parts = [samples[y::2, x::2].astype(float).std() for y in (0, 1) for x in (0, 1)]
    return float(np.mean(parts))


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("size", [(96, 128), (95, 127)])
def test_noise_goes_and_colours_stay(
    pattern: str, size: tuple[int, int], restorer: Path, tmp_path: Path
) -> None:
    mosaic = flat(pattern, *size)
    source, out = tmp_path / "a.dng", tmp_path / "out"
    source.write_bytes(dng(mosaic, pattern))
    result = run(source, "-o", out, "--model", restorer)
    assert result.exit_code == 0, result.output
    clean = RawPicture.read(out / "a.dng").mosaic
    assert spread(clean.samples) < 0.5 * spread(mosaic)
    assert clean.samples[0, ::2].std() < 0.7 * mosaic[0, ::2].std()  # the first row, too
    before = RawPicture.read(source).mosaic.planes().mean((0, 1))
    assert np.allclose(clean.planes().mean((0, 1)), before, rtol=0.005)


def test_an_ensemble_is_not_for_mosaics_and_says_so(restorer: Path) -> None:
    source = dng(flat("RGGB", 64, 96))
    result = cleanplate.clean(source, "denoise", restorer=str(restorer), ensemble=True)
    assert [remark.code for remark in result.remarks] == ["ensemble-unused"]


def test_strength_0_gives_the_same_bytes(restorer: Path, tmp_path: Path) -> None:
    source = dng(flat("RGGB", 64, 96), lossless=True)
    (tmp_path / "a.dng").write_bytes(source)
    for number, options in enumerate((["--strength", "0"], ["--keep-grain", "1"])):
        out = tmp_path / f"out{number}"
        result = run(tmp_path / "a.dng", "-o", out, "--model", restorer, *options)
        assert result.exit_code == 0, result.output
        assert (out / "a.dng").read_bytes() == source


@pytest.fixture
def biased(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that halves what it is given is not set right."""
    monkeypatch.setattr(raw, "mean_taken", lambda noisy, clean: 0 * clean)


@pytest.mark.usefixtures("biased")
def test_planes_are_normalised_by_the_noise_times_strength(tmp_path: Path) -> None:
    profile = SensorNoise(2e-4, 1e-6)
    path = model(tmp_path, gone(), unit=UNIT)
    mosaic = flat("RGGB", 64, 96, noise=0)
    import struct

    from cleanplate.picture.directory import Entry

    tag = Entry(12, 2, struct.pack("<2d", profile.slope, profile.offset))
    source = dng(mosaic, more={51041: tag})
    planes = RawPicture.read(source).mosaic.planes()
    for strength in (1.0, 2.0):
        result = cleanplate.clean(source, "denoise", restorer=str(path), strength=strength)
        found = RawPicture.read(result.picture).mosaic.planes()
        noise = profile.scaled(strength)
        wanted = noise.restored(noise.normalised(planes) * 0.5)
        assert np.allclose(found, wanted, atol=1 / (WHITE - BLACK))


@pytest.mark.usefixtures("biased")
def test_a_model_of_plain_planes_is_given_those(tmp_path: Path) -> None:
    path = model(tmp_path, gone(), black=BLACK, white=WHITE)
    source = dng(flat("GBRG", 64, 96), "GBRG")
    planes = RawPicture.read(source).mosaic.planes()
    result = cleanplate.clean(source, "denoise", restorer=str(path), keep_grain=0.5)
    found = RawPicture.read(result.picture).mosaic.planes()
    assert np.allclose(found, 0.75 * planes, atol=1 / (WHITE - BLACK))
    with pytest.raises(UsageError, match="keep-grain"):
        cleanplate.clean(source, "denoise", restorer=str(path), strength=2)


def test_the_bilateral_filter_keeps_edges(tmp_path: Path) -> None:
    mosaic = flat("RGGB", 128, 128, noise=20)
    mosaic[:, 64:] = BLACK + (mosaic[:, 64:] - BLACK) // 4
    (tmp_path / "a.dng").write_bytes(dng(mosaic))
    out = tmp_path / "out"
    assert run(tmp_path / "a.dng", "-o", out, "--method", "bilateral").exit_code == 0
    clean = RawPicture.read(out / "a.dng").mosaic.samples
    assert spread(clean[:, :60]) < 0.45 * spread(mosaic[:, :60])
    for part in (np.s_[:, :64], np.s_[:, 64:]):
        assert clean[part].mean() == pytest.approx(mosaic[part].mean(), rel=0.005)


def test_bands_of_the_bilateral_filter_join(monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for rows in (512, 48):
        monkeypatch.setattr(raw, "ROWS", rows)
        picture = RawPicture.read(dng(flat("BGGR", 224, 64), "BGGR"))
        raw.filter_bilaterally(picture.mosaic)
        results.append(picture.mosaic.samples.astype(int))
    assert np.abs(results[0] - results[1]).max() <= 1


def test_the_model_that_ships_takes_the_noise_of_a_flat_scene(tmp_path: Path) -> None:
    noisy = flat("GRBG", 128, 160)
    (tmp_path / "a.dng").write_bytes(dng(noisy, "GRBG"))
    assert run(tmp_path / "a.dng", "-o", tmp_path / "out").exit_code == 0
    clean = RawPicture.read(tmp_path / "out/a.dng").mosaic.samples.astype(float)
    for top, left in ((0, 0), (0, 1), (1, 0), (1, 1)):
        before, after = (samples[top::2, left::2] for samples in (noisy, clean))
        assert after.std() < 0.4 * before.std()
        assert after.mean() == pytest.approx(before.mean(), rel=0.001)


def test_models_are_of_raw_files_or_of_pictures(tmp_path: Path, restorer: Path) -> None:
    sees_pictures = onnx_models.write(
        tmp_path,
        "rgb",
        {**mean_of_three(), "planes": 3, "outputs": {"picture": 3}},
        task="denoise",
        role="restorer",
        inputs=("red", "green", "blue"),
        tile=64,
    )
    (tmp_path / "a.dng").write_bytes(dng(flat("RGGB", 64, 96)))
    result = run(tmp_path / "a.dng", "-o", tmp_path / "out", "--model", sees_pictures)
    assert result.exit_code == 0 and (tmp_path / "out/a.dng").is_file()  # by the one that ships
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    result = run(tmp_path / "a.png", "-o", tmp_path / "out", "--model", restorer)
    assert result.exit_code == 1 and "RAW files" in result.output
    with pytest.raises(PictureError, match="non-local"):
        cleanplate.clean(tmp_path / "a.dng", "denoise", method="nlm")


@pytest.mark.parametrize("form", ["tiff", "jpeg"])
def test_results_are_developed(form: str, restorer: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    (folder / "a.dng").write_bytes(dng(flat("RGGB", 96, 128)))
    (folder / "b.dng").write_bytes(dng(flat("RGGB", 96, 128), lossless=True))
    result = run(folder, "-o", out, "--model", restorer, "--develop", form)
    assert result.exit_code == 0, result.output
    suffix = {"tiff": ".tif", "jpeg": ".jpg"}[form]
    assert sorted(path.name for path in out.glob("[ab].*")) == [f"a{suffix}", f"b{suffix}"]
    developed = np.asarray(Image.open(out / "a.jpg")) if form == "jpeg" else None
    if developed is not None:
        with rawpy.imread(str(folder / "a.dng")) as raw:
            noisy = raw.postprocess(use_camera_wb=True)
        assert developed.std((0, 1)).mean() < 0.7 * noisy.std((0, 1)).mean()


def test_a_folder_of_both_kinds(tmp_path: Path, restorer: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    (folder / "a.dng").write_bytes(dng(flat("RGGB", 64, 96)))
    np.save(folder / "b.npy", flat("GRBG", 64, 96))
    levels = ["--black", BLACK, "--white", WHITE, "--pattern", "GRBG"]
    result = run(folder, "-o", out, "--method", "bilateral", "--json", *levels)
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.output.splitlines() if line.startswith("{")]
    assert {Path(line["result"]).name for line in lines} == {"a.dng", "b.npy"}
    clean = np.load(out / "b.npy")
    assert clean.dtype == np.uint16 and spread(clean) < spread(flat("GRBG", 64, 96))
    light = clean.reshape(32, 2, 48, 2).mean((0, 2)).ravel()
    wanted = [LEVELS[colour] * (WHITE - BLACK) + BLACK for colour in "GRBG"]
    assert np.allclose(light, wanted, rtol=0.01)


def test_an_array_without_levels_fails_and_stops_no_other_file(
    tmp_path: Path, restorer: Path
) -> None:
    (tmp_path / "in").mkdir()
    np.save(tmp_path / "in/a.npy", flat("RGGB", 32, 32))
    (tmp_path / "in/b.dng").write_bytes(dng(flat("RGGB", 64, 96)))
    result = run(tmp_path / "in", "-o", tmp_path / "out", "--model", restorer)
    assert result.exit_code == 1 and "a.npy" in result.output and "--black" in result.output
    assert (tmp_path / "out/b.dng").is_file()


def test_photographs_go_on_after_a_raw_file(tmp_path: Path) -> None:
    (tmp_path / "a.dng").write_bytes(dng(flat("RGGB", 64, 96)))
    cleaner = cleanplate.Cleaner("denoise")
    assert cleaner(tmp_path / "a.dng").report["noise"] > 1
    photo = np.random.default_rng(0).normal(128, 15, (48, 64, 3)).clip(0, 255).astype(np.uint8)
    assert cleaner(photo).to_array().std() < 0.3 * photo.std()


def test_the_outermost_rows_are_as_clean_as_the_rest(tmp_path: Path) -> None:
    scene = flat("RGGB", 256, 256)
    (tmp_path / "a.dng").write_bytes(dng(scene))
    assert run(tmp_path / "a.dng", "-o", tmp_path / "out").exit_code == 0
    clean = RawPicture.read(tmp_path / "out/a.dng").mosaic.samples[::2, 1::2].astype(float)
    inside = clean[16:-16, 16:-16].std()
    for rim in (clean[0], clean[-1], clean[:, 0], clean[:, -1]):
        assert np.abs(rim - clean.mean()).mean() < 4 * inside


def test_a_result_has_a_name_that_it_can_have(tmp_path: Path, restorer: Path) -> None:
    source = tmp_path / "a.dng"
    source.write_bytes(dng(flat("RGGB", 64, 96)))
    for name, kind in (("x.dng", b"II*\0"), ("x.tif", b"II*\0"), ("x.jpg", b"\xff\xd8")):
        result = run(source, "-o", tmp_path / name, "--model", restorer)
        assert result.exit_code == 0, result.output
        assert (tmp_path / name).read_bytes().startswith(kind)
    result = run(source, "-o", tmp_path / "x.png", "--model", restorer)
    assert result.exit_code == 1 and "developed" in result.output
    result = run(source, "-o", tmp_path / "x.nef", "--model", restorer)
    assert result.exit_code == 2 and ".dng" in result.output
    result = run(source, "-o", tmp_path / "y.dng", "--model", restorer, "--develop", "tiff")
    assert result.exit_code == 2 and "cannot hold" in result.output


def test_other_verbs_ignore_raw_files_and_say_so(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.dng").write_bytes(dng(flat("RGGB", 64, 96)))
    asked = ["watermark", str(tmp_path / "in"), "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(make_app(), asked)
    assert result.exit_code == 2  # nothing else is there
    assert "a.dng: ignored: a RAW file; `cleanplate denoise` takes such" in result.stderr
    asked[1] = str(tmp_path / "in/a.dng")
    result = CliRunner().invoke(make_app(), asked)
    assert result.exit_code == 1 and "denoise" in result.output


def test_the_library_takes_raw_files(tmp_path: Path, restorer: Path) -> None:
    source = dng(flat("RGGB", 64, 96))
    (tmp_path / "a.dng").write_bytes(source)
    cleaner = cleanplate.Cleaner("denoise", restorer=str(restorer))
    from_bytes = cleaner(source)
    assert spread(RawPicture.read(from_bytes.picture).mosaic.samples) < 40
    from_path = cleaner(tmp_path / "a.dng")
    assert from_path.picture.size == (96, 64)  # a Pillow image, developed
    from_path.save(tmp_path / "b.dng")
    assert (tmp_path / "b.dng").read_bytes() == from_bytes.picture
    assert from_path.to_array().shape == (64, 96)
    assert 2 < from_path.report["noise"] < 8  # 60 of 3967, as of 255
    assert io.BytesIO(from_bytes.picture).read(4) == b"II*\0"
