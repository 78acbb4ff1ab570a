"""The verb: what it refuses before it listens."""

from __future__ import annotations

import socket
import sys

import pytest
from typer.testing import CliRunner, Result

from cleanplate.cli import make_app


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(make_app(), ["serve", *arguments], env=environment)


def test_another_address_without_a_token_is_wrong_usage() -> None:
    result = run("--host", "0.0.0.0")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1 and "--token" in result.stderr


def test_a_token_of_the_environment_is_checked_too() -> None:
    result = run("--host", "0.0.0.0", CLEANPLATE_TOKEN="short")
    assert result.exit_code == 2
    assert result.stderr == "A --token has 16 characters at least.\n"


def test_a_device_that_is_not_there_is_wrong_usage() -> None:
    assert run("--device", "abacus").exit_code == 2


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = run("--port", str(port))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"127.0.0.1:{port} cannot be listened on: ")


def test_a_host_that_is_none_is_named() -> None:
    result = run("--host", "nowhere.invalid", "--token", "a" * 16)
    assert result.exit_code == 1
    assert result.stderr.startswith("nowhere.invalid:8000 is no address: ")


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "cleanplate.serve.running", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = run()
    assert result.exit_code == 1
    assert result.stderr == (
        "serve needs packages that are not installed (uvicorn): pip install 'cleanplate[serve]'.\n"
    )
