"""The API with the fake task: what comes back, and that it is what the command line gives."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import picture_makers
import pytest
from fakes import draw
from PIL import Image
from starlette.testclient import TestClient
from typer.testing import CliRunner

import cleanplate
from cleanplate import tasks
from cleanplate.cli import make_app
from cleanplate.serve.forms import read_form
from cleanplate.serve.queries import read_job_query


def opened(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp", ".bmp"])
def test_the_bytes_are_those_of_the_command_line(
    client: TestClient, tmp_path: Path, suffix: str
) -> None:
    source = draw(tmp_path / f"a{suffix}")
    arguments = ["watermark", source, "-o", tmp_path / "out", "--mask-out", tmp_path / "masks"]
    done = CliRunner().invoke(make_app(), [str(one) for one in arguments])
    assert done.exit_code == 0
    sent = source.read_bytes()
    result = client.post("/v1/watermark", content=sent)
    assert result.status_code == 200
    assert result.content == (tmp_path / "out" / source.name).read_bytes() != sent
    mask = client.post("/v1/watermark?return=mask", content=sent)
    assert mask.content == (tmp_path / "masks" / "a.png").read_bytes()
    assert mask.headers["content-type"] == "image/png"


def test_tasks_are_listed_without_options_that_name_files(client: TestClient) -> None:
    listed = {one["name"]: one for one in client.get("/v1").json()["tasks"]}
    assert [one["name"] for one in listed["watermark"]["options"]] == ["threshold", "opaque"]
    assert listed["inpaint"]["mask"] == "required"
    (background,) = (one for one in listed["cutout"]["options"] if one["name"] == "background")
    assert background["help"].endswith("No file can be named here.")


def test_a_report_tells_of_the_picture(client: TestClient, picture: bytes) -> None:
    report = client.post("/v1/watermark?return=report", content=picture).json()
    assert (report["width"], report["height"], report["suffix"]) == (64, 48, ".png")
    assert report["filled"] == pytest.approx(256 / (64 * 48), abs=1e-6)
    assert report["unchanged"] is False


def test_all_comes_as_one_form(client: TestClient, picture: bytes) -> None:
    result = client.post("/v1/watermark?return=all", content=picture)
    names = ("picture", "mask", "preview", "report")
    parts = read_form(result.content, result.headers["content-type"], names)
    assert set(parts) == {"picture", "mask", "report"}  # a PNG needs no preview
    assert parts["picture"] == client.post("/v1/watermark", content=picture).content
    assert opened(parts["mask"])[20, 20] == 255


def test_what_browsers_do_not_show_has_a_preview(client: TestClient, tmp_path: Path) -> None:
    tiff = draw(tmp_path / "a.tif").read_bytes()
    result = client.post("/v1/watermark?return=all", content=tiff)
    names = ("picture", "mask", "preview", "report")
    parts = read_form(result.content, result.headers["content-type"], names)
    assert np.array_equal(opened(parts["preview"]), opened(parts["picture"]))


def test_a_region_and_a_mask_to_protect_hold(client: TestClient, picture: bytes) -> None:
    outside = client.post("/v1/watermark?region=0,0,10,10", content=picture)
    assert outside.content == picture
    white = picture_makers.saved(np.full((48, 64), 255, np.uint8), "PNG")
    kept = client.post("/v1/watermark", files={"picture": picture, "protect": white})
    assert kept.content == picture


def test_a_mask_is_filled_in(client: TestClient, picture: bytes) -> None:
    mask = np.zeros((48, 64), np.uint8)
    mask[16:32, 16:32] = 255
    files = {"picture": picture, "mask": picture_makers.saved(mask, "PNG")}
    result = client.post("/v1/inpaint?kind=page", files=files)
    assert result.status_code == 200
    filled = cleanplate.clean(picture, "inpaint", mask=mask, kind="page").picture
    assert result.content == filled != picture


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/v1/nothing", 404, "no task 'nothing'"),
        ("/v1/watermark?return=zip", 400, "return must be one of"),
        ("/v1/watermark?threshold=2", 400, "a number from 0 to 1"),
        ("/v1/watermark?threshold=much", 400, "a number from 0 to 1"),
        ("/v1/watermark?threshold=0.1&threshold=0.2", 400, "given twice"),
        ("/v1/watermark?mark=/etc/passwd", 400, "no option 'mark' here"),
        ("/v1/watermark?locator=/etc/passwd", 400, "no option 'locator' here"),
        ("/v1/watermark?region=1,2", 400, "region"),
        ("/v1/watermark?strip_metadata=perhaps", 400, "true or false"),
        ("/v1/cutout?background=../secret.png", 400, "names no file here"),
        ("/v1/denoise?return=mask", 400, "has no mask"),
        ("/v1/inpaint", 400, "works on what a mask names"),
    ],
)
def test_wrong_usage_is_refused_in_a_sentence(
    client: TestClient, picture: bytes, path: str, status: int, said: str
) -> None:
    result = client.post(path, content=picture)
    assert result.status_code == status
    assert said in result.json()["error"]


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (b"", 400, "no picture"),
        (b"nonsense", 422, "no picture"),
        (b"%PDF-1.7\n", 415, "POST /v1/jobs"),
        (b"GIF89a", 415, "GIF"),
    ],
)
def test_what_is_no_picture_is_refused(
    client: TestClient, content: bytes, status: int, said: str
) -> None:
    result = client.post("/v1/watermark", content=content)
    assert result.status_code == status
    assert said in result.json()["error"]


def test_a_task_that_takes_no_mask_says_so(client: TestClient, picture: bytes) -> None:
    result = client.post("/v1/handwriting", files={"picture": picture, "mask": picture})
    assert (result.status_code, result.json()["error"]) == (
        400,
        "The task handwriting takes no mask.",
    )


def test_openapi_names_every_task_and_option_but_paths(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    for name in tasks.names():
        told = {one["name"] for one in paths[f"/v1/{name}"]["post"]["parameters"]}
        own = {option.name for option in tasks.info(name).options if option.kind != "path"}
        assert told == own | {"return", "region", "strip_metadata"}


def test_openapi_tells_of_jobs_what_they_take(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    begin = described["paths"]["/v1/jobs"]["post"]
    told = {one["name"] for one in begin["parameters"]}
    query = {"pages": "1", "break_signature": "0", "remove_repeated": "0"} | {
        "task": "watermark",
        "region": "0,0,8,8",
        "strip_metadata": "0",
    }
    assert read_job_query(query.items()).task == "watermark" and told == set(query)
    assert set(described["paths"]["/v1/jobs/{id}"]) == {"parameters", "get", "delete"}
    assert "/v1/jobs/{id}/result" in described["paths"]


def test_a_path_with_a_slash_too_many_is_not_there(client: TestClient, picture: bytes) -> None:
    result = client.post("/v1/watermark/", content=picture, follow_redirects=False)
    assert result.status_code == 404


def test_metrics_count_by_task_and_status(client: TestClient, picture: bytes) -> None:
    client.post("/v1/watermark", content=picture)
    client.post("/v1/watermark", content=b"nonsense")
    lines = client.get("/metrics").text.splitlines()
    assert 'cleanplate_requests_total{task="watermark",status="200"} 1' in lines
    assert 'cleanplate_requests_total{task="watermark",status="422"} 1' in lines
    assert "cleanplate_pictures_in_hand 0" in lines
