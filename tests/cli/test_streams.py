"""Standard streams of every kind, under real processes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import draw
from PIL import Image

from cleanplate.cli import streams

SCRIPT = Path(__file__).parent / "run_fake.py"
FULL = Path("/dev/full")

posix = pytest.mark.skipif(sys.platform == "win32", reason="numbers of streams are of POSIX")
linux = pytest.mark.skipif(not FULL.exists(), reason="/dev/full is of Linux")


def run(
    *arguments: str | Path, closed: int | None = None, encoding: str = "utf-8", **options: Any
) -> subprocess.CompletedProcess[bytes]:
    """A run of the fake task; with `closed`, without that stream."""
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        preexec_fn=None if closed is None else lambda: os.close(closed),
        check=False,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_names_that_cannot_be_shown_are_escaped(tmp_path: Path, encoding: str) -> None:
    draw(tmp_path / "photos" / "\u00fc\u4e2d.png")
    (tmp_path / "photos" / "\u4e2d.png").write_bytes(b"no picture")
    done = run("watermark", tmp_path / "photos", "-o", tmp_path / "out", encoding=encoding)
    assert done.returncode == 1
    shown = "\u00fc\u4e2d.png".encode(encoding, "backslashreplace")
    assert shown + b" -> " in done.stdout
    assert "\u4e2d.png: this is no picture".encode(encoding, "backslashreplace") in done.stderr
    assert done.stderr.endswith(b"1 cleaned, 1 failed.\n")


@posix
def test_a_name_is_one_line_and_commands_no_terminal(tmp_path: Path) -> None:
    draw(tmp_path / "photos" / "a\nb\x1b[2J\u202e.png")
    done = run("watermark", tmp_path / "photos", "-o", tmp_path / "out")
    assert done.stdout.count(b"\n") == 1
    assert b"a\\nb\\x1b[2J\\u202e.png -> " in done.stdout


@pytest.fixture
def unread() -> Iterator[int]:
    """A pipe whose reader has seen enough, as `head` has after some lines."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


def test_a_reader_that_has_seen_enough_is_no_error(unread: int) -> None:
    done = run("models", "--json", stdout=unread)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_run_whose_reader_is_gone_says_how_to_go_on(
    photos: Path, tmp_path: Path, unread: int
) -> None:
    arguments = ["watermark", photos, "-o", tmp_path / "out", "--workers", "1"]
    done = run(*arguments, stdout=unread)
    assert done.returncode == 1
    assert done.stderr == (
        b"Standard output: nobody reads it any more: 1 of 3 cleaned; "
        b"the same command with --resume goes on.\n"
    )
    assert [line["status"] for line in lines(tmp_path / "out")] == ["done"]
    assert run(*arguments, "--resume").returncode == 0
    assert len(lines(tmp_path / "out")) == 3


@linux
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_full_standard_output_stops_a_run_that_can_be_resumed(
    photos: Path, tmp_path: Path, options: list[str]
) -> None:
    arguments = ["watermark", photos, "-o", tmp_path / "out", "--workers", "1", *options]
    with FULL.open("wb") as full:
        done = run(*arguments, stdout=full)
    assert done.returncode == 1
    assert done.stderr == (
        b"Standard output: No space left on device: 1 of 3 cleaned; "
        b"the same command with --resume goes on.\n"
    )
    assert [line["status"] for line in lines(tmp_path / "out")] == ["done"]
    assert run(*arguments, "--resume").returncode == 0


@linux
def test_a_picture_for_which_standard_output_has_no_room_is_told(tmp_path: Path) -> None:
    with draw(tmp_path / "a.png").open("rb") as picture, FULL.open("wb") as full:
        done = run("watermark", "-", stdin=picture, stdout=full)
    assert (done.returncode, done.stderr) == (1, b"Standard output: No space left on device.\n")


@linux
def test_where_standard_error_takes_nothing_pictures_are_cleaned(
    photos: Path, tmp_path: Path
) -> None:
    (photos / "bad.png").write_bytes(b"no picture")
    with FULL.open("wb") as full:
        done = run("watermark", photos, "-o", tmp_path / "out", stderr=full)
    assert done.returncode == 1
    assert done.stdout.count(b"\n") == 3


@posix
@pytest.mark.parametrize("number", [0, 1, 2])
def test_closed_streams_harm_nothing(photos: Path, tmp_path: Path, number: int) -> None:
    """Their numbers are not given to files, or libraries would print into these."""
    done = run("watermark", photos, "-o", tmp_path / "out", closed=number)
    assert done.returncode == 0
    assert [line["status"] for line in lines(tmp_path / "out")] == ["done"] * 3


@posix
def test_a_picture_is_not_lost_in_a_closed_stream(tmp_path: Path) -> None:
    with draw(tmp_path / "a.png").open("rb") as picture:
        done = run("watermark", "-", stdin=picture, closed=1)
    assert (done.returncode, done.stderr) == (1, b"Standard output: it is closed.\n")
    done = run("watermark", "-", closed=0)
    assert (done.returncode, done.stderr) == (2, b"Standard input is closed.\n")


def damaged() -> bytes:
    """A TIFF of which libtiff complains on standard error."""
    file = io.BytesIO()
    Image.new("RGB", (64, 48), (10, 20, 30)).save(file, "TIFF", compression="tiff_lzw")
    content = bytearray(file.getvalue())
    content[len(content) // 2 : len(content) // 2 + 30] = b"\xff" * 30
    return bytes(content)


@posix
def test_what_libraries_print_by_themselves_stays_out(tmp_path: Path) -> None:
    draw(tmp_path / "photos" / "a.png")
    (tmp_path / "photos" / "bad.tif").write_bytes(damaged())
    arguments = ["watermark", tmp_path / "photos", "-o", tmp_path / "out"]
    done = run(*arguments)
    assert done.stdout.startswith(bytes(tmp_path)) and done.stdout.count(b"\n") == 1
    told, end = done.stderr.splitlines()
    assert told.startswith(f"{tmp_path / 'photos' / 'bad.tif'}: this TIFF file is damaged".encode())
    assert end == b"1 cleaned, 1 failed."
    assert b"tempfile.tif" in run(*arguments, "--debug", "--overwrite").stderr


def test_a_stream_without_an_encoding_is_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stdout", written)
    streams.put("\u00fc")
    assert written.getvalue() == "\\xfc\n"


@linux
@pytest.mark.parametrize("arguments", [["--help"], ["watermark", "--help"], ["models", "--json"]])
def test_help_and_lists_say_that_standard_output_is_full(arguments: list[str]) -> None:
    with FULL.open("wb") as full:
        done = run(*arguments, stdout=full)
    words = b"Standard output: No space left on device.\n"
    assert (done.returncode, done.stderr) == (1, words)
