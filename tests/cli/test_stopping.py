"""Real processes, really killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from commands import Start, commands
from fakes import draw, leftovers
from PIL import Image

SCRIPT = Path(__file__).parent / "run_fake.py"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are of POSIX")


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a run; what still runs after the test is killed."""
    with commands() as begin:
        yield partial(begin, SCRIPT, "watermark", OMP_NUM_THREADS="1")


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def lines(out: Path) -> list[dict[str, str]]:
    whole = (out / "manifest.jsonl").read_bytes().split(b"\n")[:-1]
    return [json.loads(line) for line in whole]


def wait_for_some(out: Path, number: int) -> None:
    """Wait until the run has begun and done so many pictures."""
    for _ in range(3000):
        if (out / "manifest.jsonl").exists():
            done = [line for line in lines(out) if line["status"] == "done"]
            if len(done) >= number:
                return
        time.sleep(0.01)
    raise AssertionError("the run never got that far")


@pytest.fixture
def many(tmp_path: Path) -> Path:
    for number in range(20):
        draw(tmp_path / "many" / f"{number:02}.png")
    return tmp_path / "many"


def assert_finished(many: Path, out: Path) -> None:
    assert [line["status"] for line in lines(out)] == ["done"] * len(list(many.iterdir()))
    for path in many.iterdir():
        assert Image.open(out / path.name).getpixel((20, 20)) == (128, 128, 128)
    assert leftovers(out) == []


def test_a_killed_run_leaves_whole_files_and_is_resumed(
    start: Start, many: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = start(many, "-o", out, BLOT_SECONDS="0.05")
    wait_for_some(out, 3)
    process.kill()
    assert finish(process)[0] == -signal.SIGKILL
    done = {line["source"] for line in lines(out) if line["status"] == "done"}
    assert 3 <= len(done) < 20
    times = {}
    for path in out.glob("*.png"):
        Image.open(path).load()
        times[path] = path.stat().st_mtime_ns
    assert len(times) in (len(done), len(done) + 1)
    assert finish(start(many, "-o", out, "--resume"))[0] == 0
    assert_finished(many, out)
    untouched = [path for path, moment in times.items() if path.stat().st_mtime_ns == moment]
    assert len(untouched) == len(done)


@pytest.mark.parametrize(
    "step",
    [
        "fsync:1:before",  # the first picture's mask is being written
        "fsync:2:after",  # so is its result
        "fsync:3:after",  # it is announced
        "replace:1:after",  # its mask is in place
        "replace:2:after",  # its result is in place
        "fsync:5:after",  # the disk has both
        "fsync:6:before",  # it is recorded, and the second's mask is being written
        "replace:5:before",  # the manifest is being closed
    ],
)
def test_a_kill_at_any_step_is_survived(start: Start, tmp_path: Path, step: str) -> None:
    sources, out, masks = tmp_path / "many", tmp_path / "out", tmp_path / "masks"
    for name in ("a.png", "b.png"):
        draw(sources / name)
    arguments = [sources, "-o", out, "--mask-out", masks, "--workers", "1"]
    assert finish(start(*arguments, BLOT_KILL=step))[0] == -signal.SIGKILL
    for path in [*out.glob("*.png"), *masks.glob("*.png")]:
        Image.open(path).load()
    assert finish(start(*arguments, "--resume"))[0] == 0
    assert_finished(sources, out)
    assert {path.name for path in masks.iterdir()} == {"a.png", "b.png"}


@pytest.mark.parametrize("options", [[], ["--preserve-times"]])
def test_in_place_nothing_is_cleaned_twice(
    start: Start, tmp_path: Path, options: list[str]
) -> None:
    """Killed between the rename and its record, a picture is known to be done.

    Of bitmaps, as their results have the same size, and the same times where that is asked for.
    """
    for name in ("a.bmp", "b.bmp"):
        draw(tmp_path / "many" / name)
    arguments = [tmp_path / "many", "-o", tmp_path / "many", "--overwrite", "--workers", "1"]
    arguments += options
    code, _ = finish(start(*arguments, BLOT_KILL="replace:1:after"))
    assert code == -signal.SIGKILL
    assert [line["status"] for line in lines(tmp_path / "many")] == ["writing"]
    assert finish(start(*arguments, "--resume")) == (0, "1 cleaned, 1 cleaned before.\n")
    assert [line["status"] for line in lines(tmp_path / "many")] == ["done", "done"]


def test_control_c_waits_for_no_picture(start: Start, many: Path, tmp_path: Path) -> None:
    process = start(many, "-o", tmp_path / "out", BLOT_SECONDS="100000")
    wait_for_some(tmp_path / "out", 0)
    process.send_signal(signal.SIGINT)
    code, errors = finish(process)
    assert (code, errors.partition(" of")[0]) == (130, "Interrupted: 0")
    assert (tmp_path / "out" / "manifest.jsonl").read_bytes() == b""


def test_control_c_says_so_and_leaves_a_manifest(start: Start, many: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(many, "-o", out, BLOT_SECONDS="0.1")
    wait_for_some(out, 2)
    process.send_signal(signal.SIGINT)
    code, errors = finish(process)
    assert code == 130
    assert errors.count("\n") == 1
    assert errors.startswith("Interrupted: ")
    assert "--resume" in errors
    assert {line["status"] for line in lines(out)} == {"done"}
    assert len(lines(out)) == len(list(out.glob("*.png"))) < 20
    assert leftovers(out) == []
    assert finish(start(many, "-o", out, "--resume"))[0] == 0
    assert_finished(many, out)


def test_a_terminal_gets_a_bar_and_no_lines(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        draw(tmp_path / "many" / name)
    terminal, its_end = os.openpty()
    process = subprocess.run(
        [sys.executable, SCRIPT, "watermark", tmp_path / "many", "-o", tmp_path / "out"],
        stdout=subprocess.PIPE,
        stderr=its_end,
        env={**os.environ, "TERM": "xterm"},
        check=True,
    )
    os.close(its_end)
    shown = os.read(terminal, 100_000).decode()
    os.close(terminal)
    assert process.stdout == b""
    assert "2/2" in shown
    assert "2 cleaned." in shown
