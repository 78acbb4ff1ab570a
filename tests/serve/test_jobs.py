"""Jobs: many files and documents in, progress, the same files as of the command line out."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pdf_makers
import picture_makers
import pytest
import tiff_makers
from fakes import draw
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient
from typer.testing import CliRunner

from cleanplate.cli import make_app
from cleanplate.serve.forms import Part, write_form
from cleanplate.serve.names import other_than, safe_name
from cleanplate.serve.refusals import RefusedError
from cleanplate.serve.spooling import FormReader

Clients = Callable[..., TestClient]
URL = "/v1/jobs?task=watermark"


def of(*paths: Path, below: Path | None = None) -> list[tuple[str, tuple[str, bytes]]]:
    """Files as parts of a form."""
    names = [path.name if below is None else path.relative_to(below).as_posix() for path in paths]
    return [("file", (name, path.read_bytes())) for name, path in zip(names, paths, strict=True)]


def ended(client: TestClient, begun: Any) -> dict[str, Any]:
    """What is told of a job when it has ended."""
    assert begun.status_code == 202, begun.text
    until = time.monotonic() + 30
    while (told := client.get(begun.headers["location"]).json())["state"] != "done":
        assert time.monotonic() < until
        time.sleep(0.02)
    return told  # type: ignore[no-any-return]


def by_command_line(source: Path, out: Path, *options: str, status: int = 0) -> Path:
    done = CliRunner().invoke(make_app(), ["watermark", str(source), "-o", str(out), *options])
    assert done.exit_code == status, done.output
    return out


def test_pictures_and_documents_come_back_as_of_the_command_line(
    client: TestClient, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    paths = [draw(folder / name) for name in ("a.png", "sub/a.jpg", "sub/b.webp")]
    paths.append(pdf_makers.scan(folder / "scan.pdf", pages=3, blots=[1, 3]))
    paths.append(tiff_makers.scan(folder / "fax.tif", pages=2, blots=[2]))
    paths.append(picture_makers.write(folder, "broken.png", b"nonsense"))
    out = by_command_line(folder, tmp_path / "out", status=1)
    begun = client.post(URL, files=of(*paths, below=folder))
    told = ended(client, begun)
    assert (told["files"], told["files_done"], told["files_failed"]) == (6, 5, 1)
    assert told["pages_done"] == 5 and told["expires_in"] > 3000
    files = {file["name"]: file for file in told["of_files"]}
    assert (files["scan.pdf"]["pages"], files["scan.pdf"]["report"]["edited"]) == (3, 2)
    assert files["a.png"]["filled"] == pytest.approx(256 / (64 * 48), abs=1e-6)
    assert "this is no picture" in files["broken.png"]["error"]
    result = client.get(begun.headers["location"] + "/result")
    assert result.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(result.content)) as zipped:
        assert zipped.testzip() is None
        held = {name: zipped.read(name) for name in zipped.namelist()}
    expected = {path.relative_to(folder).as_posix() for path in paths if path != paths[-1]}
    assert set(held) == expected
    for name, content in held.items():
        assert content == (out / name).read_bytes() != (folder / name).read_bytes()


def test_a_single_document_comes_back_by_itself(client: TestClient, tmp_path: Path) -> None:
    source = pdf_makers.scan(tmp_path / "scan ä.pdf", pages=3, blots=[1, 2])
    out = by_command_line(source, tmp_path / "out", "--pages", "2-3")
    begun = client.post(f"{URL}&pages=2-3", files=of(source))
    assert ended(client, begun)["of_files"][0]["pages"] == 2
    result = client.get(begun.headers["location"] + "/result")
    assert result.content == (out / source.name).read_bytes() != source.read_bytes()
    assert result.headers["content-type"] == "application/pdf"
    assert result.headers["content-disposition"].endswith("utf-8''scan%20%C3%A4.pdf")


def test_an_encrypted_pdf_is_opened_by_a_password_of_the_form(
    client: TestClient, tmp_path: Path
) -> None:
    import pikepdf

    lock = pikepdf.Encryption(user="open sesame", owner="owner")
    source = pdf_makers.scan(tmp_path / "secret.pdf", encryption=lock)
    shut = ended(client, client.post(URL, files=of(source)))
    assert "password" in shut["of_files"][0]["error"]
    word = [("password", ("", b"open sesame"))]
    opened = ended(client, client.post(URL, files=[*of(source), *word]))
    assert opened["of_files"][0]["report"] == {"pages": 1, "edited": 1}


def test_a_mask_is_for_every_file(client: TestClient, tmp_path: Path) -> None:
    mask = np.zeros((48, 64), np.uint8)
    mask[16:32, 16:32] = 255
    held = picture_makers.write(tmp_path, "mask.png", picture_makers.saved(mask, "PNG"))
    sources = [draw(tmp_path / "in" / "a.png"), draw(tmp_path / "in" / "b.png")]
    arguments = ["inpaint", tmp_path / "in", "-o", tmp_path / "out", "--mask", held]
    done = CliRunner().invoke(make_app(), [*map(str, arguments), "--kind", "page"])
    assert done.exit_code == 0
    form = [*of(*sources), ("mask", ("m.png", held.read_bytes()))]
    begun = client.post("/v1/jobs?task=inpaint&kind=page", files=form)
    ended(client, begun)
    result = client.get(begun.headers["location"] + "/result")
    with zipfile.ZipFile(io.BytesIO(result.content)) as zipped:
        for name in ("a.png", "b.png"):
            assert zipped.read(name) == (tmp_path / "out" / name).read_bytes()


def test_a_failure_names_no_path_of_the_server(
    client: TestClient, tmp_path: Path, scratch: Path
) -> None:
    form = [*of(draw(tmp_path / "a.png")), ("mask", ("m.png", b"nonsense"))]
    begun = client.post("/v1/jobs?task=inpaint", files=form)
    error = ended(client, begun)["of_files"][0]["error"]
    assert error.startswith("mask: this is no picture")
    result = client.get(begun.headers["location"] + "/result")
    assert (result.status_code, result.json()["error"]) == (422, error)


def test_a_job_that_is_deleted_is_gone(client_of: Clients, tmp_path: Path, scratch: Path) -> None:
    client = client_of()
    begun = client.post(URL, files=of(draw(tmp_path / "a.png")))
    ended(client, begun)
    kept = [path for path in scratch.rglob("*") if path.name == "a.png"]
    assert [path.parts[-3] for path in kept] == ["out"]  # the source is not needed any more
    place = begun.headers["location"]
    assert client.delete(place).status_code == 204
    assert not [path for path in scratch.rglob("*") if path.is_file() and path.name != "lock"]
    for asked in (client.get(place), client.get(place + "/result"), client.delete(place)):
        assert asked.status_code == 404


def test_a_job_is_forgotten_after_a_while_and_with_the_server(
    client_of: Clients, tmp_path: Path, scratch: Path
) -> None:
    client = client_of(keep=0.3)
    begun = client.post(URL, files=of(draw(tmp_path / "a.png")))
    ended(client, begun)
    time.sleep(0.5)
    assert client.get(begun.headers["location"]).status_code == 404
    assert not list(scratch.glob("*/jobs/*"))
    client = client_of()
    ended(client, client.post(URL, files=of(draw(tmp_path / "a.png"))))
    (folder,) = scratch.glob("*/jobs/*")
    client.__exit__()
    assert not folder.parents[1].exists()


def test_more_jobs_than_are_kept_are_told_when_to_come_again(
    client_of: Clients, tmp_path: Path
) -> None:
    client, files = client_of(jobs=1), of(draw(tmp_path / "a.png"))
    begun = client.post(URL, files=files)
    ended(client, begun)
    refused = client.post(URL, files=files)
    assert refused.status_code == 429
    assert 3000 < int(refused.headers["retry-after"]) <= 3600
    client.delete(begun.headers["location"])
    assert client.post(URL, files=files).status_code == 202


def test_bytes_are_bounded_of_a_file_of_a_job_and_of_all(
    client_of: Clients, tmp_path: Path, scratch: Path
) -> None:
    client = client_of(most_bytes=50_000, most_job_bytes=100_000)

    def sent(*sizes: int) -> Any:
        return client.post(URL, files=[("file", (f"{size}.png", bytes(size))) for size in sizes])

    assert sent(50_001).json()["error"] == "50001.png has more than 0.05 MB."
    assert sent(40_000, 40_000, 40_000).status_code == 413

    def pieces() -> Iterator[bytes]:
        for _ in range(101):
            yield bytes(1000)

    media = {"content-type": "multipart/form-data; boundary=x"}
    assert client.post(URL, content=pieces(), headers=media).status_code == 413
    assert not list(scratch.glob("*/jobs/*"))
    begun = client.post(URL, files=of(draw(tmp_path / "a.bmp"), draw(tmp_path / "b.bmp")))
    assert begun.status_code == 202  # results of 18 kB
    ended(client, begun)
    refused = sent(45_000, 40_000)
    assert refused.status_code == 429 and int(refused.headers["retry-after"]) > 0


def test_pages_are_bounded_before_they_are_looked_at(client_of: Clients, tmp_path: Path) -> None:
    client = client_of(most_pages=3)
    longer = pdf_makers.scan(tmp_path / "long.pdf", pages=4)
    told = ended(client, client.post(URL, files=of(longer)))
    assert told["of_files"][0]["error"].startswith("long.pdf: it has 4 pages")
    picture = draw(tmp_path / "a.png")
    assert client.post(URL, files=of(*[picture] * 4)).status_code == 413
    assert client.post(URL, files=of(*[picture] * 3)).status_code == 202


@pytest.mark.parametrize(
    ("url", "status", "said"),
    [
        ("/v1/jobs", 400, "Say which task"),
        ("/v1/jobs?task=nothing", 400, "no task 'nothing'"),
        (f"{URL}&threshold=2", 400, "a number from 0 to 1"),
        (f"{URL}&mark=/etc/passwd", 400, "no option 'mark' here"),
        (f"{URL}&return=mask", 400, "no option 'return' here"),
        ("/v1/jobs?task=cutout&pages=1", 400, "no option 'pages' here"),
        ("/v1/jobs?task=inpaint", 400, "works on what a mask names"),
    ],
)
def test_wrong_usage_is_refused_at_once(
    client: TestClient, tmp_path: Path, scratch: Path, url: str, status: int, said: str
) -> None:
    result = client.post(url, files=of(draw(tmp_path / "a.png")))
    assert (result.status_code, said in result.json()["error"]) == (status, True)
    assert not list(scratch.glob("*/jobs/*"))


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ([("picture", ("a.png", b"a"))], "parts called file"),
        ([("mask", ("a.png", b"a"))], "no part that is called file"),
        ([("mask", ("a.png", b"a")), ("mask", ("a.png", b"a"))], "once each"),
    ],
)
def test_other_forms_are_refused(client: TestClient, form: Any, said: str) -> None:
    result = client.post(URL, files=form)
    assert (result.status_code, said in result.json()["error"]) == (400, True)


def test_a_body_that_is_no_form_is_refused(client: TestClient, picture: bytes) -> None:
    assert client.post(URL, content=picture).status_code == 400
    media = {"content-type": "multipart/form-data; boundary=x"}
    cut = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nabc'
    result = client.post(URL, content=cut, headers=media)
    assert (result.status_code, result.json()["error"]) == (400, "The form is cut off.")


def test_metrics_tell_of_jobs(client: TestClient, tmp_path: Path) -> None:
    source = pdf_makers.scan(tmp_path / "a.pdf", pages=2)
    broken = picture_makers.write(tmp_path, "b.png", b"nonsense")
    ended(client, client.post(URL, files=of(source, broken)))
    client.post("/v1/jobs")
    lines = client.get("/metrics").text.splitlines()
    for line in (
        'requests_total{task="jobs",status="202"} 1',
        'requests_total{task="jobs",status="400"} 1',
        'job_files_total{state="done"} 1',
        'job_files_total{state="failed"} 1',
        "job_pages_total 2",
        "jobs 1",
        "jobs_in_hand 0",
    ):
        assert f"cleanplate_{line}" in lines
    types = [line for line in lines if line.startswith("# TYPE")]
    assert len(types) == len(set(types)) and not any("{" in line for line in types)


@pytest.mark.parametrize(
    ("given_name", "safe"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("C:\\Users\\x\\a.png", "C_/Users/x/a.png"),
        ("\0\n", "file-3"),
        ("nul.png", "_nul.png"),
        ("a:b?.png", "a_b_.png"),
        (".hidden. ", "hidden"),
        ("ä/日.png", "ä/日.png"),
        ("x" * 300 + ".png", "x" * 176 + ".png"),
    ],
)
def test_names_of_clients_are_made_harmless(given_name: str, safe: str) -> None:
    assert safe_name(given_name, 3) == safe


def test_no_two_results_have_one_name(client: TestClient, tmp_path: Path) -> None:
    paths = [draw(tmp_path / name) for name in ("a.png", "b/A.png", "c/a.png")]
    begun = client.post(URL, files=of(*paths))
    names = [file["name"] for file in ended(client, begun)["of_files"]]
    assert names == ["a.png", "A (2).png", "a (3).png"]
    result = client.get(begun.headers["location"] + "/result")
    assert zipfile.ZipFile(io.BytesIO(result.content)).namelist() == names
    assert other_than("a", {"b"}) == "a"


@given(st.binary(max_size=200), st.integers(1, 50))
def test_a_form_is_read_however_it_is_cut(content: bytes, step: int) -> None:
    body, media = write_form(
        [Part("file", 'a"b.png', "image/png", content), Part("mask", "", "", b"\r\n--")]
    )
    sinks: list[tuple[str, str, io.BytesIO]] = []

    class Kept(io.BytesIO):
        def close(self) -> None:
            pass

    def opened(name: str, file: str) -> Kept:
        sinks.append((name, file, Kept()))
        return sinks[-1][2]  # type: ignore[return-value]

    reader = FormReader(media, opened)
    with pytest.raises(RefusedError):
        reader.check_end()
    for at in range(0, len(body), step):
        reader.feed(body[at : at + step])
    reader.check_end()
    reader.feed(b"what comes after is nobody's")
    assert [sink.getvalue() for _, _, sink in sinks] == [content, b"\r\n--"]
    assert sinks[1][:2] == ("mask", "")
