"""Workers as real processes: killed at the deadline, when the client leaves, with the server."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pdf_makers
import picture_makers
import pytest
from fakes import draw, serve_blots

from cleanplate.serve.forms import Part, write_form
from cleanplate.serve.home import Home
from cleanplate.serve.keeping import Jobs
from cleanplate.serve.pool import Pool
from cleanplate.serve.refusals import RefusedError
from cleanplate.serve.settings import Settings
from cleanplate.serve.work import Answer, FileWork, Work

SERVER = Path(__file__).with_name("run_fake_server.py")

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals are of POSIX")


async def until_ready(pool: Pool) -> None:
    while not pool.ready:
        await asyncio.sleep(0.05)


def test_a_job_goes_to_a_process_and_pixels_are_checked_there(
    scratch: Path, tmp_path: Path
) -> None:
    good = draw(tmp_path / "a.png").read_bytes()
    large = picture_makers.saved(np.zeros((1000, 1001), np.uint8), "PNG")

    async def asked() -> list[Answer]:
        pool = Pool(Settings(most_pixels=1_000_000), serve_blots)
        await pool.start()
        try:
            return [await pool.run(Work(one, "watermark")) for one in (good, large)]
        finally:
            await pool.close()

    done, refused = asyncio.run(asked())
    assert (done.status, done.media) == (200, "image/png")
    assert refused.status == 413 and "limit of 1 megapixels" in refused.reason
    assert list(scratch.iterdir()) == []


def test_a_deadline_and_a_client_that_leaves_kill_the_work(
    scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = draw(tmp_path / "a.png").read_bytes()
    monkeypatch.setenv("BLOT_SECONDS", "60")

    async def asked() -> list[int]:
        pool = Pool(Settings(deadline=1.0), serve_blots)
        await pool.start()
        await until_ready(pool)
        statuses = []
        with pytest.raises(RefusedError) as caught:
            await pool.run(Work(picture, "watermark"))
        statuses.append(caught.value.status)
        with pytest.raises(RefusedError) as caught:  # the next worker is not there yet
            pool._settings = Settings(deadline=0.01)
            await pool.run(Work(picture, "watermark"))
        statuses.append(caught.value.status)
        pool._settings = Settings()
        await until_ready(pool)
        leaving = asyncio.ensure_future(pool.run(Work(picture, "watermark")))
        await asyncio.sleep(0.3)
        leaving.cancel()
        await asyncio.sleep(0.1)
        await until_ready(pool)  # a fresh one, though the work would have taken a minute
        statuses.append(pool.killed)
        await pool.close()
        return statuses

    assert asyncio.run(asyncio.wait_for(asked(), 60)) == [504, 503, 2]
    assert list(scratch.iterdir()) == []


@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_server_drains_and_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "scratch"
    folder.mkdir()
    picture = draw(tmp_path / "a.png").read_bytes()
    environment = {**os.environ, "TMPDIR": str(folder), "BLOT_SECONDS": "1"}
    with subprocess.Popen(
        [sys.executable, SERVER, "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    ) as server:
        assert server.stdout is not None and server.stderr is not None
        address = server.stdout.readline().strip().removeprefix("http://").split("/")[0]
        asking = subprocess.Popen(
            [sys.executable, "-c", _ASK, address, tmp_path / "a.png"],
            stdout=subprocess.PIPE,
        )
        _wait_for(lambda: _in_hand(address))
        assert _begin_job(address, picture) == 202
        assert _say_nonsense(address).endswith(b'{"error": "This is no request of HTTP/1.1."}')
        assert list(folder.glob("*/jobs/*/in/1/a.png"))
        server.send_signal(number)
        answer, _ = asking.communicate(timeout=60)
        status = server.wait(timeout=60)
        assert server.stderr.read() == "WARNING:  Invalid HTTP request received.\n"
    if number == signal.SIGKILL:
        assert answer == b""
    else:
        assert status == 0
        assert answer.startswith(b"\x89PNG") and answer != picture
    _wait_for(lambda: not list(folder.iterdir()))


_ASK = """
import http.client, sys
try:
    connection = http.client.HTTPConnection(sys.argv[1], timeout=60)
    connection.request("POST", "/v1/watermark", open(sys.argv[2], "rb").read())
    sys.stdout.buffer.write(connection.getresponse().read())
except OSError:
    pass
"""


def _in_hand(address: str) -> bool:
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return "cleanplate_pictures_in_hand 1" in text and "cleanplate_ready 1" in text


def _begin_job(address: str, picture: bytes) -> int:
    body, media = write_form([Part("file", "a.png", "image/png", picture)])
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request("POST", "/v1/jobs?task=watermark", body, {"Content-Type": media})
    status = connection.getresponse().status
    connection.close()
    return status


def _say_nonsense(address: str) -> bytes:
    name, _, port = address.partition(":")
    with socket.create_connection((name, int(port)), timeout=60) as connection:
        connection.sendall(b"hello?\r\n\r\n")
        with connection.makefile("rb") as answer:
            return answer.read()


def _wait_for(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_job_that_is_cancelled_ends_its_work(
    scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLOT_SECONDS", "60")
    source = pdf_makers.scan(tmp_path / "a.pdf", pages=2)

    async def asked() -> int:
        settings = Settings()
        pool = Pool(settings, serve_blots)
        jobs = Jobs(settings, pool)
        jobs.start(scratch / "jobs")
        await pool.start(scratch)
        job = jobs.begin(FileWork(Path(), Path(), "watermark"), 0)
        file = job.add("a.pdf")
        file.source.write_bytes(source.read_bytes())
        jobs.set_off(job)
        while file.pages is None:  # it is known when the document is open
            await asyncio.sleep(0.05)
        await jobs.remove(job.id)
        assert list((scratch / "jobs").iterdir()) == []
        await until_ready(pool)
        await pool.close()
        return pool.killed

    assert asyncio.run(asyncio.wait_for(asked(), 60)) == 1


def test_each_page_of_a_document_may_take_the_deadline(
    scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLOT_SECONDS", "3")
    source = pdf_makers.scan(tmp_path / "a.pdf", pages=6, blots=[2])

    async def asked() -> tuple[Answer, list[int]]:
        pool, told = Pool(Settings(deadline=15), serve_blots), []
        await pool.start(scratch)
        work = FileWork(source, tmp_path / "out", "watermark")
        try:
            await until_ready(pool)
            answer = await pool.run(work, lambda progress: told.append(progress.done))
        finally:
            await pool.close()
        return answer, told

    answer, told = asyncio.run(asked())
    assert (answer.status, told) == (200, [0, 1, 2, 3, 4, 5, 6])
    assert answer.report["report"] == {"pages": 6, "edited": 1}


@posix
def test_what_a_killed_server_left_goes_at_the_next_start(scratch: Path) -> None:
    killed, living = Home(), Home()
    (killed.folder / "jobs").mkdir()
    (scratch / "cleanplate-serve-other").mkdir()  # with no lock, it is none of ours
    os.close(killed._lock)  # as the system does when a process ends
    started = Home()
    assert not killed.folder.exists()
    assert living.folder.exists() and started.folder.exists()
    living.remove()
    started.remove()
    assert [path.name for path in scratch.iterdir()] == ["cleanplate-serve-other"]
