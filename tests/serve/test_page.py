"""The page: its files, and the way of a picture through it in a real browser."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
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
    """A server with the fake task."""
    with subprocess.Popen(
        [sys.executable, SERVER, "serve", "--port", "0"], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.terminate()


@pytest.mark.slow
def test_a_picture_is_cleaned_brushed_compared_and_saved(
    address: str, tmp_path: Path, blot: object
) -> None:
    browser_file = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_file is None:
        pytest.skip("no browser: neither chromium nor google-chrome is installed")
    playwright = pytest.importorskip("playwright.sync_api")
    source = draw(tmp_path / "a.png")
    arguments = ["watermark", str(source), "-o", str(tmp_path / "out"), "--mask-out"]
    assert CliRunner().invoke(make_app(), [*arguments, str(tmp_path / "masks")]).exit_code == 0
    asked, troubles = [], []
    sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_file, args=sandbox)
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(address)
        page.wait_for_selector("#task option", state="attached")
        page.set_input_files("#files", [source, draw(tmp_path / "b.tif")])
        page.wait_for_selector("#layer:not([hidden])")

        page.keyboard.press("c")
        page.wait_for_selector("#queue .done")
        for keys, place in (("s", "out"), ("#mask-save", "masks")):
            with page.expect_download() as download:
                page.click(keys) if keys.startswith("#") else page.keyboard.press(keys)
            assert download.value.suggested_filename == "a.png"
            saved = Path(download.value.path()).read_bytes()
            assert saved == (tmp_path / place / "a.png").read_bytes()

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
        browser.close()
    assert troubles == []
    assert {url for url in asked if not url.startswith((address, "blob:" + address[:-1]))} == set()
