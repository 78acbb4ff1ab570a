from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import Blot, draw
from starlette.testclient import TestClient

from cleanplate.serve.app import make_app
from cleanplate.serve.cleaning import answer
from cleanplate.serve.jobs import Answer, Job
from cleanplate.serve.pool import Pool
from cleanplate.serve.settings import Settings

BASE = "http://127.0.0.1:8000"


class PoolHere(Pool):
    """Workers that are threads of the test's process, where the fake task is in the table."""

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def run(self, job: Job) -> Answer:
        return await asyncio.to_thread(answer, job)


def client_of(**settings: Any) -> TestClient:
    told = Settings(**settings)
    return TestClient(make_app(told, PoolHere(told)), base_url=BASE)


@pytest.fixture
def client(blot: type[Blot]) -> Iterator[TestClient]:
    """A client of a server with the fake task, whose workers are here."""
    with client_of(most_bytes=100_000) as made:
        yield made


@pytest.fixture
def picture(tmp_path: Path) -> bytes:
    return draw(tmp_path / "a.png").read_bytes()
