from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import Blot, draw
from starlette.testclient import TestClient

from cleanplate.serve.app import make_app
from cleanplate.serve.pool import Pool
from cleanplate.serve.settings import Settings
from cleanplate.serve.work import Answer, FileWork, Progress, Work
from cleanplate.serve.worker import carry_out

BASE = "http://127.0.0.1:8000"


class PoolHere(Pool):
    """Workers that are threads of the test's process, where the fake task is in the table."""

    async def start(self, folder: Path | None = None) -> None:
        pass

    async def close(self) -> None:
        pass

    async def run(
        self, work: Work | FileWork, told: Callable[[Progress], None] | None = None
    ) -> Answer:
        for said in await asyncio.to_thread(lambda: [*carry_out(work, self._settings)]):
            if isinstance(said, Answer):
                return said
            if told is not None:
                told(said)
        raise AssertionError("an answer is the last")


@pytest.fixture
def client_of(blot: type[Blot]) -> Iterator[Callable[..., TestClient]]:
    """Gives clients of servers with the fake task and some settings, whose workers are here."""
    with contextlib.ExitStack() as stack:

        def made(**settings: Any) -> TestClient:
            told = Settings(**settings)
            app = make_app(told, PoolHere(told))
            return stack.enter_context(TestClient(app, base_url=BASE))

        yield made


@pytest.fixture
def client(client_of: Callable[..., TestClient]) -> TestClient:
    """A client of a server with the fake task, whose workers are here."""
    return client_of(most_bytes=100_000)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go, to be looked at."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def picture(tmp_path: Path) -> bytes:
    return draw(tmp_path / "a.png").read_bytes()
