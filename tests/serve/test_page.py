"""The page: its files, and the way of a picture through it in a real browser."""

from __future__ import annotations

import http.client
import io
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pdf_makers
import pytest
import tiff_makers
from fakes import draw
from starlette.testclient import TestClient
from typer.testing import CliRunner

from cleanplate.cli import make_app

SERVER = Path(__file__).with_name("run_fake_server.py")
PAGE = Path(__file__).parents[2] / "src" / "cleanplate" / "serve" / "page"


def test_the_page_is_small_and_asks_nobody_else(client: TestClient) -> None:
    files = [path for path in PAGE.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 150_000
    for path in files:
        name = "/" if path.name == "index.html" else f"/{path.name}"
        given = client.get(name)
        assert given.content == path.read_bytes()
        foreign = given.text.replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in foreign and "https://" not in foreign
        assert "innerHTML" not in foreign  # names of files are shown as texts


@pytest.fixture
def address() -> Iterator[str]:
    """A server with the fake task; where its page is, with its token."""
    with subprocess.Popen(
        [sys.executable, SERVER, "serve", "--port", "0"], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.terminate()


@pytest.fixture
def page(address: str) -> Iterator[Any]:
    """The page in a browser, which asks nobody else and meets no error."""
    browser_file = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_file is None:
        pytest.skip("no browser: neither chromium nor google-chrome is installed")
    playwright = pytest.importorskip("playwright.sync_api")
    asked, troubles = [], []
    sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_file, args=sandbox)
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(address)
        page.wait_for_selector("#task option", state="attached")
        yield page
        browser.close()
    origin = address.partition("#")[0]
    assert troubles == []
    assert {url for url in asked if not url.startswith((origin, "blob:" + origin[:-1]))} == set()


def saved(page: Any, keys: str) -> tuple[str, bytes]:
    """The name and the bytes of what a button or a key saves."""
    with page.expect_download() as download:
        page.click(keys) if keys.startswith("#") else page.keyboard.press(keys)
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def by_command_line(source: Path, out: Path, *options: str) -> Path:
    arguments = ["watermark", str(source), "-o", str(out), *options]
    assert CliRunner().invoke(make_app(), arguments).exit_code == 0
    return out


@pytest.mark.slow
def test_a_picture_is_cleaned_brushed_compared_and_saved(
    page: Any, tmp_path: Path, blot: object
) -> None:
    source = draw(tmp_path / "a.png")
    masks = tmp_path / "masks"
    out = by_command_line(source, tmp_path / "out", "--mask-out", str(masks))
    page.set_input_files("#files", [source, draw(tmp_path / "b.tif")])
    page.wait_for_selector("#layer:not([hidden])")

    page.keyboard.press("c")
    page.wait_for_selector("#queue .done")
    for keys, place in (("s", out), ("#mask-save", masks)):
        assert saved(page, keys) == ("a.png", (place / "a.png").read_bytes())

    page.keyboard.press("b")
    page.focus("#stage")
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Space")
    assert page.inner_text("#whose") == "Your mask is used."
    page.keyboard.press("Control+z")
    assert page.inner_text("#whose") == "The task finds by itself."
    page.keyboard.press("Control+y")
    assert page.inner_text("#whose") == "Your mask is used."

    page.keyboard.press("h")
    before = page.input_value("#compare")
    page.keyboard.press(".")
    assert int(page.input_value("#compare")) == int(before) + 5

    page.keyboard.press("j")  # a TIFF, which the browser does not show
    page.wait_for_selector("#queue li:nth-child(2) button[aria-current=true]")
    page.wait_for_selector("#whose:text('The task finds by itself.')")
    page.keyboard.press("c")
    page.wait_for_selector("#queue .done:nth-child(2)")
    assert "a.png" not in page.inner_text("#status")


@pytest.mark.slow
def test_a_folder_with_documents_is_dropped_cleaned_and_saved_as_a_zip(
    page: Any, tmp_path: Path, blot: object
) -> None:
    folder = tmp_path / "in"
    paths = [draw(folder / "a.png"), draw(folder / "sub" / "a.jpg")]
    paths.append(pdf_makers.scan(folder / "sub" / "scan.pdf", pages=3, blots=[1, 3]))
    paths.append(tiff_makers.scan(folder / "fax.tif", pages=2, blots=[2]))
    out = by_command_line(folder, tmp_path / "out")
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden").mkdir()
    draw(folder / ".hidden" / "b.png")

    drop(page, folder)
    page.wait_for_selector("#queue li:nth-child(4)")
    page.wait_for_selector("#layer:not([hidden])")
    page.click("#clean-all")
    page.wait_for_selector("#status:text('4 of 4 cleaned.')")
    name, content = saved(page, "a")
    assert name == "cleanplate.zip"
    with zipfile.ZipFile(io.BytesIO(content)) as zipped:
        assert zipped.testzip() is None
        held = {one: zipped.read(one) for one in zipped.namelist()}
    assert set(held) == {f"in/{path.relative_to(folder).as_posix()}" for path in paths}
    for one, result in held.items():
        assert result == (out / Path(one).relative_to("in")).read_bytes()

    page.click("#queue li:has-text('scan.pdf') button")
    page.wait_for_selector("#report:has-text('3, 2 cleaned')")
    assert page.inner_text("#whose") == "Documents are cleaned without a mask of yours."
    assert page.is_visible("#after")  # its first page
    told = page.evaluate("fetch('metrics').then((answer) => answer.status)")
    assert told == 401  # who does not show the page's token


def drop(page: Any, path: Path) -> None:
    """Drop a file or folder onto the page, as a person does."""
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        event = {"type": kind, "x": 400, "y": 300, "data": data}
        session.send("Input.dispatchDragEvent", event)


def metrics(address: str) -> str:
    connection = http.client.HTTPConnection(address.split("/")[2], timeout=60)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return text


@pytest.mark.slow
def test_a_document_is_stopped_and_a_page_without_its_token_gets_nothing(
    address: str, page: Any, tmp_path: Path
) -> None:
    page.set_input_files("#files", [pdf_makers.scan(tmp_path / "a.pdf", pages=500, blots=[])])
    page.wait_for_selector("#layer:not([hidden])")
    page.keyboard.press("c")
    page.wait_for_selector("#status:has-text('of 500 pages')")
    assert page.is_disabled("#clean")
    page.click("#stop")
    page.wait_for_selector("#status:has-text('stopped')")
    assert page.is_hidden("#stop") and page.is_enabled("#clean")
    page.wait_for_selector("#queue li:has-text('not cleaned yet')")
    until = time.monotonic() + 30
    while "cleanplate_jobs 0\n" not in metrics(address):
        assert time.monotonic() < until
        time.sleep(0.2)

    page.evaluate("sessionStorage.clear()")
    page.goto(address.partition("#")[0])  # without its token
    page.wait_for_selector("#status:has-text('Open the page by the address')")
