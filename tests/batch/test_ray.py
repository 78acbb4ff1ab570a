"""Runs on a cluster of two Ray nodes, some of them killed."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_makers import contents, draw_album, manifest
from commands import Start, commands
from fakes import draw, leftovers
from PIL import Image

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="needs pip install 'cleanplate[ray]'"
    ),
]

SCRIPT = Path(__file__).parents[1] / "cli" / "run_fake.py"
ENGINE = ("--engine", "ray", "--address")
HEAD = {"num_cpus": 1, "include_dashboard": False, "no_monitor": True, "include_log_monitor": False}
DEADLY = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from fakes import Blot, stand_in
from cleanplate.cli import main

class Deadly(Blot):
    def clean(self, picture, **given):
        if "deadly" in picture.name:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().clean(picture, **given)

stand_in(Deadly)
main()
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster of two Ray nodes with a CPU each, on this machine."""
    # The nodes' workers are to find the fake task.
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(SCRIPT.parents[1]), os.environ.get("PYTHONPATH", "")]
    )
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args=HEAD)
    cluster.add_node(num_cpus=1, include_log_monitor=False)
    yield cluster.address
    cluster.shutdown()


@pytest.fixture
def album(tmp_path: Path) -> Path:
    return draw_album(tmp_path / "album")


@pytest.fixture
def start(address: str, tmp_path: Path) -> Iterator[Start]:
    """Start a run on the cluster; what still runs after the test is killed."""
    with commands() as begin:

        def run(*arguments: str | Path, script: Path = SCRIPT, **variables: str) -> Any:
            given = ("watermark", *arguments, *ENGINE, address)
            return begin(script, *given, cwd=tmp_path, **variables)

        yield run


def finish(process: Any) -> tuple[int, str, str]:
    out, errors = process.communicate(timeout=600)
    return process.returncode, out, errors


def wait_for_some(out: Path, number: int) -> None:
    for _ in range(3000):
        if (out / "manifest.jsonl").exists():
            text = (out / "manifest.jsonl").read_text()
            if text.count('"status": "done"') >= number:
                return
        time.sleep(0.1)
    raise AssertionError("the run never got that far")


def test_two_nodes_write_the_bytes_of_a_local_run(start: Any, album: Path, tmp_path: Path) -> None:
    local = subprocess.run(
        [sys.executable, SCRIPT, "watermark", "album", "-o", "local"], cwd=tmp_path
    )
    assert local.returncode == 1
    code, told, errors = finish(start("album", "-o", "ray", "--mask-out", "masks"))
    assert code == 1
    assert errors.splitlines()[-1] == "20 cleaned, 1 failed."
    assert all(line.startswith(("note: album/", "album/bad")) for line in errors.splitlines()[:-1])
    assert len(told.splitlines()) == 20
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
    assert len(contents(tmp_path / "masks")) == 20
    lines = [
        {**manifest(tmp_path / name)[f"{n:02}.png"], "seconds": 0, "mask": 0}
        for n in (0, 6, 12, 18)
        for name in ("local", "ray")
    ]
    assert lines[::2] == lines[1::2]


def test_an_actor_that_is_killed_costs_its_picture_alone(
    start: Any, album: Path, tmp_path: Path
) -> None:
    draw(album / "deadly.png")
    (tmp_path / "deadly.py").write_text(DEADLY.format(tests=str(SCRIPT.parents[1])))
    code, told, errors = finish(
        start("album", "-o", "out", "--json", script=tmp_path / "deadly.py")
    )
    assert code == 1
    assert "deadly.png: its process died 3 times" in errors
    assert errors.splitlines()[-1] == "20 cleaned, 2 failed."
    assert {json.loads(line)["status"] for line in told.splitlines()} == {"done", "failed"}
    states = Counter(line["status"] for line in manifest(tmp_path / "out").values())
    assert states == {"done": 20, "failed": 2}
    assert leftovers(tmp_path / "out") == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_driver_that_is_stopped_leaves_whole_files_and_is_resumed(
    start: Any, album: Path, tmp_path: Path, how: signal.Signals
) -> None:
    out = tmp_path / "out"
    process = start("album", "-o", "out", BLOT_SECONDS="0.5")
    wait_for_some(out, 3)
    process.send_signal(how)
    code, _, errors = finish(process)
    assert code == (-how if how == signal.SIGKILL else 130)
    assert how == signal.SIGKILL or errors.splitlines()[-1].startswith("Interrupted: ")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.*") if path.suffix != ".jsonl"}
    for path in before:
        if not path.name.startswith("."):
            Image.open(path).load()
    done = (out / "manifest.jsonl").read_text().count('"status": "done"')
    assert 3 <= done < 20
    code, _, errors = finish(start("album", "-o", "out", "--resume"))
    assert (code, errors.splitlines()[-1][:2]) == (1, f"{20 - done:<2}")
    states = Counter(line["status"] for line in manifest(out).values())
    assert states == {"done": 20, "failed": 1}
    assert leftovers(out) == []
    same = [path for path in before if path.exists() and path.stat().st_mtime_ns == before[path]]
    assert len(same) >= done
