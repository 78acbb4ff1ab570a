"""Command line, library, a request of its own, a job: every door gives the same file."""

from __future__ import annotations

import io
import time
import zipfile
from pathlib import Path

import numpy as np
import picture_makers
from PIL import Image
from starlette.testclient import TestClient
from typer.testing import CliRunner

import cleanplate
from cleanplate.cli import make_app


def drawn(number: int, mode: str = "RGB") -> Image.Image:
    """A green picture with a red rectangle, each of another size and with grain of its own."""
    width, height = 48 + 5 * number, 40 + 3 * number
    noise = np.random.default_rng(number).integers(0, 30, (height, width, 3))
    pixels = (np.array([20, 160, 60]) + noise).astype(np.uint8)
    pixels[10:30, 12 : 20 + number] = (255, 0, 0)
    image = Image.fromarray(pixels)
    if mode == "RGBA":
        image.putalpha(200)
    return image


def pictures(folder: Path) -> list[Path]:
    """Write 20 pictures of 6 formats."""
    turned = {"exif": picture_makers.exif(6), "dpi": (300, 300)}
    kinds: list[tuple[str, str, dict[str, object]]] = [
        ("png", "RGB", {}),
        ("png", "RGBA", {"dpi": (150, 150)}),
        ("png", "RGB", {"compress_level": 1, "exif": picture_makers.exif(3)}),
        ("png", "RGBA", {}),
        ("jpg", "RGB", {"quality": 90, "subsampling": 0}),
        ("jpg", "RGB", {"quality": 75, "subsampling": 2}),
        ("jpg", "RGB", {"quality": 60, "progressive": True}),
        ("jpg", "RGB", {"quality": 95, **turned}),
        ("tif", "RGB", {}),
        ("tif", "RGB", {"compression": "tiff_lzw"}),
        ("tif", "RGBA", {"compression": "tiff_adobe_deflate"}),
        ("tif", "RGB", {"compression": "jpeg"}),
        ("webp", "RGB", {"lossless": True}),
        ("webp", "RGB", {"quality": 80}),
        ("webp", "RGBA", {"lossless": True}),
        ("bmp", "RGB", {}),
        ("bmp", "RGB", {"dpi": (100, 100)}),
        ("avif", "RGB", {"quality": 80}),
        ("avif", "RGB", {"quality": 50, "subsampling": "4:2:0"}),
        ("avif", "RGBA", {"quality": 90}),
    ]
    folder.mkdir()
    paths = []
    for number, (suffix, mode, options) in enumerate(kinds):
        paths.append(folder / f"{number:02d}.{suffix}")
        drawn(number, mode).save(paths[-1], **options)
    return paths


def by_job(client: TestClient, paths: list[Path]) -> dict[str, bytes]:
    files = [("file", (path.name, path.read_bytes())) for path in paths]
    place = client.post("/v1/jobs?task=watermark", files=files).headers["location"]
    until = time.monotonic() + 60
    while client.get(place).json()["state"] != "done":
        assert time.monotonic() < until
        time.sleep(0.05)
    with zipfile.ZipFile(io.BytesIO(client.get(f"{place}/result").content)) as zipped:
        return {name: zipped.read(name) for name in zipped.namelist()}


def test_every_door_gives_the_same_file(client: TestClient, tmp_path: Path) -> None:
    paths = pictures(tmp_path / "in")
    assert (len(paths), len({path.suffix for path in paths})) == (20, 6)
    out = tmp_path / "out"
    done = CliRunner().invoke(make_app(), ["watermark", str(tmp_path / "in"), "-o", str(out)])
    assert done.exit_code == 0, done.output
    jobs = by_job(client, paths)
    cleaner = cleanplate.Cleaner("watermark")
    for path in paths:
        given = path.read_bytes()
        expected = (out / path.name).read_bytes()
        assert expected != given, path.name
        result = cleaner(path)
        result.save(tmp_path / "saved" / path.name)
        others = {
            "library, a path": (tmp_path / "saved" / path.name).read_bytes(),
            "library, bytes": cleaner(given).picture,
            "request": client.post("/v1/watermark", content=given).content,
            "job": jobs[path.name],
        }
        for door, content in others.items():
            assert content == expected, f"{path.name} by {door}"
