"""What can be checked of the container without building it."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cleanplate.cli import make_app

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def name_of(requirement: str) -> str:
    return re.split(r"[<>=!~;\s\[]", requirement, maxsplit=1)[0].lower()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="reads TOML")
def test_what_is_installed_is_pinned() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = {name_of(line) for line in (ROOT / "requirements-test.txt").read_text().splitlines()}
    found = re.search(r"--constraint requirements-test\.txt '\.\[(.*?)\]'", DOCKERFILE)
    assert found is not None
    extras = found[1].split(",")
    assert {"serve", "pdf"} <= set(extras)
    wanted = project["dependencies"] + [
        one for extra in extras for one in project["optional-dependencies"][extra]
    ]
    assert {name_of(one) for one in wanted} <= pins


def test_all_that_is_copied_is_there_and_not_ignored() -> None:
    copied = re.search(r"^COPY (.*) \./$", DOCKERFILE, re.MULTILINE)
    assert copied is not None
    kept = (ROOT / ".dockerignore").read_text().splitlines()
    for name in (*copied[1].split(), "src"):
        assert (ROOT / name).exists() and f"!{name}" in kept


def test_its_command_is_taken_and_ends_without_a_token() -> None:
    said = re.search(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)
    assert said is not None
    done = CliRunner().invoke(make_app(), json.loads(said[1]), env={"CLEANPLATE_TOKEN": ""})
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1 and "--token" in done.stderr


def test_it_is_nobody_who_may_write_only_temporary_files() -> None:
    yaml = pytest.importorskip("yaml")
    user = re.search(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)
    assert user is not None and "0" not in user.groups()
    service = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["cleanplate"]
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert [place.split(":")[0] for place in service["tmpfs"]] == ["/tmp"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["environment"]["CLEANPLATE_TOKEN"].startswith("${CLEANPLATE_TOKEN:?")
